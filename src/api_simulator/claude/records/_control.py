"""
Records of the control protocol, by which an SDK and the program ask each other.
"""

from __future__ import annotations

from api_simulator.claude.records._system import Notices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from api_simulator.claude.records._base import Record


_NEW_IN_INITIALIZED = {
    "current_permission_mode": "default",
    "hook_on_failure_supported": True,
    "hooks_when_unanswered_kept": True,
    "other_hook_ask_outranks_host": True,
    "feedback_mode": "disabled",
    "analytics_disabled": True,
    "remote_control_auto_enable": False,
    "remote_control_auto_connect_default": False,
    "remote_control_available": False,
    "remote_control_auto_on_by_default": False,
    "ide_rc_auto_enable_gate": False,
    "fast_mode_state": "off",
    "fast_mode_disabled_reason": "sdk_opt_in_required",
    "session_state": "idle",
    "capabilities": [],
}


class Control(Notices):
    """Requests to the SDK, and answers to its own."""

    def control_request(self, subtype: str, request: Mapping[str, object], *, request_id: str | None = None) -> Record:
        """Return a ``control_request`` of *subtype* with the fields of *request*."""
        return self._bare(
            "control_request",
            {"request_id": request_id or self.new_uuid(), "request": {"subtype": subtype, **request}},
        )

    def can_use_tool(
        self,
        tool_use: str | Mapping[str, Any] | None = None,
        *,
        description: str | None = None,
        permission_suggestions: Sequence[Mapping[str, object]] = (),
        decision_reason: str | None = None,
        request_id: str | None = None,
    ) -> Record:
        """Return the ``control_request`` that asks whether a tool may run."""
        block = self._called(tool_use)
        request: Record = {
            "tool_name": block.get("name"),
            "display_name": block.get("name"),
            "input": block.get("input", {}),
            "permission_suggestions": [dict(suggestion) for suggestion in permission_suggestions],
            "tool_use_id": block.get("id"),
        }
        if description is not None:
            request["description"] = description
        if decision_reason is not None:
            request["decision_reason"] = decision_reason
        return self.control_request("can_use_tool", request, request_id=request_id)

    def hook_callback(
        self,
        callback_id: str,
        hook_input: Mapping[str, object],
        *,
        tool_use_id: str | None = None,
        request_id: str | None = None,
    ) -> Record:
        """Return the ``control_request`` that calls a hook of the SDK."""
        request: Record = {"callback_id": callback_id, "input": dict(hook_input)}
        if tool_use_id is not None:
            request["tool_use_id"] = tool_use_id
        return self.control_request("hook_callback", request, request_id=request_id)

    def mcp_message(self, server_name: str, message: Mapping[str, object], *, request_id: str | None = None) -> Record:
        """Return the ``control_request`` that carries a JSON-RPC message to an MCP server within the SDK."""
        return self.control_request(
            "mcp_message", {"server_name": server_name, "message": dict(message)}, request_id=request_id
        )

    def control_response(self, request_id: str, response: Mapping[str, object] | None = None) -> Record:
        """Return the ``control_response`` to a request that was carried out."""
        answer: Record = {"subtype": "success", "request_id": request_id}
        if response is not None:
            answer["response"] = dict(response)
        return self._bare("control_response", {"response": answer})

    def control_error(self, request_id: str, error: str, *, error_code: str | None = None) -> Record:
        """Return the ``control_response`` to a request that was refused."""
        answer: Record = {"subtype": "error", "request_id": request_id, "error": error}
        if error_code is not None:
            answer["error_code"] = error_code
        return self._bare("control_response", {"response": answer})

    def control_cancel_request(self, request_id: str) -> Record:
        """Return the ``control_cancel_request`` that withdraws a request of the program."""
        return self._bare("control_cancel_request", {"request_id": request_id})

    def initialized(
        self,
        request_id: str,
        *,
        commands: Sequence[Mapping[str, object]] = (),
        agents: Sequence[Mapping[str, object]] = (),
        models: Sequence[Mapping[str, object]] = (),
        output_style: str = "default",
        pid: int = 1,
    ) -> Record:
        """Return the ``control_response`` to ``initialize``."""
        answer = {
            "commands": [dict(command) for command in commands],
            "agents": [dict(agent) for agent in agents],
            "output_style": output_style,
            "available_output_styles": ["default"],
            "models": [dict(model) for model in models],
            "account": {},
            "pid": pid,
            "claude_code_version": self.version,
            "hooks_applied": True,
            **_NEW_IN_INITIALIZED,
        }
        record = self.control_response(request_id, self._without("initialized", answer))
        pending: Record = {"pending_permission_requests": [], "pending_user_dialog_requests": []}
        record["response"] |= self._without("initialized", pending)
        return record
