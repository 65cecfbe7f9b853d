"""
``user`` records that the program prints itself: results of tools, and what it says to the model on its own account.
"""

from __future__ import annotations

from api_simulator.claude.records._assistant import Assistant, agent_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Literal, TypeAlias

    from api_simulator.claude.records._base import Record

    Permission: TypeAlias = Literal[
        "config", "ungranted", "unanswered", "rule", "user_temporary", "user_reject", "hook", "none"
    ]


class User(Assistant):
    """What the model is told."""

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
        permission: Permission | None = None,
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
            fields |= agent_fields(agent)
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
