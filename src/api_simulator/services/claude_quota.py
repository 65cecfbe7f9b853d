"""
The usage endpoint that tells how much of a Claude subscription is used up: windows that fill and reset.

``GET /api/oauth/usage`` with ``Authorization: Bearer …`` and ``anthropic-beta: oauth-2025-04-20`` answers an object of
windows: ``{"five_hour": {"utilization": 0–100 or null, "resets_at": ISO 8601 or null}, …}``. Real answers have more
windows than are documented, and null in place of some; so has this one when a test says so.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar, Literal

from api_simulator._core.delays import DelayInput, checked_delay
from api_simulator._core.messages import CapturedRequest
from api_simulator._core.specs import HeaderInput, ResponseSpec
from api_simulator.errors import OptionError
from api_simulator.services._api_errors import ApiError, ErrorKind, NextAnswers, api_error
from api_simulator.services._service import Service

PATH = "/api/oauth/usage"
BETA = "oauth-2025-04-20"
#: How long the windows last whose names say so, in seconds.
PERIODS_S = {"five_hour": 5 * 3600.0, "seven_day": 7 * 24 * 3600.0}


@dataclass(frozen=True, kw_only=True)
class ClaudeQuotaSettings:
    """
    How the endpoint behaves.

    Attributes:
        tokens: The bearer tokens it accepts; None accepts any.

        require_beta: Whether the ``anthropic-beta`` field must name the OAuth beta, as the real one asks.

        time_format: How ``resets_at`` ends: ``Z``, or ``offset`` for a numeric one.

        offset_minutes: The offset then; 0 gives ``+00:00``, as the real one sends.

        delay_ms: Waited before each answer.
    """

    tokens: tuple[str, ...] | None = None
    require_beta: bool = True
    time_format: Literal["Z", "offset"] = "offset"
    offset_minutes: int = 0
    delay_ms: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """
    One window of usage.

    Attributes:
        utilization: How full it was at *since_s*, in percent; None is sent as null.

        since_s: When that was, in seconds since 1970.

        resets_at_s: When it is empty again; None is sent as null, and never comes.

        period_s: How long the next window lasts; None if there is none: it then stays empty with a null reset.

        fills_per_hour: How many percent are added each hour.
    """

    utilization: float | None
    since_s: float
    resets_at_s: float | None
    period_s: float | None
    fills_per_hour: float = 0.0

    def at(self, now_s: float) -> Window:
        """Return the window as it stands at *now_s*: reset if its time has come, filled since."""
        window = self
        if window.resets_at_s is not None and now_s >= window.resets_at_s:
            window = window._after_reset(window.resets_at_s, now_s)
        if window.utilization is None:
            return window
        filled = window.utilization + (now_s - window.since_s) / 3600 * window.fills_per_hour
        return replace(window, utilization=min(100.0, filled), since_s=now_s)

    def _after_reset(self, reset_s: float, now_s: float) -> Window:
        if self.period_s is None:
            return replace(self, utilization=0.0, since_s=reset_s, resets_at_s=None)
        # Several windows may have passed since anybody looked.
        start_s = reset_s + math.floor((now_s - reset_s) / self.period_s) * self.period_s
        return replace(self, utilization=0.0, since_s=start_s, resets_at_s=start_s + self.period_s)


class ClaudeQuotaService(Service[ClaudeQuotaSettings]):
    """
    The fake usage endpoint; begins with an empty ``five_hour`` and an empty ``seven_day`` window.

    Example:
        >>> from api_simulator.http import MockHttpServer
        >>> with MockHttpServer() as server:
        ...     quota = ClaudeQuotaService(server)
        ...     quota.set_window("five_hour", 92.5, resets_in_s=600)
    """

    name: ClassVar[str] = "claude_quota"
    settings_type: ClassVar[type[Any]] = ClaudeQuotaSettings

    def begin(self) -> None:
        """Begin with the two documented windows, empty."""
        now_s = self.now_s()
        # A value that is no window is sent as it is.
        self._fields: dict[str, Window | object] = {
            name: Window(0.0, now_s, now_s + period_s, period_s) for name, period_s in PERIODS_S.items()
        }
        self._failures = NextAnswers()
        self._delays: deque[DelayInput] = deque()

    def mount(self) -> None:
        """Register the endpoint."""
        self.register("GET", PATH, self._answer)

    # What tests say

    def set_window(
        self,
        name: str,
        utilization: float | None,
        *,
        resets_in_s: float | None = None,
        period_s: float | None = None,
        fills_per_hour: float = 0.0,
    ) -> None:
        """
        Set a window, of any name.

        Args:
            name: ``five_hour``, ``seven_day``, or one that no client knows.

            utilization: Percent used, 0 to 100; None sends null.

            resets_in_s: Seconds from now until it is empty again; None sends null.

            period_s: Length of the windows after that; by default 5 hours and 7 days for names that begin so,
                else there is none after it.

            fills_per_hour: Percent that are added each hour.

        Raises:
            OptionError: If a number makes no sense.
        """
        _check(name, "utilization", utilization, high=100)
        _check(name, "resets_in_s", resets_in_s, low=-math.inf)
        _check(name, "period_s", period_s, low=1)
        _check(name, "fills_per_hour", fills_per_hour)
        if period_s is None:
            period_s = next((known for prefix, known in PERIODS_S.items() if name.startswith(prefix)), None)
        now_s = self.now_s()
        resets_at_s = None if resets_in_s is None else now_s + resets_in_s
        with self.lock:
            self._fields[name] = Window(utilization, now_s, resets_at_s, period_s, fills_per_hour)

    def set_field(self, name: str, value: object) -> None:
        """Send a JSON *value* under *name* in place of a window: null, or something that clients do not expect."""
        with self.lock:
            self._fields[name] = value

    def remove(self, name: str) -> None:
        """
        Leave a window out of the answer.

        Raises:
            OptionError: If there is none of that name.
        """
        with self.lock:
            if name not in self._fields:
                raise OptionError(f"claude_quota: there is no window {name!r}; there are {', '.join(self._fields)}")
            del self._fields[name]

    def use(self, percent: float) -> None:
        """Add *percent* to every window, as work of the account does; a full window stays at 100."""
        _check("every window", "percent", percent)
        with self.lock:
            for name, window in self._windows().items():
                if window.utilization is not None:
                    self._fields[name] = replace(window, utilization=min(100.0, window.utilization + percent))

    def fail_next(
        self,
        kind: ErrorKind | int,
        message: str = "",
        *,
        times: int = 1,
        retry_after_s: int | None = None,
        headers: HeaderInput | None = None,
    ) -> None:
        """Let the next requests fail: ``401``, ``429`` (say *retry_after_s*), ``503`` and other statuses, or a name."""
        self._failures.add(api_error(kind, message, retry_after_s=retry_after_s, headers=headers), times)

    def slow_next(self, delay_ms: DelayInput, *, times: int = 1) -> None:
        """Let the next requests wait so many milliseconds for their answer."""
        with self.lock:
            self._delays.extend([checked_delay(delay_ms)] * times)

    @property
    def windows(self) -> dict[str, Window]:
        """The windows as they stand now."""
        with self.lock:
            return self._windows()

    # How it answers

    def _windows(self) -> dict[str, Window]:
        now_s = self.now_s()
        return {name: field.at(now_s) for name, field in self._fields.items() if isinstance(field, Window)}

    def _answer(self, request: CapturedRequest) -> ResponseSpec:
        with self.lock:
            delay_ms = self._delays.popleft() if self._delays else self.settings.delay_ms
        error = self._refusal(request) or self._failures.take()
        if error is not None:
            return replace(error, delay_ms=delay_ms).spec()
        with self.lock:
            now = self._windows()
            body = {
                name: self._shown(now[name]) if isinstance(field, Window) else field
                for name, field in self._fields.items()
            }
        return ResponseSpec(200, body, delay_ms=delay_ms)

    def _refusal(self, request: CapturedRequest) -> ApiError | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return ApiError("authentication", "Authentication required: send Authorization: Bearer")
        if self.settings.tokens is not None and token not in self.settings.tokens:
            return ApiError("authentication", "Invalid bearer token")
        betas = [beta.strip() for beta in request.headers.get("anthropic-beta", "").split(",")]
        if self.settings.require_beta and BETA not in betas:
            return ApiError("authentication", "OAuth authentication is currently not supported.")
        return None

    def _shown(self, window: Window) -> dict[str, object]:
        return {"utilization": window.utilization, "resets_at": self._time(window.resets_at_s)}

    def _time(self, epoch_s: float | None) -> str | None:
        if epoch_s is None:
            return None
        moment = datetime.fromtimestamp(epoch_s, UTC)
        if self.settings.time_format == "Z":
            return moment.isoformat().replace("+00:00", "Z")
        return moment.astimezone(timezone(timedelta(minutes=self.settings.offset_minutes))).isoformat()

    def answer_unmatched(self, request: CapturedRequest) -> ResponseSpec | None:
        """Answer other methods and paths below ``/api/oauth`` as the real service does."""
        if request.path == PATH:
            return ResponseSpec(405, ApiError("invalid_request", "Method Not Allowed").body(), {"allow": "GET"})
        return ApiError("not_found").spec() if request.path.startswith("/api/oauth/") else None


def _check(window: str, name: str, value: object, *, low: float = 0, high: float = math.inf) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not (low <= value <= high):
        bounds = f"from {low:g} to {high:g}" if high < math.inf else f"of {low:g} or more" if low > -math.inf else ""
        raise OptionError(f"claude_quota: {window}: {name} is a number {bounds}".rstrip() + f", got {value!r}")
