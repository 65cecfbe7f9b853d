"""
One simulated server without its socket: routes, journal, problems and expectations together.

The owner of all state of a server, and of the lock around it. Engines hand requests in and carry
decisions out; the public server asks it for verdicts. Nothing here blocks but the journal's wait.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any

from api_simulator._core.clock import SYSTEM_CLOCK, Clock
from api_simulator._core.decide import ABANDON, Decision, decide, decision_for, refuse
from api_simulator._core.journal import DEFAULT_BODY_BYTES, DEFAULT_ENTRIES, Journal
from api_simulator._core.messages import CapturedRequest, MalformedRequest
from api_simulator._core.routes import MountedRoute, Route, RouteTable
from api_simulator._core.specs import ResponseSpec
from api_simulator._core.timeline import TimelineEvent
from api_simulator._core.verify import Problem, VerificationReport
from api_simulator.errors import SpecError


class Simulation:
    """
    The state of one server and the rules over it, safe to use from any thread.

    Args:
        name: What reports call the server.

        strict: Whether unmatched requests are failures.

        unused_fails: Whether routes that are never called are failures.

        max_entries: Bound of the journal, in requests.

        max_body_bytes: Bound of the journal, in bytes of bodies.
    """

    def __init__(
        self,
        name: str = "http",
        *,
        strict: bool = True,
        unused_fails: bool = False,
        max_entries: int = DEFAULT_ENTRIES,
        max_body_bytes: int = DEFAULT_BODY_BYTES,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.name = name
        self.strict = strict
        self.unused_fails = unused_fails
        self.clock = clock
        self.routes = RouteTable()
        self.journal = Journal(max_entries, max_body_bytes)
        # Counts resets: a request that was under way at a reset is answered but not recorded.
        self.generation = 0
        self._lock: threading.Condition = self.journal.changed
        self._problems: list[Problem] = []
        self._expected_unmatched: int | None = None
        self._on_late: Callable[[CapturedRequest], None] | None = None

    # What engines call

    def receive(self, request: CapturedRequest) -> Decision:
        """
        Take in a complete request and say what happens to it.

        When this returns the request is in the journal: no byte of its answer may leave earlier.
        """
        with self._lock:
            if self._on_late is not None:
                self._on_late(request)
                return ABANDON
            decision, problem = decide(self.routes, request)
            if request.generation == self.generation:
                self.journal.record(request)
                if problem is not None:
                    self._problems.append(problem)
        return decision

    def receive_malformed(self, raw: bytes, error: str, connection_id: int) -> None:
        """Keep bytes that were no HTTP request."""
        self.journal.record_malformed(
            MalformedRequest(raw, error, connection_id=connection_id, received_ns=self.clock.now_ns())
        )

    def responder_answered(self, request: CapturedRequest, answer: Any) -> Decision:
        """Turn what a responder returned into a decision."""
        if not isinstance(answer, ResponseSpec):
            error = SpecError(f"a responder returns a ResponseSpec, got {type(answer).__name__}: {answer!r}")
            return self.responder_failed(request, error)
        return decision_for(answer, request)

    def responder_failed(self, request: CapturedRequest, error: BaseException) -> Decision:
        """Answer 500 for a responder that raised, and remember its traceback for the test's report."""
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        text = f"{request.method} {request.raw_target}: the responder raised {type(error).__name__}: {error}"
        # Frames of this package explain nothing to the user; the last ones are those of the responder.
        detail = "\n".join(f"  {line}" for line in "".join(lines[-6:]).rstrip().splitlines())
        decision, problem = refuse(request, 500, Problem("responder", request, f"{text}\n{detail}"))
        with self._lock:
            if request.generation == self.generation:
                self._problems.append(problem)
        return decision

    def answered(self, request: CapturedRequest) -> None:
        """Note that the last byte of the answer was handed to the operating system."""
        request.answered_ns = self.clock.now_ns()
        self.journal.wake_waiters()

    def aborted(self, request: CapturedRequest) -> None:
        """Note that the client went away before that."""
        request.aborted_ns = self.clock.now_ns()
        self.journal.wake_waiters()

    # What the public server calls

    def mount(self, route: Route) -> MountedRoute:
        """Register *route*; works at any time and from any thread."""
        with self._lock:
            return self.routes.mount(route, self.journal)

    def reset(self) -> None:
        """Forget routes, requests, problems and expectations; connections stay."""
        with self._lock:
            self.generation += 1
            self.routes.clear()
            self.journal.clear()
            self._problems.clear()
            self._expected_unmatched = None

    def retire(self, on_late: Callable[[CapturedRequest], None]) -> None:
        """From now on answer nothing: give every further request to *on_late* and reset its connection."""
        with self._lock:
            self._on_late = on_late

    def expect_unmatched(self, count: int) -> None:
        """Say that exactly *count* requests will match no route."""
        with self._lock:
            self._expected_unmatched = count

    def unmatched(self) -> list[CapturedRequest]:
        """Return the requests that matched no route; looking at them acknowledges nothing."""
        with self._lock:
            return [problem.request for problem in self._problems if problem.kind == "unmatched"]

    def verdict(self, *, expectations: bool = True, since_ns: int = 0) -> VerificationReport:
        """
        Judge what happened so far.

        Args:
            expectations: Whether call counts and unused routes are judged too: only when the traffic is over.

            since_ns: Leave out problems of requests received before, by the monotonic clock.
        """
        self.journal.drain()
        with self._lock:
            report = VerificationReport(unused_fails=self.unused_fails)
            report.problems = [
                problem
                for problem in self._problems
                if not problem.reported and problem.request.received_ns >= since_ns and self._fails(problem)
            ]
            if expectations:
                self._judge_routes(report)
            return report

    def _fails(self, problem: Problem) -> bool:
        # What the user's own code raised is never forgiven by strict=False.
        return problem.kind != "unmatched" or (self.strict and self._expected_unmatched is None)

    def _judge_routes(self, report: VerificationReport) -> None:
        if self._expected_unmatched is not None:
            found = sum(problem.kind == "unmatched" for problem in self._problems)
            if found != self._expected_unmatched:
                report.unmet.append(f"expect_unmatched({self._expected_unmatched}): found {found} unmatched requests")
        for mounted in self.routes:
            wanted = mounted.expectation
            if wanted is not None and not wanted.allows(mounted.call_count):
                report.unmet.append(mounted.complaint(wanted))
            elif wanted is None and mounted.call_count == 0:
                source = mounted.route.source
                report.unused.append(f"{mounted.route}{f' (registered at {source})' if source else ''}")

    def timeline(self) -> list[TimelineEvent]:
        """Return requests, answers and malformed input as events."""
        events = []
        for request in self.journal.kept():
            events.append(TimelineEvent(request.received_ns, self.name, _request_line(request)))
            at_ns = request.answered_ns or request.aborted_ns
            if at_ns is not None:
                events.append(TimelineEvent(at_ns, self.name, _answer_line(request)))
        for malformed in list(self.journal.malformed):
            text = f"malformed input on connection {malformed.connection_id}: {malformed.error}"
            events.append(TimelineEvent(malformed.received_ns, self.name, text))
        return events


def _request_line(request: CapturedRequest) -> str:
    size = f" ({len(request.raw_body)} bytes)" if request.raw_body else ""
    route = f"[{request.route.route}]" if request.route is not None else "[no route]"
    return f"#{request.number} {request.method} {request.raw_target}{size}  {route}"


def _answer_line(request: CapturedRequest) -> str:
    if request.answered_ns is None:
        return f"#{request.number} the client went away before the answer was complete"
    took_ms = (request.answered_ns - request.received_ns) / 1e6
    answer = "no answer" if request.status is None else request.status
    return f"#{request.number} -> {answer} after {took_ms:.1f} ms"
