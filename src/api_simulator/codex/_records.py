"""
The records of the real program, 0.169.0: what it prints with ``--json``, and what it writes to its session file.

The one place that knows their keys and order. What is known only when the program runs is a hole between two zero bytes
(which JSON text cannot contain): :func:`inside` for a part of a text, :func:`whole` for a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from api_simulator._core.bodies import encode_json
from api_simulator.process._seeded import seeded_uuid7

#: Not JSON's to escape, and in nobody's text.
_LEFT, _RIGHT = "\ue000\ue002", "\ue001\ue002"


def inside(name: str) -> str:
    """Return a hole within a text."""
    return f"{_LEFT}{name}{_RIGHT}"


def whole(name: str) -> str:
    """Return a hole for a whole value."""
    return f"{_LEFT}!{name}{_RIGHT}"


def template(value: Any) -> bytes:
    """Return *value* as a line of JSON with its holes."""
    text = re.sub(f'"{_LEFT}!([^{_RIGHT}]*){_RIGHT}"', "\0\\1\0", encode_json(value).decode())
    return text.replace(_LEFT, "\0").replace(_RIGHT, "\0").encode() + b"\n"


# Events


def event(kind: str, **fields: Any) -> bytes:
    """Return an event."""
    return template({"type": kind, **fields})


def item(phase: str, key: str, kind: str, **fields: Any) -> bytes:
    """Return the event that an item was started, updated or completed; *key* names the item in its script."""
    return template({"type": f"item.{phase}", "item": {"id": inside(f"item-{key}"), "type": kind, **fields}})


def search_item(phase: str, key: str, search_id: str, query: str) -> bytes:
    """Return an event of a web search, whose item has the key ``id`` twice, as the real one."""
    action = {"type": "search", "query": query}
    line = item(phase, key, "web_search", second=search_id, query=query, action=action)
    return line.replace(b'"second":', b'"id":')


# Session file


class Rollout:
    """
    The records of a session file.

    Args:
        seed: Determines ids.

        version: What ``cli_version`` says.
    """

    def __init__(self, seed: int, version: str, provider: str) -> None:
        self._seed = seed
        self._version = version
        self._provider = provider

    def fresh(self, *purpose: object) -> str:
        """Return an id for *purpose*, another one in each invocation."""
        return seeded_uuid7(self._seed, *purpose)[:24] + inside("run")

    # Envelopes

    def _record(self, kind: str, payload: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> bytes:
        record = {"timestamp": inside("now"), "ordinal": whole("ordinal"), "type": kind, "payload": payload}
        if metadata is not None:
            record["metadata"] = metadata
        return template(record)

    def _event(self, kind: str, **payload: Any) -> bytes:
        return self._record("event_msg", {"type": kind, **payload})

    def _response(self, payload: Mapping[str, Any], **metadata: Any) -> bytes:
        return self._record(
            "response_item",
            payload,
            {
                "history_sequence": whole("sequence"),
                "sampled_through_sequence": 0,
                "client_authored": False,
                **metadata,
            },
        )

    def _completed(self, kind: str, item_id: str, **fields: Any) -> bytes:
        return self._event(
            "item_completed",
            thread_id=inside("thread"),
            turn_id=inside("turn"),
            item={"type": kind, "id": item_id, **fields},
            started_at_ms=whole("epoch-ms"),
            completed_at_ms=whole("epoch-ms"),
        )

    @property
    def _of_turn(self) -> dict[str, Any]:
        return {"turn_id": inside("turn")}

    # The beginning

    def session_meta(self, *, forked: bool) -> bytes:
        """Return the first record; that of a fork points to what came before."""
        payload = {
            "account_scoped": True,
            "session_id": inside("thread"),
            "id": inside("thread"),
            **(
                {"forked_from_id": inside("parent"), "forked_from_ordinal_exclusive": whole("parent-ordinal")}
                if forked
                else {}
            ),
            "timestamp": inside("now"),
            "cwd": whole("cwd"),
            "runtime_workspace_roots": [whole("cwd")],
            "originator": "codex_exec",
            "cli_version": self._version,
            "source": "exec",
            "thread_source": "user",
            "model_provider": self._provider,
            "base_instructions": {"text": "You are a coding agent in a test."},
            "history_mode": "paginated",
            **(
                {
                    "history_base": {"thread_id": inside("parent"), "ordinal_exclusive": whole("parent-ordinal")},
                    "multi_agent_version": "v1",
                }
                if forked
                else {}
            ),
            "context_window": {"window_id": self.fresh("window")},
        }
        line = self._record("session_meta", payload)
        # A hole for a key and its value: outside a repository there is neither.
        return line[:-3] + b"\0git\0" + line[-3:]

    @staticmethod
    def git() -> bytes:
        """Return the part of the first record that only a working folder in a repository has."""
        return b',"git":{"commit_hash":null,"branch":null,"repository_url":null}'

    def task_started(self) -> bytes:
        """Return the record of a turn's beginning."""
        turn = inside("turn")
        attribution = {
            "turn_id": turn,
            "turn_trigger": "exec",
            "parent_turn_id": None,
            "initiating_agent_path": None,
            "root_turn_id": turn,
        }
        return self._event(
            "task_started",
            turn_attribution=attribution,
            turn_id=turn,
            root_turn_id=turn,
            started_at=whole("started"),
            model_context_window=258400,
            collaboration_mode_kind="default",
        )

    def input_message(self, purpose: str, role: str, text: str) -> bytes:
        """Return a message to the model."""
        return self._response(
            {
                "type": "message",
                "id": f"msg_{self.fresh(purpose)}",
                "role": role,
                "content": [{"type": "input_text", "text": text}],
                "internal_chat_message_metadata_passthrough": self._of_turn,
            }
        )

    def world_state(self, *, full: bool) -> bytes:
        """Return the record of what the model is told of its surroundings."""
        return self._record("world_state", {"full": full, "state": {"environments": {"cwd": whole("cwd")}}})

    def turn_context(self) -> bytes:
        """Return the record of a turn's settings; the sandbox's part is a hole (:meth:`sandbox_profile`)."""
        mode = {"model": whole("model"), "reasoning_effort": None, "developer_instructions": None}
        line = self._record(
            "turn_context",
            {
                "turn_id": inside("turn"),
                "root_turn_id": inside("turn"),
                "disabled_plugin_ids": [],
                "cwd": whole("cwd"),
                "approval_policy": "never",
                "approvals_reviewer": "user",
                "permission_profile": {"type": inside("sandbox")},
                "model": whole("model"),
                "collaboration_mode": {"mode": "default", "settings": mode},
                "multi_agent_version": "v1",
                "realtime_active": False,
                "summary": "none",
                "sandbox_policy": {"type": inside("sandbox")},
            },
        )
        return line[:-3] + b"\0profile\0" + line[-3:]

    @staticmethod
    def sandbox_profile(sandbox: str) -> bytes:
        """Return the keys that a turn's settings have more in this sandbox, an empty name being the default."""
        if sandbox == "workspace-write":
            return b',"file_system_sandbox_policy":{"kind":"restricted","entries":[]}'
        return b"" if sandbox else b',"active_permission_profile":{"id":":read-only"}'

    def settings_applied(self) -> bytes:
        """Return the record of a thread's settings."""
        return self._event(
            "thread_settings_applied",
            thread_id=inside("thread"),
            thread_settings={
                "model": whole("model"),
                "model_provider_id": self._provider,
                "approval_policy": "never",
                "cwd": whole("cwd"),
            },
        )

    def user_item(self) -> bytes:
        """Return the record of the prompt as an item."""
        content = [{"type": "text", "text": whole("prompt"), "text_elements": []}]
        return self._completed("UserMessage", self.fresh("user item"), content=content)

    # What the agent does

    def agent_message(self, key: str, text: str, phase: str | None) -> list[bytes]:
        """Return the records of a message."""
        message_id = f"msg_{self.fresh('message', key)}"
        phased = {"phase": phase} if phase is not None else {}
        return [
            self._completed("AgentMessage", message_id, content=[{"type": "Text", "text": text}], **phased),
            self._response(
                {
                    "type": "message",
                    "status": "completed",
                    "id": message_id,
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": text, "annotations": []}],
                    **phased,
                    "internal_chat_message_metadata_passthrough": self._of_turn,
                }
            ),
        ]

    def reasoning(self, key: str, summary: tuple[str, ...]) -> list[bytes]:
        """Return the records of reasoning."""
        reasoning_id = f"rs_{self.fresh('reasoning', key)}"
        return [
            self._completed("Reasoning", reasoning_id, summary_text=list(summary), raw_content=[]),
            self._response(
                {
                    "type": "reasoning",
                    "id": reasoning_id,
                    "summary": [{"type": "summary_text", "text": part} for part in summary],
                    "content": None,
                    "encrypted_content": "bWFkZSB1cA==",
                    "internal_chat_message_metadata_passthrough": self._of_turn,
                }
            ),
        ]

    def function_call(self, key: str, name: str, arguments: Mapping[str, Any], namespace: str | None = None) -> bytes:
        """Return the record of the model's call of a tool."""
        return self._response(
            {
                "type": "function_call",
                "status": "completed",
                "id": f"fc_{self.fresh('call', key)}",
                "name": name,
                **({"namespace": namespace} if namespace is not None else {}),
                "arguments": encode_json(arguments).decode(),
                "call_id": self.call_id(key),
                "internal_chat_message_metadata_passthrough": self._of_turn,
            }
        )

    def patch_call(self, key: str, text: str) -> bytes:
        """Return the record of the model's call of ``apply_patch``."""
        return self._response(
            {
                "type": "custom_tool_call",
                "status": "completed",
                "id": f"ctc_{self.fresh('call', key)}",
                "call_id": self.call_id(key),
                "name": "apply_patch",
                "input": text,
                "internal_chat_message_metadata_passthrough": self._of_turn,
            }
        )

    def call_output(self, key: str, output: str, *, custom: bool = False) -> bytes:
        """Return the record of what the model is told of a tool's result."""
        kind = "custom_tool_call_output" if custom else "function_call_output"
        return self._response(
            {
                "type": kind,
                "id": f"{'ctco' if custom else 'fco'}_{self.fresh('output', key)}",
                "call_id": self.call_id(key),
                "output": output,
                "internal_chat_message_metadata_passthrough": self._of_turn,
            }
        )

    def call_id(self, key: str) -> str:
        """Return the id that joins a call to its output."""
        return f"call_{key}"

    def command_item(self, key: str, line: str, output: str, exit_code: int, duration_ms: int) -> bytes:
        """Return the record of a command that has ended."""
        return self._completed(
            "CommandExecution",
            self.call_id(key),
            process_id="4711",
            command=["/bin/bash", "-lc", line],
            cwd=f"file://{inside('cwd-inside')}",
            parsed_cmd=[{"type": "unknown", "cmd": line}],
            source="unified_exec_startup",
            status="completed" if exit_code == 0 else "failed",
            aggregated_output=output,
            exit_code=exit_code,
            duration=_duration(duration_ms),
        )

    def patch_item(self, key: str, changes: Mapping[str, str], output: str) -> bytes:
        """Return the record of files that were changed."""
        shown = {path: {"type": kind} for path, kind in changes.items()}
        return self._completed(
            "FileChange", self.call_id(key), changes=shown, status="completed", stdout=output, stderr=""
        )

    def mcp_item(self, key: str, call: Mapping[str, Any], *, duration_ms: int = 0) -> bytes:
        """Return the record of a call of an MCP tool."""
        return self._completed("McpToolCall", self.call_id(key), **call, duration=_duration(duration_ms))

    def search(self, key: str, query: str) -> list[bytes]:
        """Return the records of a search, which the API carries out itself."""
        action = {"type": "search", "query": query}
        search_id = self.search_id(key)
        return [
            self._completed("WebSearch", search_id, query=query, action=action),
            self._response(
                {
                    "type": "web_search_call",
                    "id": search_id,
                    "status": "completed",
                    "action": action,
                    "internal_chat_message_metadata_passthrough": self._of_turn,
                }
            ),
        ]

    def search_id(self, key: str) -> str:
        """Return the id that the API gives to a search."""
        return f"ws_{seeded_uuid7(self._seed, 'search', key)}"

    # Counts and the end

    def usage_record(self) -> bytes:
        """Return the record of what an API answer cost."""
        return self._record(
            "token_usage_record",
            {
                "thread_id": inside("thread"),
                "turn_id": inside("turn"),
                "session_id": inside("thread"),
                "root_turn_id": inside("turn"),
                "response_id": f"resp_{self.fresh('response')}",
                "usage": whole("usage-last"),
                "turn_token_usage": whole("usage-turn"),
                "thread_token_usage": whole("usage-thread"),
            },
        )

    def token_count(self) -> bytes:
        """Return the event that says what was used so far."""
        limits = {"limit_id": "codex", "limit_name": None, "primary": None, "secondary": None, "credits": None}
        return self._event("token_count", info=whole("info"), rate_limits={**limits, "plan_type": None})

    @staticmethod
    def info() -> bytes:
        """Return what ``token_count`` says once something was used."""
        return template(
            {
                "total_token_usage": whole("usage-thread"),
                "last_token_usage": whole("usage-last"),
                "last_usage_includes_reasoning": False,
                "model_context_window": 258400,
            }
        ).rstrip(b"\n")

    def task_complete(self, error: Mapping[str, Any] | None = None, *, answered: bool) -> bytes:
        """Return the record of a turn's end."""
        return self._event(
            "task_complete",
            root_turn_id=inside("turn"),
            turn_id=inside("turn"),
            last_agent_message=whole("last"),
            **({"error": error} if error is not None else {}),
            started_at=whole("started"),
            completed_at=whole("epoch"),
            duration_ms=whole("duration"),
            **({"time_to_first_token_ms": 1} if answered else {}),
        )

    def turn_aborted(self) -> bytes:
        """Return the record of a turn that a signal ended."""
        return self._event(
            "turn_aborted",
            turn_id=inside("turn"),
            root_turn_id=inside("turn"),
            reason="interrupted",
            started_at=whole("started"),
            completed_at=whole("epoch"),
            duration_ms=whole("duration"),
        )


def _duration(milliseconds: int) -> dict[str, int]:
    seconds, rest = divmod(milliseconds, 1000)
    return {"secs": seconds, "nanos": rest * 1_000_000}
