"""
Where time comes from: one reading that requests and program runs of other processes share.

The core never sleeps. It only stamps what it sees, and takes the clock as an argument so that
another one can be put in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from api_simulator._core import real_time

if TYPE_CHECKING:
    from concurrent.futures import Future


class Clock(Protocol):
    """A source of time stamps."""

    def now_ns(self) -> int:
        """Return nanoseconds that never go backwards, counted from an arbitrary start."""
        ...

    def epoch_s(self, monotonic_ns: int) -> float:
        """Return a stamp of :meth:`now_ns` as seconds since 1970."""
        ...

    def skip_to(self, until_ns: int) -> bool:
        """Be at that moment at once, if this clock can; False if the caller must wait for it."""
        ...

    def block(self, wait: Callable[[float | None], object], until_ns: int | None) -> None:
        """
        Let time pass until that moment (None: no moment is known), or until something happens.

        Args:
            wait: Really waits so many seconds at most, None for ever; true if it happened. It may end early.

            until_ns: By :meth:`now_ns`.
        """
        ...

    def admit_wait(self) -> None:
        """Refuse a task's wait that this clock would never end."""
        ...

    def works_on(self, job: Future[Any]) -> None:
        """Know of the user's code that runs on another thread: nothing is to be skipped meanwhile."""
        ...


class SystemClock:
    """
    The machine's clock.

    ``CLOCK_MONOTONIC`` counts from the same start in every process of a machine, so that the stamps
    which a fake program writes can be put in order with those of requests.
    """

    def __init__(self) -> None:
        # One offset for the whole life: two stamps keep their distance when somebody sets the wall clock.
        self._offset_ns = real_time.time_ns() - real_time.monotonic_ns()

    # Bound once: a method around it would cost a call for every request.
    now_ns = staticmethod(real_time.monotonic_ns)

    def epoch_s(self, monotonic_ns: int) -> float:
        """Return a stamp of :meth:`now_ns` as seconds since 1970."""
        return (monotonic_ns + self._offset_ns) / 1e9

    def skip_to(self, until_ns: int) -> bool:  # noqa: ARG002  # the protocol's
        """Skip nothing."""
        return False

    def block(self, wait: Callable[[float | None], object], until_ns: int | None) -> None:
        """Really wait."""
        wait(None if until_ns is None else max(0.0, (until_ns - self.now_ns()) / 1e9))

    def admit_wait(self) -> None:
        """Every wait ends by itself."""

    def works_on(self, job: Future[Any]) -> None:
        """Nothing is skipped anyway."""


SYSTEM_CLOCK = SystemClock()
_current: Clock = SYSTEM_CLOCK


def current_clock() -> Clock:
    """Return the clock of servers that are made now."""
    return _current


def put_in(clock: Clock) -> None:
    """Let *clock* be that of servers made from now on."""
    global _current  # one process has one present
    _current = clock
