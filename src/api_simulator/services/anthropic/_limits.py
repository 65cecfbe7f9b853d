"""
Rate limits as the Messages API has them: requests and tokens a minute, in buckets that refill all the time.

Source of names and rules: https://docs.claude.com/en/api/rate-limits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime

_WINDOW_S = 60.0


@dataclass
class _Bucket:
    """So many a minute; refills evenly."""

    limit: int
    level: float = field(init=False)
    seen_s: float | None = None

    def __post_init__(self) -> None:
        self.level = float(self.limit)

    def refill(self, now_s: float) -> None:
        if self.seen_s is not None:
            gained = max(0.0, now_s - self.seen_s) * self.limit / _WINDOW_S
            self.level = min(float(self.limit), self.level + gained)
        self.seen_s = now_s

    def seconds_until(self, amount: float) -> float:
        """Return how long until *amount* is there; what is more than the whole bucket waits for a full one."""
        return max(0.0, (min(amount, self.limit) - self.level) * _WINDOW_S / self.limit)

    def headers(self, name: str, now_s: float) -> list[tuple[str, str]]:
        full = datetime.fromtimestamp(math.ceil(now_s + self.seconds_until(self.limit)), UTC)
        prefix = f"anthropic-ratelimit-{name}"
        return [
            (f"{prefix}-limit", str(self.limit)),
            (f"{prefix}-remaining", str(max(0, math.floor(self.level)))),
            (f"{prefix}-reset", full.isoformat().replace("+00:00", "Z")),
        ]


@dataclass(frozen=True)
class Limited:
    """What a limit says of one request: whose limit it is beyond (None: it passes), and when to come back."""

    beyond: str | None
    retry_after_s: int
    headers: tuple[tuple[str, str], ...]


class Limits:
    """
    The limits of one API key.

    Args:
        requests: Requests a minute; None: no limit, and no headers.

        input_tokens: Input tokens a minute; cached ones read do not count.

        output_tokens: Output tokens a minute.
    """

    def __init__(self, requests: int | None, input_tokens: int | None, output_tokens: int | None) -> None:
        given = {"requests": requests, "input-tokens": input_tokens, "output-tokens": output_tokens}
        self._buckets = {name: _Bucket(limit) for name, limit in given.items() if limit is not None}

    def admit(self, now_s: float, input_tokens: int) -> Limited:
        """Take a request of so many input tokens, unless it is beyond a limit: then nothing is taken."""
        wanted = {"requests": 1.0, "input-tokens": float(input_tokens), "output-tokens": 1.0}
        for bucket in self._buckets.values():
            bucket.refill(now_s)
        for name, bucket in self._buckets.items():
            wait_s = bucket.seconds_until(wanted[name])
            if wait_s > 0:
                return Limited(name, max(1, math.ceil(wait_s)), self._headers(now_s))
        for name in ("requests", "input-tokens"):
            if name in self._buckets:
                self._buckets[name].level -= wanted[name]
        return Limited(None, 0, self._headers(now_s))

    def spend_output(self, tokens: int) -> None:
        """Take the tokens of an answer; the bucket may go below zero, and the next request waits for it."""
        if "output-tokens" in self._buckets:
            self._buckets["output-tokens"].level -= tokens

    def text(self, name: str) -> str:
        """Return a limit as the error's message says it."""
        return f"{self._buckets[name].limit:,} {name.replace('-', ' ')} per minute"

    def _headers(self, now_s: float) -> tuple[tuple[str, str], ...]:
        return tuple(field for name, bucket in self._buckets.items() for field in bucket.headers(name, now_s))
