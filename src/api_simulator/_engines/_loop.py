"""
One event loop on one thread, shared by every server that needs it.

The loop starts with its first user and ends with its last, so that nothing stays behind; the pytest
plugin holds it for a whole session, so that a server costs a listener and not a thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from api_simulator._core import real_time
from api_simulator._engines._sharing import Users
from api_simulator._engines._workers import DaemonWorkers
from api_simulator.errors import ServerStateError

ResultT = TypeVar("ResultT")

#: Loop operations take microseconds; a minute means that something blocks the loop's thread.
LOOP_TIMEOUT_S = 60.0


class _RealTimeLoop(asyncio.SelectorEventLoop):
    """A loop whose timers run by the machine's clock, also where a test has put another in the place of ``time``'s."""

    def time(self) -> float:
        """Return seconds of the machine's monotonic clock."""
        return real_time.monotonic_s()


class LoopThread:
    """An event loop on a thread of its own, running while it has users."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = Users()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._workers: DaemonWorkers | None = None

    def acquire(self) -> asyncio.AbstractEventLoop:
        """Return the running loop, starting it for its first user."""
        with self._lock:
            if self._users.forget_parents():
                self._loop = self._thread = self._workers = None
            if self._loop is None:
                # The selector loop by name: a policy that the user's suite sets is not meant for this thread.
                loop = _RealTimeLoop()
                thread = threading.Thread(target=_run, args=(loop,), name="api-simulator-loop", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    loop.close()
                    raise
                # Not before: the next one must not find a loop that nobody runs.
                self._loop, self._thread = loop, thread
            self._users.add()
            return self._loop

    def release(self) -> None:
        """Give up one use; the last one ends the thread and closes the loop."""
        with self._lock:
            if not self._users.remove():
                return
            loop, thread, workers = self._loop, self._thread, self._workers
            self._loop = self._thread = self._workers = None
        assert loop is not None
        assert thread is not None
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        if workers is not None:
            workers.shutdown()
        loop.close()

    def workers(self) -> DaemonWorkers:
        """Return the threads on which responders that may block are called."""
        with self._lock:
            if self._workers is None:
                self._workers = DaemonWorkers()
            return self._workers

    def run(self, coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
        """
        Run *coroutine* on the loop and return its result.

        Raises:
            ServerStateError: If called on the loop's own thread, which would wait for itself.
        """
        loop = self._loop
        try:
            self.refuse_own_thread()
        except ServerStateError:
            coroutine.close()
            raise
        assert loop is not None, "a user of the loop has acquired it"
        future: Future[ResultT] = asyncio.run_coroutine_threadsafe(coroutine, loop)
        return future.result(LOOP_TIMEOUT_S)

    def refuse_own_thread(self) -> None:
        """
        Raise if the caller runs on the loop's thread.

        Raises:
            ServerStateError: Waiting for the loop there would be waiting for oneself.
        """
        if threading.current_thread() is self._thread:
            raise ServerStateError(
                "a server cannot be started, reset or closed from its own responder or predicate; "
                "do it in the test's thread"
            )

    def call_soon(self, function: Callable[[], object]) -> None:
        """Run *function* on the loop, later, if it still runs."""
        loop = self._loop
        if loop is not None:
            loop.call_soon_threadsafe(function)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        asyncio.set_event_loop(None)


LOOP_THREAD = LoopThread()
