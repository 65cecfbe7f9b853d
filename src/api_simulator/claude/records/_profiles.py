"""
What differs between versions of the real program, as data.

Builders make the newest form; a profile says what an older version left out or called otherwise. Measured
on 1.0.128, 2.0.77, 2.1.100 and 2.1.329 with the same scripted API.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Profile:
    """
    The habits of one version.

    Attributes:
        version: The first version known to have them, as its three numbers.

        name: The version that was measured.

        absent_records: Kinds of records that it never writes: a ``type``, or ``system/`` and a subtype; after
            ``transcript/``, one that it leaves out of its transcripts.

        absent_keys: Kind of record to the keys that it leaves out; ``message`` is the API message of an
            assistant's record, ``error`` a synthetic one, ``max_turns`` a result of that subtype, ``model`` an entry of
            ``modelUsage``, ``initialized`` the answer to ``initialize``, ``transcript`` any record of a transcript.

        stop_reason_on_last_block: Whether the last block of an API message has the real stop reason; newer
            versions print null on every block.

        max_turns_is_error: Whether a run that ended at ``--max-turns`` counts as failed.

        prompt_too_long_reason: The ``terminal_reason`` of a prompt that is too long.

        structured_output_ends_run: Whether the run ends right after the tool that takes structured output, without one
            more request.

        delay_is_integer: Whether ``retry_delay_ms`` is an integer.

        overloaded_is_rate_limit: Whether HTTP 529 is called ``rate_limit`` in ``api_retry``.

        startup_error_on_stdout: Whether a session that cannot be resumed gives a result line.

        startup_error_on_stderr: Whether it says so on standard error.

        sigint_result: Whether SIGINT ends a running turn with records.

        error_texts: Failure name to the text of this version, where it differs from the newest.
    """

    __slots__ = (
        "absent_keys",
        "absent_records",
        "delay_is_integer",
        "error_texts",
        "max_turns_is_error",
        "name",
        "overloaded_is_rate_limit",
        "prompt_too_long_reason",
        "sigint_result",
        "startup_error_on_stderr",
        "startup_error_on_stdout",
        "stop_reason_on_last_block",
        "structured_output_ends_run",
        "version",
    )

    def __init__(
        self,
        name: str,
        *,
        version: tuple[int, int, int],
        absent_records: frozenset[str] = frozenset(),
        absent_keys: Mapping[str, frozenset[str]] | None = None,
        stop_reason_on_last_block: bool = False,
        max_turns_is_error: bool = True,
        prompt_too_long_reason: str = "prompt_too_long",
        structured_output_ends_run: bool = True,
        delay_is_integer: bool = True,
        overloaded_is_rate_limit: bool = False,
        startup_error_on_stdout: bool = True,
        startup_error_on_stderr: bool = True,
        sigint_result: bool = True,
        error_texts: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.version = version
        self.absent_records = absent_records
        self.absent_keys: Mapping[str, frozenset[str]] = absent_keys or {}
        self.stop_reason_on_last_block = stop_reason_on_last_block
        self.max_turns_is_error = max_turns_is_error
        self.prompt_too_long_reason = prompt_too_long_reason
        self.structured_output_ends_run = structured_output_ends_run
        self.delay_is_integer = delay_is_integer
        self.overloaded_is_rate_limit = overloaded_is_rate_limit
        self.startup_error_on_stdout = startup_error_on_stdout
        self.startup_error_on_stderr = startup_error_on_stderr
        self.sigint_result = sigint_result
        self.error_texts: Mapping[str, str] = error_texts or {}

    def __repr__(self) -> str:
        return f"<Profile {self.name}>"


def _keys(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Written in steps from the newest backwards: each older version lacks what the one after it lacks, and more.
_INIT_2_1_100 = _keys(
    "additional_directories analytics_disabled capabilities fast_mode_disabled_reason memory_paths"
    " messaging_socket_path original_cwd per_turn_effort_active product_feedback_disabled"
    " served_by_anthropic terminal_slash_commands ultrathink_available ultrathink_typed_raises view_mode"
)
_RESULT_2_1_100 = _keys(
    "api_error api_error_status api_error_type fast_mode_disabled_reason first_content_frame_ms"
    " model_usage_since_last_result origin queued_turn_count result_index safety_stops"
    " subagent_stats time_to_request_ms ttft_ms ttft_stream_ms"
)
_RECORDS_2_1_100 = _keys(
    "conversation_reset command_lifecycle transcript_mirror system/background_tasks_changed system/informational"
    " system/model_fallback system/notification system/permission_denied system/session_state_changed"
    " system/session_title_changed system/thinking_tokens system/task_updated system/ui_invalidate"
    " transcript/agent-name transcript/cost-state transcript/api_error"
)
_KEYS_2_1_100 = {
    "system/init": _INIT_2_1_100,
    "assistant": _keys(
        "api_error api_error_params api_error_status api_error_type is_api_error_message request_id"
        " thinking_display thinking_duration_ms timestamp tool_use_meta"
    ),
    "error": _keys("diagnostics stop_details"),
    "user": _keys("tool_result_meta"),
    "result": _RESULT_2_1_100,
    "initialized": _keys(
        "claude_code_version hooks_applied current_permission_mode hook_on_failure_supported hooks_when_unanswered_kept"
        " other_hook_ask_outranks_host feedback_mode analytics_disabled remote_control_auto_enable"
        " remote_control_auto_connect_default remote_control_available remote_control_auto_on_by_default"
        " ide_rc_auto_enable_gate fast_mode_state fast_mode_disabled_reason session_state capabilities"
        " pending_permission_requests pending_user_dialog_requests"
    ),
    "stream_event": _keys("abandoned_blocks api_message_id thinking_display ttft_ms"),
    "model": _keys(
        "thinkingTokens cacheCreationEphemeral5mInputTokens cacheCreationEphemeral1hInputTokens canonicalModel provider"
        " costBasis"
    ),
    "transcript": _keys(
        "apiBlockIndex apiErrorStatus apiErrorType attributionMcpServer attributionMcpTool effort"
        " failedResponseHadNoToolCall leafUuid permissionDecision promptCacheRequested promptSource requestedModel"
        " sandboxed summarizedTurnPromptUuids thinkingDisplay thinkingDurationMs toolDenialKind toolInputStreamMs"
        " turnPosition"
    ),
}
_RESULT_2_0 = _RESULT_2_1_100 | _keys("fast_mode_state stop_reason terminal_reason")
_KEYS_2_0 = {
    **_KEYS_2_1_100,
    "system/init": _INIT_2_1_100 | _keys("fast_mode_state"),
    "initialized": _KEYS_2_1_100["initialized"] | _keys("agents pid"),
    "user": _keys("tool_result_meta timestamp"),
    "result": _RESULT_2_0,
    "transcript": _KEYS_2_1_100["transcript"] | _keys("entrypoint permissionMode promptId"),
}
_RECORDS_2_0 = _RECORDS_2_1_100 | _keys(
    "system/api_retry system/status rate_limit_event transcript/enqueue transcript/last-prompt"
)
_PROSE_2_0 = {
    "prompt_too_long": "Prompt is too long",
    "forbidden": 'API Error: {status} {{"type":"error","error":{{"type":"{api_type}","message":"{message}"}}}}'
    " · Please run /login",
}

#: The known versions, oldest first.
PROFILES = (
    Profile(
        "1.0.128",
        version=(1, 0, 0),
        absent_records=_RECORDS_2_0 | _keys("transcript/dequeue"),
        absent_keys={
            **_KEYS_2_0,
            "system/init": _KEYS_2_0["system/init"] | _keys("claude_code_version plugins skills"),
            "assistant": _KEYS_2_0["assistant"] | _keys("error"),
            "error": _KEYS_2_0["error"] | _keys("context_management"),
            "user": _KEYS_2_0["user"] | _keys("tool_use_result"),
            "result": _RESULT_2_0 | _keys("structured_output"),
            "max_turns": _keys("errors"),
            "message": _keys("context_management"),
        },
        stop_reason_on_last_block=True,
        max_turns_is_error=False,
        prompt_too_long_reason="completed",
        structured_output_ends_run=False,
        startup_error_on_stdout=False,
        sigint_result=False,
        error_texts=_PROSE_2_0,
    ),
    Profile(
        "2.0.77",
        version=(2, 0, 0),
        absent_records=_RECORDS_2_0,
        absent_keys=_KEYS_2_0,
        stop_reason_on_last_block=True,
        max_turns_is_error=False,
        prompt_too_long_reason="completed",
        structured_output_ends_run=False,
        startup_error_on_stdout=False,
        sigint_result=False,
        error_texts=_PROSE_2_0,
    ),
    Profile(
        "2.1.100",
        version=(2, 1, 0),
        absent_records=_RECORDS_2_1_100 | _keys("system/status"),
        absent_keys=_KEYS_2_1_100,
        prompt_too_long_reason="completed",
        structured_output_ends_run=False,
        delay_is_integer=False,
        overloaded_is_rate_limit=True,
        startup_error_on_stderr=False,
        error_texts={
            "prompt_too_long": "Prompt is too long",
            "forbidden": "Failed to authenticate. API Error: {status}"
            ' {{"type":"error","error":{{"type":"{api_type}","message":"{message}"}}}}',
        },
    ),
    Profile("2.1.329", version=(2, 1, 329)),
)


def profile_for(version: str) -> Profile:
    """
    Return the habits of *version*: those of the nearest measured version that is not newer.

    ``"2.0"`` stands for ``"2.0.77"``. A version between two measured ones keeps the older habits: what came in
    between is not known, and a tool that copes with the older form copes with a version that may have either.

    Raises:
        ValueError: If *version* is not numbers with dots, or older than every known one.
    """
    parts = version.split(".") if isinstance(version, str) else []
    known = ", ".join(profile.name for profile in PROFILES)
    if not 1 <= len(parts) <= 3 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(f"expected a text like '2.1.329', got {version!r}; known versions are {known}")
    numbers = tuple(int(part) for part in parts)
    found = [profile for profile in PROFILES if profile.version <= numbers + (0,) * (3 - len(numbers))]
    if not found:
        raise ValueError(f"{version!r} is older than every known version; known are {known}")
    return found[-1]


def full_version(version: str) -> str:
    """Return *version* with its three numbers: ``"2.0"`` is the measured ``"2.0.77"``."""
    name = profile_for(version).name
    return version if version.count(".") == 2 else name
