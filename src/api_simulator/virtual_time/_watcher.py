"""
Finds the waits that nobody sees: a socket's, a lock's, a sleep by a name bound before.

Looks at where the clock's thread stands. One that has stood at the same instruction for a while, and
neither used the processor nor wanted to, waits for something.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from types import FrameType

from api_simulator._core import real_time
from api_simulator.virtual_time._sleeps import place

#: Standing still for so long, in real seconds, is a wait.
STANDS_S = 0.3
_LOOK_EVERY_S = 0.05
#: And at so many looks: on a machine that had no time for this process, nobody stood.
_MIN_LOOKS = 3
#: In these somebody waits for somebody else: who that is stands further out.
_PLUMBING = ("threading", "queue", "selectors", "subprocess", "socket", "ssl", "concurrent.futures._base")
_TASKS = Path("/proc/self/task")
_CPU_CLOCK = getattr(time, "pthread_getcpuclockid", None)


class Watcher:
    """
    Watches a thread.

    Args:
        ident: The thread's.

    Attributes:
        is_seen: Set by that thread while it really waits and says so.
    """

    def __init__(self, ident: int) -> None:
        self.is_seen = False
        self._ident = ident
        self._cpu_clock = _CPU_CLOCK(ident) if _CPU_CLOCK is not None else None
        self._found: str | None = None
        self._stop = threading.Event()
        thread = threading.Thread(target=self._watch, name="api-simulator-watcher", daemon=True)
        self._thread = thread
        thread.start()

    def found(self) -> str | None:
        """Return who waited where, if anybody did."""
        return self._found

    def note(self, text: str) -> None:
        """Remember a wait that was seen otherwise."""
        self._found = self._found or text

    def stop(self) -> None:
        """Watch no longer."""
        self._stop.set()
        self._thread.join(1.0)

    def _watch(self) -> None:
        stood: object = None
        looks, since_s = 0, 0.0
        while not self._stop.wait(_LOOK_EVERY_S):
            frame = sys._current_frames().get(self._ident)
            if frame is None:
                return
            at = (id(frame), frame.f_lasti, self._cpu_used())
            now_s = real_time.monotonic_s()
            if at != stood or self.is_seen or self._anybody_runs():
                stood, looks, since_s = at, 0, now_s
            looks += 1
            if looks > _MIN_LOOKS and now_s - since_s >= STANDS_S and not _is_ours(waiting := _outermost_wait(frame)):
                self.note(f"thread {self._name()} waits at {place(waiting)} in {waiting.f_code.co_qualname}")
            # A frame kept alive keeps alive what its function holds.
            del frame

    def _cpu_used(self) -> float:
        return 0.0 if self._cpu_clock is None else time.clock_gettime(self._cpu_clock)

    def _anybody_runs(self) -> bool:
        """Whether a thread of this process has the processor or wants it; false where that cannot be known."""
        if not _TASKS.is_dir():
            return False
        own = str(threading.get_native_id())
        return any(task.name != own and _state(task) in ("R", "D") for task in _TASKS.iterdir())

    def _name(self) -> str:
        threads = [thread for thread in threading.enumerate() if thread.ident == self._ident]
        return threads[0].name if threads else "of the clock"


def _state(task: Path) -> str:
    try:
        stat = (task / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The name, in brackets, may hold anything.
    return stat.rpartition(")")[2].split()[0]


def _outermost_wait(frame: FrameType) -> FrameType:
    while frame.f_globals.get("__name__") in _PLUMBING and frame.f_back is not None:
        frame = frame.f_back
    return frame


def _is_ours(frame: FrameType) -> bool:
    """Whether a part of this package waits: by the machine's time, and for the test."""
    return str(frame.f_globals.get("__name__")).startswith("api_simulator.")
