"""
Records of the conversation: ``system/init``, ``assistant`` and ``user``.
"""

from __future__ import annotations

from api_simulator.claude.records._api_errors import ApiFailure, failure_for
from api_simulator.claude.records._base import Base

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Literal, TypeAlias

    from api_simulator.claude.records._base import Record

    Permission: TypeAlias = Literal[
        "config", "ungranted", "unanswered", "rule", "user_temporary", "user_reject", "hook", "none"
    ]

#: What the program offers its model unless told otherwise. The sub-agent tool is shown as Task.
TOOLS = ("Task", "Bash", "Edit", "Glob", "Grep", "Read", "TodoWrite", "WebFetch", "WebSearch", "Write")

_NO_TOKENS = {
    "input_tokens": 0,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "output_tokens": 0,
}


class Conversation(Base):
    """What the program and its model say to each other."""

    def init(
        self,
        *,
        tools: Sequence[str] = TOOLS,
        mcp_servers: Sequence[Mapping[str, object]] = (),
        permission_mode: str = "default",
        api_key_source: str = "ANTHROPIC_API_KEY",
        output_style: str = "default",
        agents: Sequence[str] = ("general-purpose",),
        skills: Sequence[str] = (),
        slash_commands: Sequence[str] = ("clear", "compact", "context", "cost"),
        plugins: Sequence[Mapping[str, object]] = (),
        additional_directories: Sequence[str] = (),
    ) -> Record:
        """
        Return ``system/init``, with which every turn begins.

        Args:
            tools: Names as the model sees them, except that the sub-agent tool is ``Task``.

            mcp_servers: Each with ``name`` and ``status`` (connected, failed, pending, needs-auth, disabled).

            permission_mode: ``default``, ``acceptEdits``, ``plan`` or ``bypassPermissions``.

            api_key_source: ``ANTHROPIC_API_KEY``, ``none``, ``apiKeyHelper`` or ``/login managed key``.

            output_style: The name of the style in force.

            agents: Names of sub-agents.

            skills: Names.

            slash_commands: Names without the slash.

            plugins: Each with ``name`` and ``path``.

            additional_directories: From ``--add-dir``.
        """
        self._message = None
        prompt = {} if self._prompt_uuid is None else {"user_message_uuids": [self._prompt_uuid]}
        return self._record(
            "system/init",
            {
                "cwd": self.cwd,
                "session_id": self.session_id,
                "tools": list(tools),
                "mcp_servers": [dict(server) for server in mcp_servers],
                "model": self.model,
                "permissionMode": permission_mode,
                "slash_commands": list(slash_commands),
                "terminal_slash_commands": [],
                "apiKeySource": api_key_source,
                "claude_code_version": self.version,
                "output_style": output_style,
                "agents": list(agents),
                "skills": list(skills),
                "plugins": [dict(plugin) for plugin in plugins],
                "capabilities": [],
                "analytics_disabled": True,
                "product_feedback_disabled": True,
                "served_by_anthropic": False,
                "uuid": self.new_uuid(),
                "memory_paths": {"auto": f"{self.cwd}/.claude/memory/"},
                "original_cwd": self.cwd,
                "additional_directories": list(additional_directories),
                "messaging_socket_path": f"/tmp/claude-{self.session_id[:8]}.sock",
                "fast_mode_state": "off",
                "fast_mode_disabled_reason": "sdk_opt_in_required",
                "per_turn_effort_active": True,
                "ultrathink_available": False,
                "ultrathink_typed_raises": False,
                "view_mode": "default",
                **prompt,
            },
        )

    # What the model says

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
            fields |= _agent_fields(agent)
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

    # What the program says to the model

    def user(
        self,
        content: str | Sequence[Mapping[str, object]],
        *,
        synthetic: bool = False,
        replay: bool = False,
        refused_message_id: str | None = None,
        agent: Mapping[str, object] | None = None,
    ) -> Record:
        """
        Return a ``user`` record that the program prints itself.

        Args:
            content: Text, printed as one text block, or blocks as they are. With *replay* text stays text.

            synthetic: Whether the program said it to the model on its own account (``isSynthetic``): feedback of hooks,
                "resume where you were cut off", the summary after a compaction.

            replay: Whether it repeats what was said before (``isReplay``).

            refused_message_id: The API message that a safety classifier stopped, which this answers.

            agent: The task of the sub-agent that it is said to, from :meth:`agent_task`.
        """
        said: object = content
        if isinstance(content, str) and not replay:
            said = [{"type": "text", "text": content}]
        fields = self._user_fields(said, agent=agent, counts=not replay)
        if synthetic:
            fields["isSynthetic"] = True
        if replay:
            fields["isReplay"] = True
        if refused_message_id is not None:
            fields["refused_message_id"] = refused_message_id
        return self._record("user", fields)

    def tool_result(
        self,
        content: str | Sequence[Mapping[str, object]] = "hi",
        *,
        tool_use: str | Mapping[str, Any] | None = None,
        is_error: bool = False,
        structured: object = None,
        permission: Literal["config", "ungranted", "rule", "user_temporary", "user_reject", "hook", "none"]
        | None = None,
        reason_type: str | None = None,
        agent: Mapping[str, object] | None = None,
    ) -> Record:
        """
        Return the ``user`` record with the result of a tool; each of parallel calls has one of its own.

        Args:
            content: What the model gets.

            tool_use: The call: its id, its record or its block. None: the oldest one without a result.

            is_error: Whether the tool failed, or was not executed.

            structured: ``tool_use_result``: what the tool gave as data. Made up from *content* if None.

            permission: Who decided: ``config`` or ``user_temporary`` let the tool run; nobody was there to grant it
                (``ungranted``), the host was asked and gave no valid answer (``unanswered``), a ``rule`` or the user
                (``user_reject``) refused it; ``hook``: refused if *is_error*;
                ``none``: the call was no valid one, so nobody was asked. None: ``config``, or ``none`` if *content*
                begins with ``<tool_use_error>``.

            reason_type: What the decision rests on: ``rule``, ``mode``, ``hook``, ``subcommandResults``. None: the
                usual.

            agent: The task of the sub-agent that called the tool.
        """
        block = self._answered(tool_use)
        tool_use_id = str(block.get("id", ""))
        name = block.get("name", "Bash")
        given = content if isinstance(content, str) else [dict(part) for part in content]
        result: Record = {"type": "tool_result", "content": given, "is_error": True, "tool_use_id": tool_use_id}
        if not is_error:
            result = {"tool_use_id": tool_use_id, "type": "tool_result", "content": given}
            if name == "Bash":
                result["is_error"] = False
        fields = self._user_fields([result], agent=agent)
        if agent is None:
            fields["tool_use_result"] = (
                structured if structured is not None else _structured(name, given, is_error=is_error)
            )
        is_no_call = isinstance(given, str) and given.startswith("<tool_use_error>")
        decided: str = permission or ("none" if is_no_call else "config")
        if decided == "hook" and is_error:
            decided = "hook_reject"
        if decided != "none":
            reason = reason_type or (None if name == "StructuredOutput" else _DECISIONS[decided][3])
            fields["tool_result_meta"] = [_decision(tool_use_id, decided, reason)]
        if decided in _DECISIONS and _DECISIONS[decided][0] == "reject":
            self.deny(block)
        return self._record("user", fields)

    def interrupted(self, *, for_tool_use: bool = False) -> Record:
        """Return the ``user`` record that an interrupt leaves."""
        return self.user("[Request interrupted by user" + (" for tool use]" if for_tool_use else "]"))

    def agent_task(
        self,
        description: str = "Look around",
        *,
        subagent_type: str = "general-purpose",
        tool_use: str | Mapping[str, Any] | None = None,
    ) -> Record:
        """Return what names a sub-agent's task in its records, for the arguments called *agent*."""
        block = self._called(tool_use)
        task_id = self.new_id("a", 16).lower()
        return {
            "agent_id": task_id,
            "run_id": self.new_uuid(),
            "parent_tool_use_id": block.get("id"),
            "subagent_type": subagent_type,
            "task_description": description,
        }

    def deny(self, block: Mapping[str, Any]) -> None:
        """Put the call of a tool among the ``permission_denials`` of the next result."""
        denial = {"tool_name": block.get("name"), "tool_use_id": block.get("id"), "tool_input": block.get("input", {})}
        if denial not in self._turn_denials:
            self._turn_denials.append(denial)

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

    def _user_fields(self, content: object, *, agent: Mapping[str, object] | None, counts: bool = True) -> Record:
        fields: Record = {
            "message": {"role": "user", "content": content},
            "parent_tool_use_id": None,
            "session_id": self.session_id,
            "uuid": self.new_uuid(),
            "timestamp": self.timestamp(),
        }
        self._message = None
        if agent is not None:
            fields |= _agent_fields(agent)
        elif counts:
            self._turn_users += 1
        return fields

    def _called(self, tool_use: str | Mapping[str, Any] | None) -> Record:
        if isinstance(tool_use, str):
            return next((block for block in self._unanswered if block["id"] == tool_use), {"id": tool_use})
        if tool_use is not None:
            inner = tool_use.get("message")
            return dict(inner["content"][0] if isinstance(inner, dict) else tool_use)
        if not self._unanswered:
            raise ValueError("tool_result: no tool was called before it; give tool_use=, or make the tool_use first")
        return self._unanswered[0]

    def _answered(self, tool_use: str | Mapping[str, Any] | None) -> Record:
        block = self._called(tool_use)
        self._unanswered = [known for known in self._unanswered if known["id"] != block.get("id")]
        return block


