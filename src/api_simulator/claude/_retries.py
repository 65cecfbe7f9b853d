"""
What the real program prints when it tries an API request again (``system/api_retry``).

Measured on version 2.1.329; the waits are printed, not made.
"""

from __future__ import annotations

from api_simulator._core.bodies import encode_json
from api_simulator.claude._seeded import seeded_fraction, seeded_uuid
from api_simulator.claude.records import MAX_RETRIES, retry_category, retry_delay_ms

#: Where the session id goes when no scripted message has one: it is known only when the program runs.
SESSION_ID_HOLE = b"\0session-id\0"
_SESSION_ID_MARK = "{session-id}"


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
            "retry_delay_ms": int(retry_delay_ms(attempt, seeded_fraction(seed, "retry delay", place, attempt))),
            "error_status": status,
            "error": retry_category(status),
            "session_id": _SESSION_ID_MARK if session_id is None else session_id,
            "uuid": seeded_uuid(seed, "retry", place, attempt),
        }
        line = encode_json(record) + b"\n"
        if session_id is None:
            line = line.replace(b'"%s"' % _SESSION_ID_MARK.encode(), SESSION_ID_HOLE)
        lines.append(line)
    return lines
