"""
One recorder per folder: a lock that the operating system gives back when its owner dies, however it dies.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

from api_simulator.errors import RecorderStateError

NAME = ".recorder.lock"


class FolderLock:
    """
    The right to record into a folder; the file names its owner.

    A file that is left by a dead owner locks nothing: what counts is the lock on it, not its being there.

    Args:
        folder: It exists and can be written to.

    Raises:
        RecorderStateError: If somebody holds it; the text says who and since when.
    """

    def __init__(self, folder: Path) -> None:
        self._place = folder / NAME
        self._owner_pid = os.getpid()
        self._fd: int | None = None
        if os.name != "posix":
            return  # programs are recorded on POSIX only; summaries and MCP calls work unlocked
        import fcntl

        while self._fd is None:
            fd = os.open(self._place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = os.read(fd, 1000)
                os.close(fd)
                raise RecorderStateError(self._taken(owner)) from None
            except OSError:
                os.close(fd)
                raise
            if self._is_in_place(fd):
                self._fd = fd
            else:
                os.close(fd)  # its owner removed it between the two calls
        me = {"pid": os.getpid(), "host": socket.gethostname(), "since": datetime.now(UTC).isoformat("T", "seconds")}
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, json.dumps(me).encode(), 0)
        except BaseException:
            self.release()
            raise

    def _is_in_place(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), self._place.stat())
        except FileNotFoundError:
            return False

    def _taken(self, content: bytes) -> str:
        try:
            owner = json.loads(content)
            who = f"process {owner['pid']} on {owner['host']}, since {owner['since']}"
        except (ValueError, KeyError, TypeError):
            who = "a process that has not said yet which"
        return (
            f"{self._place.parent} is being recorded into by {who}; two recorders would mix their steps.\n"
            "  finalize() the other one (or end its process), or give this one another output_dir"
        )

    def release(self) -> None:
        """Give it back; releasing twice changes nothing."""
        fd, self._fd = self._fd, None
        if fd is None:
            return
        if os.getpid() == self._owner_pid:
            with contextlib.suppress(OSError):
                self._place.unlink()
        os.close(fd)

    def __del__(self) -> None:
        # A recorder that was dropped without finalize() must not keep the next one out.
        if getattr(self, "_fd", None) is not None:
            self.release()
