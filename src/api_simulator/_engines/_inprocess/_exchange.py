"""
The server's side of one exchange, carried out as far as its client waits for it.

Nobody serves while no client reads, but the server's time goes on: pauses are counted from each
other and not from the moment of reading, so that a slow reader finds what a server would have sent
meanwhile. Nothing here waits; a step says what to wait for.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from api_simulator._core.actions import Action, AskResponder, Close, HalfClose, Hang, Hold, Pull, Reset, SendBytes, Wait
from api_simulator._core.decide import Decision
from api_simulator._core.gates import Gate
from api_simulator._core.messages import CapturedRequest
from api_simulator._engines._inprocess._jobs import NO_MORE, Outcome

if TYPE_CHECKING:
    from api_simulator._engines._inprocess._serving import InProcessServing


class Ending(Enum):
    """How a connection ends."""

    CLOSED = "closed"
    RESET = "reset"


class Pause(NamedTuple):
    """Nothing to read until that moment (None: no moment is known), or until the exchange rings."""

    until_ns: int | None


class Exchange:
    """
    One request being answered.

    Args:
        serving: The server.

        arrive: Hands the request in, once its last byte has come, and returns it with the decision.

        due_ns: When that is.

    Attributes:
        ring: Called from any thread when it is worth stepping again.
    """

    def __init__(
        self, serving: InProcessServing, arrive: Callable[[], tuple[CapturedRequest, Decision]], due_ns: int
    ) -> None:
        self.ring: Callable[[], None] = _nobody_waits
        self._serving = serving
        self._arrive: Callable[[], tuple[CapturedRequest, Decision]] | None = arrive
        self._request: CapturedRequest | None = None
        self._actions: deque[Action | _GoOn] = deque()
        # Where the server is in time: what it does next it does then.
        self._due_ns = due_ns
        self._job: Future[Outcome] | None = None
        self._continue: Callable[[Any], None] = _nothing_follows
        self._held: _Held | None = None
        self._ending: Ending | None = None
        self._dropped = False
        serving.begun(self)

    def step(self) -> bytes | Ending | Pause:
        """Carry out what is due, up to the next bytes, the end of the connection, or something to wait for."""
        while True:
            if self._dropped and self._ending is None:
                self._leave()
                self._end(Ending.RESET)
            if self._ending is not None:
                return self._ending
            if self._held is not None:
                if not self._held.opened:
                    return Pause(None)
                self._held = None
                self._catch_up()
            if self._job is not None:
                if not self._job.done():
                    return Pause(None)
                self._end_job(self._job)
                continue
            if self._due_ns > self._serving.sleeper.clock.now_ns():
                return Pause(self._due_ns)
            if self._arrive is not None:
                self._take_in(self._arrive)
            elif not self._actions:
                self._note_answered()
                return Pause(None)
            elif (data := self._carry_out(self._actions.popleft())) is not None:
                return data

    def _take_in(self, arrive: Callable[[], tuple[CapturedRequest, Decision]]) -> None:
        self._arrive = None
        self._request, decision = arrive()
        self._actions.extend(decision.actions)

    def _carry_out(self, action: Action | _GoOn) -> bytes | Pause | None:
        assert self._request is not None
        if isinstance(action, SendBytes):
            if all(isinstance(left, Close | HalfClose) for left in self._actions):
                # Noted first: a client that has the answer must find it noted.
                self._note_answered()
            return action.data or None
        if isinstance(action, Wait):
            self._due_ns += action.milliseconds * 1_000_000
        elif isinstance(action, AskResponder):
            self._begin(self._serving.jobs.ask(action.responder, self._request), self._responder_ended)
        elif isinstance(action, Pull):
            self._pull(action)
        elif isinstance(action, _GoOn):
            action.take()
        elif isinstance(action, Hold):
            self._hold(action)
        elif isinstance(action, Hang):
            # Until client or server ends the connection: an answer that never comes is never noted.
            self._actions.append(action)
            return Pause(None)
        else:
            self._note_answered()
            self._end(Ending.RESET if isinstance(action, Reset) else Ending.CLOSED)
        return None

    # The user's code

    def _begin(self, job: Future[Outcome], then: Callable[[Outcome], None]) -> None:
        self._job, self._continue = job, then
        job.add_done_callback(lambda _: self.ring())
        # After the ring: a clock that skips time must not find the job done and nobody woken.
        self._serving.sleeper.clock.works_on(job)

    def _end_job(self, job: Future[Outcome]) -> None:
        self._job = None
        self._catch_up()
        self._continue(Outcome(error=ConnectionResetError("the server is closed")) if job.cancelled() else job.result())

    def _responder_ended(self, outcome: Outcome) -> None:
        assert self._request is not None
        simulation = self._serving.simulation
        if outcome.error is not None:
            decision = simulation.responder_failed(self._request, outcome.error)
        elif inspect.isawaitable(outcome.value):
            self._begin(self._serving.jobs.wait_for(outcome.value), self._responder_ended)
            return
        else:
            decision = simulation.responder_answered(self._request, outcome.value)
        self._actions.extendleft(reversed(decision.actions))

    def _pull(self, action: Pull) -> None:
        pieces: Any = None
        first = True

        def ask() -> None:
            self._begin(self._serving.jobs.next_piece(pieces), taken)

        def taken(outcome: Outcome) -> None:
            nonlocal first
            try:
                if outcome.error is not None:
                    raise outcome.error
                if outcome.value is NO_MORE:
                    return
                data = action.frame(outcome.value)
            except BaseException as error:  # noqa: BLE001  # the user's own: the test is told, the client sees a cut
                self._failed(error)
                return
            pause = [] if first else [Wait(action.pauses())]
            first = False
            self._actions.extendleft(reversed([*pause, SendBytes(data), _GoOn(ask)]))

        try:
            pieces = action.start()
        except BaseException as error:  # noqa: BLE001  # as above
            self._failed(error)
        else:
            ask()

    def _failed(self, error: BaseException) -> None:
        assert self._request is not None
        self._serving.simulation.stream_failed(self._request, error)
        self._leave()
        self._end(Ending.RESET)

    # Gates

    def _hold(self, action: Hold) -> None:
        held = self._held = _Held(action.gate, self)
        # The gate may open inside this call.
        held.key = action.gate.enter(held.open)
        if held.key is None:
            self._held = None

    def _catch_up(self) -> None:
        """Let the server's time go on to now: what was waited for took its time."""
        self._due_ns = max(self._due_ns, self._serving.sleeper.clock.now_ns())

    # Ends

    def _note_answered(self) -> None:
        if self._request is not None and self._request.answered_ns is None:
            self._serving.simulation.answered(self._request)

    def _end(self, ending: Ending) -> None:
        self._ending = ending
        self._serving.ended(self)

    def _leave(self) -> None:
        """Stop whatever is under way, and note that the client has no whole answer."""
        if self._held is not None and self._held.key is not None:
            self._held.gate.leave(self._held.key)
            self._held = None
        if self._job is not None:
            self._job.cancel()
            self._job = None
        request = self._request
        if request is not None and request.answered_ns is None and request.aborted_ns is None:
            self._serving.simulation.aborted(request)

    @property
    def is_over(self) -> bool:
        """Whether all is sent, and the connection kept."""
        under_way = self._arrive is not None or self._job is not None or self._held is not None or self._actions
        return self._ending is None and not under_way

    def finish(self) -> bool:
        """End it: its client has read the answer whole, or goes away. Returns whether the connection can be used on."""
        if self._ending is None:
            self.step()
            if self.is_over:
                self._serving.ended(self)
                return True
            if self._arrive is not None:
                # The bytes are with the server, which reads them when it comes to that.
                self._take_in(self._arrive)
        if self._ending is None:
            self._leave()
            self._end(Ending.CLOSED)
        return False

    def break_off(self) -> None:
        """End it: its client goes away before all of the request is sent, so that none arrives."""
        if self._arrive is not None and self._ending is None:
            self._arrive = None
            self._end(Ending.CLOSED)

    def drop(self) -> None:
        """End the connection by the server's will, from any thread."""
        self._dropped = True
        self.ring()


class _Held:
    """A wait at a gate."""

    def __init__(self, gate: Gate, exchange: Exchange) -> None:
        self.gate = gate
        self.key: int | None = None
        self.opened = False
        self._exchange = exchange

    def open(self) -> None:
        """Be let through; called from whichever thread opens the gate."""
        self.opened = True
        self._exchange.ring()


@dataclass(frozen=True, slots=True)
class _GoOn:
    """An action of this engine alone: take the next piece once the one before is sent."""

    take: Callable[[], None]


def _nobody_waits() -> None:
    """Nobody waits for the exchange yet."""


def _nothing_follows(outcome: Outcome) -> None:
    """No code of the user has been begun."""
