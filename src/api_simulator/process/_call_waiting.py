"""
Wait for invocations of a fake program, without polling.

Each invocation wakes the waiting threads when it begins and when it ends.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
import uuid
from collections.abc import Callable

from api_simulator.errors import OptionError, WaitTimeoutError
from api_simulator.process._stage import Stage


def wait_for_calls(stage: Stage, n: int, timeout_s: float) -> None:
    """
    Wait until at least *n* invocations have begun.

    Raises:
        WaitTimeoutError: If that takes longer than *timeout_s*.
    """
    _require_count(n)
    _require_enough(stage, n, timeout_s, CallWaiter(stage).wait(lambda: len(stage.calls()) >= n, timeout_s))


async def wait_for_calls_async(stage: Stage, n: int, timeout_s: float) -> None:
    """Wait as :func:`wait_for_calls` does, in asyncio or trio; cancelling the task ends the wait."""
    # Imported here: anyio takes longer than all the rest, and few tests need it.
    from api_simulator.process._waiting import in_thread

    _require_count(n)
    waiter = CallWaiter(stage)
    try:
        reached = await in_thread(lambda: waiter.wait(lambda: len(stage.calls()) >= n, timeout_s), waiter.cancel)
    finally:
        waiter.close()
    _require_enough(stage, n, timeout_s, reached)


def _require_count(n: int) -> None:
    if not isinstance(n, int) or isinstance(n, bool) or n < 0:
        raise OptionError(f"n: cannot wait for {n!r} calls; give an integer from 0")


def _require_enough(stage: Stage, n: int, timeout_s: float, reached: bool) -> None:  # noqa: FBT001
    if not reached:
        calls = stage.calls()
        listed = "".join(f"\n  {call!r}" for call in calls[-5:])
        raise WaitTimeoutError(
            f"waited {timeout_s:g} s for {n} calls of {stage.executable.name!r}, {len(calls)} came.{listed}\n"
            f"  the code under test finds it in {stage.executable.parent}; is that on its PATH?"
        )


class CallWaiter:
    """
    One thread's wait.

    A FIFO of its own, so that two waiting threads do not take each other's wake-ups.
    """

    def __init__(self, stage: Stage) -> None:
        self._path = stage.folder / "waiters" / uuid.uuid4().hex
        os.mkfifo(self._path, 0o600)
        # Read and write: with a read end only, the first writer that leaves would look like the end.
        self._fd = os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._is_open = True
        self._cancelled = False

    def wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until *condition* holds; return whether it does. Closes the waiter."""
        deadline = time.monotonic() + timeout_s
        poller = select.poll()
        poller.register(self._fd, select.POLLIN)
        try:
            while not condition():
                left_s = deadline - time.monotonic()
                if self._cancelled or left_s <= 0:
                    return False
                if poller.poll(left_s * 1000):
                    os.read(self._fd, 65536)
            return True
        finally:
            self.close()

    def cancel(self) -> None:
        """Make the waiting thread return; may be called from any thread, at any time."""
        with self._lock:
            self._cancelled = True
            if self._is_open:
                with contextlib.suppress(BlockingIOError):  # full: it wakes up anyway
                    os.write(self._fd, b"\n")

    def close(self) -> None:
        """Remove the FIFO; closing twice changes nothing."""
        with self._lock:
            if self._is_open:
                self._is_open = False
                self._path.unlink(missing_ok=True)
                os.close(self._fd)
