"""
Wait for invocations of a fake program, without polling.

Each invocation wakes the waiting threads when it begins and when it ends.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from api_simulator._core import real_time
from api_simulator.errors import OptionError, WaitTimeoutError
from api_simulator.process._calls import ProgramCall
from api_simulator.process._stage import Stage


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    Which invocations are waited for.

    Attributes:
        after: Those with a higher number than this.

        args: Those with these among their arguments, in this order.

        ended: Only those that have ended; one that was killed has no end.
    """

    after: int = 0
    args: tuple[str, ...] = ()
    ended: bool = False

    def among(self, calls: list[ProgramCall]) -> list[ProgramCall]:
        """Return those of *calls* that are wanted."""
        return [
            call
            for call in calls
            if call.number > self.after and call.has_args(self.args) and not (self.ended and call.exited_ns is None)
        ]

    def __str__(self) -> str:
        return (f" with {list(self.args)}" if self.args else "") + (" that ended" if self.ended else "")


ANY = Wanted()


def wait_for_calls(stage: Stage, n: int, timeout_s: float, wanted: Wanted = ANY) -> list[ProgramCall]:
    """
    Wait until at least *n* invocations have begun, and return them.

    Raises:
        WaitTimeoutError: If that takes longer than *timeout_s*.
    """
    _require_count(n)
    waiter = CallWaiter(stage)
    waiter.wait(lambda: len(wanted.among(stage.calls())) >= n, timeout_s)
    return _enough(stage, n, timeout_s, wanted)


async def wait_for_calls_async(
    stage: Stage,
    n: int,
    timeout_s: float,
    wanted: Wanted = ANY,
) -> list[ProgramCall]:
    """Wait as :func:`wait_for_calls` does, in asyncio or trio; cancelling the task ends the wait."""
    # Imported here: anyio takes longer than all the rest, and few tests need it.
    from api_simulator.process._waiting import in_thread

    _require_count(n)
    waiter = CallWaiter(stage)
    try:
        await in_thread(lambda: waiter.wait(lambda: len(wanted.among(stage.calls())) >= n, timeout_s), waiter.cancel)
    finally:
        waiter.close()
    return _enough(stage, n, timeout_s, wanted)


def _require_count(n: int) -> None:
    if not isinstance(n, int) or isinstance(n, bool) or n < 0:
        raise OptionError(f"n: cannot wait for {n!r} calls; give an integer from 0")


def _enough(stage: Stage, n: int, timeout_s: float, wanted: Wanted) -> list[ProgramCall]:
    calls = stage.calls()
    found = wanted.among(calls)
    if len(found) >= n:
        return found
    listed = "".join(f"\n  {call!r}" for call in Wanted(wanted.after).among(calls)[-5:])
    raise WaitTimeoutError(
        f"waited {timeout_s:g} s for {n} calls of {stage.executable.name!r}{wanted}, {len(found)} came.{listed}\n"
        f"  {_search_hint(str(stage.executable.parent))}"
    )


def _search_hint(folder: str) -> str:
    path = os.environ.get("PATH")
    if not path:
        return f"PATH is {'not set' if path is None else 'empty'} in this process: nothing is found by its name"
    if folder not in path.split(os.pathsep):
        return f"it is in {folder}, which is not on PATH: start it within `with`, or by its executable"
    return f"the code under test finds it in {folder}; is that on its PATH?"


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
        deadline = real_time.monotonic_s() + timeout_s
        poller = select.poll()
        poller.register(self._fd, select.POLLIN)
        try:
            while not condition():
                left_s = deadline - real_time.monotonic_s()
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
