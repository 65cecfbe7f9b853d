"""
A route on a server: how often it was called, what is expected of it, what goes wrong with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from api_simulator._core.clock import SYSTEM_CLOCK, Clock
from api_simulator._core.faults import AnyFault
from api_simulator._core.gates import Gate
from api_simulator._core.messages import CapturedRequest
from api_simulator._core.routes import Answer, Route
from api_simulator._core.specs import ResponseSpec
from api_simulator._core.tally import LocalTally, Tally
from api_simulator._core.timing import TimingChecks, described
from api_simulator._core.troubles import Trouble, make_trouble
from api_simulator._core.verify import Expectation
from api_simulator.errors import RouteError, VerificationError

if TYPE_CHECKING:
    from api_simulator._core.journal import Journal


class Turn(NamedTuple):
    """
    What one request gets from its route.

    Attributes:
        answer: None when the sequence is used up.

        random: Seeded by server, route and call, whatever the order of concurrent requests.

        gate: Where the request waits first, if anywhere.
    """

    answer: Answer | None
    random: Random
    gate: Gate | None = None


class MountedRoute(TimingChecks):
    """
    A route on a server: how often it was called, what is expected of it, what goes wrong with it.

    Returned by ``register``, ``register_sequence`` and the short forms.

    Attributes:
        route: What was registered.

        order: Its place among the registrations of the server.

        tally: How often it was called: counted here, or where the engine answers for it.

        on_change: Called when something goes wrong with it from now on, or its requests wait.

    """

    __slots__ = (
        "_clock",
        "_expectation",
        "_failures",
        "_gate",
        "_journal",
        "_streamed",
        "_troubles",
        "on_change",
        "order",
        "route",
        "tally",
    )

    def __init__(self, route: Route, order: int, journal: Journal, clock: Clock = SYSTEM_CLOCK) -> None:
        self.route = route
        self.order = order
        # Who was sent which ids of an event stream, for the check of a resumption.
        self._streamed: deque[tuple[CapturedRequest, tuple[str, ...]]] = deque(maxlen=MAX_STREAMS)
        self._journal = journal
        self._clock = clock
        self.tally: Tally = LocalTally()
        self.on_change: Callable[[MountedRoute], None] = _nobody_to_tell
        self._expectation: Expectation | None = None
        self._failures: deque[ResponseSpec] = deque()
        self._troubles: list[Trouble] = []
        self._gate: Gate | None = None

    # What happened

    @property
    def call_count(self) -> int:
        """How many requests it answered; exact even when the journal has dropped some."""
        return self.tally.calls

    @property
    def requests(self) -> list[CapturedRequest]:
        """
        The requests it answered, in order.

        Raises:
            JournalOverflowError: If the journal's bound has dropped some of them.
        """
        return self._journal.select(lambda request: request.route is self, self.call_count, f"route {self.route}")

    # What goes wrong

    def fail(self, times: int = 1, status: int = 503, *, spec: ResponseSpec | None = None) -> MountedRoute:
        """
        Answer the next *times* requests with a failure, then go on as registered.

        Args:
            times: How many requests fail; they count as calls, but use up nothing of a sequence.

            status: The status of the failures.

            spec: The whole failure, instead of a status alone.
        """
        if isinstance(times, bool) or not isinstance(times, int) or times < 1:
            raise RouteError(f"fail: expected a whole number of failures, 1 or more, got {times!r}")
        self._failures.extend([spec if spec is not None else ResponseSpec(status)] * times)
        self.on_change(self)
        return self

    def fault(
        self,
        fault: AnyFault | str | ResponseSpec,
        *,
        on: int | Iterable[int] | None = None,
        between_s: tuple[float, float] | None = None,
        probability: float = 1.0,
    ) -> MountedRoute:
        """
        Let something go wrong under a condition; conditions given together must all hold.

        Args:
            fault: A fault, its name, or a whole answer.

            on: At these calls, counted from 1.

            between_s: In an outage from so many seconds after this registration to so many.

            probability: With this probability, drawn from the server's seed.
        """
        self._troubles.append(
            make_trouble(fault, on=on, between_s=between_s, probability=probability, now_ns=self._clock.now_ns())
        )
        self.on_change(self)
        return self

    # Who waits

    def hold(self) -> Gate:
        """Make its requests wait at a gate until ``gate.release()``; further calls give the same gate."""
        if self._gate is None:
            self._gate = Gate(name=f"gate of {self.route}")
            self.on_change(self)
        return self._gate

    def hold_until(self, n: int) -> Gate:
        """Make its requests wait until *n* of them are there at the same time, then answer them together."""
        self._gate = Gate(n, name=f"gate of {self.route}")
        self.on_change(self)
        return self._gate

    # What is expected

    @property
    def expectation(self) -> Expectation | None:
        """What :meth:`expect` asked for."""
        return self._expectation

    def expect(
        self, times: int | None = None, *, at_least: int | None = None, at_most: int | None = None
    ) -> MountedRoute:
        """
        Ask that the route be called this often by the end of the test, or of the server's ``with`` block.

        Args:
            times: Exactly so often; not together with the others.

            at_least: So often or more.

            at_most: So often or less.

        Raises:
            RouteError: If no number is given, or the numbers contradict each other.
        """
        self._expectation = Expectation.between(times, at_least, at_most)
        return self

    def assert_called(
        self, times: int | None = None, *, at_least: int | None = None, at_most: int | None = None
    ) -> None:
        """
        Check the number of calls now.

        Args:
            times: Exactly so often; once or more if no number is given.

            at_least: So often or more.

            at_most: So often or less.

        Raises:
            VerificationError: If that is not so; the message lists the requests it answered.
        """
        __tracebackhide__ = True
        unspecified = times is None and at_least is None and at_most is None
        wanted = Expectation(1, None) if unspecified else Expectation.between(times, at_least, at_most)
        if not wanted.allows(self.call_count):
            raise VerificationError(self.complaint(wanted))

    def assert_not_called(self, *, within_s: float = 0.0) -> None:
        """
        Check that no request was answered by this route, nor will be within *within_s* seconds.

        Raises:
            VerificationError: As soon as there is one.
        """
        __tracebackhide__ = True
        self._journal.wait_until(lambda: self.tally.calls > 0, timeout_s=within_s)
        self.assert_called(times=0)

    def complaint(self, wanted: Expectation) -> str:
        """Return what a failed check of the call count says."""
        registered = f" (registered at {self.route.source})" if self.route.source else ""
        answered = [request for request in self._journal.kept() if request.route is self]
        lines = "".join(f"\n  {line}" for line in described(answered))
        return f"{self.route}: expected {wanted}, found {self.tally.calls}{registered}{lines}"

    # What the core calls

    def note_stream(self, request: CapturedRequest, ids: tuple[str, ...]) -> None:
        """Remember which event ids the answer to *request* has."""
        if ids:
            self._streamed.append((request, ids))

    def may_resume_after(self, event_id: str) -> bool:
        """
        Return whether a client can have been left at the event *event_id*.

        After an answer that came to its end (or its cut) that is its last event; a client that went away, or is
        still reading, may be anywhere in its answer. Before any answer nothing is known.
        """
        if not self._streamed:
            return True
        return any(
            event_id == ids[-1] if request.answered_ns is not None else event_id in ids
            for request, ids in tuple(self._streamed)  # responders on other threads add to it
        )

    def take_turn(self, seed: str, common: Sequence[Trouble] = (), *, counted: bool = True) -> Turn:
        """
        Count a call and return what it gets.

        Args:
            seed: Of everything random.

            common: Troubles of the whole server.

            counted: False for a request that belongs to the time before a reset: it is answered, and
                neither counts nor uses up anything.
        """
        if not counted:
            return Turn(self.next_answer, Random(seed))
        answers = self.route.answers
        if answers.all_plain and not (self._failures or self._troubles or common):
            return Turn(answers.at(self.tally.take_turn()), _UNUSED, self._gate)
        call = self.tally.count_call()
        random = Random(f"{seed}/{self.order}/{call}") if self._needs_random() or common else _UNUSED
        return Turn(self._take_answer(call, common, random), random, self._gate)

    @property
    def next_answer(self) -> Answer | None:
        """What the next call gets if nothing goes wrong."""
        return self.route.answers.at(self.tally.position)

    @property
    def is_undisturbed(self) -> bool:
        """Whether each request gets the next of its answers, at once."""
        return not (self._failures or self._troubles) and self._gate is None

    @property
    def uses_chance(self) -> bool:
        """Whether anything of its answers is drawn by chance."""
        return self.route.answers.uses_chance or any(trouble.probability < 1 for trouble in self._troubles)

    def _needs_random(self) -> bool:
        failing = bool(self._failures) and any(not failure.is_plain for failure in self._failures)
        return failing or bool(self._troubles) or not self.route.answers.all_plain

    def _take_answer(self, call: int, common: Sequence[Trouble], random: Random) -> Answer | None:
        if self._failures:
            return self._failures.popleft()
        if self._troubles or common:
            now_ns = self._clock.now_ns()
            for trouble in (*self._troubles, *common):
                if trouble.strikes(call, now_ns, random):
                    return trouble.answer
        return self.route.answers.at(self.tally.take_answer())

    def __repr__(self) -> str:
        return f"<MountedRoute {self.route}, {self.tally.calls} calls>"


def _nobody_to_tell(_mounted: MountedRoute) -> None:
    """Do nothing: every request is decided about anew."""


#: Answers with event ids that are remembered for each route: more clients of one stream are nobody's test.
MAX_STREAMS = 1_000

# Never drawn from: stands where nothing of an answer is random, because seeding a generator takes microseconds.
_UNUSED = Random(0)