def _agent_fields(agent: Mapping[str, object]) -> Record:
    names = ("parent_tool_use_id", "agent_id", "subagent_type", "task_description")
    return {name: agent[name] for name in names if name in agent}


def _structured(name: object, content: object, *, is_error: bool) -> object:
    if is_error:
        return f"Error: {content}" if isinstance(content, str) else content
    if name == "Bash":
        return {
            "stdout": content,
            "stderr": "",
            "interrupted": False,
            "isImage": False,
            "noOutputExpected": content == "",
        }
    if name == "Read":
        lines = str(content).count("\n") + 1
        file = {"filePath": "", "content": content, "numLines": lines, "startLine": 1, "totalLines": lines}
        return {"type": "text", "file": file}
    if isinstance(name, str) and name.startswith("mcp__"):
        return [{"type": "text", "text": content}] if isinstance(content, str) else content
    if name == "StructuredOutput":
        return content
    return {"content": content}


#: Who decided: decision, its source, kind of non-execution, what it rests on.
_DECISIONS: dict[str, tuple[str, str, str | None, str | None]] = {
    "config": ("accept", "config", None, "rule"),
    "user_temporary": ("accept", "user_temporary", None, None),
    "hook": ("accept", "hook", None, "hook"),
    "ungranted": ("reject", "config", "user-rejected", None),
    "rule": ("reject", "config", "permission-rule", "rule"),
    "user_reject": ("reject", "user_reject", "permission-rule", None),
    "unanswered": ("reject", "config", "permission-rule", "other"),
    "hook_reject": ("reject", "hook", "permission-rule", "hook"),
}


def _decision(tool_use_id: str, decided: str, reason_type: str | None) -> Record:
    decision, source, non_execution, _ = _DECISIONS[decided]
    meta: Record = {"id": tool_use_id}
    if non_execution is not None:
        meta["non_execution_kind"] = non_execution
    meta["permission_decision"] = {"decision": decision, "source": source}
    if reason_type is not None:
        meta["permission_decision"]["reason_type"] = reason_type
    return meta
