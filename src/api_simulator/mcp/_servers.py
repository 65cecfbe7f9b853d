"""
How the servers that are out there hand a tool call to a middleware, and what they take back.

Told apart by what they give, because importing their packages would make them start what they start on import:

* FastMCP 3.2 to 4.x: a context with ``message``; results are objects, failures are raised.
* ``mcp`` 2.x: a context with ``params`` as a dict; results are dicts as they go on the wire, failures too.
* ``mcp`` 1.x has no middlewares: the server's handler of call requests is wrapped; it takes and gives objects.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api_simulator.errors import OptionError

CALL = "tools/call"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """
    A call of a tool.

    Attributes:
        tool: The tool's name.

        arguments: A JSON object.
    """

    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What came of a call.

    Attributes:
        result: The answer as it goes on the wire (``CallToolResult`` of the protocol), None for a failure.

        error: The failure's text.
    """

    result: dict[str, Any] | None = None
    error: str | None = None

    @classmethod
    def of_wire(cls, wire: Mapping[str, Any]) -> Outcome:
        """Read an answer; one that is an error and nothing but text is a failure."""
        content = wire.get("content") or []
        if wire.get("isError") and not wire.get("structuredContent"):
            texts = [block.get("text") for block in content if block.get("type") == "text"]
            if len(texts) == len(content):
                return cls(error="\n".join(map(str, texts)))
        kept = {key: wire[key] for key in ("content", "structuredContent", "_meta", "isError") if wire.get(key)}
        return cls(result={"content": [], **kept})

    @property
    def wire(self) -> dict[str, Any]:
        """The answer as it goes on the wire, for a failure too."""
        if self.result is not None:
            return self.result
        return {"content": [{"type": "text", "text": self.error or ""}], "isError": True}


class Dialect(ABC):
    """One kind of server."""

    @abstractmethod
    def call(self, context: Any) -> ToolCall | None:
        """Return the tool call that *context* is about, None if it is about something else."""

    @abstractmethod
    def outcome(self, result: Any) -> Outcome:
        """Read what the server's own handler returned."""

    @abstractmethod
    def give(self, outcome: Outcome) -> Any:
        """Return, or raise, what the server's own handler would have."""


class FastMcp(Dialect):
    """FastMCP 3.2 to 4.x."""

    def call(self, context: Any) -> ToolCall | None:
        """Read the context's message."""
        if context.method != CALL:
            return None
        return ToolCall(context.message.name, dict(context.message.arguments or {}))

    def outcome(self, result: Any) -> Outcome:
        """Read a ``ToolResult``."""
        wire = {
            "content": [_dumped(block) for block in result.content],
            "structuredContent": result.structured_content,
            "_meta": result.meta,
            "isError": getattr(result, "is_error", False),
        }
        return Outcome.of_wire(wire)

    def give(self, outcome: Outcome) -> Any:
        """Return a ``ToolResult``, or raise a ``ToolError``."""
        if outcome.result is None:
            raise importlib.import_module("fastmcp.exceptions").ToolError(outcome.error)
        types = _first_module("mcp_types", "mcp.types")
        result = types.CallToolResult.model_validate(outcome.result)
        structured, meta = outcome.result.get("structuredContent"), outcome.result.get("_meta")
        failed = {"is_error": True} if outcome.result.get("isError") else {}
        tool_result = importlib.import_module("fastmcp.tools.base").ToolResult
        return tool_result(content=result.content, structured_content=structured, meta=meta, **failed)


class OfficialMcp2(Dialect):
    """The official package's servers from 2.0 on, which have middlewares."""

    def call(self, context: Any) -> ToolCall | None:
        """Read the context's parameters."""
        if context.method != CALL:
            return None
        return ToolCall(context.params["name"], dict(context.params.get("arguments") or {}))

    def outcome(self, result: Any) -> Outcome:
        """Read the result's dict."""
        return Outcome.of_wire(result if isinstance(result, Mapping) else _dumped(result))

    def give(self, outcome: Outcome) -> Any:
        """Return the dict that goes on the wire."""
        return {"isError": False, "resultType": "complete", **outcome.wire}


class OfficialMcp1(Dialect):
    """The official package's low-level server before 2.0: *context* is the request."""

    def call(self, context: Any) -> ToolCall | None:
        """Read the request's parameters."""
        return ToolCall(context.params.name, dict(context.params.arguments or {}))

    def outcome(self, result: Any) -> Outcome:
        """Read a ``ServerResult``."""
        return Outcome.of_wire(_dumped(result.root))

    def give(self, outcome: Outcome) -> Any:
        """Return a ``ServerResult``."""
        types = importlib.import_module("mcp.types")
        return types.ServerResult(types.CallToolResult.model_validate(outcome.wire))


def dialect_of(context: Any) -> Dialect:
    """
    Return how to talk to the server that gave *context*.

    Raises:
        OptionError: If it is none that is known.
    """
    if hasattr(context, "message") and hasattr(context, "method"):
        return FastMcp()
    if hasattr(context, "params") and hasattr(context, "method"):
        return OfficialMcp2()
    raise OptionError(
        f"this middleware was called with {type(context).__name__}, which is no context of FastMCP or mcp 2; "
        "for the low-level server of mcp 1.x use .install(server)"
    )


def _dumped(model: Any) -> dict[str, Any]:
    dumped: dict[str, Any] = model.model_dump(mode="json", by_alias=True, exclude_none=True)
    return dumped


def _first_module(*names: str) -> Any:
    for name in names[:-1]:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    return importlib.import_module(names[-1])
