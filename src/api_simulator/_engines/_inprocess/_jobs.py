"""
The user's own code, run where it can neither block the client's loop nor outlive its timeout.

Functions run on the worker threads, coroutines on the loop that all servers share, as on every engine.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from typing import Any, NamedTuple

from api_simulator._core.messages import CapturedRequest
from api_simulator._core.streams import NOT_PULLED, SharedReader
from api_simulator._engines._loop import LOOP_THREAD
from api_simulator._engines._pulls import Pulls

NO_MORE: Any = object()


class Outcome(NamedTuple):
    """What the user's code returned, or what it raised: as a value, because no future can hold a StopIteration."""

    value: Any = None
    error: BaseException | None = None


class Jobs:
    """The user's code that runs for the clients of one server."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pulls = Pulls()

    def call(self, function: Callable[..., Any], *arguments: Any) -> Future[Outcome]:
        """Call *function* on a worker thread."""
        self._shared_loop()
        return LOOP_THREAD.workers().submit(_outcome, function, *arguments)

    def wait_for(self, awaitable: Awaitable[Any]) -> Future[Outcome]:
        """Await on the shared loop."""
        return asyncio.run_coroutine_threadsafe(_awaited(awaitable), self._shared_loop())

    def ask(self, responder: Callable[[Any], Any], request: CapturedRequest) -> Future[Outcome]:
        """Ask a responder, plain or a coroutine function."""
        if inspect.iscoroutinefunction(responder):
            return self.wait_for(responder(request))
        return self.call(responder, request)

    def next_piece(self, pieces: Iterator[Any] | AsyncIterator[Any] | SharedReader) -> Future[Outcome]:
        """Take the next piece of a body; :data:`NO_MORE` at its end."""
        if isinstance(pieces, SharedReader):
            return self.wait_for(self._shared_piece(pieces))
        if isinstance(pieces, AsyncIterator):
            return self.wait_for(_next_of(pieces))
        return self.call(next, pieces, NO_MORE)

    async def _shared_piece(self, reader: SharedReader) -> Any:
        try:
            while (piece := reader.next()) is NOT_PULLED:
                await self._pulls.pulled(reader.source)
        except StopAsyncIteration:
            return NO_MORE
        return piece

    def _shared_loop(self) -> asyncio.AbstractEventLoop:
        # Taken when it is first needed: most exchanges are bytes, and need no thread.
        if self._loop is None:
            self._loop = LOOP_THREAD.acquire()
        return self._loop

    def close(self) -> None:
        """End what is still pulled, and give up the loop."""
        if self._loop is not None:
            self._loop = None
            LOOP_THREAD.run(self._pulls.cancel())
            LOOP_THREAD.release()


def _outcome(function: Callable[..., Any], *arguments: Any) -> Outcome:
    try:
        return Outcome(function(*arguments))
    except StopIteration as error:
        # As on a loop, where a coroutine cannot raise it.
        failure = RuntimeError("StopIteration: an iterator had no more items")
        failure.__cause__ = error
        return Outcome(error=failure)
    except BaseException as error:  # noqa: BLE001  # ``pytest.fail`` is no Exception, and as much the test's business
        return Outcome(error=error)


async def _awaited(awaitable: Awaitable[Any]) -> Outcome:
    try:
        return Outcome(await awaitable)
    except (asyncio.CancelledError, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001  # as above
        return Outcome(error=error)


async def _next_of(pieces: AsyncIterator[Any]) -> Any:
    return await anext(pieces, NO_MORE)
