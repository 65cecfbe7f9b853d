"""
What of an answer runs the user's code, or waits for it: responders, iterators of bodies, gates.

On the shared loop, whichever engine holds the connection: an outlet takes the bytes.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Protocol

from api_simulator._core.actions import AskResponder, Hold, Pull
from api_simulator._core.clock import Clock
from api_simulator._core.decide import Decision
from api_simulator._core.messages import CapturedRequest
from api_simulator._core.simulation import Simulation
from api_simulator._core.streams import NOT_PULLED, SharedReader
from api_simulator._engines._loop import LOOP_THREAD
from api_simulator._engines._pulls import Pulls

_NO_MORE: Any = object()


class Outlet(Protocol):
    """Where the bytes of one answer go."""

    def write(self, data: bytes) -> None:
        """Send *data*; raise ``ConnectionError`` if the client is gone."""
        ...

    async def drained(self) -> None:
        """Wait until the kernel has taken everything."""
        ...

    def abort(self) -> None:
        """End the connection by RST."""
        ...


class UsersCode:
    """Runs the user's part of the answers of one server; used on the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, simulation: Simulation) -> None:
        self._loop = loop
        self._simulation = simulation
        self._pulls = Pulls()

    async def ask(self, request: CapturedRequest, action: AskResponder) -> Decision:
        """Call a responder and return what follows from its answer."""
        simulation = self._simulation
        try:
            if inspect.iscoroutinefunction(action.responder):
                answer = await action.responder(request)
            else:
                answer = await self._in_thread(action.responder, request)
                if inspect.isawaitable(answer):
                    answer = await answer
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as error:  # noqa: BLE001  # the user's own code: the test is told, the server lives on
            return simulation.responder_failed(request, error)
        return simulation.responder_answered(request, answer)

    async def pull(self, request: CapturedRequest, action: Pull, outlet: Outlet) -> None:
        """Send the pieces of an iterator, each when it is there and the one before it is out."""
        pieces: Any = None
        while True:
            first = pieces is None
            try:
                if first:
                    pieces = action.start()
                piece = await self._next_piece(pieces)
                data = b"" if piece is _NO_MORE else action.frame(piece)
            except (asyncio.CancelledError, GeneratorExit):
                raise
            except BaseException as error:  # the user's own iterator: the test is told, the client sees a cut
                self._simulation.stream_failed(request, error)
                outlet.abort()
                raise ConnectionResetError("the body's iterator failed") from error
            if piece is _NO_MORE:
                return
            if not first:
                clock = self._simulation.clock
                await wait_until(clock, clock.now_ns() + action.pauses() * 1_000_000)
            outlet.write(data)
            await outlet.drained()

    async def hold(self, action: Hold) -> None:
        """Wait at a gate until it opens."""
        opened = asyncio.Event()
        key = action.gate.enter(lambda: LOOP_THREAD.call_soon(opened.set))
        if key is None:
            return
        try:
            await opened.wait()
        finally:
            action.gate.leave(key)

    async def cancel(self) -> None:
        """End what is still being pulled."""
        await self._pulls.cancel()

    async def _next_piece(self, pieces: Iterator[Any] | AsyncIterator[Any] | SharedReader) -> Any:
        if isinstance(pieces, SharedReader):
            try:
                while (piece := pieces.next()) is NOT_PULLED:
                    await self._pulls.pulled(pieces.source)
            except StopAsyncIteration:
                return _NO_MORE
            return piece
        if isinstance(pieces, AsyncIterator):
            return await anext(pieces, _NO_MORE)
        return await self._in_thread(next, pieces, _NO_MORE)

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call the user's *function* on a worker thread and return or raise what it does."""
        value, error = await self._loop.run_in_executor(LOOP_THREAD.workers(), outcome, function, *arguments)
        if error is not None:
            raise error
        return value


async def wait_until(clock: Clock, end_ns: int) -> None:
    """Wait until *end_ns* by *clock*, or be there at once if it can skip."""
    if clock.skip_to(end_ns):
        # As after a real wait: what else is ready has its turn.
        await asyncio.sleep(0)
        return
    # asyncio may wake up to one tick of its clock early; a delay is never short.
    while (left_ns := end_ns - clock.now_ns()) > 0:  # noqa: ASYNC110  # it is time that is waited for
        await asyncio.sleep(left_ns / 1e9)


def outcome(function: Callable[..., Any], *arguments: Any) -> tuple[Any, BaseException | None]:
    """Return what *function* returned or raised: as a result, because no future can hold a StopIteration."""
    try:
        return function(*arguments), None
    except StopIteration as error:
        # A coroutine cannot raise it either; a responder that takes its answers from an iterator runs into it.
        problem = RuntimeError("StopIteration: an iterator had no more items")
        problem.__cause__ = error
        return None, problem
    except BaseException as error:  # noqa: BLE001  # ``pytest.fail`` is no Exception, and no reason to leave a client waiting
        return None, error
