"""
A server of the library: calls on it that cannot reach into a process which has no threads of it.

``fork()`` copies the memory and one thread: in the child a lock of the library may be held for ever. Each
call looks first whether this is still the process that started the server.
"""

from __future__ import annotations

import os
from typing import Any

from api_simulator._engines._native import _library
from api_simulator.errors import ServerStateError


class Handle:
    """
    Calls functions of the library on one server; frees it when nobody refers to it any more.

    Args:
        server: What ``asim_serve`` returned.
    """

    __slots__ = ("_data", "_drain", "_library", "_pid", "_server", "_size", "_turn", "ffi", "null")

    def __init__(self, server: Any) -> None:
        self.ffi, self._library = _library.load()
        self.null = self.ffi.NULL
        self._pid = os.getpid()
        self._server = server
        # Found, and given places for what they return, once: these two are called for each request without a socket.
        self._turn, self._drain = self._library.asim_turn, self._library.asim_drain
        self._data, self._size = self.ffi.new("const uint8_t **"), self.ffi.new("size_t *")

    @property
    def is_forked(self) -> bool:
        """Whether this is a child of the process that started the server."""
        return os.getpid() != self._pid

    def __call__(self, name: str, *arguments: Any) -> Any:
        """
        Call the function *name* on the server.

        Raises:
            ServerStateError: In a child made by ``fork()``.
        """
        if os.getpid() != self._pid:
            raise self._forked()
        return getattr(self._library, name)(self._server, *arguments)

    def turn(self, route: int, *what: int) -> int:
        """
        Read or use a route's counters, and return the last one's value.

        Args:
            route: Its number.

            what: 0 reads the calls, 1 the position; 2 counts a call, 3 takes an answer.
        """
        if os.getpid() != self._pid:
            raise self._forked()
        value = -1
        for each in what:
            value = self._turn(self._server, route, each)
        return value

    def drain(self) -> bytes | None:
        """Take the oldest part of what happened, None if there is nothing; called by one thread at a time."""
        if os.getpid() != self._pid:
            raise self._forked()
        segment = self._drain(self._server, self._data, self._size)
        if not segment:
            return None
        try:
            return bytes(self.ffi.buffer(self._data[0], self._size[0]))
        finally:
            self._library.asim_segment_free(segment)

    def _forked(self) -> ServerStateError:
        return ServerStateError(
            f"this server was started in process {self._pid}, and this is a fork of it ({os.getpid()}): "
            "fork() does not copy the threads that serve; start a server in the child, "
            "ask the parent's from the parent, or let multiprocessing start children by 'spawn'"
        )

    def __del__(self) -> None:
        if not self.is_forked:
            # The collector may end this before what calls it: NULL is refused by every function.
            server, self._server = self._server, self.null
            self._library.asim_server_free(server)
