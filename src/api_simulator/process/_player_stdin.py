"""
Standard input: on record as it comes, and at hand for steps that wait for it.

Runs in the fake program's process, in one namespace with ``_player.py`` and under its rules.
"""

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from api_simulator.process._player_call import CallFile
    from api_simulator.process._player_script import CHUNK

#: What one look at standard input takes at most, so that an endless writer cannot hold up the script.
MAX_CAPTURE = 1 << 20

#: How much of standard input is kept for steps that wait for a line; what is older is only on record.
MAX_UNREAD = 4 << 20


class StandardInput:
    """Standard input, recorded when it has something to read, and never waited for unless told to."""

    def __init__(self, call: "CallFile") -> None:
        self._call = call
        self.on_read: Callable[[], None] | None = None
        self.heard: list[bytes] = []
        self._heard_bytes = 0
        self.unread: list[bytes] = []
        self._unread_bytes = 0
        status = posix.fstat(0)
        kind = status.st_mode & 0o170000
        self.is_file = kind == 0o100000
        self.is_open = not (kind == 0o020000 and not _may_be_read(status.st_rdev))

    def capture(self) -> None:
        """Record what can be read now."""
        taken = 0
        while self.is_open and (self.is_file or taken < MAX_CAPTURE) and self.readable(0.0):
            taken += self.read()

    def take_unread(self) -> bytes:
        """Return what came since the last time."""
        taken = b"".join(self.unread)
        self.put_back(b"")
        return taken

    def put_back(self, data: bytes) -> None:
        """Let *data* be what is unread."""
        self.unread = [data]
        self._unread_bytes = len(data)

    def readable(self, wait_s: "float | None") -> bool:
        """Return whether there is something to read within *wait_s*; None waits without end."""
        if self.is_file:
            return True
        import select

        return bool(select.select([0], [], [], wait_s)[0])

    def read(self) -> int:
        """Record what there is and return how many bytes that is."""
        try:
            data = posix.read(0, CHUNK)
        except BlockingIOError:
            return 0
        except OSError:
            data = b""
        if not data:
            self.is_open = False
            self._call.add((b"stdin-end", b""))
            if self.on_read is not None:
                self.on_read()
            return 0
        self._call.add((b"stdin", data))
        if self._heard_bytes < MAX_CAPTURE:
            self.heard.append(data)
            self._heard_bytes += len(data)
        self.unread.append(data)
        self._unread_bytes += len(data)
        while self._unread_bytes > MAX_UNREAD:
            self._unread_bytes -= len(self.unread.pop(0))
        if self.on_read is not None:
            self.on_read()
        return len(data)


def _may_be_read(device: int) -> bool:
    """Whether a character device may be read: not /dev/null, and no terminal that is in other hands."""
    if device == posix.stat("/dev/null").st_rdev:
        return False
    try:
        # Reading the controlling terminal from the background stops the process (SIGTTIN).
        return posix.tcgetpgrp(0) == posix.getpgrp()
    except OSError:
        return True
