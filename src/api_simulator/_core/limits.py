"""
Rate limits as real services have them: who may pass, and what is said about it in the headers.

Pure: time comes in as an argument. A refusal says how long to wait, and a client that waits so long
is let through.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from api_simulator._core.clock import Clock
from api_simulator._core.messages import CapturedRequest
from api_simulator._core.specs import ResponseSpec
from api_simulator._core.values import dataclass
from api_simulator.errors import RouteError

if TYPE_CHECKING:
    from api_simulator._core.mounted import MountedRoute

Algorithm: TypeAlias = Literal["fixed_window", "token_bucket"]
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Passage:
    """
    Whether one request may pass.

    Attributes:
        allowed: The verdict.

        limit: Requests per window, or the bucket's size.

        remaining: How many more would pass now.

        reset_ns: Nanoseconds until the limit is whole again.

        retry_ns: Nanoseconds after which the next request passes; 0 if this one did.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_ns: int
    retry_ns: int = 0

    def headers(self, epoch_s: float) -> list[tuple[str, str]]:
        """
        Return the fields that describe it, given the time now in seconds since 1970.

        ``Retry-After`` is rounded up to whole seconds (RFC 9110, section 10.2.3), so that waiting as told
        is always enough; ``X-RateLimit-Reset`` is a time in seconds since 1970, as at GitHub.
        """
        fields = [
            ("X-RateLimit-Limit", str(self.limit)),
            ("X-RateLimit-Remaining", str(self.remaining)),
            ("X-RateLimit-Reset", str(math.ceil(epoch_s + self.reset_ns / _NS))),
        ]
        if not self.allowed:
            fields.append(("Retry-After", str(math.ceil(self.retry_ns / _NS))))
        return fields


class _Limit(ABC):
    """One counter."""

    @abstractmethod
    def take(self, now_ns: int) -> Passage:
        """Count a request at *now_ns* and say whether it passes."""


class FixedWindow(_Limit):
    """So many requests in each window; a window begins with its first request."""

    def __init__(self, count: int, window_ns: int) -> None:
        self._count = count
        self._window_ns = window_ns
        self._start_ns: int | None = None
        self._used = 0

    def take(self, now_ns: int) -> Passage:
        """Count a request."""
        if self._start_ns is None or now_ns - self._start_ns >= self._window_ns:
            self._start_ns, self._used = now_ns, 0
        left_ns = self._start_ns + self._window_ns - now_ns
        if self._used >= self._count:
            return Passage(False, self._count, 0, left_ns, left_ns)
        self._used += 1
        return Passage(True, self._count, self._count - self._used, left_ns)


class TokenBucket(_Limit):
    """A bucket of tokens that fills evenly; each request takes one."""

    def __init__(self, count: int, window_ns: int) -> None:
        # Counted in whole numbers, the window's nanoseconds to a token and `count` of them gained in each nanosecond:
        # a sum of fractions could miss a whole token, and a client that waited as told must pass.
        self._count = count
        self._token = window_ns
        self._full = self._level = count * window_ns
        self._seen_ns: int | None = None

    def take(self, now_ns: int) -> Passage:
        """Take a token."""
        if self._seen_ns is not None:
            self._level = min(self._full, self._level + (now_ns - self._seen_ns) * self._count)
        self._seen_ns = now_ns
        allowed = self._level >= self._token
        if allowed:
            self._level -= self._token
        retry_ns = 0 if allowed else self._ns_to_gain(self._token - self._level)
        return Passage(
            allowed, self._count, self._level // self._token, self._ns_to_gain(self._full - self._level), retry_ns
        )

    def _ns_to_gain(self, level: int) -> int:
        return -(-level // self._count)


class RateLimiter:
    """
    Counters of one limit, one for each key.

    Args:
        count: Requests per window (or the bucket's size).

        per_s: The window's length in seconds (or the time in which an empty bucket fills).

        algorithm: ``fixed_window`` or ``token_bucket``.

    Raises:
        RouteError: If a number is not above zero, or there is no such algorithm.
    """

    def __init__(self, count: int, per_s: float, algorithm: Algorithm = "fixed_window") -> None:
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise RouteError(f"rate_limit: expected a whole number of requests, 1 or more, got {count!r}")
        if isinstance(per_s, bool) or not isinstance(per_s, int | float) or not (math.isfinite(per_s) and per_s > 0):
            raise RouteError(f"rate_limit: per_s is a number of seconds above 0, got {per_s!r}")
        if algorithm not in get_args(Algorithm):
            raise RouteError(f"rate_limit: expected algorithm {' or '.join(get_args(Algorithm))}, got {algorithm!r}")
        # A window of no nanosecond would limit nothing.
        window_ns = max(1, round(per_s * _NS))
        kind = FixedWindow if algorithm == "fixed_window" else TokenBucket
        self._make: Callable[[], _Limit] = lambda: kind(count, window_ns)
        self._limits: dict[str, _Limit] = {}

    def take(self, key: str, now_ns: int) -> Passage:
        """Count a request of *key* at *now_ns* and say whether it passes."""
        limit = self._limits.get(key)
        if limit is None:
            limit = self._limits[key] = self._make()
        return limit.take(now_ns)


@dataclass(frozen=True, slots=True)
class RouteLimit:
    """
    A rate limit and what it applies to.

    Attributes:
        limiter: The counters.

        routes: The routes that share it; None for all.

        key: What is counted apart.

        refusal: What is answered beyond the rate; the fields that describe the limit are added.

        clock: Where time comes from.
    """

    limiter: RateLimiter
    routes: tuple[MountedRoute, ...] | None
    key: Callable[[CapturedRequest], str]
    refusal: ResponseSpec
    clock: Clock


def admit(limits: Sequence[RouteLimit], request: CapturedRequest) -> ResponseSpec | None:
    """
    Count *request* against the limits of its route.

    Notes on the request the fields that describe the limits, for its answer.

    Returns:
        What is answered if it is refused, None if it passes.
    """
    for limit in limits:
        if limit.routes is not None and request.route not in limit.routes:
            continue
        now_ns = limit.clock.now_ns()
        passage = limit.limiter.take(limit.key(request), now_ns)
        request.limit_fields = tuple(passage.headers(limit.clock.epoch_s(now_ns)))
        if not passage.allowed:
            return limit.refusal
    return None
