"""
Waiting in asyncio and trio: the one module of this package that names anyio.

What waits is a blocking function in a thread. Cancelling the task makes that function return, and waits
for it: no thread is left behind that still holds descriptors or a process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import anyio
import anyio.abc
import anyio.lowlevel
import anyio.to_thread

ResultT = TypeVar("ResultT")


async def in_thread(work: Callable[[], ResultT], cancel: Callable[[], None]) -> ResultT:
    """
    Return what *work* returns, run in a thread.

    Args:
        work: A blocking function.

        cancel: Makes *work* return soon; called when the task is cancelled, and once more, without
            effect, after *work* has returned.
    """
    errand = _Errand(work)
    try:
        async with anyio.create_task_group() as group:
            # Started for sure before the thread: a task that never ran could not cancel.
            await group.start(_call_when_cancelled, cancel)
            # anyio shields this await, so it lasts until the thread has come back.
            await anyio.to_thread.run_sync(errand.run)
            group.cancel_scope.cancel()
    finally:
        # asyncio's own Task.cancel knows no shield. The thread is on its way back then, so this takes a moment only.
        errand.join()
    # After the shield: a cancelled task ends here, whatever the thread brought.
    await anyio.lowlevel.checkpoint_if_cancelled()
    return errand.result()


class _Errand(Generic[ResultT]):
    """One call in a thread: kept until somebody asks, because a task group would wrap its error."""

    def __init__(self, work: Callable[[], ResultT]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._is_off = False
        self._has_begun = False
        self._is_over = threading.Event()
        self._results: list[ResultT] = []
        self._errors: list[BaseException] = []

    def run(self) -> None:
        with self._lock:
            if self._is_off:
                return
            self._has_begun = True
        try:
            self._results.append(self._work())
        except BaseException as error:  # noqa: BLE001 (raised by result)
            self._errors.append(error)
        finally:
            self._is_over.set()

    def join(self) -> None:
        """Wait for the thread if it has begun; otherwise it will not."""
        with self._lock:
            self._is_off = True
        if self._has_begun:
            self._is_over.wait()

    def result(self) -> ResultT:
        if self._errors:
            raise self._errors[0]
        return self._results[0]


async def _call_when_cancelled(cancel: Callable[[], None], *, task_status: anyio.abc.TaskStatus[None]) -> None:
    try:
        task_status.started()
        await anyio.sleep_forever()
    finally:
        cancel()
