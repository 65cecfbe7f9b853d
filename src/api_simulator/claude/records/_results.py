"""
The ``result`` record, which ends a turn.
"""

from __future__ import annotations

from api_simulator.claude.records._user import User

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal, TypeAlias

    from api_simulator.claude.records._base import Record

    #: The subtypes of failed runs; a failed API request is none of them.
    ErrorSubtype: TypeAlias = Literal[
        "error_during_execution",
        "error_max_turns",
        "error_max_budget_usd",
        "error_max_structured_output_retries",
    ]

#: Subtype to ``terminal_reason``.
_TERMINAL_REASONS = {
    "error_during_execution": "aborted_streaming",
    "error_max_turns": "max_turns",
    "error_max_budget_usd": "budget_exhausted",
    "error_max_structured_output_retries": "structured_output_retry_exhausted",
}

#: Only a turn in which an answer arrived has them.
_FIRST_BYTES = ("ttft_ms", "ttft_stream_ms", "time_to_request_ms", "first_content_frame_ms")


class Results(User):
    """The ends of turns."""

    def result(
        self,
        text: str | None = None,
        *,
        structured_output: object = None,
        origin: Mapping[str, object] | None = None,
        num_turns: int | None = None,
        streamed: bool = True,
        stop_reason: str | None = None,
    ) -> Record:
        """
        Return the ``result`` of a turn that ended by itself.

        After :meth:`api_error` it is the result of a failed request, as the real program gives it: ``subtype`` is
        ``success``, ``is_error`` is true.

        Args:
            text: ``result``. None: the last text of the model, or of the failure.

            structured_output: What the run was asked for with ``--json-schema``.

            origin: Where the prompt came from, for instance ``{"kind": "task-notification"}``.

            num_turns: None: one, and one more for each ``user`` record in between, as the real program counts.

            streamed: Whether the last answer came as a stream; without it the times of its first bytes are missing.

            stop_reason: None: that of the last block.
        """
        failure = self._last_failure
        fields: Record = {
            "api_error_status": None,
            "is_error": failure is not None,
            "num_turns": num_turns,
            "result": self._last_text if text is None else text,
            "stop_reason": stop_reason or self._last_stop_reason or "end_turn",
            "terminal_reason": "completed",
        }
        if failure is None:
            fields |= {
                name: self._duration_ms("first byte", 100, 900)
                for name in _FIRST_BYTES
                if streamed or name == "ttft_ms"
            }
        else:
            facts = {key: value for key, value in failure.items() if key not in ("text", "terminal_reason")}
            reason = failure["terminal_reason"]
            if reason == "prompt_too_long":
                reason = self.profile.prompt_too_long_reason
            fields |= facts | {"stop_reason": "stop_sequence", "terminal_reason": reason}
            fields["result"] = failure["text"] if text is None else text
        if structured_output is not None:
            fields["structured_output"] = structured_output
        if origin is not None:
            fields["origin"] = dict(origin)
        return self._result("success", fields)

    def local_result(self, text: str = "", *, local_command: str | None = None) -> Record:
        """
        Return the ``result`` of a turn without a request: a slash command, or a prompt that a hook blocked.

        Args:
            text: ``result``.

            local_command: The command without its slash, None if there was none.
        """
        fields: Record = {"is_error": False, "num_turns": 0, "result": text, "stop_reason": None}
        if local_command is not None:
            fields["local_command"] = local_command
        return self._result("success", fields)

    def error_result(
        self,
        subtype: ErrorSubtype = "error_during_execution",
        errors: Sequence[str] | None = None,
        *,
        terminal_reason: str | None = None,
        num_turns: int | None = None,
        limit: float | None = None,
    ) -> Record:
        """
        Return the ``result`` of a run that was ended: it has ``errors`` in place of ``result``.

        Args:
            subtype: Why.

            errors: None: what the real program says, with *limit* in it.

            terminal_reason: None: the usual one of the subtype. An interrupted tool is ``aborted_tools``.

            num_turns: None: as in :meth:`result`.

            limit: The limit of turns, or of US dollars, that was reached.

        Raises:
            ValueError: If there is no such subtype.
        """
        if subtype not in _TERMINAL_REASONS:
            raise ValueError(f"result: there is no subtype {subtype!r}; known are {', '.join(_TERMINAL_REASONS)}")
        fields: Record = {
            "is_error": True,
            "num_turns": num_turns,
            "stop_reason": None if subtype == "error_during_execution" else self._last_stop_reason or "tool_use",
            "terminal_reason": terminal_reason or _TERMINAL_REASONS[subtype],
            "errors": list(_said(subtype, limit) if errors is None else errors),
        }
        if subtype == "error_max_turns" and not self.profile.max_turns_is_error:
            fields |= {"is_error": False, "errors": []}
        return self._result(subtype, fields)

    def startup_error(self, error: str | None = None) -> Record:
        """
        Return the ``result`` of a program that did not get to its first turn: a session to resume that is not there.

        Args:
            error: None: no conversation with this session's id.
        """
        said = f"No conversation found with session ID: {self.session_id}" if error is None else error
        usage = self._usage(0, 0)
        self._result_index += 1
        return self._record(
            "result",
            {
                "subtype": "error_during_execution",
                "duration_ms": 0,
                "duration_api_ms": 0,
                "is_error": True,
                "num_turns": 0,
                "stop_reason": None,
                "session_id": self.session_id,
                "total_cost_usd": 0,
                "usage": usage,
                "modelUsage": {},
                "permission_denials": [],
                "uuid": self.new_uuid(),
                "errors": [said],
                "result_index": self._result_index - 1,
            },
        )

    # Within

    def _result(self, subtype: str, fields: Record) -> Record:
        turns = fields.pop("num_turns")
        # The budget's result has the tokens of its last request in `modelUsage` only.
        tokens = (0, 0) if subtype == "error_max_budget_usd" else self._turn_tokens[:2]
        common: Record = {
            "duration_api_ms": self._api_ms,
            "stop_reason": None,
            "session_id": self.session_id,
            # An integer while nothing was spent: JavaScript has one kind of number.
            "total_cost_usd": self.total_cost_usd or 0,
            "usage": self._usage(*tokens),
            "modelUsage": {model: dict(entry) for model, entry in self._model_usage.items()},
            "permission_denials": [dict(denial) for denial in self._turn_denials],
            "fast_mode_state": "off",
            "fast_mode_disabled_reason": "sdk_opt_in_required",
            "subagent_stats": _subagent_stats(),
            "safety_stops": 0,
            # Far from first, as in the real program: whoever looks for the type at the start of a line finds nothing.
            "type": "result",
            "subtype": subtype,
            "num_turns": 1 + self._turn_users if turns is None else turns,
            "duration_ms": self._now_ms - self._turn_began_ms,
            "uuid": self.new_uuid(),
            "queued_turn_count": 0,
            "result_index": self._result_index,
            "model_usage_since_last_result": {model: dict(entry) for model, entry in self._turn_model_usage.items()},
        }
        if self._prompt_uuid is not None:
            common |= {"user_message_uuid": self._prompt_uuid, "user_message_uuids": [self._prompt_uuid]}
            if self._turn_requests:
                common |= {
                    "request_sent_wall_ms": self._turn_began_ms,
                    "first_request_input_tokens": self._turn_tokens[0],
                    "first_request_cache_read_input_tokens": 0,
                }
        self._result_index += 1
        self._forget_turn()
        self._prompt_uuid = None
        record = self._without("result", common | fields)
        return self._without("max_turns", record) if subtype == "error_max_turns" else record

    def _usage(self, read: int, written: int) -> Record:
        return {
            "input_tokens": read,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": written,
            "output_tokens_details": {"thinking_tokens": 0},
            "server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 0},
            "service_tier": "standard",
            "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 0},
            "inference_geo": "",
            "iterations": [],
            "speed": "standard",
            "fallback_credit": None,
        }


def _subagent_stats() -> Record:
    return {
        "spawned": 0,
        "requested": {"background": 0, "foreground": 0, "unset": 0},
        "started_in_background": 0,
        "max_depth": 0,
        "spawned_by_subagents": 0,
        "completed": 0,
        "failed": 0,
        "killed": {"parent": 0, "user": 0, "system": 0},
        "refused": {"depth_limit": 0, "concurrency_limit": 0, "budget": 0},
        "by_type": {},
    }


def _said(subtype: str, limit: float | None) -> list[str]:
    return {
        "error_during_execution": ["[ede_diagnostic] result_type=user last_content_type=n/a stop_reason=null"],
        "error_max_turns": [f"Reached maximum number of turns ({1 if limit is None else limit})"],
        "error_max_budget_usd": [f"Reached maximum budget (${0.0001 if limit is None else limit})"],
        "error_max_structured_output_retries": [
            "Failed to provide valid structured output after 5 attempts — last StructuredOutput error: not valid"
        ],
    }[subtype]
