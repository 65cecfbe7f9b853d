"""
Threads for the user's functions that may block.

Not ``ThreadPoolExecutor``: the interpreter joins its threads at exit, so that a responder which never
returns would keep the whole test run from ending.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

ResultT = TypeVar("ResultT")
Params = ParamSpec("Params")

#: How long the end of the run waits for a thread that is about to end anyway.
_JOIN_S = 1.0


class DaemonWorkers(Executor):
    """
    An executor on daemon threads: as many as are busy at the same time, re-used when idle.

    There is no upper bound: each thread stands for a request that is being answered, and a bound would
    let requests wait for each other that have nothing to do with each other.
    """

    def __init__(self) -> None:
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self._busy: set[threading.Thread] = set()

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

        self._tasks.put(run)
        if not self._idle.acquire(blocking=False):
            thread = threading.Thread(target=self._work, name="api-simulator-responder", daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def _work(self) -> None:
        this = threading.current_thread()
        while (task := self._tasks.get()) is not None:
            self._busy.add(this)
            task()
            self._busy.discard(this)
            self._idle.release()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002  # the base class says so
        """End the threads that are idle; a thread whose function never returns is left to the end of the process."""
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            if wait and thread not in self._busy:
                thread.join(_JOIN_S)
