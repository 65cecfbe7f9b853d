"""
Where the in-process engine waits: the only place of it that lets time pass.

A client's thread or task carries out its own exchange, so it is the client that waits: for a delay,
for its own timeout, for a gate, for the user's code. Another clock is put in by another sleeper.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio

from api_simulator._core.clock import Clock


class Bell:
    """Rung from any thread, heard by a thread that waits."""

    def __init__(self) -> None:
        self._rung = threading.Event()
        self.ring: Callable[[], None] = self._rung.set

    def silence(self) -> None:
        """Hear the next ring only."""
        self._rung.clear()

    def wait(self, seconds: float | None) -> None:
        """Block until it is rung, at most so long."""
        self._rung.wait(seconds)


class LoopBell:
    """Rung from any thread, heard by a task that waits, on asyncio or trio."""

    def __init__(self) -> None:
        self._rung = anyio.Event()
        self._call_soon = _call_soon_here()

    def ring(self) -> None:
        """Wake the task, if its loop still runs."""
        with suppress(RuntimeError):  # both loops raise one, or a kind of it, when they have ended
            self._call_soon(self._set)

    def _set(self) -> None:
        self._rung.set()

    def silence(self) -> None:
        """Hear the next ring only."""
        if self._rung.is_set():
            self._rung = anyio.Event()

    async def wait(self, seconds: float | None) -> None:
        """Wait until it is rung, at most so long."""
        with anyio.move_on_after(seconds):
            await self._rung.wait()


def _call_soon_here() -> Callable[[Callable[[], None]], Any]:
    """Return how other threads call a function on the loop that runs here."""
    # Only a program that uses trio has it imported, and only there is it asked.
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        call_soon: Callable[[Callable[[], None]], Any] = trio.lowlevel.current_trio_token().run_sync_soon
        return call_soon
    return asyncio.get_running_loop().call_soon_threadsafe


class Sleeper:
    """
    Waits by the machine's clock.

    Attributes:
        clock: What the moments are counted by.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def block(self, bell: Bell, until_ns: int | None) -> None:
        """Block until *bell* is rung, at most until that moment; a little early is no harm, the caller looks again."""
        bell.wait(self._seconds(until_ns))

    async def pause(self, bell: LoopBell, until_ns: int | None) -> None:
        """Wait as :meth:`block` does, without blocking the loop."""
        await bell.wait(self._seconds(until_ns))

    def _seconds(self, until_ns: int | None) -> float | None:
        return None if until_ns is None else max(0.0, (until_ns - self.clock.now_ns()) / 1e9)
