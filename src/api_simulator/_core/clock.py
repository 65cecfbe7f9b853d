"""
Where time comes from: one reading that requests and program runs of other processes share.

The core never sleeps. It only stamps what it sees, and takes the clock as an argument so that
another one can be put in its place.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A source of time stamps."""

    def now_ns(self) -> int:
        """Return nanoseconds that never go backwards, counted from an arbitrary start."""
        ...

    def epoch_s(self, monotonic_ns: int) -> float:
        """Return a stamp of :meth:`now_ns` as seconds since 1970."""
        ...


class SystemClock:
    """
    The machine's clock.

    ``CLOCK_MONOTONIC`` counts from the same start in every process of a machine, so that the stamps
    which a fake program writes can be put in order with those of requests.
    """

    def __init__(self) -> None:
        # One offset for the whole life: two stamps keep their distance when somebody sets the wall clock.
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    # Bound once: a method around it would cost a call for every request.
    now_ns = staticmethod(time.monotonic_ns)

    def epoch_s(self, monotonic_ns: int) -> float:
        """Return a stamp of :meth:`now_ns` as seconds since 1970."""
        return (monotonic_ns + self._offset_ns) / 1e9


SYSTEM_CLOCK = SystemClock()
