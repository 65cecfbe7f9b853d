"""
The client's side of MCP, over control requests: servers that live in the host (type ``sdk``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from api_simulator.claude._session.exchange import HostReply, Wait, Waits

PROTOCOL_VERSION = "2025-11-25"


class McpServer:
    """
    A server as the session sees it.

    Args:
        name: As in ``--mcp-config``.

        config: Its configuration.

        send: Sends a control request to the host and returns what to wait for.

        version: The program's version, for the handshake.
    """

    def __init__(
        self,
        name: str,
        config: Mapping[str, Any],
        *,
        send: Callable[[dict[str, Any]], HostReply],
        version: str,
    ) -> None:
        self.name = name
        self.config = config
        self.status = "pending" if config.get("type") == "sdk" else "connected"
        self.is_greeted = False
        self.info: dict[str, Any] = {}
        self.tools: list[Mapping[str, Any]] = []
        #: Over when the server is connected, or has failed.
        self.settled = Wait()
        self._send = send
        self._version = version
        self._next_id = 0

    @property
    def lives_in_host(self) -> bool:
        """Whether it is reached by control requests; others are no concern of a fake and count as connected."""
        return self.config.get("type") == "sdk"

    def greeting(self) -> HostReply:
        """Send ``initialize``; the host answers it before it answers anything else."""
        self.is_greeted = True
        client = {"name": "claude-code", "version": self._version}
        parameters = {"protocolVersion": PROTOCOL_VERSION, "capabilities": {}, "clientInfo": client}
        return self._request("initialize", parameters)

    def connect(self, greeting: HostReply) -> Waits:
        """Go on from the answer to *greeting* until the tools are known."""
        yield from self._connect(greeting)
        self.settled.come()

    def _connect(self, greeting: HostReply) -> Waits:
        result = _result((yield greeting))
        if result is None:
            self.status = "failed"
            return
        self.info = result.get("serverInfo") or {}
        yield self._send_message({"jsonrpc": "2.0", "method": "notifications/initialized"})
        listed = _result((yield self._request("tools/list", {}))) or {}
        self.tools = [tool for tool in listed.get("tools", ()) if isinstance(tool, Mapping)]
        self.status = "connected"

    def call(self, tool: str, arguments: Mapping[str, Any], tool_use_id: str) -> Waits:
        """Call *tool*; return its result, with ``isError`` and a text if it could not be called."""
        meta = {"claudecode/toolUseId": tool_use_id}
        reply = yield self._request("tools/call", {"name": tool, "arguments": dict(arguments), "_meta": meta})
        result = _result(reply)
        if result is None:
            text = _error(reply) or "MCP server connection closed"
            return {"content": [{"type": "text", "text": text}], "isError": True}
        return result

    def shown(self) -> dict[str, Any]:
        """Return how ``system/init`` names it."""
        return {"name": self.name, "status": self.status, "source": "dynamic"}

    def described(self) -> dict[str, Any]:
        """Return how ``mcp_status`` describes it."""
        described: dict[str, Any] = {"name": self.name, "status": self.status, "config": dict(self.config)}
        described["scope"] = "dynamic"
        if self.status == "connected":
            described["serverInfo"] = self.info
            described["tools"] = [{"name": tool.get("name"), "annotations": {}} for tool in self.tools]
        return described

    def tool_names(self) -> list[str]:
        """Return its tools by the names that the model calls."""
        return [f"mcp__{self.name}__{tool.get('name')}" for tool in self.tools]

    def _request(self, method: str, parameters: Mapping[str, Any]) -> HostReply:
        message = {"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": dict(parameters)}
        self._next_id += 1
        return self._send_message(message)

    def _send_message(self, message: dict[str, Any]) -> HostReply:
        return self._send({"subtype": "mcp_message", "server_name": self.name, "message": message})


def split_name(tool: str) -> tuple[str, str] | None:
    """Return server and tool of a name like ``mcp__server__tool``, None for any other name."""
    parts = tool.split("__", 2)
    return (parts[1], parts[2]) if len(parts) == 3 and parts[0] == "mcp" else None


def _message(reply: object) -> Mapping[str, Any]:
    response = reply.get("response") if isinstance(reply, Mapping) else None
    message = response.get("mcp_response") if isinstance(response, Mapping) else None
    return message if isinstance(message, Mapping) else {}


def _result(reply: object) -> dict[str, Any] | None:
    result = _message(reply).get("result")
    return dict(result) if isinstance(result, Mapping) else None


def _error(reply: object) -> str:
    error = _message(reply).get("error")
    if isinstance(error, Mapping):
        return str(error.get("message", ""))
    return str(reply.get("error", "")) if isinstance(reply, Mapping) else ""
