"""
The control protocol: what the host asks the program, and what the program asks the host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from api_simulator.claude._session.exchange import HostReply, Record, Waits
from api_simulator.claude._session.hooks import registered
from api_simulator.claude._session.mcp import McpServer
from api_simulator.claude._session.surroundings import model_name

if TYPE_CHECKING:
    from api_simulator.claude._session.session import Session

MODES = ("acceptEdits", "auto", "bypassPermissions", "default", "dontAsk", "plan")

#: What the program lists of itself; a host shows it to people.
_MODELS = ("default", "sonnet", "opus", "haiku")
BUILT_IN_AGENTS = ("general-purpose", "statusline-setup", "Explore", "Plan")
BUILT_IN_COMMANDS = ("clear", "compact", "context", "cost")


class Refused(Exception):
    """A control request cannot be carried out."""

    def __init__(self, error: str, code: str | None = None) -> None:
        super().__init__(error)
        self.code = code


class Host:
    """The other side of standard input and output: an SDK."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._asked: dict[str, HostReply] = {}
        self._answers: dict[str, Callable[[Mapping[str, Any]], Record]] = {
            "interrupt": self._interrupt,
            "set_permission_mode": self._set_permission_mode,
            "set_model": self._set_model,
            "set_max_thinking_tokens": lambda _: {},
            "mcp_status": lambda _: {"mcpServers": [server.described() for server in session.servers.values()]},
            "mcp_set_servers": lambda _: {"added": [], "removed": [], "errors": {}},
            "mcp_reconnect": self._known_server,
            "mcp_toggle": self._toggle_server,
            "get_context_usage": self._context_usage,
            "get_settings": lambda _: {"effective": {}, "sources": []},
            "get_binary_version": lambda _: {"version": session.records.version},
            "get_session_cost": lambda _: {"total_cost_usd": session.records.total_cost_usd},
            "list_models": lambda _: {"models": _models()},
            "rewind_files": self._rewind_files,
            "stop_task": self._stop_task,
            "end_session": self._end_session,
        }

    # What the program asks

    def request(self, record: Record) -> HostReply:
        """Print a control request and return what to wait for: the host's ``response``, None if it has gone."""
        self._session.emit(record)
        reply = HostReply(request_id=record["request_id"])
        self._asked[reply.request_id] = reply
        return reply

    def mcp(self, request: dict[str, Any]) -> HostReply:
        """Send a message to an MCP server that lives in the host."""
        return self.request(self._session.records.mcp_message(request["server_name"], request["message"]))

    def withdraw(self, reply: HostReply) -> None:
        """Take back a request that is no longer of interest."""
        if self._asked.pop(reply.request_id, None) is not None:
            self._session.emit(self._session.records.control_cancel_request(reply.request_id))

    def hear_end(self) -> None:
        """Nobody answers any more."""
        for reply in self._asked.values():
            reply.come(None)
        self._asked.clear()

    # What the host says

    def hear(self, message: Mapping[str, Any]) -> None:
        """Take a control message."""
        if message["type"] == "control_response":
            response = message.get("response")
            if isinstance(response, Mapping):
                asked = self._asked.pop(str(response.get("request_id")), None)
                if asked is not None:
                    asked.come(response)
        elif message["type"] == "control_request":
            self._carry_out(str(message.get("request_id", "")), message.get("request"))

    def _carry_out(self, request_id: str, request: object) -> None:
        asked: Mapping[str, Any] = request if isinstance(request, Mapping) else {}
        subtype = str(asked.get("subtype"))
        records = self._session.records
        if subtype == "initialize":
            return self._initialize(request_id, asked)
        try:
            if subtype not in self._answers:
                raise Refused(f"Unsupported control request subtype: {subtype}", "unsupported_request")
            answer = self._answers[subtype](asked)
        except Refused as refused:
            self._session.emit(records.control_error(request_id, str(refused), error_code=refused.code))
            return
        self._session.emit(records.control_response(request_id, answer))
        if subtype == "interrupt":
            self._session.interrupt()
        elif subtype == "set_permission_mode" and records.has("system/status"):
            self._session.emit(records.status(None, permission_mode=self._session.permissions.mode))
        elif subtype == "end_session":
            self._session.hear_end()

    def _initialize(self, request_id: str, asked: Mapping[str, Any]) -> None:
        session = self._session
        session.hooks = registered(asked.get("hooks"))
        agents = asked.get("agents")
        for name, agent in agents.items() if isinstance(agents, Mapping) else ():
            session.agents[name] = {"name": name, **(agent if isinstance(agent, Mapping) else {})}
        session.forwards_subagent_text = session.forwards_subagent_text or bool(asked.get("forwardSubagentText"))
        # First the greetings, then the answer: a host must be able to answer before it is answered.
        greeted = self._greet()
        session.emit(
            session.records.initialized(
                request_id,
                commands=[
                    {"name": name, "description": "", "argumentHint": ""}
                    for name in (*BUILT_IN_COMMANDS, *session.around.project.commands)
                ],
                agents=[
                    {"name": name, "description": str(session.agents.get(name, {}).get("description", ""))}
                    for name in (*BUILT_IN_AGENTS, *session.agents)
                ],
                models=_models(),
                output_style=session.around.project.output_style,
                pid=session.around.pid,
            )
        )
        for server, greeting in greeted:
            session.start(server.connect(greeting))

    def connect(self) -> Waits:
        """Wait until every server in the host has been asked for its tools."""
        for server, greeting in self._greet():
            self._session.start(server.connect(greeting))
        for server in self._session.servers.values():
            if server.lives_in_host and not server.settled.is_over:
                yield server.settled

    def _greet(self) -> list[tuple[McpServer, HostReply]]:
        fresh = [server for server in self._session.servers.values() if server.lives_in_host and not server.is_greeted]
        return [(server, server.greeting()) for server in fresh]

    def _interrupt(self, _asked: Mapping[str, Any]) -> Record:
        return {"still_queued": []}

    def _set_permission_mode(self, asked: Mapping[str, Any]) -> Record:
        mode = asked.get("mode")
        if mode not in MODES:
            raise Refused(f"Invalid permission mode: {mode}", "invalid_mode")
        self._session.permissions.mode = str(mode)
        return {"mode": mode}

    def _set_model(self, asked: Mapping[str, Any]) -> Record:
        given = asked.get("model")
        self._session.records.model = model_name(given if isinstance(given, str) else "")
        return {"model": self._session.records.model}

    def _known_server(self, asked: Mapping[str, Any]) -> Record:
        name = asked.get("serverName")
        if name not in self._session.servers:
            raise Refused(f"Server not found: {name}")
        return {}

    def _toggle_server(self, asked: Mapping[str, Any]) -> Record:
        self._known_server(asked)
        server = self._session.servers[str(asked["serverName"])]
        server.status = "connected" if asked.get("enabled") else "disabled"
        return {}

    def _context_usage(self, _asked: Mapping[str, Any]) -> Record:
        used, limit = 12_000, 200_000
        return {
            "categories": [{"name": "Messages", "tokens": used, "color": "purple"}],
            "totalTokens": used,
            "maxTokens": limit,
            "rawMaxTokens": limit,
            "percentage": 100 * used / limit,
            "model": self._session.records.model,
            "isAutoCompactEnabled": True,
            "memoryFiles": [],
            "mcpTools": [],
            "agents": [],
            "gridRows": [],
            "apiUsage": None,
        }

    def _rewind_files(self, _asked: Mapping[str, Any]) -> Record:
        raise Refused("File rewinding is not enabled.")

    def _stop_task(self, asked: Mapping[str, Any]) -> Record:
        raise Refused(f"No task found with ID: {asked.get('task_id')}")

    def _end_session(self, _asked: Mapping[str, Any]) -> Record:
        return {}


def _models() -> list[Record]:
    return [{"value": name, "displayName": name.title(), "description": model_name(name)} for name in _MODELS]
