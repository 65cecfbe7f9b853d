"""
Assertions about time: did the client wait as it should have, between its requests to one route?

A wait is counted from the end of an answer (or the moment the client gave up on it) to the next
request, because that is what a client's back-off is about; an interval from request to request.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from api_simulator._core.messages import CapturedRequest
from api_simulator.errors import RouteError, VerificationError

if TYPE_CHECKING:
    from api_simulator._core.routes import Route

#: How late a request may be: machines are slow, and a late retry is no mistake of the client.
DEFAULT_SLACK_S = 0.5
#: Timers of clients and kernels count in ticks; a wait that is short by less is as asked for.
_TICK_S = 0.002


class TimingChecks(ABC):
    """The checks of a route's timing, mixed into the class that knows its requests."""

    __slots__ = ()

    route: Route

    @property
    @abstractmethod
    def requests(self) -> list[CapturedRequest]:
        """The requests that the route answered, in order."""

    def assert_backoff(
        self, waits_s: Sequence[float], *, jitter: float = 0.0, slack_s: float = DEFAULT_SLACK_S
    ) -> None:
        """
        Check that the client waited these times between its requests.

        Args:
            waits_s: Seconds, one fewer than there were requests.

            jitter: By which share of itself a wait may be shorter or longer: 0.1 allows ten per cent.

            slack_s: So many seconds longer is no mistake: what a busy machine adds.

        Raises:
            VerificationError: If there were other waits; the message lists the requests with their times.
        """
        __tracebackhide__ = True
        found = self._waits()
        problems = []
        if len(found) != len(waits_s):
            problems.append(f"expected {len(waits_s) + 1} requests, found {len(found) + 1 if self.requests else 0}")
        for index, (wait_s, wanted_s) in enumerate(zip(found, waits_s, strict=False), start=1):
            low_s, high_s = wanted_s * (1 - jitter) - _TICK_S, wanted_s * (1 + jitter) + slack_s
            if not low_s <= wait_s <= high_s:
                problems.append(f"wait {index}: expected {wanted_s:g} s{_plus_minus(jitter)}, found {wait_s:.3f} s")
        self._report("back-off", problems)

    def assert_honours_retry_after(self, *, slack_s: float = DEFAULT_SLACK_S) -> None:
        """
        Check that after every answer with ``Retry-After`` the client waited so long, and no longer.

        Args:
            slack_s: So many seconds longer is no mistake.

        Raises:
            VerificationError: If it did not, or if no answer had the field (nothing was checked then).
        """
        __tracebackhide__ = True
        requests = self.requests
        problems, checked = [], 0
        for request, following in pairwise(requests):
            wanted_s = _retry_after_s(request)
            if wanted_s is None:
                continue
            checked += 1
            wait_s = _wait_s(request, following)
            if not wanted_s - _TICK_S <= wait_s <= wanted_s + slack_s:
                problems.append(
                    f"#{request.number} said Retry-After: {wanted_s:g}, the next request came after {wait_s:.3f} s"
                )
        if not checked and not problems:
            problems.append("no answer with Retry-After was followed by another request: nothing to check")
        self._report("Retry-After", problems)

    def assert_min_interval(self, seconds: float) -> None:
        """
        Check that no two requests came closer together than *seconds*.

        Raises:
            VerificationError: If two did.
        """
        __tracebackhide__ = True
        requests = self.requests
        problems = [
            f"#{second.number} came {gap_s:.3f} s after #{first.number}, expected at least {seconds:g} s"
            for first, second in pairwise(requests)
            if (gap_s := (second.received_ns - first.received_ns) / 1e9) < seconds - _TICK_S
        ]
        self._report("interval", problems)

    def assert_rate(self, *, max_per_s: float, window_s: float = 1.0) -> None:
        """
        Check that in no stretch of *window_s* seconds there were more than *max_per_s* × *window_s* requests.

        Raises:
            VerificationError: If there was one; the message names the worst.
        """
        __tracebackhide__ = True
        if max_per_s <= 0 or window_s <= 0:
            raise RouteError(f"assert_rate: expected numbers above 0, got max_per_s={max_per_s}, window_s={window_s}")
        requests, worst, start = self.requests, 0, 0
        worst_at = None
        for end, request in enumerate(requests):
            while request.received_ns - requests[start].received_ns >= window_s * 1e9:
                start += 1
            if end - start + 1 > worst:
                worst, worst_at = end - start + 1, requests[start].number
        problems = []
        if worst > max_per_s * window_s:
            problems.append(
                f"{worst} requests within {window_s:g} s from #{worst_at} on, expected at most {max_per_s * window_s:g}"
            )
        self._report("rate", problems)

    def _waits(self) -> list[float]:
        requests = self.requests
        return [_wait_s(first, second) for first, second in pairwise(requests)]

    def _report(self, subject: str, problems: Sequence[str]) -> None:
        __tracebackhide__ = True
        if problems:
            lines = [f"{self.route}: {subject} is not as expected", *(f"  {problem}" for problem in problems)]
            raise VerificationError("\n".join([*lines, *(f"  {line}" for line in described(self.requests))]))


def described(requests: Iterable[CapturedRequest], *, limit: int = 20) -> list[str]:
    """Return a line for each request: number, seconds since the first, method, target, answer."""
    listed = list(requests)
    shown = listed[:limit]
    lines = [
        f"#{request.number} {(request.received_ns - listed[0].received_ns) / 1e9:+9.3f} s  "
        f"{request.method} {request.raw_target} -> {request.status if request.status is not None else 'no answer'}"
        for request in shown
    ]
    if len(listed) > limit:
        lines.append(f"... and {len(listed) - limit} more requests")
    return lines


def max_in_flight(requests: Iterable[CapturedRequest], now_ns: int) -> int:
    """Return how many of *requests* were being answered at the same time, at most."""
    changes: list[tuple[int, int]] = []
    for request in requests:
        ended_ns = request.answered_ns or request.aborted_ns or now_ns
        # An end sorts before a start at the same stamp: one after the other is not at the same time.
        changes += [(request.received_ns, 1), (ended_ns, -1)]
    running = most = 0
    for _, change in sorted(changes):
        running += change
        most = max(most, running)
    return most


def _wait_s(request: CapturedRequest, following: CapturedRequest) -> float:
    ended_ns = request.answered_ns or request.aborted_ns or request.received_ns
    return (following.received_ns - ended_ns) / 1e9


def _retry_after_s(request: CapturedRequest) -> float | None:
    for name, value in request.answer.headers if request.answer is not None else ():
        if name.lower() == "retry-after":
            return float(value) if re.fullmatch("[0-9]+", value) else _until(value, request)
    return None


def _until(date: str, request: CapturedRequest) -> float | None:
    """Return the seconds from the answer to an HTTP date (RFC 9110, section 10.2.3 allows both forms)."""
    try:
        due = parsedate_to_datetime(date)
    except ValueError:
        return None
    # The form of asctime() names no zone and means UTC (RFC 9110, section 5.6.7).
    due_s = (due if due.tzinfo is not None else due.replace(tzinfo=UTC)).timestamp()
    ended_ns = request.answered_ns or request.received_ns
    return max(0.0, due_s - request.epoch_s(ended_ns))


def _plus_minus(jitter: float) -> str:
    return f" ± {jitter:.0%}" if jitter else ""
