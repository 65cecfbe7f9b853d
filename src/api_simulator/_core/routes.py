"""
Routes as the user said them: which requests, what answers, where that was written.

What became of a route on a server is in ``mounted``, the order among routes in ``table``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import field
from typing import Any, Literal, TypeAlias, get_args

from api_simulator._core.messages import CapturedRequest
from api_simulator._core.patterns import RequestPattern
from api_simulator._core.specs import ResponseSpec
from api_simulator._core.values import dataclass
from api_simulator.errors import RouteError

Responder: TypeAlias = Callable[[CapturedRequest], Any] | Callable[[CapturedRequest], Awaitable[Any]]
Answer: TypeAlias = ResponseSpec | Responder
SequenceEnd: TypeAlias = Literal["repeat", "cycle", "error"]


@dataclass(frozen=True, slots=True)
class Answers:
    """
    What successive requests get.

    Attributes:
        items: At least one.

        then: What comes when all are used up: ``repeat`` the last, ``cycle`` from the first, or ``error``.

        all_plain: Whether every item is the same bytes each time.
    """

    items: tuple[Answer, ...]
    then: SequenceEnd = "repeat"
    all_plain: bool = field(init=False, default=True, compare=False)

    def __post_init__(self) -> None:
        plain = all(isinstance(item, ResponseSpec) and item.is_plain for item in self.items)
        object.__setattr__(self, "all_plain", plain)
        if not self.items:
            raise RouteError("responses: an empty sequence answers nothing; give at least one ResponseSpec")
        if self.then not in get_args(SequenceEnd):
            raise RouteError(f"then: expected 'repeat', 'cycle' or 'error', got {self.then!r}")

    @property
    def uses_chance(self) -> bool:
        """Whether an item draws something by chance."""
        return any(isinstance(item, ResponseSpec) and item.uses_chance for item in self.items)

    def at(self, index: int) -> Answer | None:
        """Return the answer to the request number *index* (from 0), None when they are used up."""
        if index < len(self.items):
            return self.items[index]
        if self.then == "error":
            return None
        return self.items[index % len(self.items)] if self.then == "cycle" else self.items[-1]


@dataclass(frozen=True, slots=True)
class Route:
    """What the user registered: which requests, what answers, and where that was written."""

    pattern: RequestPattern
    answers: Answers
    source: str = ""
    priority: int = 0

    def __str__(self) -> str:
        return str(self.pattern)
