"""
One simulated server without its socket: routes, journal, problems and expectations together.

The owner of all state of a server, and of the lock around it. Engines hand requests in and carry
decisions out; the public server asks it for verdicts. Nothing here blocks but the journal's wait.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any

from api_simulator._core.clock import SYSTEM_CLOCK, Clock
from api_simulator._core.connections import ConnectionLog, ConnectionStats
from api_simulator._core.decide import ABANDON, Decision, decide, decision_for, refuse
from api_simulator._core.journal import DEFAULT_BODY_BYTES, DEFAULT_ENTRIES, Journal
from api_simulator._core.limits import RateLimiter, RouteLimit
from api_simulator._core.messages import CapturedRequest, MalformedRequest
from api_simulator._core.mounted import MountedRoute
from api_simulator._core.plain import FastPath
from api_simulator._core.routes import Route
from api_simulator._core.specs import ResponseSpec
from api_simulator._core.table import RouteTable
from api_simulator._core.timeline import TimelineEvent
from api_simulator._core.troubles import Trouble
from api_simulator._core.verify import Problem, VerificationReport
from api_simulator.errors import RouteError, SpecError

#: More problems of one server are told by nobody; how many requests were unmatched stays exact.
MAX_PROBLEMS = 1_000
#: So many unmatched requests are explained where another number was expected.
MAX_EXPLAINED = 5


class Simulation:
    """
    The state of one server and the rules over it, safe to use from any thread.

    Args:
        name: What reports call the server.

        strict: Whether unmatched requests are failures.

        unused_fails: Whether routes that are never called are failures.

        max_entries: Bound of the journal, in requests.

        max_body_bytes: Bound of the journal, in bytes of bodies.

        seed: Of everything random: delays, probabilities, random bytes.

        clock: Where time comes from.
    """

    def __init__(
        self,
        name: str = "http",
        *,
        strict: bool = True,
        unused_fails: bool = False,
        max_entries: int = DEFAULT_ENTRIES,
        max_body_bytes: int = DEFAULT_BODY_BYTES,
        seed: int = 0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.name = name
        self.seed = seed
        # As text, which is how it is mixed with route and call; not anew for each request.
        self._seed_text = str(seed)
        self.strict = strict
        self.unused_fails = unused_fails
        self.clock = clock
        self.routes = RouteTable()
        self.journal = Journal(max_entries, max_body_bytes)
        # Counts resets: a request that was under way at a reset is answered but not recorded.
        self.generation = 0
        # What engines look at before there is a request to decide about.
        self.accept_delay_ms = 0
        self.upload_bytes_per_s: int | None = None
        self.answers_early = False
        self._fast_path: FastPath | None = None
        self.connections = ConnectionLog()
        self.pending: dict[object, str] = {}
        # Functions of services and plug-ins, each with the name of its owner: what unmatched requests get, and who is
        # told of finished ones. Called outside the lock, and never trusted.
        self.unmatched_answers: list[tuple[str, Callable[[CapturedRequest], ResponseSpec | None]]] = []
        self.listeners: list[tuple[str, Callable[[CapturedRequest], object]]] = []
        self._troubles: list[Trouble] = []
        self._limits: list[RouteLimit] = []
        self._lock = self.journal.lock
        # The last ones: a server that runs for long, and allows unmatched requests, must not grow.
        self._problems: deque[Problem] = deque(maxlen=MAX_PROBLEMS)
        self._unmatched = 0
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
            current = request.generation == self.generation
            decision, problem = decide(
                self.routes,
                request,
                seed=self._seed_text,
                common=self._troubles,
                limits=self._limits,
                counted=current,
            )
            if current:
                self.journal.record(request)
                self.connections.used(request.connection_index)
                if problem is not None:
                    self._problems.append(problem)
                    self._unmatched += problem.kind == "unmatched"
        if problem is not None and problem.kind == "unmatched" and self.unmatched_answers:
            decision = self._answer_to_unmatched(request) or decision
        return decision

    def _answer_to_unmatched(self, request: CapturedRequest) -> Decision | None:
        """Ask services and plug-ins what a request gets that no route matched; the first answer counts."""
        for owner, ask in self.unmatched_answers:
            try:
                answer = ask(request)
                if answer is not None and not isinstance(answer, ResponseSpec):
                    raise SpecError(f"expected a ResponseSpec or None, got {answer!r}")
            except Exception as error:  # noqa: BLE001  # foreign code: the test is told, the server lives on
                self._plugin_failed(request, owner, error)
                continue
            if answer is not None:
                return decision_for(answer, request, Random(self.seed))[0]
        return None

    def _plugin_failed(self, request: CapturedRequest, owner: str, error: Exception) -> None:
        text = f"{request.method} {request.raw_target}: {owner} raised {type(error).__name__}: {error}"
        self._remember(request, Problem("plugin", request, text))

    def record_answered(self, request: CapturedRequest) -> None:
        """Record a plain request that an engine's fast path has answered and counted; called with the lock held."""
        if request.generation == self.generation:
            self.journal.record(request)
            self.connections.used(request.connection_index)

    def receive_head(self, request: CapturedRequest) -> Decision | None:
        """Take in a request whose body is still to come; None if its answer needs the body."""
        with self._lock:
            found = self.routes.find_early(request) if self.answers_early and self._on_late is None else None
        return self.receive(request) if found is not None else None

    def use_fast_path(self, fast_path: FastPath) -> None:
        """Let an engine answer plain requests by itself; it records what it did before every query."""
        with self._lock:
            self._fast_path = fast_path
            if self.is_undisturbed:
                for mounted in self.routes:
                    self._tell_mounted(mounted)
            else:
                fast_path.suspend()
            fast_path.intake_changed()

    @property
    def is_undisturbed(self) -> bool:
        """Whether the routes are all there is: no common trouble, no limit, no listener, no end of the test."""
        return not (self._troubles or self._limits or self.listeners) and self._on_late is None

    def _tell_mounted(self, mounted: MountedRoute) -> None:
        if self._fast_path is not None:
            mounted.on_change = self._route_changed
            self._fast_path.mounted(mounted)

    def _route_changed(self, mounted: MountedRoute) -> None:
        with self._lock:
            if self._fast_path is not None:
                self._fast_path.changed(mounted)

    def _suspend_fast_path(self) -> None:
        if self._fast_path is not None:
            self._fast_path.suspend()

    def _tell_intake(self) -> None:
        if self._fast_path is not None:
            self._fast_path.intake_changed()

    def connection_opened(self, number: int) -> None:
        """Note a new connection."""
        with self._lock:
            self.connections.opened(number)
        self.journal.wake_waiters()

    def connection_stats(self) -> ConnectionStats:
        """Return how connections were used."""
        self.journal.drain()
        with self._lock:
            return self.connections.stats()

    def connection_closed(self, number: int) -> None:
        """Note the end of a connection."""
        with self._lock:
            self.connections.closed(number)
        self.journal.wake_waiters()

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
        decision, problem = decision_for(answer, request, request.random or Random(self.seed))
        if problem is not None:
            self._remember(request, problem)
        return decision

    def responder_failed(self, request: CapturedRequest, error: BaseException) -> Decision:
        """Answer 500 for a responder that raised, and remember its traceback for the test's report."""
        lines = traceback.format_exception(type(error), error, _users_frames(error.__traceback__))
        text = f"{request.method} {request.raw_target}: the responder raised {type(error).__name__}: {error}"
        detail = "\n".join(f"  {line}" for line in "".join(lines).rstrip().splitlines())
        decision, problem = refuse(request, 500, Problem("responder", request, f"{text}\n{detail}"))
        self._remember(request, problem)
        return decision

    def stream_failed(self, request: CapturedRequest, error: BaseException) -> None:
        """Remember that a body's iterator raised; the connection is cut, because the answer has begun."""
        text = f"{request.method} {request.raw_target}: the body's iterator raised {type(error).__name__}: {error}"
        self._remember(request, Problem("stream", request, text))

    def escaped(self, request: CapturedRequest, text: str) -> None:
        """Remember a request that was to come here and went, or would have gone, somewhere else."""
        self._remember(request, Problem("escaped", request, text))

    def body_arrived(self, request: CapturedRequest, body: bytes) -> None:
        """Add the body of a request that was answered before its body was read."""
        with self._lock:
            self.journal.add_body(request, body)

    def _remember(self, request: CapturedRequest, problem: Problem) -> None:
        with self._lock:
            if request.generation == self.generation:
                self._problems.append(problem)

    def answered(self, request: CapturedRequest) -> None:
        """Note that the last byte of the answer was handed to the operating system."""
        request.answered_ns = self.clock.now_ns()
        self.journal.wake_waiters()
        if self.listeners:
            self._tell(request)

    def aborted(self, request: CapturedRequest) -> None:
        """Note that the client went away before that."""
        request.aborted_ns = self.clock.now_ns()
        self.journal.wake_waiters()
        self.ended(request)

    def ended(self, request: CapturedRequest) -> None:
        """Tell of a request whose end the engine has noted in it by itself; called without the lock."""
        if self.listeners:
            self._tell(request)

    def _tell(self, request: CapturedRequest) -> None:
        # Engines say "answered" anew when bytes that seemed sent were not: listeners hear of each request once.
        if request.told:
            return
        request.told = True
        for owner, tell in self.listeners:
            try:
                tell(request)
            except Exception as error:  # noqa: BLE001  # foreign code: the test is told, the server lives on
                self._plugin_failed(request, owner, error)

    # What the public server calls

    def mount(self, route: Route) -> MountedRoute:
        """Register *route*; works at any time and from any thread."""
        with self._lock:
            if any(isinstance(item, ResponseSpec) and item.early for item in route.answers.items):
                if route.pattern.needs_body:
                    raise RouteError(
                        f"{route}: early=True answers before the body is there, but a condition needs it; "
                        "leave one of the two out"
                    )
                self.answers_early = True
                self._tell_intake()
            replaced = self.routes.with_pattern(route.pattern)
            if replaced is not None:
                self._unmount(replaced)
            mounted = self.routes.mount(route, self.journal, self.clock)
            self._tell_mounted(mounted)
            return mounted

    def exchange(self, old: Collection[MountedRoute], new: Collection[Route]) -> list[MountedRoute]:
        """Put routes in the place of others, at once: no request finds neither."""
        with self._lock:
            for mounted in old:
                self._unmount(mounted)
            exchanged = [self.mount(route) for route in new]
        # What an engine still knows of the old ones is in what it has not told yet.
        self.journal.drain()
        return exchanged

    def _unmount(self, mounted: MountedRoute) -> None:
        self.routes.unmount(mounted)
        if self._fast_path is not None:
            self._fast_path.unmounted(mounted)

    def listen(self, listeners: Iterable[tuple[str, Callable[[CapturedRequest], object]]]) -> None:
        """Tell *listeners*, each with the name of its owner, of every request that ends from now on."""
        with self._lock:
            self.listeners += listeners
            if self.listeners:
                # They hear of each end when it comes, which no fast path says: the core is asked about every request.
                self._suspend_fast_path()
                self.journal.attended(True)

    def add_trouble(self, trouble: Trouble) -> None:
        """Let something go wrong on every route."""
        with self._lock:
            self._troubles.append(trouble)
            self._suspend_fast_path()

    def add_limit(
        self,
        limiter: RateLimiter,
        routes: Collection[MountedRoute] | None,
        key: Callable[[CapturedRequest], str],
        refusal: ResponseSpec,
    ) -> None:
        """Limit the rate of requests to *routes* (None: all), counted apart for each *key*."""
        with self._lock:
            limited = None if routes is None else tuple(routes)
            self._limits.append(RouteLimit(limiter, limited, key, refusal, self.clock))
            self._suspend_fast_path()

    def reset(self) -> None:
        """Forget routes, requests, problems and expectations; connections stay."""
        with self._lock:
            self.generation += 1
            if self._fast_path is not None:
                self._fast_path.reset(self.generation)
            self.routes.clear()
            self.journal.clear()
            self._problems.clear()
            self._unmatched = 0
            self._expected_unmatched = None
            self._troubles.clear()
            self._limits.clear()
            self.connections.reset()
            self.pending.clear()
            self.accept_delay_ms = 0
            self.upload_bytes_per_s = None
            self.answers_early = False
            if not self.is_undisturbed:
                self._suspend_fast_path()
            self._tell_intake()

    def slow_accept(self, delay_ms: int) -> None:
        """Read nothing from a new connection for so many milliseconds."""
        with self._lock:
            self.accept_delay_ms = delay_ms
            self._tell_intake()

    def throttle_uploads(self, bytes_per_s: int) -> None:
        """Read bodies no faster than so many bytes a second."""
        with self._lock:
            self.upload_bytes_per_s = bytes_per_s
            self._tell_intake()

    def uses_chance(self) -> bool:
        """Return whether anything was drawn from the seed."""
        with self._lock:
            return any(trouble.probability < 1 for trouble in self._troubles) or any(
                mounted.uses_chance for mounted in self.routes
            )

    def retire(self, on_late: Callable[[CapturedRequest], None]) -> None:
        """From now on answer nothing: give every further request to *on_late* and reset its connection."""
        with self._lock:
            self._on_late = on_late
            self._suspend_fast_path()

    def expect_unmatched(self, count: int) -> None:
        """Say that exactly *count* requests will match no route."""
        with self._lock:
            self._expected_unmatched = count

    def unmatched(self) -> list[CapturedRequest]:
        """Return the last requests that matched no route; looking at them acknowledges nothing."""
        self.journal.drain()
        with self._lock:
            return [problem.request for problem in self._unmatched_problems()]

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

    def _unmatched_problems(self) -> list[Problem]:
        return [problem for problem in self._problems if problem.kind == "unmatched"]

    def _fails(self, problem: Problem) -> bool:
        # What the user's own code raised is never forgiven by strict=False.
        return problem.kind != "unmatched" or (self.strict and self._expected_unmatched is None)

    def _judge_routes(self, report: VerificationReport) -> None:
        report.unmet += [
            f"{text} was begun and never answered; end it with .json(...), .respond(...) or another verb"
            for text in self.pending.values()
        ]
        if self._expected_unmatched is not None and self._unmatched != self._expected_unmatched:
            report.unmet.append(
                f"expect_unmatched({self._expected_unmatched}): found {self._unmatched} unmatched requests"
                + "".join(f"\n{problem.text}" for problem in self._unmatched_problems()[:MAX_EXPLAINED])
            )
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


_PACKAGE = str(Path(__file__).parent.parent)


def _users_frames(trace: TracebackType | None) -> TracebackType | None:
    """Leave out the frames of this package that a traceback begins with: they explain nothing to the user."""
    frame = trace
    while frame is not None and frame.tb_frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.tb_next
    return frame if frame is not None else trace


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
