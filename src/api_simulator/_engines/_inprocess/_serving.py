"""
A server without a socket: the simulation, and who is talking to it.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Sequence

from api_simulator._core.decide import Decision
from api_simulator._core.messages import CapturedRequest
from api_simulator._core.simulation import Simulation
from api_simulator._engines._inprocess._connections import Connection, Pool
from api_simulator._engines._inprocess._exchange import Exchange
from api_simulator._engines._inprocess._jobs import Jobs
from api_simulator._engines._inprocess._sleeper import Sleeper
from api_simulator._engines._loop import LOOP_THREAD


class InProcessServing:
    """
    Serves clients of the same process.

    Args:
        simulation: What answers.

        beside_socket: Whether the server listens as well, and numbers the connections it accepts from 1: those here
            then count down from -1, so that no number is of two connections.

    Attributes:
        simulation: What answers.

        sleeper: Lets time pass, for the server and for its clients' timeouts.

        jobs: The user's own code, under way.

        pools: The clients' pools, as long as they live.
    """

    def __init__(self, simulation: Simulation, *, beside_socket: bool = False) -> None:
        self.simulation = simulation
        self.sleeper = Sleeper(simulation.clock)
        self.jobs = Jobs()
        self.pools: weakref.WeakSet[Pool] = weakref.WeakSet()
        self.is_closed = False
        self._numbers = itertools.count(-1, -1) if beside_socket else itertools.count(1)
        self._exchanges: set[Exchange] = set()
        # Reentrant: a collection of garbage while it is held may end an exchange.
        self._lock = threading.RLock()

    def connect(self) -> Connection:
        """Open a connection."""
        connection = Connection(next(self._numbers), self.sleeper.clock.now_ns())
        self.simulation.connection_opened(connection.number)
        return connection

    def captured(
        self,
        connection: Connection,
        method: str,
        target: str,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
        *,
        keep_alive: bool,
        head_ns: int | None = None,
    ) -> CapturedRequest:
        """Return a request as it came."""
        # What the server's socket got before this one comes before it in the journal.
        self.simulation.journal.drain()
        index = connection.requests
        connection.requests = index + 1
        return CapturedRequest(
            method,
            target,
            raw_headers=tuple(headers),
            raw_body=body,
            keep_alive=keep_alive,
            connection_id=connection.number,
            connection_index=index,
            generation=self.simulation.generation,
            accepted_ns=connection.accepted_ns,
            head_ns=head_ns,
            clock=self.sleeper.clock,
        )

    def reads_slowly(self, connection: Connection) -> bool:
        """Return whether a request takes time to arrive, or is answered before it has."""
        simulation = self.simulation
        return bool(
            simulation.upload_bytes_per_s
            or simulation.answers_early
            or (simulation.accept_delay_ms and not connection.requests)
        )

    def reads_ns(self, connection: Connection) -> int:
        """Return when the server begins to read a request that is sent now."""
        now_ns = self.sleeper.clock.now_ns()
        return now_ns if connection.requests else now_ns + self.simulation.accept_delay_ms * 1_000_000

    def begin(self, request: CapturedRequest, decision: Decision, due_ns: int) -> Exchange:
        """Begin to answer a request that is decided about."""
        return Exchange(self, lambda: (request, decision), due_ns)

    def begin_arriving(
        self,
        connection: Connection,
        method: str,
        target: str,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
        *,
        keep_alive: bool,
    ) -> Exchange:
        """Begin with a request that takes its time to arrive: a connection read late, a body read slowly."""
        simulation = self.simulation
        head_ns = self.reads_ns(connection)
        rate = simulation.upload_bytes_per_s
        due_ns = head_ns + (len(body) * 1_000_000_000 // rate if rate else 0)

        def arrive() -> tuple[CapturedRequest, Decision]:
            request = self.captured(connection, method, target, headers, body, keep_alive=keep_alive, head_ns=head_ns)
            return request, simulation.receive(request)

        return Exchange(self, arrive, due_ns)

    def begun(self, exchange: Exchange) -> None:
        """Remember an exchange that is under way."""
        with self._lock:
            self._exchanges.add(exchange)

    def ended(self, exchange: Exchange) -> None:
        """Forget one that is over."""
        with self._lock:
            self._exchanges.discard(exchange)

    def drop_connections(self) -> None:
        """Close every connection: idle ones in order, those with a request under way by a reset."""
        with self._lock:
            exchanges = list(self._exchanges)
        for exchange in exchanges:
            exchange.drop()
        for pool in list(self.pools):
            pool.close()

    def close(self) -> None:
        """Refuse connections from now on, and end those that are there."""
        if self.is_closed:
            return
        LOOP_THREAD.refuse_own_thread()
        self.is_closed = True
        self.drop_connections()
        self.jobs.close()
