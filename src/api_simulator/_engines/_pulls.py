"""
Pieces of one-shot async iterators, pulled once for everybody who waits for them.

One spec may be on several servers, and each on another engine: who pulls is settled here, for the
whole process, on the loop that all of them share.
"""

from __future__ import annotations

import asyncio

from api_simulator._core.streams import SharedSource

#: The pieces being pulled now, whichever server's clients wait for them.
_PULLS: dict[SharedSource, asyncio.Task[None]] = {}
#: How long the end of a server waits for the ends of async iterators that bodies were made from.
_CANCEL_S = 1.0


class Pulls:
    """What the clients of one server made the loop pull; every method runs on that loop."""

    def __init__(self) -> None:
        self._own: set[asyncio.Task[None]] = set()

    async def pulled(self, source: SharedSource) -> None:
        """Wait for one more piece of *source* or for its end."""
        pull = _PULLS.get(source)
        if pull is None:
            # A task of its own: a reader is cancelled when its client goes away, and the others read on.
            pull = _PULLS[source] = asyncio.get_running_loop().create_task(source.pull())
            self._own.add(pull)
            pull.add_done_callback(self._own.discard)
            pull.add_done_callback(lambda _: _PULLS.pop(source))
        await asyncio.shield(pull)

    async def cancel(self) -> None:
        """End what is still being pulled for this server."""
        if self._own:
            for pull in self._own:
                pull.cancel()
            await asyncio.wait(self._own, timeout=_CANCEL_S)
