"""
What an invocation leaves on record, and how those are told who wait for it.

Runs in the fake program's process, in one namespace with ``_player.py`` and under its rules. The format is
that which ``_calls.py`` reads.
"""

import posix
import time


class CallFile:
    """
    The record of this invocation, appended while it happens.

    Each frame is one write, so that neither a signal nor a reader can come in its middle.
    """

    def __init__(self, stage: bytes) -> None:
        self.number = count(stage + b"/counter")
        flags = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC
        self._fd = posix.open(b"%s/calls/%d" % (stage, self.number), flags, 0o600)

    def add(self, *frames: tuple[bytes, bytes]) -> None:
        """Append *frames*, pairs of kind and payload, all with the present time."""
        if self._fd < 0:
            return
        now_ns = time.monotonic_ns()
        posix.write(self._fd, b"".join(frame(kind, now_ns, payload) for kind, payload in frames))

    def close(self) -> None:
        """Record nothing from now on."""
        posix.close(self._fd)
        self._fd = -1


def count(path: bytes) -> int:
    """Count one more in the file at *path* and return the number, from 1."""
    # Each appending write moves its own offset to the file's new end, so the offset is a number
    # that no other process gets, however many start at once.
    counter = posix.open(path, posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT, 0o600)
    posix.write(counter, b"\n")
    number = posix.lseek(counter, 0, 1)
    posix.close(counter)
    return number


def frame(kind: bytes, at_ns: int, payload: bytes) -> bytes:
    """Return one frame of a call file."""
    return b"%s %d %d\n%s\n" % (kind, at_ns, len(payload), payload)


def wake_waiters(stage: bytes) -> None:
    """Wake every process that waits for calls: each has a FIFO of its own, and one that is full is awake."""
    try:
        names = posix.listdir(stage + b"/waiters")
    except OSError:
        return
    for name in names:
        try:
            fd = posix.open(b"%s/waiters/%s" % (stage, name), posix.O_WRONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
        except OSError:
            continue
        try:
            posix.write(fd, b"\n")
        except OSError:
            pass
        posix.close(fd)
