"""
trio: its own MockClock, reading this clock, in the place of the one that a run takes by default.

trio calls its clock when nothing is left to do (``_autojump``); what happens then is decided here, as
it is for asyncio where its loop waits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from typing import Any

from api_simulator._core import real_time
from api_simulator.errors import VirtualTimeError
from api_simulator.virtual_time import _reach
from api_simulator.virtual_time._clock import GRACE_S, SLICE_S, VirtualClock, still_at_work
from api_simulator.virtual_time._names import loaded_module

#: The task that waits for other threads' calls: trio's own, in every run.
_OWN_WAITS = 1


def put_in() -> None:
    """
    Replace the default clock of trio's runs.

    Raises:
        VirtualTimeError: If this version of trio has another way to make it.
    """
    runs = loaded_module("trio._core._run")
    if runs is None:
        return
    testing = loaded_module("trio.testing")
    if not hasattr(runs, "SystemClock") or not hasattr(testing.MockClock, "_autojump"):
        version = loaded_module("trio").__version__
        raise VirtualTimeError(f"trio {version} makes its clock in a way that is not known here; install another trio")
    original = runs.SystemClock

    def default_clock() -> Any:
        clock = _reach.owned()
        return original() if clock is None else _mock_clock(clock, testing.MockClock)

    _reach.replace(runs, "SystemClock", default_clock)
    trio = loaded_module("trio")
    _reach.replace(trio, "run", _running(trio.run))


def _running(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def run(*arguments: Any, **options: Any) -> Any:
        clock = _reach.owned()
        try:
            return original(*arguments, **options)
        finally:
            if clock is not None and clock.failure is not None:
                # In place of the cancellation that it was ended by.
                raise VirtualTimeError(clock.failure) from None

    return run


def _mock_clock(clock: VirtualClock, kind: Any) -> Any:
    made = kind(autojump_threshold=0)
    # The base it was made with is real; set by ``rate`` again, which reads it.
    made._real_clock = lambda: clock.reading_s()
    made.rate = 1.0
    waiting = _Waiting(clock)
    made._autojump = waiting.jump
    return made


class _Waiting:
    """How long a run has waited for something besides its timers."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._deadline_s: float | None = None

    def jump(self) -> None:
        """Nothing is ready: let the time pass, or end the run if that cannot be."""
        trio = loaded_module("trio")
        try:
            self._pass(trio)
        except VirtualTimeError:
            # Raised here it would be a bug of trio's, which drops all tasks as they are. The root's innermost
            # nursery holds the main task and nothing else.
            trio.lowlevel.current_root_task().child_nurseries[-1].cancel_scope.cancel()

    def _pass(self, trio: Any) -> None:
        """Go to the next deadline, unless something works or a socket is waited for."""
        clock = self._clock
        statistics = trio.lowlevel.current_statistics()
        step_s = statistics.seconds_to_next_deadline
        works = clock.at_work() or _in_threads(trio)
        if not works and not _waits_for_io(statistics.io_statistics):
            self._deadline_s = None
            if 0 < step_s < math.inf:
                clock.idle(step_s)
                return
        elif step_s < math.inf:
            self._deadline_s = self._deadline_s or real_time.monotonic_s() + GRACE_S
            if real_time.monotonic_s() > self._deadline_s:
                raise clock.fail(still_at_work(works) if works else _UNSEEN)
        with clock.seen():
            real_time.sleep(SLICE_S / 10)


_UNSEEN = (
    f"a task of trio waits for a socket or pipe, and nothing came for {GRACE_S:g} s of real time; the clock cannot "
    "tell when something will. Use the in-process transport"
)


def _in_threads(trio: Any) -> str | None:
    borrowed = trio.to_thread.current_default_thread_limiter().borrowed_tokens
    return "a function on a worker thread of trio" if borrowed else None


def _waits_for_io(statistics: Any) -> bool:
    # epoll counts by direction, kqueue and Windows' poll together.
    names = ("tasks_waiting_read", "tasks_waiting_write", "tasks_waiting")
    return sum(getattr(statistics, name, 0) for name in names) > _OWN_WAITS
