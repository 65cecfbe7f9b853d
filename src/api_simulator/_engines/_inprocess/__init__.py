"""
The engine without a socket: clients of httpx2 and httpx in the same process.

Interprets the same decisions as every engine, at the place where a client's own HTTP parser would
read from a socket. As an engine of a server it answers the requests to that server's URL; its other
uses (a transport given to a client, an interception of any origin) go with every server.
"""

from __future__ import annotations

import socket

from api_simulator._core.simulation import Simulation
from api_simulator._engines._inprocess._interception import Interception, Origin
from api_simulator._engines._inprocess._patches import close_interception, open_interception
from api_simulator._engines._inprocess._serving import InProcessServing
from api_simulator._engines._inprocess._transport import InProcessTransport
from api_simulator._engines._libraries import require_library

__all__ = [
    "ENGINE",
    "InProcessServing",
    "InProcessTransport",
    "Interception",
    "close_interception",
    "open_interception",
]


class _UrlServing(InProcessServing):
    """A server whose own URL is answered in the process; the port is held and not listened on."""

    def __init__(self, bound: socket.socket, simulation: Simulation) -> None:
        super().__init__(simulation)
        self._bound = bound
        host, port = bound.getsockname()[:2]
        origins: list[Origin] = [(b"http", name.encode(), port) for name in (host, "localhost")]
        self._interception = Interception(self, origins, watches=simulation.strict, guards=False)
        try:
            open_interception(self._interception)
        except BaseException:
            bound.close()
            raise

    def close(self) -> None:
        """Stop answering, and give the port back."""
        if self.is_closed:
            return
        super().close()
        close_interception(self._interception)
        self._bound.close()


class InProcessEngine:
    """The engine for clients of the same process."""

    name = "inprocess"
    #: A client that it does not see is refused, and not kept waiting.
    listens = False

    def serve(self, listener: socket.socket, simulation: Simulation) -> InProcessServing:
        """Answer requests to the address of *listener* until the result is closed."""
        return _UrlServing(listener, simulation)

    def hold(self) -> None:
        """Import the libraries once for all servers."""
        require_library("engine 'inprocess'")

    def release(self) -> None:
        """Nothing is held."""


ENGINE = InProcessEngine()
