"""
What the program makes of a failed API request: category, retries and text, measured on version 2.1.329.

One table for whoever plays a failure. Templates are filled with ``status``, ``message``, ``api_type`` and ``model``.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: What the program allows itself unless CLAUDE_CODE_MAX_RETRIES says otherwise.
MAX_RETRIES = 10

_SERVER_TEXT = (
    "API Error: {status} {message}. This is a server-side issue, usually temporary — try again in a moment."
    " If it persists, check your inference gateway (127.0.0.1)."
)


class ApiFailure:
    """
    One kind of failure.

    Attributes:
        name: What it is called here.

        status: The HTTP status, None if there was no answer.

        category: ``error`` of the assistant's record.

        text: Template of what the program says in the end.

        api_type: ``error.type`` in the API's answer, None if there was none.

        api_message: ``error.message`` there.

        retries: How often the request is repeated; 0 for failures that it takes as final.

        retry_category: ``error`` of the ``api_retry`` records.

        terminal_reason: That of the result.

        api_error: ``api_error`` of failures that have no HTTP status, or are the account's limit.

        params: ``api_error_params``, None for none.
    """

    __slots__ = (
        "api_error",
        "api_message",
        "api_type",
        "category",
        "name",
        "params",
        "retries",
        "retry_category",
        "status",
        "terminal_reason",
        "text",
    )

    def __init__(
        self,
        name: str,
        status: int | None,
        *,
        category: str,
        text: str,
        api_type: str | None = None,
        api_message: str = "",
        retries: int = 0,
        retry_category: str = "",
        terminal_reason: str = "api_error",
        api_error: str | None = None,
        params: Mapping[str, object] | None = None,
    ) -> None:
        self.name = name
        self.status = status
        self.category = category
        self.text = text
        self.api_type = api_type
        self.api_message = api_message
        self.retries = retries
        self.retry_category = retry_category or category
        self.terminal_reason = terminal_reason
        self.api_error = api_error
        self.params = params


_FAILURES = (
    ApiFailure(
        "rate_limited",
        429,
        category="rate_limit",
        text="API Error: Request rejected (429) · {message}",
        api_type="rate_limit_error",
        api_message="This request would exceed the rate limit",
        retries=MAX_RETRIES,
    ),
    ApiFailure(
        "usage_limit",
        429,
        category="rate_limit",
        text="You've hit your 5-hour limit · resets 6:40pm (UTC)",
        api_type="rate_limit_error",
        api_message="Usage limit reached",
        api_error="rate_limit",
        params={"rateLimitType": "five_hour"},
    ),
    ApiFailure(
        "overloaded",
        529,
        category="server_error",
        text="API Error: Repeated 529 Overloaded errors. The API is at capacity — try again in a moment.",
        api_type="overloaded_error",
        api_message="Overloaded",
        # The third one in a row ends it, although `max_retries` says 10.
        retries=2,
        retry_category="overloaded",
    ),
    ApiFailure(
        "server_error",
        500,
        category="server_error",
        text=_SERVER_TEXT,
        api_type="api_error",
        api_message="Internal server error",
        retries=MAX_RETRIES,
    ),
    ApiFailure(
        "invalid_api_key",
        401,
        category="authentication_failed",
        text="Invalid API key · Fix external API key",
        api_type="authentication_error",
        api_message="invalid x-api-key",
        retries=MAX_RETRIES,
    ),
    ApiFailure(
        "forbidden",
        403,
        category="authentication_failed",
        text="Failed to authenticate. API Error: {status} {message}",
        api_type="permission_error",
        api_message="This key may not use the API",
    ),
    ApiFailure(
        "model_not_found",
        404,
        category="model_not_found",
        text="There's an issue with the selected model ({model}). It may not exist or you may not have access to it."
        " Run --model to pick a different model.",
        api_type="not_found_error",
        api_message="model: no such model",
    ),
    ApiFailure(
        "prompt_too_long",
        400,
        category="invalid_request",
        text="Prompt is too long · the request is ~250000 tokens (limit 200000)"
        " but this conversation is only ~2505 tokens — shorten what is sent with it",
        api_type="invalid_request_error",
        api_message="prompt is too long: 250000 tokens > 200000 maximum",
        terminal_reason="prompt_too_long",
    ),
    ApiFailure(
        "credit_exhausted",
        400,
        category="billing_error",
        text="Credit balance is too low",
        api_type="invalid_request_error",
        api_message="Your credit balance is too low to access the API",
    ),
    ApiFailure(
        "bad_request",
        400,
        category="unknown",
        text="API Error: {status} {message}",
        api_type="invalid_request_error",
        api_message="The request is not valid",
    ),
    ApiFailure(
        "request_too_large",
        413,
        category="invalid_request",
        text="Request too large (max 32MB). Send less, or split it.",
        api_type="request_too_large",
        api_message="Request exceeds the maximum size",
        terminal_reason="image_error",
    ),
    ApiFailure(
        "connection_refused",
        None,
        category="server_error",
        text="API Error: Connection refused — a firewall or proxy may be blocking it (ECONNREFUSED)",
        retries=MAX_RETRIES,
        retry_category="unknown",
        api_error="connection_failed",
    ),
    ApiFailure(
        "name_not_resolved",
        None,
        category="server_error",
        text="API Error: Can't reach the API server — check your internet or DNS (EAI_AGAIN)",
        retries=MAX_RETRIES,
        retry_category="unknown",
        api_error="connection_failed",
    ),
    ApiFailure(
        "connection_lost",
        None,
        category="server_error",
        text="API Error: Connection dropped (ECONNRESET). Try again in a moment.",
        retries=MAX_RETRIES,
        retry_category="unknown",
        api_error="connection_failed",
    ),
    ApiFailure(
        "cut_mid_response",
        None,
        category="server_error",
        text="API Error: Connection lost mid-response. The response above may be incomplete.",
        api_error="connection_failed",
    ),
    ApiFailure(
        "max_output_tokens",
        None,
        category="max_output_tokens",
        text="API Error: Claude's response exceeded the 128000 output token maximum.",
        api_error="max_output_tokens",
        params={"cut": "output_limit"},
    ),
    ApiFailure(
        "not_logged_in",
        None,
        category="authentication_failed",
        text="Not logged in · Please run /login",
    ),
)

#: By name.
API_FAILURES = {failure.name: failure for failure in _FAILURES}

_BY_STATUS = {
    401: "invalid_api_key",
    403: "forbidden",
    404: "model_not_found",
    413: "request_too_large",
    429: "rate_limited",
    529: "overloaded",
}


def failure_for(what: str | int | None) -> ApiFailure:
    """
    Return the failure of a name, or of an HTTP status (None: the connection was refused).

    Raises:
        ValueError: If nothing is called so.
    """
    if isinstance(what, str):
        if what not in API_FAILURES:
            raise ValueError(
                f"no failure is called {what!r}; known are {', '.join(API_FAILURES)}, or give an HTTP status"
            )
        return API_FAILURES[what]
    if what is None:
        return API_FAILURES["connection_refused"]
    if what in _BY_STATUS:
        return API_FAILURES[_BY_STATUS[what]]
    known = API_FAILURES["server_error" if what >= 500 or what in (408, 409) else "bad_request"]
    return ApiFailure(
        f"status_{what}",
        what,
        category=known.category,
        text=known.text,
        api_type=known.api_type,
        api_message=known.api_message,
        retries=known.retries,
    )


def request_failure(what: str | int | None) -> ApiFailure:
    """
    Return :func:`failure_for` of what ends a request.

    Raises:
        ValueError: If nothing is called so, or a status is none of an error (400 to 599).
    """
    is_named = what is None or isinstance(what, str)
    if not is_named and (type(what) is not int or not 400 <= what <= 599):
        raise ValueError(f"{what!r} is no HTTP error; give a status from 400 to 599, or a name")
    return failure_for(what)


def retry_category(status: int | None) -> str:
    """Return what ``api_retry`` calls an HTTP status, None being a failed connection."""
    return failure_for(status).retry_category


def retry_delay_ms(attempt: int, jitter: float, *, at_least_ms: int = 0) -> float:
    """
    Return the wait before a retry: doubling from half a second up to 32 s, plus *jitter* (0 to 1) of a quarter.

    Args:
        attempt: Counted from 1.

        jitter: From 0 to 1.

        at_least_ms: What ``retry-after`` asked for.
    """
    # The exponent is bounded: a test may ask for thousands of attempts.
    return float(max(min(500 * 2 ** min(attempt - 1, 6), 32_000), at_least_ms) * (1 + 0.25 * jitter))
