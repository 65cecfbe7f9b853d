"""
A guard as agent runners have it: asks how much of a Claude subscription is used before it lets work begin.

Rules: the fullest window governs. Above the threshold the usage is fetched a second time before anything is held
back, because the endpoint lags behind. What cannot be known never stops work (fail open): no answer in time, 429,
503, an answer that makes no sense. Nothing in here knows that it is tested. Run it against any server:

    QUOTA_TOKEN=... python examples/quota_guard.py http://127.0.0.1:8080
"""

import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2

#: How long to hold back when a full window does not say when it resets.
UNKNOWN_RESET_S = 900.0


@dataclass(frozen=True)
class Verdict:
    """Whether work may begin, why, and for how many seconds it is held back if not."""

    go: bool
    reason: str
    wait_s: float = 0.0


class QuotaGuard:
    """Looks at the usage endpoint of *base_url* and says whether work may begin."""

    def __init__(self, base_url: str, token: str, *, threshold: float = 90.0, timeout_s: float = 2.0) -> None:
        self._threshold = threshold
        headers = {"Authorization": f"Bearer {token}", "anthropic-beta": "oauth-2025-04-20"}
        self._client = httpx2.Client(base_url=base_url, headers=headers, timeout=timeout_s)

    def check(self) -> Verdict:
        """Ask, twice if the first answer would hold work back."""
        first = self._look()
        return first if first.go else self._look()

    def _look(self) -> Verdict:
        try:
            answer = self._client.get("/api/oauth/usage")
        except httpx2.TimeoutException:
            return Verdict(True, "unknown: no answer in time")
        except httpx2.TransportError as error:
            return Verdict(True, f"unknown: {type(error).__name__}")
        if answer.status_code in (401, 403):
            return Verdict(False, "the token is not accepted: log in again")
        if answer.status_code != 200:
            return Verdict(True, f"unknown: status {answer.status_code}")
        return self._judge(answer.json())

    def _judge(self, usage: object) -> Verdict:
        windows = usage.items() if isinstance(usage, dict) else ()
        full = [
            (window["utilization"], name, window.get("resets_at"))
            for name, window in windows
            if isinstance(window, dict) and isinstance(window.get("utilization"), int | float)
        ]
        if not full:
            return Verdict(True, "unknown: no window says how full it is")
        percent, name, resets_at = max(full, key=lambda each: each[0])
        if percent < self._threshold:
            return Verdict(True, f"{name} is {percent:g} % full")
        return Verdict(False, f"{name} is {percent:g} % full", seconds_until(resets_at))

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()


def seconds_until(resets_at: object) -> float:
    """Return how long it is until an ISO 8601 time, ``Z`` or with an offset; a default if it is not known."""
    try:
        moment = datetime.fromisoformat(resets_at) if isinstance(resets_at, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        return UNKNOWN_RESET_S
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


if __name__ == "__main__":
    verdict = QuotaGuard(sys.argv[1], os.environ["QUOTA_TOKEN"]).check()
    print("go" if verdict.go else f"hold for {verdict.wait_s:.0f} s", f"({verdict.reason})")
    sys.exit(0 if verdict.go else 1)
