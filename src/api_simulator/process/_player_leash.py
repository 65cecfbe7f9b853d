"""
The leash: how an invocation notices that nobody needs it any more.

Runs in the fake program's process, in one namespace with ``_player.py`` and under its rules.
"""

import posix
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from types import FrameType
else:
    import _signal as signal

#: How often the leash is looked at. A process that nobody needs any more lives this long at most.
LEASH_INTERVAL_S = 0.25

#: The exit code when the test process has gone: nobody is left who would read it.
LEASH_EXIT = 1


def hold_leash(stage: bytes) -> None:
    """
    End this process soon after the one that made the stage has closed it, or died.

    The other end of the FIFO is open as long as that process wants. A timer looks at it, whatever this
    process is doing: also when it is blocked in a write that nobody reads.
    """
    try:
        leash = posix.open(stage + b"/leash", posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    except FileNotFoundError:
        if not posix.access(stage + b"/no-leash", posix.F_OK):
            live_for_a_time(stage)
        return

    def look(_number: int, _frame: "FrameType | None") -> None:
        try:
            if not posix.read(leash, 1):
                posix._exit(LEASH_EXIT)
        except BlockingIOError:
            pass

    signal.signal(signal.SIGALRM, look)
    tick()
    # The parent may have blocked it in the thread that started this process.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])


def live_for_a_time(stage: bytes) -> None:
    """
    End this process when it has lived as long as an installed program may.

    An installed program has no test process to be held by. A stage without leash and without this file is
    one that is being removed.
    """
    file = posix.open(stage + b"/lifetime", posix.O_RDONLY | posix.O_CLOEXEC)
    deadline = time.monotonic() + float(posix.read(file, 32))
    posix.close(file)

    def look(_number: int, _frame: "FrameType | None") -> None:
        if time.monotonic() >= deadline:
            posix._exit(LEASH_EXIT)

    signal.signal(signal.SIGALRM, look)
    tick()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])


def tick() -> None:
    """Look at the leash from time to time; a forked child has to say so once more."""
    signal.setitimer(signal.ITIMER_REAL, LEASH_INTERVAL_S, LEASH_INTERVAL_S)
