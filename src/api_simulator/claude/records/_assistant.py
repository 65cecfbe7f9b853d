"""
``assistant`` records: what the model says, and what the program says in its place.
"""

from __future__ import annotations

from api_simulator.claude.records._api_errors import ApiFailure, failure_for
from api_simulator.claude.records._init import Init

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from api_simulator.claude.records._base import Record

_NO_TOKENS = {
    "input_tokens": 0,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "output_tokens": 0,
}


class Assistant(Init):
    """The answers of the model, block by block."""

    def assistant(
        self,
        content: str | Mapping[str, object] = "Done.",
        *,
        new_message: bool = False,
        stop_reason: str | None = None,
        last_block: bool = True,
        agent: Mapping[str, object] | None = None,
        aborted: bool = False,
        tool_use_meta: Sequence[Mapping[str, object]] | None = None,
    ) -> Record:
        """
        Return an ``assistant`` record: one content block of an answer of the model.

        Calls that follow one another are blocks of one API message, with one ``message.id``, until a user's record, a
        result or a ``system/init`` comes.

        Args:
            content: Text, or a content block as it is.

            new_message: Begin another API message although nothing came in between.

            stop_reason: Printed as it is. None: what the version prints, null in the newest.

            last_block: Whether it is the last of its message; old versions print the stop reason on that one.

            agent: The task of the sub-agent that speaks, from :meth:`agent_task`.

            aborted: Whether an interrupt cut it.

            tool_use_meta: For calls of MCP tools: ``id``, ``display_name``, ``server_display_name``, ``tool_name``.
        """
        block = {"type": "text", "text": content} if isinstance(content, str) else dict(content)
        api_message = self._message
        if new_message or api_message is None or api_message["agent"] != (agent or {}).get("agent_id"):
            api_message = self._begin_message(agent)
        natural = "tool_use" if block.get("type") == "tool_use" else "end_turn"
        printed = stop_reason
        if printed is None and self.profile.stop_reason_on_last_block and last_block:
            printed = natural
        message = {
            "model": self.model,
            "id": api_message["id"],
            "type": "message",
            "role": "assistant",
            "content": [block],
            "stop_reason": printed,
            "stop_sequence": None,
            "usage": dict(api_message["usage"]),
            "context_management": None,
        }
        fields: Record = {
            "message": self._without("message", message),
            "parent_tool_use_id": None,
            "session_id": self.session_id,
            "uuid": self.new_uuid(),
            "timestamp": self.timestamp(),
            "request_id": api_message["request"],
        }
        if agent is not None:
            fields |= agent_fields(agent)
        else:
            self._heard(block, stop_reason or natural)
            if self._prompt_uuid is not None and self._is_first_answer:
                fields |= {"user_message_uuid": self._prompt_uuid, "user_message_uuids": [self._prompt_uuid]}
            self._is_first_answer = False
        if aborted:
            fields["aborted"] = True
        if tool_use_meta is not None:
            fields["tool_use_meta"] = [dict(meta) for meta in tool_use_meta]
        if block.get("type") == "thinking":
            fields |= {
                "thinking_duration_ms": self._duration_ms("thinking", 200, 2000),
                "thinking_display": "updates",
            }
        return self._record("assistant", fields)

    def thinking(self, text: str = "Let me see.", *, agent: Mapping[str, object] | None = None) -> Record:
        """Return an ``assistant`` record with a ``thinking`` block."""
        return self.assistant(self.thinking_block(text), agent=agent, last_block=False)

    def tool_use(
        self,
        name: str = "Bash",
        tool_input: Mapping[str, object] | None = None,
        *,
        tool_use_id: str | None = None,
        last_block: bool = True,
        agent: Mapping[str, object] | None = None,
    ) -> Record:
        """
        Return an ``assistant`` record with a ``tool_use`` block.

        Args:
            name: The tool, ``mcp__server__tool`` for one of an MCP server.

            tool_input: Its arguments; for Bash an ``echo`` by default.

            tool_use_id: Made from the seed if None.

            last_block: As in :meth:`assistant`; False for all but the last of parallel calls.

            agent: As in :meth:`assistant`.
        """
        block = self.tool_use_block(name, tool_input, tool_use_id=tool_use_id)
        meta = None
        if name.startswith("mcp__"):
            _, server, tool = (*name.split("__", 2), "")[:3]
            meta = [{"id": block["id"], "display_name": tool, "server_display_name": server, "tool_name": tool}]
        return self.assistant(block, tool_use_meta=meta, last_block=last_block, agent=agent)

    def thinking_block(self, text: str) -> Record:
        """Return a content block with thinking."""
        return {"type": "thinking", "thinking": text, "signature": self.new_id("", 40)}

    def tool_use_block(
        self, name: str, tool_input: Mapping[str, object] | None = None, *, tool_use_id: str | None = None
    ) -> Record:
        """Return a content block with a call of a tool."""
        if tool_input is None:
            tool_input = {"command": "echo hi", "description": "Say hi"} if name == "Bash" else {}
        return {
            "type": "tool_use",
            "id": tool_use_id or self.new_id("toolu_01"),
            "name": name,
            "input": dict(tool_input),
        }

    def message(self, *blocks: str | Mapping[str, object], agent: Mapping[str, object] | None = None) -> list[Record]:
        """Return the records of one API message: one for each of *blocks*, texts or content blocks."""
        records = []
        for index, block in enumerate(blocks):
            is_last = index == len(blocks) - 1
            records.append(self.assistant(block, new_message=index == 0, last_block=is_last, agent=agent))
        return records

    def api_error(
        self,
        what: str | int | ApiFailure | None = "overloaded",
        *,
        message: str | None = None,
        stop_reason: str = "stop_sequence",
    ) -> Record:
        """
        Return the synthetic ``assistant`` record that stands for a failed API request; :meth:`result` then reports it.

        Args:
            what: The name of a failure (``"rate_limited"``, ``"credit_exhausted"``, …), an HTTP status, or None for a
                refused connection.

            message: ``error.message`` of the API's answer.

            stop_reason: ``tool_use`` for an answer that was cut after the call of a tool: the turn goes on.

        Raises:
            ValueError: If nothing is called so.
        """
        failure = what if isinstance(what, ApiFailure) else failure_for(what)
        said = message or failure.api_message
        template = self.profile.error_texts.get(failure.name, failure.text)
        text = template.format(status=failure.status, message=said, api_type=failure.api_type, model=self.model)
        self._message = None
        api_message = self._synthetic(text, stop_reason)
        facts: Record = {}
        if failure.status is not None:
            facts |= {"api_error_status": failure.status, "api_error_type": failure.api_type}
        if failure.api_error is not None:
            facts["api_error"] = failure.api_error
        self._last_failure = {"terminal_reason": failure.terminal_reason, "text": text, **facts}
        if failure.params is not None:
            facts["api_error_params"] = dict(failure.params)
        fields: Record = {
            "message": api_message,
            "parent_tool_use_id": None,
            "session_id": self.session_id,
            "uuid": self.new_uuid(),
            "timestamp": self.timestamp(),
        }
        if failure.status is not None:
            fields["request_id"] = self.new_id("req_01")
        return self._record("assistant", fields | {"error": failure.category, "is_api_error_message": True} | facts)

    def local_command(self, text: str, command: str, *, args: str = "") -> Record:
        """
        Return the synthetic ``assistant`` record with the output of a slash command; :meth:`local_result` follows.

        Args:
            text: The output.

            command: The command that ran, without its slash; an alias may stand for another one.

            args: What stood after it.
        """
        self._message = None
        fields = {
            "message": {**self._synthetic(text, "end_turn"), "stop_sequence": None},
            "parent_tool_use_id": None,
            "local_command_source": f"<local-command-stdout>{text}</local-command-stdout>",
            "session_id": self.session_id,
            "uuid": self.new_uuid(),
            "timestamp": self.timestamp(),
            "local_command_run": {"command": command, "args": args},
        }
        return self._record("assistant", fields)

    def _synthetic(self, text: str, stop_reason: str) -> Record:
        message = {
            "diagnostics": None,
            "id": self.new_uuid(),
            "container": None,
            "model": "<synthetic>",
            "role": "assistant",
            "stop_details": None,
            "stop_reason": stop_reason,
            "stop_sequence": "",
            "type": "message",
            "usage": dict(_NO_TOKENS),
            "content": [{"type": "text", "text": text}],
            "context_management": None,
        }
        return self._without("error", message)

    @property
    def request_id(self) -> str | None:
        """The id of the API request whose answer is being printed; None between answers."""
        return None if self._message is None else str(self._message["request"])

    # Within

    def _begin_message(self, agent: Mapping[str, object] | None) -> Record:
        usage = {
            "input_tokens": self._duration_ms("input", 900, 4000),
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            # What `message_start` says; the real number is in the result only.
            "output_tokens": 1,
        }
        self._message = message = {
            "id": self.new_id("msg_01"),
            "request": self.new_id("req_01"),
            "usage": usage,
            "agent": (agent or {}).get("agent_id"),
        }
        self._spend(usage | {"output_tokens": self._duration_ms("output", 10, 400)})
        return message

    def _heard(self, block: Mapping[str, Any], stop_reason: str) -> None:
        self._last_failure = None
        self._last_stop_reason = stop_reason
        if block.get("type") == "text":
            self._last_text = str(block.get("text", ""))
        if block.get("type") == "tool_use":
            self._unanswered.append(dict(block))


def agent_fields(agent: Mapping[str, object]) -> Record:
    """Return the keys by which a record belongs to a sub-agent."""
    names = ("parent_tool_use_id", "agent_id", "subagent_type", "task_description")
    return {name: agent[name] for name in names if name in agent}
