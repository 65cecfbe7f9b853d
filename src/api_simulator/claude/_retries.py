"""
What the real program prints when it tries an API request again (``system/api_retry``).

Measured on version 2.1.329; the waits are printed, not made.
"""

from __future__ import annotations

from api_simulator._core.bodies import encode_json
from api_simulator.claude._seeded import seeded_fraction, seeded_uuid

#: What the real program allows itself unless CLAUDE_CODE_MAX_RETRIES says otherwise.
MAX_RETRIES = 10

_BASE_DELAY_MS = 500
_MAX_DELAY_MS = 32_000
_JITTER = 0.25

_ERRORS = {
    None: "unknown",  # no HTTP answer: refused, reset or timed out
    401: "authentication_failed",
    403: "authentication_failed",
    408: "server_error",
    409: "server_error",
    429: "rate_limit",
    529: "overloaded",
}

#: Where the session id goes when no scripted message has one: it is known only when the program runs.
SESSION_ID_HOLE = b"\0session-id\0"
_SESSION_ID_MARK = "{session-id}"


def error_name(status: int | None) -> str:
    """Return the name that the real program gives to an HTTP status, None being a failed connection."""
    if status in _ERRORS:
        return _ERRORS[status]
    return "server_error" if status is not None and 500 <= status <= 599 else "unknown"


def retry_delay_ms(attempt: int, jitter: float) -> int:
    """Return the wait before a retry: doubling from half a second up to 32 s, plus *jitter* (0 to 1) of a quarter."""
    # The exponent is bounded: a test may ask for thousands of attempts.
    return int(min(_BASE_DELAY_MS * 2 ** min(attempt - 1, 6), _MAX_DELAY_MS) * (1 + _JITTER * jitter))


def retry_lines(*, seed: int, place: int, status: int | None, attempts: int, session_id: str | None) -> list[bytes]:
    """
    Return the lines of *attempts* retries.

    Args:
        seed: Determines the delays and ids.

        place: Tells one series of retries from another of the same script.

        status: The HTTP status that was answered, None for a failed connection.

        attempts: How many.

        session_id: None leaves the hole :data:`SESSION_ID_HOLE`.
    """
    lines = []
    for attempt in range(1, attempts + 1):
        record = {
            "type": "system",
            "subtype": "api_retry",
            "attempt": attempt,
            "max_retries": max(MAX_RETRIES, attempts),
            "retry_delay_ms": retry_delay_ms(attempt, seeded_fraction(seed, "retry delay", place, attempt)),
            "error_status": status,
            "error": error_name(status),
            "session_id": _SESSION_ID_MARK if session_id is None else session_id,
            "uuid": seeded_uuid(seed, "retry", place, attempt),
        }
        line = encode_json(record) + b"\n"
        if session_id is None:
            line = line.replace(b'"%s"' % _SESSION_ID_MARK.encode(), SESSION_ID_HOLE)
        lines.append(line)
    return lines
