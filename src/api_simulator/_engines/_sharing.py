"""
Who uses a thread that all servers of a process share: it starts with the first and ends with the last.
"""

from __future__ import annotations

import os


class Users:
    """The number of users; not locked, because its owner is."""

    __slots__ = ("_count", "_pid")

    def __init__(self) -> None:
        self._count = 0
        self._pid = os.getpid()

    def forget_parents(self) -> bool:
        """
        Return whether this is a child of the process that counted until now, and count anew then.

        Threads do not survive a fork: the child starts over, and leaves what is the parent's alone.
        """
        if self._pid == os.getpid():
            return False
        self._count, self._pid = 0, os.getpid()
        return True

    def add(self) -> None:
        """Count one more."""
        self._count += 1

    def remove(self) -> bool:
        """Count one less; returns whether it was the last one, which a child of a fork never had."""
        if self._count == 0 or self._pid != os.getpid():
            return False
        self._count -= 1
        return self._count == 0
