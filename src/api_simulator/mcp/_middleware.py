"""
What recording and replay share: how a server calls them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from api_simulator.errors import OptionError
from api_simulator.mcp._servers import Dialect, OfficialMcp1, ToolCall, dialect_of

CallNext = Callable[[Any], Awaitable[Any]]


class ToolCallMiddleware(ABC):
    """
    A middleware over tool calls; everything else passes.

    Pass it to a FastMCP server (``FastMCP(middleware=[...])``, ``server.add_middleware(...)``) or to one of ``mcp`` 2.x
    (``MCPServer(middleware=[...])``); on the low-level server of ``mcp`` 1.x, :meth:`install` it.
    """

    @abstractmethod
    async def _handle(self, dialect: Dialect, call: ToolCall, context: Any, call_next: CallNext) -> Any:
        """Answer *call*."""

    async def __call__(self, context: Any, call_next: CallNext) -> Any:
        """Handle one message of the server."""
        dialect = dialect_of(context)
        call = dialect.call(context)
        if call is None:
            return await call_next(context)
        return await self._handle(dialect, call, context, call_next)

    async def on_call_tool(self, context: Any, call_next: CallNext) -> Any:
        """Handle a tool call: FastMCP's name for it, for middlewares that call others."""
        return await self(context, call_next)

    def install(self, server: Any) -> None:
        """
        Wrap the handler of tool calls of an ``mcp`` 1.x low-level server.

        Args:
            server: The server, after its ``call_tool`` handler was registered.

        Raises:
            OptionError: If there is no such handler.
        """
        handlers: dict[Any, CallNext] = getattr(server, "request_handlers", {})
        kinds = [kind for kind in handlers if kind.__name__ == "CallToolRequest"]
        if not kinds:
            raise OptionError(
                f"install: {type(server).__name__} has no handler of tool calls; register it first with "
                "@server.call_tool(), or pass the middleware to a server that takes middlewares"
            )
        answer = handlers[kinds[0]]
        dialect = OfficialMcp1()

        @wraps(answer)
        async def wrapped(request: Any) -> Any:
            call = dialect.call(request)
            assert call is not None
            return await self._handle(dialect, call, request, answer)

        handlers[kinds[0]] = wrapped
