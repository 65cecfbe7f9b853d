"""
Gates: requests that wait for each other, or for the test.

A gate knows who waits at it and when it opens. How to wait is the engine's business: it hands in a
callback that is called once, from whichever thread opens the gate.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from api_simulator._core import real_time
from api_simulator.errors import RouteError, WaitTimeoutError


class Gate:
    """
    Holds requests until it is opened.

    Args:
        open_at: Open by itself when so many requests wait at the same time, and close again behind
            them; None waits for :meth:`release`.

        name: What errors call it.
    """

    def __init__(self, open_at: int | None = None, *, name: str = "gate") -> None:
        if open_at is not None and (isinstance(open_at, bool) or not isinstance(open_at, int) or open_at < 1):
            raise RouteError(f"hold_until: expected a whole number of requests, 1 or more, got {open_at!r}")
        self.open_at = open_at
        self.name = name
        self._changed = threading.Condition()
        self._waiting: dict[int, Callable[[], None]] = {}
        self._next_key = 0
        self._permits: float = 0

    @property
    def waiting(self) -> int:
        """How many requests wait at it now."""
        with self._changed:
            return len(self._waiting)

    def enter(self, opened: Callable[[], None]) -> int | None:
        """
        Wait at the gate: *opened* is called once, from any thread, when it opens.

        Returns:
            A key for :meth:`leave`, or None if the way is free and *opened* will not be called.
        """
        with self._changed:
            if self._permits > 0:
                self._permits -= 1
                return None
            self._next_key += 1
            self._waiting[self._next_key] = opened
            self._changed.notify_all()
            if self.open_at is not None and len(self._waiting) >= self.open_at:
                self._let_through(len(self._waiting))
            return self._next_key

    def leave(self, key: int) -> None:
        """Stop waiting: the client has gone away."""
        with self._changed:
            self._waiting.pop(key, None)

    def release(self, n: int | None = None) -> None:
        """
        Let requests through.

        Args:
            n: So many: those that wait, longest first, then those to come. None opens the gate for good.
        """
        if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 1):
            raise RouteError(f"release: expected a whole number of requests, 1 or more, got {n!r}")
        with self._changed:
            through = len(self._waiting) if n is None else min(n, len(self._waiting))
            self._permits = float("inf") if n is None else self._permits + n - through
            self._let_through(through)

    def _let_through(self, count: int) -> None:
        for key in list(self._waiting)[:count]:
            self._waiting.pop(key)()

    def wait_for(self, n: int, timeout_s: float = 5.0) -> None:
        """
        Block until *n* requests wait at the gate.

        Raises:
            WaitTimeoutError: If fewer came within *timeout_s* seconds.
        """
        deadline = real_time.monotonic_s() + timeout_s
        with self._changed:
            while len(self._waiting) < n:
                left = deadline - real_time.monotonic_s()
                if left <= 0:
                    raise WaitTimeoutError(
                        f"{self.name}: waited {timeout_s:g} s for {n} requests at the gate, {len(self._waiting)} came"
                    )
                self._changed.wait(left)
