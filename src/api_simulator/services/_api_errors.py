"""
Errors as Anthropic's APIs answer them, and the ones that a test asks for.

The shapes are those of https://docs.claude.com/en/api/errors: ``{"type": "error", "error": {"type", "message"}}``.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from api_simulator._core.delays import DelayInput, checked_delay
from api_simulator._core.specs import HeaderInput, HeaderPairs, ResponseSpec, checked_headers
from api_simulator.errors import OptionError
from api_simulator.services._settings import nearest

ErrorKind: TypeAlias = Literal[
    "invalid_request",
    "authentication",
    "billing",
    "permission",
    "not_found",
    "request_too_large",
    "rate_limit",
    "api",
    "timeout",
    "unavailable",
    "overloaded",
]

#: Status, type and usual message of each kind.
_KINDS: dict[str, tuple[int, str, str]] = {
    "invalid_request": (400, "invalid_request_error", "Invalid request"),
    "authentication": (401, "authentication_error", "invalid x-api-key"),
    "billing": (402, "billing_error", "There is a problem with your billing"),
    "permission": (403, "permission_error", "Your API key does not have permission to use the specified resource"),
    "not_found": (404, "not_found_error", "Not found"),
    "request_too_large": (413, "request_too_large", "Request exceeds the maximum size"),
    "rate_limit": (429, "rate_limit_error", "This request would exceed your organization's rate limit"),
    "api": (500, "api_error", "Internal server error"),
    "unavailable": (503, "api_error", "Service unavailable"),
    "timeout": (504, "timeout_error", "Request timed out"),
    "overloaded": (529, "overloaded_error", "Overloaded"),
}


@dataclass(frozen=True, slots=True)
class ApiError:
    """
    One error answer.

    Attributes:
        kind: Which error.

        message: Its text; empty for the usual one.

        headers: Further fields, ``retry-after`` for instance.

        delay_ms: Waited before it is sent.

        details: For programs: an ``error_code``.
    """

    kind: ErrorKind
    message: str = ""
    headers: HeaderPairs = ()
    delay_ms: DelayInput = 0
    details: Mapping[str, str] | None = None

    @property
    def status(self) -> int:
        """Its status on the wire."""
        return _KINDS[self.kind][0]

    def body(self, request_id: str | None = None) -> dict[str, object]:
        """Return its JSON body."""
        _, error_type, usual = _KINDS[self.kind]
        error: dict[str, object] = {"type": error_type, "message": self.message or usual}
        if self.details is not None:
            error["details"] = dict(self.details)
        body: dict[str, object] = {"type": "error", "error": error}
        return body if request_id is None else {**body, "request_id": request_id}

    def spec(self, request_id: str | None = None, headers: HeaderPairs = ()) -> ResponseSpec:
        """Return it as an answer."""
        return ResponseSpec(self.status, self.body(request_id), [*self.headers, *headers], self.delay_ms)


def api_error(
    kind: ErrorKind | int,
    message: str = "",
    *,
    retry_after_s: int | None = None,
    headers: HeaderInput | None = None,
    delay_ms: DelayInput = 0,
) -> ApiError:
    """
    Make an error from what a test says.

    Args:
        kind: Its name, or its status.

        message: Its text; empty for the usual one.

        retry_after_s: Sent as ``retry-after``.

        headers: Further fields.

        delay_ms: Waited before it is sent.

    Raises:
        OptionError: If there is no such error, or a number makes no sense.
    """
    name = next((name for name, (status, _, _) in _KINDS.items() if status == kind), kind)
    if name not in get_args(ErrorKind):
        statuses = ", ".join(str(status) for status, _, _ in _KINDS.values())
        raise OptionError(f"api error: there is no {kind!r}{nearest(str(kind), list(_KINDS))}; or a status: {statuses}")
    fields = list(checked_headers(headers))
    if retry_after_s is not None:
        if isinstance(retry_after_s, bool) or not isinstance(retry_after_s, int) or retry_after_s < 0:
            raise OptionError(f"retry_after_s: expected whole seconds, 0 or more, got {retry_after_s!r}")
        fields.append(("retry-after", str(retry_after_s)))
    return ApiError(name, message, tuple(fields), checked_delay(delay_ms))  # type: ignore[arg-type]  # checked above


class NextAnswers:
    """What the next requests get in place of the proper answer, in the order in which it was asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[ApiError] = deque()

    def add(self, error: ApiError, times: int) -> None:
        """Let the next *times* requests fail."""
        if isinstance(times, bool) or not isinstance(times, int) or times < 1:
            raise OptionError(f"times: expected a whole number, 1 or more, got {times!r}")
        with self._lock:
            self._waiting.extend([error] * times)

    def take(self) -> ApiError | None:
        """Return what this request fails with, None if it does not."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None
