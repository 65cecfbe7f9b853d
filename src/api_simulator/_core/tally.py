"""
How often a route was called, and which of its answers is next.

Counted where requests are answered: by the core, or by an engine that answers plain ones without it.
"""

from __future__ import annotations

from typing import Protocol


class Tally(Protocol):
    """The counters of one route."""

    @property
    def calls(self) -> int:
        """How many requests it answered."""
        ...

    @property
    def position(self) -> int:
        """How many of its answers were used: the place of the next one."""
        ...

    def count_call(self) -> int:
        """Count a request and return its number, from 1."""
        ...

    def take_answer(self) -> int:
        """Use up an answer and return its place, from 0."""
        ...

    def take_turn(self) -> int:
        """Count a request and use up an answer, as nearly every request does; return its place, from 0."""
        ...


class LocalTally:
    """Counters of the core; used with the simulation's lock held."""

    __slots__ = ("calls", "position")

    def __init__(self, calls: int = 0, position: int = 0) -> None:
        self.calls = calls
        self.position = position

    def count_call(self) -> int:
        """Count a request and return its number, from 1."""
        self.calls += 1
        return self.calls

    def take_answer(self) -> int:
        """Use up an answer and return its place, from 0."""
        self.position += 1
        return self.position - 1

    def take_turn(self) -> int:
        """Count a request and use up an answer; return its place, from 0."""
        self.calls += 1
        self.position += 1
        return self.position - 1
