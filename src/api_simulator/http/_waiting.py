"""
Blocking calls for callers on an event loop: asyncio and trio alike, through anyio.

The only module of this package that names anyio, imported when an async form is first used.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from api_simulator._core.journal import Journal
from api_simulator._core.messages import CapturedRequest

ResultT = TypeVar("ResultT")


async def in_thread(function: Callable[[], ResultT]) -> ResultT:
    """Call *function* on a worker thread, because it may block for some milliseconds."""
    return await anyio.to_thread.run_sync(function)


async def wait_for_requests(
    journal: Journal, count: int, *, timeout_s: float, method: str | None, path: str | None
) -> list[CapturedRequest]:
    """Wait as :meth:`Journal.wait` does; a cancelled wait leaves no thread behind."""
    cancelled = threading.Event()

    def wait() -> list[CapturedRequest]:
        return journal.wait(count, timeout_s=timeout_s, method=method, path=path, cancelled=cancelled.is_set)

    try:
        return await anyio.to_thread.run_sync(wait, abandon_on_cancel=True)
    finally:
        cancelled.set()
        journal.wake_waiters()
