"""
The script as the player reads it.

Runs in the fake program's process, in one namespace with ``_player.py`` and under its rules. The format is
that of ``script.py``.
"""

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: What is read at once.
CHUNK = 65536


class ScriptFile:
    """
    A script, read as it is played: a large payload is never in memory as a whole.

    Args:
        path: The file, None for a script that is all in *buffer*.

        buffer: What has been read already.
    """

    def __init__(self, path: "bytes | None", buffer: bytes = b"") -> None:
        self._fd = -1 if path is None else posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        self._buffer = buffer
        self._start = 0  # the place of the buffer's first byte
        self._at = 0
        self._end: int | None = None
        self._line_at = 0

    def line(self) -> bytes:
        """Return the next line without its end, nothing at the end of the script."""
        self._line_at = self._start + self._at
        if self._line_at == self._end:
            return b""
        while True:
            end = self._buffer.find(b"\n", self._at)
            if end >= 0:
                line = self._buffer[self._at : end]
                self._at = end + 1
                return line
            if not self._fetch():
                return b""

    def line_number(self) -> int:
        """Return the number of the line that was read last, from 1."""
        if self._fd < 0:
            return self._buffer.count(b"\n", 0, self._line_at) + 1
        number, at = 1, 0
        while at < self._line_at:
            piece = posix.pread(self._fd, min(CHUNK, self._line_at - at), at)
            number += piece.count(b"\n")
            at += len(piece)
        return number

    def end_after(self, count: int) -> None:
        """Take the next *count* bytes for the rest of the script."""
        self._end = self._start + self._at + count

    def skip(self, count: int) -> None:
        """Pass over a payload of *count* bytes."""
        self._start += self._at + count
        posix.lseek(self._fd, self._start, 0)
        self._buffer, self._at = b"", 0
        self.line()

    def pieces(self, count: int) -> "Iterator[bytes]":
        """Yield a payload of *count* bytes: in one piece if it is short, so that a line is one write."""
        while count:
            while len(self._buffer) - self._at < min(count, CHUNK):
                if not self._fetch():
                    raise EOFError("the script ends in the middle of a payload")
            piece = self._buffer[self._at : self._at + min(count, CHUNK)]
            self._at += len(piece)
            count -= len(piece)
            yield piece
        self.line()

    def payload(self, count: int) -> bytes:
        """Return a payload of *count* bytes."""
        return b"".join(self.pieces(count))

    def _fetch(self) -> bool:
        if self._fd < 0:
            return False
        fetched = posix.read(self._fd, CHUNK)
        self._buffer = self._buffer[self._at :] + fetched
        self._start += self._at
        self._at = 0
        return bool(fetched)
