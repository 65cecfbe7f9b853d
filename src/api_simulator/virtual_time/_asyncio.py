"""
asyncio: a loop that has nothing to do but wait for its next timer gets there at once.

By the selector's ``select``, the one place where every loop of asyncio's own waits; the loop reads the
time through ``time.monotonic``. A loop that is none of asyncio's waits where nobody sees it, so uvloop's is refused.
"""

from __future__ import annotations

import selectors
import sys
from asyncio.base_events import BaseEventLoop
from collections.abc import Callable
from functools import wraps
from typing import Any

from api_simulator._core import real_time
from api_simulator.virtual_time import _reach
from api_simulator.virtual_time._clock import GRACE_S, SLICE_S, VirtualClock, still_at_work
from api_simulator.virtual_time._names import loaded_module

_Ready = list[tuple[selectors.SelectorKey, int]]


def put_in() -> None:
    """Replace where loops wait, and see where they give work away."""
    selector = selectors.DefaultSelector
    _reach.replace(selector, "select", _selecting(selector.select))
    _reach.replace(BaseEventLoop, "run_in_executor", _in_executor(BaseEventLoop.run_in_executor))
    # It gives its threads five minutes, from Python 3.12 on, and its caller has not asked for them.
    shutdown = _at_work(BaseEventLoop.shutdown_default_executor, lambda *_: "the end of the loop's executor")
    _reach.replace(BaseEventLoop, "shutdown_default_executor", shutdown)
    backend = loaded_module("anyio._backends._asyncio")
    if hasattr(backend, "AsyncIOBackend"):
        in_thread = backend.AsyncIOBackend.run_sync_in_worker_thread
        _reach.replace(
            backend.AsyncIOBackend, "run_sync_in_worker_thread", staticmethod(_at_work(in_thread, _on_worker_thread))
        )

    uvloop = loaded_module("uvloop")
    if uvloop is not None:
        # The one method that runs it, which the others call.
        _reach.replace(uvloop.Loop, "run_forever", _refusing(uvloop.Loop.run_forever))


def _refusing(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def run_forever(self: Any) -> Any:
        clock = _reach.owned()
        # Once it has failed, so has the test: what is left on the loop may be cancelled.
        if clock is not None and clock.failure is None:
            raise clock.fail(
                "uvloop waits by its own clock, which virtual time cannot move; run the test on asyncio's own loop"
            )
        return original(self)

    return run_forever


def _selecting(original: Callable[..., _Ready]) -> Callable[..., _Ready]:
    @wraps(original)
    def select(self: selectors.BaseSelector, timeout: float | None = None) -> _Ready:
        clock = _reach.owned()
        # Others than loops wait for what they have registered, and not for a time.
        if clock is None or sys._getframe(1).f_globals.get("__name__") != "asyncio.base_events":
            return original(self, timeout)

        def ready(seconds: float | None) -> _Ready:
            return original(self, seconds)

        return _wait(clock, self, ready, timeout)

    return select


def _wait(
    clock: VirtualClock,
    selector: selectors.BaseSelector,
    ready: Callable[[float | None], _Ready],
    timeout: float | None,
) -> _Ready:
    found = ready(0)
    if found or (timeout is not None and timeout <= 0):
        return found
    if timeout is None:
        # No timer: another thread or a descriptor wakes it, or nobody ever.
        with clock.seen():
            return ready(None)
    deadline_s = real_time.monotonic_s() + GRACE_S
    while (what := clock.at_work()) or (descriptor := _foreign_descriptor(selector)) is not None:
        with clock.seen():
            found = ready(SLICE_S)
        if found:
            return found
        if real_time.monotonic_s() > deadline_s:
            raise clock.fail(still_at_work(what) if what else _unseen_descriptor(descriptor))
    found = ready(0)
    if not found:
        clock.idle(timeout)
    return found


def _foreign_descriptor(selector: selectors.BaseSelector) -> int | None:
    """Return a descriptor that the loop waits for, besides the pipe to itself."""
    return next((key.fd for key in selector.get_map().values() if not _wakes_loop(key.data)), None)


def _wakes_loop(data: Any) -> bool:
    # What asyncio registers: a pair of handles, the reader's and the writer's.
    handle = data[0] if isinstance(data, tuple) and data else None
    return getattr(getattr(handle, "_callback", None), "__name__", "") == "_read_from_self"


def _unseen_descriptor(descriptor: int | None) -> str:
    return (
        f"the loop waits for descriptor {descriptor} (a socket or pipe), and nothing came for {GRACE_S:g} s of real "
        "time; the clock cannot tell when something will. Use the in-process transport, or close what is idle"
    )


def _in_executor(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def run_in_executor(self: BaseEventLoop, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        future = original(self, executor, func, *args)
        clock = _reach.owned()
        if clock is not None:
            clock.begin_work(future, f"{getattr(func, '__qualname__', func)!s} on a thread of the loop's executor")
            # The loop's future, not the executor's: the loop itself takes note of its end.
            future.add_done_callback(clock.end_work)
        return future

    return run_in_executor


def _on_worker_thread(func: Callable[..., Any], *_: Any) -> str:
    return f"{getattr(func, '__qualname__', func)!s} on a worker thread"


def _at_work(original: Callable[..., Any], what: Callable[..., str]) -> Callable[..., Any]:
    """Let no time pass while a coroutine function of the loop's waits for a thread."""

    @wraps(original)
    async def waiting(*arguments: Any, **options: Any) -> Any:
        clock = _reach.owned()
        if clock is None:
            return await original(*arguments, **options)
        key = object()
        clock.begin_work(key, what(*arguments))
        try:
            return await original(*arguments, **options)
        finally:
            clock.end_work(key)

    return waiting
