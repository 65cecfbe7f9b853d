"""
What the API may do wrong, and what the program makes of it.

Measured on 0.169.0 with a provider of one's own; one place, so that a script names the cause and not its
traces. Waits between attempts are not made.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Literal, TypeAlias, get_args

from api_simulator.codex._steps import Fails, Retries
from api_simulator.errors import ScriptError

#: ``stream_max_retries``, unless the configuration says otherwise.
LIMIT = 5

StreamFailure: TypeAlias = Literal[
    "cut",
    "closed",
    "idle",
    "server_error",
    "slow_down",
    "rate_limit_exceeded",
    "content_filter",
    "context_length_exceeded",
    "insufficient_quota",
    "server_is_overloaded",
    "usage_not_included",
    "invalid_prompt",
    "max_output_tokens",
]

_DISCONNECTED = "stream disconnected before completion: "

#: What is tried again: the reason in the brackets, which is the final message too.
_RETRIED: dict[str, str] = {
    "cut": _DISCONNECTED + "Transport error: network error: error decoding response body",
    "closed": _DISCONNECTED + "stream closed before response.completed",
    "idle": _DISCONNECTED + "idle timeout waiting for SSE",
    "server_error": _DISCONNECTED + "The server had an error while processing your request.",
    "slow_down": "rate limit exceeded: Slow down.",
    "rate_limit_exceeded": "rate limit exceeded: Rate limit reached.",
    "content_filter": _DISCONNECTED + "Incomplete response returned, reason: content_filter",
}

#: What is fatal at once: message, the name in the session file, and how many ``token_count`` records it leaves.
_FATAL: dict[str, tuple[str, str, int]] = {
    "context_length_exceeded": (
        (
            "Codex ran out of room in the model's context window. "
            "Start a new thread or clear earlier history before retrying."
        ),
        "context_window_exceeded",
        2,
    ),
    "insufficient_quota": ("Quota exceeded. Check your plan and billing details.", "usage_limit_exceeded", 1),
    "server_is_overloaded": ("Selected model is at capacity. Please try a different model.", "server_overloaded", 1),
    "usage_not_included": (
        "To use Codex with your ChatGPT plan, upgrade to Plus: https://chatgpt.com/explore/plus.",
        "usage_limit_exceeded",
        1,
    ),
    "invalid_prompt": ("Invalid prompt.", "invalid_prompt", 1),
    "max_output_tokens": ("Incomplete response returned, reason: max_output_tokens", "other", 1),
}


def stream_failure(call: str, kind: str, times: int | None, limit: int) -> list[Retries | Fails]:
    """
    Return what a stream that goes wrong causes.

    Args:
        call: For messages.

        kind: One of :data:`StreamFailure`.

        times: How often, None for always.

        limit: How often it is tried again.

    Raises:
        ScriptError: If there is no such failure, or it cannot happen so often.
    """
    if kind in _RETRIED:
        return _retried(call, _RETRIED[kind], times, limit, info="other", streamed=True, answered=kind == "cut")
    if kind in _FATAL:
        if times not in (None, 1):
            raise ScriptError(f"{call}: {kind} is fatal at once; leave times out")
        message, info, counts = _FATAL[kind]
        return [Fails(message, info, counts, is_full=counts == 2)]
    raise ScriptError(f"{call}: no such failure; give one of {', '.join(get_args(StreamFailure))}")


def http_failure(
    call: str, status: int, times: int | None, message: str, *, retry_after: bool, code: str | None, limit: int
) -> list[Retries | Fails]:
    """
    Return what an HTTP error causes; *times* is how often, None for always.

    Raises:
        ScriptError: If the status is no error, or it cannot happen so often.
    """
    if not isinstance(status, int) or isinstance(status, bool) or not 400 <= status <= 599:
        raise ScriptError(f"{call}: status {status!r} is no HTTP error; give 400 to 599")
    named = _named_failure(status, message, code)
    if named is not None:
        if times not in (None, 1):
            raise ScriptError(f"{call}: this error is fatal at once; leave times out")
        return [named]
    if status >= 500:
        # Tried again before anything is announced; only what never ends is seen.
        if times is not None:
            _checked_times(call, times, 29)
            return []
        text = "We\u2019re currently experiencing high demand, which may cause temporary errors."
        return _retried(call, text, None, limit, info="internal_server_error", streamed=False)
    phrase = _phrase(status)
    if status == 429:
        text = f"exceeded retry limit, last status: {phrase}, request id: req_1"
        info: Mapping[str, Any] = {"response_too_many_failed_attempts": {"http_status_code": 429}}
        if not retry_after:
            if times not in (None, 1):
                raise ScriptError(f"{call}: a 429 without retry-after is fatal at once; give retry_after=True")
            return [Fails(text, info)]
        return _retried(call, text, times, limit, info=info, streamed=False)
    text = f"unexpected status {phrase}: {message}, url: http://127.0.0.1:8080/v1/responses, request id: req_1"
    return _retried(
        call, text, times, limit, info={"http_connection_failed": {"http_status_code": status}}, streamed=False
    )


def _named_failure(status: int, message: str, code: str | None) -> Fails | None:
    if code in _FATAL:
        text, info, counts = _FATAL[code]
        return Fails(text, info, 1 if counts == 2 else 0)
    if code == "usage_limit_reached":
        return Fails("You\u2019ve hit your usage limit. Try again later.", "usage_limit_exceeded")
    if code == "model_not_found":
        return Fails(message, "model_not_found")
    if status == 400:
        return Fails(message, "other")
    return None


def _retried(
    call: str,
    text: str,
    times: int | None,
    limit: int,
    *,
    info: str | Mapping[str, Any],
    streamed: bool,
    answered: bool = False,
) -> list[Retries | Fails]:
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        raise ScriptError(f"{call}: limit={limit!r}: expected how often it is tried again, 0 or more")
    if times is None:
        failure = Fails(text, info, int(streamed), answered)
        return [Retries(text, limit, limit, streamed), failure] if limit else [failure]
    return [Retries(text, _checked_times(call, times, limit), limit, streamed)]


def _checked_times(call: str, times: object, limit: int) -> int:
    if isinstance(times, int) and not isinstance(times, bool) and 1 <= times <= limit:
        return times
    raise ScriptError(f"{call}: it is tried again {limit} times at most; give 1 to {limit}, or None for a failed turn")


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} <unknown status code>"
