"""
The virtual clock: one thread's time, moved on when that thread waits.

Everything that can be seen to wait comes here: ``time.sleep``, an asyncio or trio loop with nothing to
do, an in-process client, a server's delay. Code that works elsewhere meanwhile is waited for in real
time, for a while; whatever stands still and cannot be seen is found by the watcher, and is an error.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

from api_simulator._core import real_time
from api_simulator._core.clock import SYSTEM_CLOCK, current_clock, put_in
from api_simulator._core.virtual import VirtualTime
from api_simulator.errors import VirtualTimeError
from api_simulator.virtual_time import _reach
from api_simulator.virtual_time._sleeps import Sleep, caller, place
from api_simulator.virtual_time._wall import Wall
from api_simulator.virtual_time._watcher import Watcher

#: How long what works in the background may take, in real seconds, before that is called a wait.
GRACE_S = 2.0
#: How often the end of it is looked for; it wakes the waiting thread itself wherever it can.
SLICE_S = 0.02
_OURS = "api-simulator-"


class VirtualClock:
    """
    A clock for the code under test and the servers it talks to, on the thread that starts it.

    Use it in a ``with`` block, or take the fixture ``virtual_clock``. Servers that are made while it
    runs have it as their clock.

    Attributes:
        sleeps: Every sleep that was asked for, in order.
    """

    def __init__(self) -> None:
        self.sleeps: list[Sleep] = []
        self._wall = Wall()
        self._time = VirtualTime(real_time.monotonic_ns(), real_time.time_ns(), self._wall.shift)
        self._watcher: Watcher | None = None
        self._owner = 0
        # Threads that were there before have a life of their own, and keep the machine's time.
        self._outside: frozenset[int] = frozenset()
        self._at_work: dict[object, str] = {}
        self._failure: str | None = None

    # Life cycle

    def start(self) -> VirtualClock:
        """
        Put the clock in place of the machine's; ``with`` does this for you.

        Raises:
            VirtualTimeError: If a virtual clock runs already.

            MissingExtraError: If time-machine is not installed.
        """
        if current_clock() is not SYSTEM_CLOCK:
            raise VirtualTimeError("a virtual clock runs already; there is one present, use that one's advance()")
        self._owner = threading.get_ident()
        threads = [thread for thread in threading.enumerate() if not thread.name.startswith(_OURS)]
        self._outside = frozenset(thread.ident or 0 for thread in threads) - {self._owner}
        self.resume()
        put_in(self)
        return self

    def stop(self) -> None:
        """Put everything back; twice changes nothing."""
        self.suspend()
        if current_clock() is self:
            put_in(SYSTEM_CLOCK)

    def resume(self) -> None:
        """Put the clock in place of ``time``'s functions (again); it goes on where it was."""
        if self._watcher is not None:
            return
        try:
            self._wall.start(self._time.epoch_s(self.now_ns()))
            _reach.put_in(self)
            self._watcher = Watcher(self._owner)
        except BaseException:
            self.suspend()
            raise

    def suspend(self) -> None:
        """Put ``time``'s own functions back, and keep the reading."""
        watcher, self._watcher = self._watcher, None
        _reach.restore()
        self._wall.stop()
        if watcher is not None:
            watcher.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # For tests

    @property
    def elapsed(self) -> float:
        """Virtual seconds since the start."""
        return self._time.elapsed_ns / 1e9

    def advance(self, seconds: float) -> None:
        """
        Go on by so many seconds; timers that are due by then fire when their loop runs next.

        Raises:
            VirtualTimeError: If something waits that the clock does not see, or from another thread.
        """
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < float("inf"):
            raise VirtualTimeError(f"advance: expected a finite number of seconds, 0 or more, got {seconds!r}")
        if not self.is_owner():
            raise VirtualTimeError(
                f"advance: {threading.current_thread().name} is not the thread the clock runs for; call it there"
            )
        self._let_pass(round(seconds * 1e9))

    @property
    def failure(self) -> str | None:
        """What made time unable to go on, once it was; it stays so."""
        return self._failure

    # A clock's

    def now_ns(self) -> int:
        """Return the reading, on the scale of the machine's monotonic clock."""
        return self._time.now_ns()

    def reading_s(self) -> float:
        """Return the reading in seconds."""
        return self._time.reading_s()

    def epoch_s(self, monotonic_ns: int) -> float:
        """Return a reading as seconds since 1970."""
        return self._time.epoch_s(monotonic_ns)

    def skip_to(self, until_ns: int) -> bool:
        """Be at that moment at once; a server calls it from its own thread."""
        self._time.move_to(until_ns)
        return True

    def block(self, wait: Callable[[float | None], object], until_ns: int | None) -> None:
        """Let time pass until that moment, unless something happens before; really wait for code that works."""
        self.admit_wait()
        if wait(0):
            return
        if until_ns is None:
            with self.seen():
                wait(None)
        elif not self._await_work(lambda: wait(SLICE_S)) and not wait(0):
            self.check()
            self._time.move_to(until_ns)

    def admit_wait(self) -> None:
        """Refuse a wait on another thread."""
        if not self.is_owner():
            thread = threading.current_thread().name
            raise self.fail(f"thread {thread} waits for an in-process server; the clock runs for another thread")

    def works_on(self, job: Future[Any]) -> None:
        """Know of the user's code that runs on another thread."""
        self.begin_work(job, "a responder or body of the server")
        job.add_done_callback(self.end_work)

    # For what is put in the place of others

    def begin_work(self, key: object, what: str) -> None:
        """Skip no time from now on until :meth:`end_work`."""
        self._at_work[key] = what

    def end_work(self, key: object) -> None:
        """It is done, and who waits for it is woken."""
        self._at_work.pop(key, None)

    def at_work(self) -> str | None:
        """Return what works in the background, if anything does."""
        return next(iter(list(self._at_work.values())), None)

    def is_owner(self) -> bool:
        """Whether this thread is the clock's."""
        return threading.get_ident() == self._owner

    def covers(self) -> bool:
        """Whether this thread reads this clock."""
        return threading.get_ident() not in self._outside

    def slept(self, seconds: float, frame: FrameType | None) -> None:
        """Write down a sleep that was asked for on the clock's own thread; elsewhere it is one that is not seen."""
        frame = caller(frame)
        if frame is not None and str(frame.f_globals.get("__name__")).startswith("api_simulator."):
            return
        if self.is_owner():
            self.sleeps.append(Sleep(seconds, self.elapsed, place(frame)))
        elif seconds > 0 and self._watcher is not None:
            thread = threading.current_thread().name
            self._watcher.note(f"thread {thread} sleeps {seconds:g} s at {place(frame)}")

    def sleep(self, seconds: float) -> None:
        """Let a blocking sleep pass."""
        self._let_pass(round(seconds * 1e9))

    def idle(self, seconds: float) -> None:
        """Let the time pass after which a loop has something to do."""
        self.check()
        self._time.pass_idle(seconds)

    def check(self) -> None:
        """
        Refuse to go on over a wait that is not seen.

        Raises:
            VirtualTimeError: Naming thread and place.
        """
        if self._failure is None and self._watcher is not None and (found := self._watcher.found()) is not None:
            self.fail(f"{found}: the clock does not see that wait, and cannot tell what time it is after it")
        if self._failure is not None:
            raise VirtualTimeError(self._failure)

    def fail(self, text: str) -> VirtualTimeError:
        """Return what to raise, now and whenever time is to go on."""
        self._failure = self._failure or text
        return VirtualTimeError(self._failure)

    @contextmanager
    def seen(self) -> Iterator[None]:
        """Say that this thread really waits meanwhile."""
        watcher = self._watcher
        if watcher is None:
            yield
            return
        watcher.is_seen = True
        try:
            yield
        finally:
            watcher.is_seen = False

    def _let_pass(self, step_ns: int) -> None:
        self._await_work(lambda: real_time.sleep(SLICE_S / 10))
        self.check()
        self._time.move_to(self.now_ns() + step_ns)

    def _await_work(self, wait: Callable[[], object]) -> bool:
        """Really wait while code works in the background; true if *wait* says that something happened."""
        deadline_s = real_time.monotonic_s() + GRACE_S
        while (what := self.at_work()) is not None:
            with self.seen():
                if wait():
                    return True
            if real_time.monotonic_s() > deadline_s:
                raise self.fail(still_at_work(what))
        return False


def still_at_work(what: str) -> str:
    """Return the message for work that does not end."""
    return (
        f"{what} has been running for {GRACE_S:g} s of real time; the clock cannot go on meanwhile. "
        "If it is a delay, give the answer .delay(...); if it waits for something, let the test end that"
    )
