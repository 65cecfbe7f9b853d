"""
Bodies that are still coming, as the two kinds of streams that the libraries know.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api_simulator._engines._inprocess._reply import Reply


class SyncBody:
    """The rest of an answer, read by blocking calls."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    def __iter__(self) -> Iterator[bytes]:
        try:
            while (piece := self._reply.next_piece()) is not None:
                yield piece
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the connection back, or leave."""
        self._reply.close()


class AsyncBody:
    """The rest of an answer, read on a loop."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while (piece := await self._reply.next_piece_async()) is not None:
                yield piece
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Give the connection back, or leave."""
        self._reply.close()
