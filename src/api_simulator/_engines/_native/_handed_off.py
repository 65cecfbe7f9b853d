"""
Answers that need the user's code or a gate: the library holds the connection.

A plain responder is called on a worker thread, which gives the answer to the library itself. All else is one task each
on the shared loop.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING, Any

from api_simulator._core.actions import Action, AskResponder, Hold, Pull, SendBytes
from api_simulator._core.decide import Decision
from api_simulator._core.messages import CapturedRequest
from api_simulator._core.plain import FINITE, is_finite
from api_simulator._engines._loop import LOOP_THREAD
from api_simulator._engines._native._programs import RESET, program
from api_simulator._engines._users_code import UsersCode, outcome

if TYPE_CHECKING:
    from api_simulator._engines._native._serving import NativeServing

_LAST, _NOTED_HERE = 1, 2
#: How long the end of a server waits for its tasks, whose clients are gone.
_CANCEL_S = 1.0


class _Answer:
    """One answer under way: where its bytes go, and what is known to be out."""

    def __init__(self, owner: HandedOff, sequence: int, request: CapturedRequest) -> None:
        self._owner = owner
        self._sequence = sequence
        self._request = request
        self._pending = 0
        self._out = asyncio.Event()
        self._out.set()

    def part_done(self) -> None:
        """Note that the library has carried out a part."""
        self._pending -= 1
        if not self._pending:
            self._out.set()

    def write(self, data: bytes) -> None:
        """Send *data* as a part of its own."""
        self._give(program((SendBytes(data),)))

    async def drained(self) -> None:
        """Wait until every part is carried out."""
        await self._out.wait()

    def abort(self) -> None:
        """End the connection by RST."""
        self._owner.serving.answer(self._sequence, RESET, _LAST | _NOTED_HERE)

    def _give(self, steps: bytes) -> None:
        self._pending += 1
        self._out.clear()
        if not self._owner.serving.answer(self._sequence, steps, _NOTED_HERE):
            raise ConnectionResetError("the client went away")

    async def carry_out(self, decision: Decision) -> None:
        """Carry out what needs Python; the rest goes to the library at once, which then notes the end."""
        users_code, request = self._owner.users_code, self._request
        actions = deque(decision.actions)
        while not is_finite(tuple(actions)):
            if finite := _finite_part(actions):
                self._give(program(finite))
                await self.drained()
            action = actions.popleft()
            if isinstance(action, AskResponder):
                actions.extendleft(reversed((await users_code.ask(request, action)).actions))
            elif isinstance(action, Pull):
                await users_code.pull(request, action, self)
            elif isinstance(action, Hold):
                await users_code.hold(action)
        if not self._owner.serving.answer(self._sequence, program(actions), _LAST):
            raise ConnectionResetError("the client went away")

    async def run(self, decision: Decision) -> None:
        """Carry *decision* out and note how it ended."""
        try:
            await self.carry_out(decision)
        except (asyncio.CancelledError, ConnectionError):
            if self._request.answered_ns is None:
                self._owner.serving.simulation.aborted(self._request)
        except BaseException:
            # A connection that nobody serves would let its client wait for ever.
            self.abort()
            raise


def _finite_part(actions: deque[Action]) -> list[Action]:
    """Take off what the library can do before the first action that needs Python."""
    taken = []
    while isinstance(actions[0], FINITE):
        taken.append(actions.popleft())
    return taken


class HandedOff:
    """The answers of one server that are under way on the loop."""

    def __init__(self, serving: NativeServing) -> None:
        self.serving = serving
        self._loop = LOOP_THREAD.acquire()
        self.users_code = UsersCode(self._loop, serving.simulation)
        # Used on the loop's thread only.
        self._answers: dict[int, tuple[_Answer, asyncio.Task[None]]] = {}

    def start(self, sequence: int, request: CapturedRequest, decision: Decision) -> None:
        """Begin an answer; from any thread."""
        # Nothing to send yet, but the client is watched from now on.
        self.serving.answer(sequence, b"", _NOTED_HERE)
        first = decision.actions[0]
        if isinstance(first, AskResponder) and not inspect.iscoroutinefunction(first.responder):
            # Not by way of the loop: two more changes of thread cost as much as the rest of the hand-off.
            try:
                LOOP_THREAD.workers().start(partial(self._ask, sequence, request, decision))
            except RuntimeError as error:
                # No thread to be had. The client is told, and this thread goes on with what else there is.
                failed = self.serving.simulation.responder_failed(request, error)
                self.serving.answer(sequence, program(failed.actions), _LAST)
        else:
            self._loop.call_soon_threadsafe(self._start, sequence, request, decision)

    def _ask(self, sequence: int, request: CapturedRequest, decision: Decision) -> None:
        """Call the responder, and answer at once if the library can do all that follows; on a worker thread."""
        action, *rest = decision.actions
        assert isinstance(action, AskResponder)
        try:
            answer, error = outcome(action.responder, request)
            if request.aborted_ns is not None:
                # The client is gone, or the server: as on the loop, nobody hears what came of it.
                return
            decision = Decision((*self._decided(request, answer, error).actions, *rest))
            if is_finite(decision.actions):
                self.serving.answer(sequence, program(decision.actions), _LAST)
            elif self.serving.answer(sequence, b"", _NOTED_HERE):
                self._loop.call_soon_threadsafe(self._start, sequence, request, decision)
        except BaseException:
            # A connection that nobody serves would let its client wait for ever.
            self.serving.answer(sequence, RESET, _LAST | _NOTED_HERE)
            raise

    def _decided(self, request: CapturedRequest, answer: Any, error: BaseException | None) -> Decision:
        if error is not None:
            return self.serving.simulation.responder_failed(request, error)
        if inspect.isawaitable(answer):
            # A plain function that returned a coroutine: what it awaits belongs to the loop.
            return Decision((AskResponder(partial(_awaited, answer)),))
        return self.serving.simulation.responder_answered(request, answer)

    def _start(self, sequence: int, request: CapturedRequest, decision: Decision) -> None:
        answer = _Answer(self, sequence, request)
        task = self._loop.create_task(answer.run(decision))
        self._answers[sequence] = answer, task
        task.add_done_callback(lambda _: self._answers.pop(sequence))

    def part_done(self, sequence: int) -> None:
        """Say that a part is out; from any thread."""
        self._loop.call_soon_threadsafe(self._part_done, sequence)

    def _part_done(self, sequence: int) -> None:
        if sequence in self._answers:
            self._answers[sequence][0].part_done()

    def cancel(self, sequence: int) -> None:
        """Say that the client is gone; from any thread."""
        self._loop.call_soon_threadsafe(self._cancel, sequence)

    def _cancel(self, sequence: int) -> None:
        if sequence in self._answers:
            self._answers[sequence][1].cancel()

    def close(self) -> None:
        """End what is under way; its clients are gone already."""
        LOOP_THREAD.run(self._end())
        LOOP_THREAD.release()

    async def _end(self) -> None:
        tasks = [task for _, task in self._answers.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CANCEL_S)
        await self.users_code.cancel()


async def _awaited(answer: Awaitable[Any], _request: CapturedRequest) -> Any:
    return await answer
