"""
Threads for the user's functions that may block.

Not ``ThreadPoolExecutor``: the interpreter joins its threads at exit, so that a responder which never
returns would keep the whole test run from ending.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

ResultT = TypeVar("ResultT")
Params = ParamSpec("Params")

#: How long the end of the run waits for a thread that is about to end anyway.
_JOIN_S = 1.0


class DaemonWorkers(Executor):
    """
    An executor on daemon threads: as many as are blocked at the same time and one more, re-used when idle.

    There is no upper bound: each thread stands for a request that is being answered, and a bound would
    let requests wait for each other that have nothing to do with each other.
    """

    # Who takes a task calls the next thread if there are more, and only one is under way at a time. A function that
    # blocks lets it run at once; one that only computes is mostly done before it has the interpreter's lock. A thread
    # woken for each task would leave a thousand of them queueing for that lock, which cost more than the tasks.

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._tasks: deque[Callable[[], object]] = deque()
        self._idle = 0
        # Whether a thread was called that has not looked for a task yet.
        self._called = False
        self._ended = False
        self._threads: list[threading.Thread] = []
        self._busy: set[threading.Thread] = set()

    def start(self, task: Callable[[], object]) -> None:
        """
        Call *task*, which must not raise, on a thread; for who needs no future.

        Raises:
            RuntimeError: If there is no thread to be had.
        """
        with self._changed:
            self._tasks.append(task)
            try:
                self._call_one()
            except RuntimeError:
                self._tasks.pop()
                raise

    def submit(
        self, function: Callable[Params, ResultT], /, *args: Params.args, **kwargs: Params.kwargs
    ) -> Future[ResultT]:
        """Call *function* on a thread and return the future of its result."""
        future: Future[ResultT] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = function(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001  # whoever waits for the future gets it, whatever it is
                future.set_exception(error)
            else:
                future.set_result(result)

        self.start(run)
        return future

    def _call_one(self) -> None:
        """Let one more thread look for a task; called with the lock held."""
        if self._called:
            return
        self._called = True
        if self._idle:
            self._idle -= 1
            self._changed.notify()
            return
        thread = threading.Thread(target=self._work, name="api-simulator-responder", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._called = False
            raise
        self._threads.append(thread)

    def _work(self) -> None:
        this = threading.current_thread()
        was_called = True
        while (task := self._next_task(was_called=was_called)) is not None:
            was_called = False
            self._busy.add(this)
            task()
            self._busy.discard(this)

    def _next_task(self, *, was_called: bool) -> Callable[[], object] | None:
        with self._changed:
            while True:
                if was_called:
                    self._called = False
                if self._tasks:
                    break
                if self._ended:
                    return None
                self._idle += 1
                self._changed.wait()
                was_called = True
            task = self._tasks.popleft()
            if self._tasks:
                # Without a thread for the others, this one comes back for them.
                with contextlib.suppress(RuntimeError):
                    self._call_one()
            return task

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002  # the base class says so
        """End the threads that are idle; a thread whose function never returns is left to the end of the process."""
        with self._changed:
            self._ended = True
            self._idle = 0
            self._changed.notify_all()
        for thread in self._threads:
            if wait and thread not in self._busy:
                thread.join(_JOIN_S)
