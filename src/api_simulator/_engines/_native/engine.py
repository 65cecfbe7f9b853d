"""
The engine whose server is the compiled library.
"""

from __future__ import annotations

import socket

from api_simulator._core.simulation import Simulation
from api_simulator._engines._native._poller import POLLER
from api_simulator._engines._native._serving import NativeServing


class NativeEngine:
    """The engine that does not need the GIL."""

    name = "native"
    listens = True

    def serve(self, listener: socket.socket, simulation: Simulation) -> NativeServing:
        """Serve *listener* until the result is closed."""
        return NativeServing(listener, simulation)

    def hold(self) -> None:
        """Keep the poller's thread running until :meth:`release`."""
        POLLER.acquire()

    def release(self) -> None:
        """Undo one :meth:`hold`."""
        POLLER.release()


ENGINE = NativeEngine()
