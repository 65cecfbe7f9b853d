"""
Connections that are none: numbers by which requests of one client belong together, as on the wire.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api_simulator._engines._inprocess._serving import InProcessServing


class Connection:
    """What a request is told to have come on."""

    __slots__ = ("accepted_ns", "number", "requests")

    def __init__(self, number: int, accepted_ns: int) -> None:
        self.number = number
        self.accepted_ns = accepted_ns
        self.requests = 0


class Pool:
    """The idle connections of one client's transport, safe to use from any thread."""

    def __init__(self, serving: InProcessServing) -> None:
        self.serving = serving
        self._idle: list[Connection] = []
        serving.pools.add(self)

    def take(self) -> Connection | None:
        """Return the connection used last, or a new one; None if there may be no more of them."""
        try:
            return self._idle.pop()
        except IndexError:
            return self.serving.connect()

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next request."""
        self._idle.append(connection)

    def end(self, connection: Connection) -> None:
        """Close a connection that was taken."""
        self.serving.simulation.connection_closed(connection.number)

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self.serving.simulation.connection_closed(self._idle.pop().number)
