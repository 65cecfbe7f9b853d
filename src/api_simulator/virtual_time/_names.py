"""
The functions of ``time``, and the sleep functions of the loops.
"""

from __future__ import annotations

import importlib
import math
import operator
import sys
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from api_simulator.virtual_time import _reach


def put_in() -> None:
    """Replace the names."""
    for name in ("monotonic", "perf_counter"):
        _reach.replace(time, name, _seconds(getattr(time, name)))
        _reach.replace(time, f"{name}_ns", _nanoseconds(getattr(time, f"{name}_ns")))
    _reach.replace(time, "sleep", _blocking(time.sleep))
    for module in ("asyncio", "anyio", "trio"):
        loaded = loaded_module(module)
        if loaded is not None:
            _reach.replace(loaded, "sleep", _recorded(loaded.sleep))


def loaded_module(name: str) -> Any:
    """Return a module that may not be installed, or None; imported now, for the test may import it later."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None


def _seconds(original: Callable[[], float]) -> Callable[[], float]:
    @wraps(original)
    def reading() -> float:
        clock = _reach.running()
        return original() if clock is None else clock.reading_s()

    return reading


def _nanoseconds(original: Callable[[], int]) -> Callable[[], int]:
    @wraps(original)
    def reading() -> int:
        clock = _reach.running()
        return original() if clock is None else clock.now_ns()

    return reading


def _blocking(original: Callable[[float], None]) -> Callable[[float], None]:
    @wraps(original)
    def sleep(seconds: float, /) -> None:
        clock = _reach.running()
        if clock is None:
            original(seconds)
            return
        # The real one takes no other numbers, and refuses those below nought and beyond all bounds in its own words.
        wanted_s = seconds if isinstance(seconds, float) else operator.index(seconds)
        if not 0 <= wanted_s < math.inf:
            original(wanted_s)
        clock.slept(wanted_s, sys._getframe(1))
        if _reach.owned() is None:
            original(wanted_s)
        else:
            clock.sleep(wanted_s)

    return sleep


def _recorded(original: Callable[..., Any]) -> Callable[..., Any]:
    """Only write down who asked: it is the loop that lets the time pass."""

    @wraps(original)
    async def sleep(seconds: float, *arguments: Any, **options: Any) -> Any:
        clock = _reach.running()
        if clock is not None:
            clock.slept(seconds, sys._getframe(1))
        return await original(seconds, *arguments, **options)

    return sleep
