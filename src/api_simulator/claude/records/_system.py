"""
Records of type ``system`` other than ``init``, and what else the program says on its own account.
"""

from __future__ import annotations

from api_simulator.claude.records._api_errors import MAX_RETRIES, failure_for, retry_delay_ms
from api_simulator.claude.records._stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Literal

    from api_simulator.claude.records._base import Record


class Notices(Stream):
    """What the program tells its caller."""

    def api_retry(
        self,
        attempt: int = 1,
        error_status: int | None = 529,
        *,
        error: str | None = None,
        max_retries: int = MAX_RETRIES,
        retry_after_ms: int = 0,
    ) -> Record:
        """
        Return ``system/api_retry``: a request failed and will be repeated.

        Args:
            attempt: Which retry, from 1.

            error_status: The HTTP status, None for a failed connection.

            error: None: what the version calls that status.

            max_retries: As the program was told by CLAUDE_CODE_MAX_RETRIES.

            retry_after_ms: What the API's ``retry-after`` asked for; the delay is not below it.
        """
        called = failure_for(error_status).retry_category
        if error_status == 529 and self.profile.overloaded_is_rate_limit:
            called = "rate_limit"
        delay = retry_delay_ms(attempt, self._fraction("retry delay"), at_least_ms=retry_after_ms)
        fields = {
            "attempt": attempt,
            "max_retries": max_retries,
            "retry_delay_ms": int(delay) if self.profile.delay_is_integer else delay,
            "error_status": error_status,
            "error": called if error is None else error,
        }
        return self._record("system/api_retry", fields)

    def compact_boundary(
        self,
        *,
        trigger: Literal["manual", "auto"] = "auto",
        pre_tokens: int = 168_000,
        post_tokens: int = 9_000,
        parent_uuid: str | None = None,
    ) -> Record:
        """
        Return ``system/compact_boundary``; the summary follows as a synthetic :meth:`user` record.

        Args:
            trigger: Whether somebody asked for it (``/compact``).

            pre_tokens: How long the conversation was.

            post_tokens: How long it is now.

            parent_uuid: The record after which it was compacted.
        """
        anchor = parent_uuid or self.new_uuid()
        metadata: Record = {
            "trigger": trigger,
            "pre_tokens": pre_tokens,
            "post_tokens": post_tokens,
            "cumulative_dropped_tokens": pre_tokens - post_tokens,
            "duration_ms": self._duration_ms("compaction", 2000, 9000),
        }
        if trigger == "auto":
            segment = {"head_uuid": anchor, "anchor_uuid": anchor, "tail_uuid": anchor}
            metadata |= {"preserved_segment": segment, "preserved_messages": {}}
        self._message = None
        return self._record("system/compact_boundary", {"compact_metadata": metadata, "logical_parent_uuid": anchor})

    def permission_denied(
        self,
        tool_use: str | Mapping[str, Any] | None = None,
        *,
        reason_type: str | None = None,
        message: str | None = None,
    ) -> Record:
        """
        Return ``system/permission_denied``, which comes before the error result of the tool.

        Args:
            tool_use: As in :meth:`tool_result`.

            reason_type: ``rule``, ``subcommandResults``, ``mode``; None if nobody was there to grant it.

            message: What the model gets too.
        """
        block = self._called(tool_use)
        name = str(block.get("name", "Bash"))
        fields: Record = {"tool_name": name, "tool_use_id": block.get("id")}
        if reason_type is not None:
            fields["decision_reason_type"] = reason_type
        fields["message"] = message or f"Permission to use {name} was not granted."
        return self._record("system/permission_denied", fields)

    # Tasks: sub-agents and commands in the background

    def task_started(
        self,
        task: Mapping[str, Any],
        *,
        prompt: str = "Look around.",
        task_type: str = "local_agent",
        is_backgrounded: bool = False,
    ) -> Record:
        """
        Return ``system/task_started``.

        Args:
            task: From :meth:`agent_task` or :meth:`shell_task`.

            prompt: What a sub-agent was told.

            task_type: ``local_agent`` or ``local_bash``.

            is_backgrounded: Whether the model goes on meanwhile.
        """
        fields = {**self._task(task), "task_type": task_type, "is_backgrounded": is_backgrounded}
        if task_type == "local_agent":
            fields |= {"subagent_type": task["subagent_type"], "spawn_depth": 1, "prompt": prompt}
        return self._record("system/task_started", fields)

    def task_progress(self, task: Mapping[str, Any], *, last_tool_name: str = "Bash", tool_uses: int = 1) -> Record:
        """Return ``system/task_progress``: a sub-agent calls a tool."""
        fields = {
            **self._task(task),
            "subagent_type": task["subagent_type"],
            "usage": self._task_usage(tool_uses),
            "last_tool_name": last_tool_name,
        }
        return self._record("system/task_progress", fields)

    def task_updated(self, task: Mapping[str, Any], *, status: str = "completed") -> Record:
        """Return ``system/task_updated``: something about a task is different now."""
        patch = {"status": status, "end_time": self._now_ms}
        return self._record(
            "system/task_updated", {"task_id": task["agent_id"], "run_id": task["run_id"], "patch": patch}
        )

    def task_notification(
        self,
        task: Mapping[str, Any],
        *,
        status: Literal["completed", "failed", "stopped"] = "completed",
        summary: str = "Looked around.",
        summary_is_report: bool = False,
        output_file: str | None = None,
        tool_uses: int = 0,
    ) -> Record:
        """
        Return ``system/task_notification``: a task has ended.

        Args:
            task: From :meth:`agent_task` or :meth:`shell_task`.

            status: How.

            summary: What came of it.

            summary_is_report: Whether the summary is the sub-agent's own report; so it is in the background.

            output_file: Where its output is.

            tool_uses: How many tools it called.
        """
        fields = {
            **self._task(task),
            "status": status,
            "output_file": output_file or f"/tmp/claude-0/{self.session_id}/tasks/{task['agent_id']}.output",
            "summary": summary,
        }
        del fields["description"]
        if "subagent_type" in task:
            fields["usage"] = self._task_usage(tool_uses)
        if summary_is_report:
            fields["summary_is_report"] = True
        return self._record("system/task_notification", fields)

    def background_tasks_changed(self, *tasks: Mapping[str, Any]) -> Record:
        """Return ``system/background_tasks_changed`` with all the tasks that now run in the background."""
        running = [
            {
                "task_id": task["agent_id"],
                "run_id": task["run_id"],
                "task_type": "local_agent" if "subagent_type" in task else "local_bash",
                "description": task["task_description"],
            }
            for task in tasks
        ]
        return self._record("system/background_tasks_changed", {"tasks": running})

    def shell_task(self, description: str = "Wait", *, tool_use: str | Mapping[str, Any] | None = None) -> Record:
        """Return what names a command in the background, for the arguments called *task*."""
        block = self._called(tool_use)
        return {
            "agent_id": self.new_id("b", 8).lower(),
            "run_id": self.new_uuid(),
            "parent_tool_use_id": block.get("id"),
            "task_description": description,
        }

    def _task(self, task: Mapping[str, Any]) -> Record:
        return {
            "task_id": task["agent_id"],
            "run_id": task["run_id"],
            "tool_use_id": task["parent_tool_use_id"],
            "description": task["task_description"],
        }

    def _task_usage(self, tool_uses: int) -> Record:
        tokens = self._duration_ms("task tokens", 500, 5000)
        return {"total_tokens": tokens, "tool_uses": tool_uses, "duration_ms": self._duration_ms("task", 300, 4000)}

    # Hooks

    def hook_started(self, event: str = "PreToolUse", *, matcher: str = "Bash", hook_id: str | None = None) -> Record:
        """Return ``system/hook_started``; *matcher* is what the hook's name has after the event."""
        fields = {
            "hook_id": hook_id or self.new_uuid(),
            "hook_name": f"{event}:{matcher}" if matcher else event,
            "hook_event": event,
        }
        return self._record("system/hook_started", fields)

    def hook_response(
        self,
        started: Mapping[str, Any],
        *,
        stdout: str = "",
        stderr: str = "",
        exit_code: int = 0,
        outcome: Literal["success", "error", "cancelled"] | None = None,
    ) -> Record:
        """Return ``system/hook_response`` for a record of :meth:`hook_started`."""
        fields = {
            "hook_id": started["hook_id"],
            "hook_name": started["hook_name"],
            "hook_event": started["hook_event"],
            "output": stdout + stderr,
            "stdout": stdout,
            "stderr": stderr,
            "exit_code": exit_code,
            "outcome": outcome or ("success" if exit_code == 0 else "error"),
        }
        return self._record("system/hook_response", fields)

    # Others

    def rate_limit_event(
        self,
        status: Literal["allowed", "allowed_warning", "rejected"] = "rejected",
        *,
        utilization: float = 1.0,
        rate_limit_type: str = "five_hour",
        resets_at: int = 1_767_636_000,
    ) -> Record:
        """
        Return ``rate_limit_event``, which only a program that is logged in with OAuth prints.

        Args:
            status: What became of the request.

            utilization: From 0 to 1.

            rate_limit_type: Which limit.

            resets_at: When it begins anew, in seconds since 1970.
        """
        info = {
            "status": status,
            "resetsAt": resets_at,
            "rateLimitType": rate_limit_type,
            "utilization": utilization,
            "isUsingOverage": False,
            "unifiedWindows": {rate_limit_type: {"utilization": utilization, "resetsAt": resets_at}},
        }
        return self._record("rate_limit_event", {"rate_limit_info": info})

    def conversation_reset(self, *, trigger: str = "clear", user_message_uuid: str | None = None) -> Record:
        """Return ``conversation_reset``; records made after it have the new session's id."""
        new = self.new_uuid()
        record = self._record(
            "conversation_reset",
            {
                "new_conversation_id": new,
                "trigger": trigger,
                "user_message_uuid": user_message_uuid or self.new_uuid(),
                "timestamp": self.timestamp(),
            },
        )
        self.session_id = new
        self.total_cost_usd = 0
        self._model_usage = {}
        self._api_ms = 0
        return record

    def command_lifecycle(self, command_uuid: str, state: Literal["queued", "started", "completed"]) -> Record:
        """Return ``command_lifecycle``: where a prompt that had a uuid is in its life."""
        return self._record("command_lifecycle", {"command_uuid": command_uuid, "state": state})

    def session_state_changed(
        self, state: Literal["running", "requires_action", "idle"], *, sdk_host_only: bool = False
    ) -> Record:
        """Return ``system/session_state_changed``; after ``running``, SDKs wait for ``idle``."""
        fields: Record = {"state": state}
        if sdk_host_only:
            fields["sdk_host_only"] = True
        return self._record("system/session_state_changed", fields)

    def session_title_changed(self, title: str) -> Record:
        """Return ``system/session_title_changed`` (``--name``)."""
        return self._record("system/session_title_changed", {"title": title})

    def model_fallback(self, fallback_model: str, *, trigger: str = "overloaded") -> Record:
        """Return ``system/model_fallback``; records made after it name the other model."""
        fields = {
            "trigger": trigger,
            "original_model": self.model,
            "fallback_model": fallback_model,
            "content": f"{self.model} is at capacity; {fallback_model} answers instead.",
        }
        record = self._record("system/model_fallback", fields)
        self.model = fallback_model
        self._message = None
        return record

    def informational(
        self,
        content: str,
        *,
        level: str = "info",
        prevent_continuation: bool | None = None,
        prompt_submit_outcome: Mapping[str, object] | None = None,
        tool_use_id: str | None = None,
    ) -> Record:
        """Return ``system/informational``: a refusal, a prompt that a hook blocked."""
        optional = {
            "prevent_continuation": prevent_continuation,
            "prompt_submit_outcome": None if prompt_submit_outcome is None else dict(prompt_submit_outcome),
            "tool_use_id": tool_use_id,
        }
        given = {key: value for key, value in optional.items() if value is not None}
        return self._record("system/informational", {"content": content, "level": level, **given})

    def notification(self, text: str, *, key: str = "notice", priority: str = "immediate") -> Record:
        """Return ``system/notification``."""
        return self._record("system/notification", {"key": key, "text": text, "priority": priority})

    def ui_invalidate(self, event: str = "settings") -> Record:
        """Return ``system/ui_invalidate`` (``--bare``)."""
        return self._record("system/ui_invalidate", {"event": event})

    def transcript_mirror(self, file_path: str, entries: Sequence[Mapping[str, object]]) -> Record:
        """Return ``transcript_mirror`` (``--session-mirror``): records that were written to a transcript."""
        return self._bare("transcript_mirror", {"filePath": file_path, "entries": [dict(entry) for entry in entries]})

    def keep_alive(self) -> Record:
        """Return ``keep_alive``."""
        return self._bare("keep_alive", {})

    def _bare(self, kind: str, fields: Record) -> Record:
        """Return a record without uuid and session id."""
        if not self.has(kind):
            raise ValueError(f"{kind}: version {self.version} writes no such record; ask `has({kind!r})` first")
        return {"type": kind, **fields}
