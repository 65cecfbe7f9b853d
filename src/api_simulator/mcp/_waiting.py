"""
Do something that blocks beside an event loop, asyncio's or trio's: the only place here that knows anyio.
"""

from __future__ import annotations

from collections.abc import Callable


async def in_thread(function: Callable[[], object]) -> None:
    """Call *function* on a worker thread; a cancellation is heard when it has returned, never in the middle."""
    import anyio

    with anyio.CancelScope(shield=True):
        await anyio.to_thread.run_sync(function)
