"""
Was the traffic what the test said it would be? Expectations in, a verdict and its text out.

Three things can be wrong: a request got no proper answer (:class:`Problem`), a route was called too
often or not often enough, or a route was never called although that was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from api_simulator._core.messages import CapturedRequest
from api_simulator.errors import NoRouteError, RouteError, VerificationError

ProblemKind: TypeAlias = Literal[
    "unmatched", "exhausted", "responder", "predicate", "resume", "stream", "escaped", "plugin"
]


@dataclass(frozen=True, slots=True)
class Expectation:
    """How often a route is to be called: *low* times or more, *high* times or less (None: no limit)."""

    low: int
    high: int | None

    @classmethod
    def between(cls, times: int | None, at_least: int | None, at_most: int | None) -> Expectation:
        """
        Make one from what ``expect`` was given.

        Raises:
            RouteError: If nothing is given, or the numbers contradict each other.
        """
        given = {"times": times, "at_least": at_least, "at_most": at_most}
        for name, value in given.items():
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
                raise RouteError(f"expect({name}=): expected a whole number of calls, 0 or more, got {value!r}")
        if times is not None:
            if at_least is not None or at_most is not None:
                raise RouteError("expect(): give either times, or at_least and at_most")
            return cls(times, times)
        if at_least is None and at_most is None:
            raise RouteError("expect(): say how often, for example expect(1) or expect(at_least=2)")
        if at_most is not None and (at_least or 0) > at_most:
            raise RouteError(f"expect(): at_least={at_least} is more than at_most={at_most}")
        return cls(at_least or 0, at_most)

    def allows(self, count: int) -> bool:
        """Return whether *count* calls are what was asked for."""
        return self.low <= count and (self.high is None or count <= self.high)

    def __str__(self) -> str:
        if self.high == self.low:
            return "1 call" if self.low == 1 else f"{self.low} calls"
        if self.high is None:
            return f"at least {self.low} {_calls(self.low)}"
        return f"at most {self.high} {_calls(self.high)}" if self.low == 0 else f"{self.low} to {self.high} calls"


def _calls(count: int) -> str:
    return "call" if count == 1 else "calls"


@dataclass(frozen=True, slots=True)
class NearMiss:
    """
    A route that did not match a request, and why.

    Attributes:
        route: Its method and path.

        source: File and line of its registration.

        distance: 0.0 (nearly matched) to 1.0 (nothing in common).

        parts: What differs: ``method``, ``path``, ``query``, ``header``, ``body``, ``predicate``.

        differences: A line for each difference.
    """

    route: str
    source: str
    distance: float
    parts: tuple[str, ...]
    differences: tuple[str, ...]


@dataclass(slots=True)
class Problem:
    """
    A request that got no proper answer.

    Attributes:
        kind: ``unmatched`` (no route), ``exhausted`` (sequence used up), ``responder`` or ``predicate``
            (the user's function failed), ``resume`` (an event stream was resumed at the wrong event),
            ``stream`` (a body's iterator failed), ``escaped`` (it was to be intercepted, and was not).

        request: The captured request.

        text: The whole explanation, several lines.

        nearest: The routes that came nearest, for an unmatched request.

        reported: Whether a verdict has already been given on it, so that it fails one test only.
    """

    kind: ProblemKind
    request: CapturedRequest
    text: str
    nearest: tuple[NearMiss, ...] = ()
    reported: bool = False


@dataclass(slots=True)
class VerificationReport:
    """
    The verdict on one server's traffic.

    Attributes:
        problems: Requests without a proper answer that count as failures.

        unmet: Texts of expectations that were not met.

        unused: Routes that were never called, as text; a failure only if the server says so.

        unused_fails: Whether unused routes are a failure.
    """

    problems: list[Problem] = field(default_factory=list)
    unmet: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    unused_fails: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not (self.problems or self.unmet or (self.unused_fails and self.unused))

    def text(self) -> str:
        """Return everything that failed, for a person."""
        lines = [problem.text for problem in self.problems]
        lines += [f"expectation not met: {unmet}" for unmet in self.unmet]
        if self.unused_fails:
            lines += [f"route never called: {unused}" for unused in self.unused]
        return "\n".join(lines)

    def raise_if_failed(self) -> None:
        """
        Raise if something failed, and remember that it was reported.

        Raises:
            NoRouteError: If all that failed is that requests matched no route.

            VerificationError: If anything else failed.
        """
        if self.ok:
            return
        for problem in self.problems:
            problem.reported = True
        others = self.unmet or (self.unused_fails and self.unused)
        if not others and all(problem.kind == "unmatched" for problem in self.problems):
            raise NoRouteError(self.text(), self)
        raise VerificationError(self.text(), self)
