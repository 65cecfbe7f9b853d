"""
Addresses at which connecting itself goes wrong: refused, never completed, accepted and then silent.

A mock server answers; these do not even get so far. Each holds its port for as long as it is open,
so that nobody else can take it in the middle of a test.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from types import TracebackType
from typing import Self

from api_simulator.errors import UnsupportedPlatformError


class ConnectFault:
    """
    An address on 127.0.0.1 at which connecting goes wrong; use it with ``with``.

    Attributes:
        port: The port, known from the start.
    """

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self.port = 0
        try:
            self.port = self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> int:
        raise NotImplementedError

    def _socket(self) -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._sockets.append(made)
        return made

    @property
    def host(self) -> str:
        """The address."""
        return "127.0.0.1"

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash."""
        return f"http://{self.host}:{self.port}"

    def close(self) -> None:
        """Give the port back; closing twice changes nothing."""
        while self._sockets:
            self._sockets.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>"


class RefusedPort(ConnectFault):
    """A port that is taken but not listened on: connecting is refused at once (RST)."""

    def _open(self) -> int:
        bound = self._socket()
        bound.bind((self.host, 0))
        return int(bound.getsockname()[1])


class SilentPort(ConnectFault):
    """A port that the kernel accepts on and nobody serves: connecting works, then nothing comes, ever."""

    def _open(self) -> int:
        listener = self._socket()
        listener.bind((self.host, 0))
        listener.listen(128)
        return int(listener.getsockname()[1])


class UnansweredPort(ConnectFault):
    """
    A port whose queue is full: connecting never completes, until the client's connect timeout.

    Raises:
        UnsupportedPlatformError: Where a full queue refuses instead of staying silent (not Linux).
    """

    def _open(self) -> int:
        if sys.platform != "linux":
            raise UnsupportedPlatformError(
                f"a connection that never completes needs Linux's handling of a full queue; this is {sys.platform}"
            )
        listener = self._socket()
        listener.bind((self.host, 0))
        listener.listen(0)
        port = int(listener.getsockname()[1])
        # Linux drops the handshake's last packet when the queue is full, and the client sends its first again and
        # again. One connection fits into a queue of 0; more are tried in case a kernel counts otherwise.
        for _ in range(4):
            filler = self._socket()
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect((self.host, port))
        return port
