"""
The transport that is given to a client: one for blocking clients and those on a loop, of both libraries.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from api_simulator._engines._inprocess import _seen
from api_simulator._engines._inprocess._answering import answer, answer_async
from api_simulator._engines._inprocess._limited_pool import pool_for
from api_simulator._engines._inprocess._serving import InProcessServing


class InProcessTransport:
    """
    A transport for ``Client`` and ``AsyncClient`` of httpx2 and httpx, whatever host they ask.

    Not a subclass of the libraries' base classes: those say nothing that is checked, and it would need
    one class for each of them.

    Args:
        serving: The server.

        limit: How many connections there may be, None for any number.
    """

    def __init__(self, serving: InProcessServing, limit: int | None = None) -> None:
        self._pool = pool_for(serving, limit)

    def handle_request(self, request: Any) -> Any:
        """Answer a blocking client."""
        _seen.note()
        return answer(self._pool, request)

    async def handle_async_request(self, request: Any) -> Any:
        """Answer a client on a loop."""
        _seen.note()
        return await answer_async(self._pool, request)

    def close(self) -> None:
        """Close idle connections."""
        self._pool.close()

    async def aclose(self) -> None:
        """Close idle connections."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<InProcessTransport of {self._pool.serving.simulation.name}>"
