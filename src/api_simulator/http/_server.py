"""
The public server: a thin shell over a simulation and the engine that serves it.

Owns the life cycle (start, close, retire) and the queries; registration and verification are in
modules of their own, the rules in the core.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from api_simulator._core import live
from api_simulator._core.clock import SYSTEM_CLOCK, Clock, current_clock
from api_simulator._core.journal import DEFAULT_BODY_BYTES, DEFAULT_ENTRIES
from api_simulator._core.messages import CapturedRequest, MalformedRequest
from api_simulator._core.mounted import MountedRoute
from api_simulator._core.simulation import Simulation
from api_simulator._core.timeline import TimelineEvent
from api_simulator._engines.base import Engine, Serving, bind_listener, checked_engine_name, open_engine
from api_simulator.errors import OptionError, PortInUseError, RouteError, ServerStateError, WaitTimeoutError
from api_simulator.http._in_process import InProcess
from api_simulator.http._registration import Registration
from api_simulator.http._verification import Verification

if TYPE_CHECKING:
    from api_simulator._engines._inprocess import InProcessServing


class ServerUrl(str):
    """The server's base URL as text; called with a path it gives the joined URL."""

    __slots__ = ()

    def __call__(self, path: str = "") -> str:
        """Return the base URL, or with *path* (starting with ``/``) the URL of that path."""
        if path and not path.startswith("/"):
            raise RouteError(f"url: {path!r} does not start with '/'; did you mean {'/' + path!r}?")
        return f"{self}{path}"


class MockHttpServer(Registration, Verification, InProcess):
    """
    A real HTTP server on a real port that answers as it is told and remembers what it was asked.

    Start it with ``with`` (or ``async with``), or with :meth:`start` and :meth:`close`. Leaving the
    block checks what was expected: an unmatched request, or a missed ``expect``, raises there unless
    the block raised already.

    Args:
        engine: ``"auto"`` (the fastest installed), ``"native"`` or ``"aiohttp"``; ``"inprocess"`` answers
            clients of httpx2 and httpx without a socket. None asks the environment variable
            ``API_SIMULATOR_ENGINE``.

        host: The address to bind; only this machine can connect by default.

        port: The port to bind; 0 takes a free one.

        strict: Whether unmatched requests are failures.

        unused: ``"list"`` names routes that were never called in reports, ``"fail"`` makes them failures.

        name: What reports call this server.

        journal_entries: Keep at most so many requests; counts stay exact beyond.

        journal_body_bytes: Keep at most so many bytes of request bodies.

        seed: Of everything random: distributions of delays, probabilities of faults, random bytes. The same
            seed gives each call of a route the same draw, whatever comes between.

        clock: Where its time comes from; None takes the ``VirtualClock`` that runs, or else the machine's.

    Raises:
        OptionError: If an option has no such value.
    """

    def __init__(
        self,
        engine: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        strict: bool = True,
        unused: str = "list",
        name: str = "http",
        journal_entries: int = DEFAULT_ENTRIES,
        journal_body_bytes: int = DEFAULT_BODY_BYTES,
        seed: int = 0,
        clock: Clock | None = None,
    ) -> None:
        self._engine_name = None if engine is None else checked_engine_name(engine)
        self._host = host
        self._port = _checked_port(port)
        if unused not in ("list", "fail"):
            raise OptionError(f"unused: expected 'list' or 'fail', got {unused!r}")
        for option, value in (("journal_entries", journal_entries), ("journal_body_bytes", journal_body_bytes)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise OptionError(f"{option}: expected a whole number, 1 or more, got {value!r}")
        self.simulation = Simulation(
            name,
            strict=strict,
            unused_fails=unused == "fail",
            max_entries=journal_entries,
            max_body_bytes=journal_body_bytes,
            seed=seed,
            clock=current_clock() if clock is None else clock,
        )
        self._engine: Engine | None = None
        self._serving: Serving | None = None
        self._without_socket: InProcessServing | None = None
        self._url: ServerUrl | None = None

    # Life cycle

    def start(self) -> MockHttpServer:
        """
        Bind the port and serve it; ``with`` does this for you.

        Raises:
            PortInUseError: If the host and port cannot be bound.

            EngineUnavailableError: If the engine asked for is not installed.

            ServerStateError: If it runs already or was closed.
        """
        if self._url is not None:
            state = "is running" if self._serving is not None else "was closed; make a new one"
            raise ServerStateError(f"start: this server {state}")
        from api_simulator import plugins

        self._engine = open_engine(self._engine_name, virtual_time=self.simulation.clock is not SYSTEM_CLOCK)
        # Here, where a server begins, and not at its first request: looking for plug-ins takes some milliseconds.
        self.simulation.unmatched_answers += plugins.unmatched_answerers()
        self.simulation.listen(plugins.listeners(self.simulation.name))
        try:
            listener = bind_listener(self._host, self._port, listens=self._engine.listens)
        except OSError as error:
            raise _bind_error(error, self._host, self._port) from None
        port = listener.getsockname()[1]
        self._serving = self._engine.serve(listener, self.simulation)
        self._port = port
        shown_host = f"[{self._host}]" if ":" in self._host else self._host
        self._url = ServerUrl(f"http://{shown_host}:{port}")
        live.opened(self)
        return self

    def close(self) -> None:
        """Stop listening and close every connection; closing twice changes nothing."""
        if self._serving is not None:
            # First of all: it refuses when it is called from the server's own thread, and the server stays as it is.
            self._serving.close()
            self._serving = None
            if self._without_socket is not None:
                self._without_socket.close()
        live.closed(self)

    def retire(self, on_late: Callable[[CapturedRequest], None]) -> None:
        """
        Stop answering but keep the port: requests from now on are reset and given to *on_late*.

        The pytest plugin does this after a test, so that a late request is told to its own test
        and never reaches another one's server on a re-used port.
        """
        self.simulation.retire(on_late)
        live.closed(self)
        for serving in (self._serving, self._without_socket):
            if serving is not None:
                serving.drop_connections()

    def _in_process(self) -> InProcessServing:
        from api_simulator._engines._inprocess import InProcessServing

        if self._serving is None:
            raise ServerStateError("in-process: the server is not running; use it in a with block, or call start()")
        if isinstance(self._serving, InProcessServing):
            return self._serving
        if self._without_socket is None:
            self._without_socket = InProcessServing(self.simulation, beside_socket=True)
        return self._without_socket

    def __enter__(self) -> MockHttpServer:
        return self if self._serving is not None else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        if error is None:
            self.verify()

    async def __aenter__(self) -> MockHttpServer:
        from api_simulator.http._waiting import in_thread

        return await in_thread(self.__enter__)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        from api_simulator.http._waiting import in_thread

        await in_thread(self.close)
        if error is None:
            self.verify()

    # Where it is

    @property
    def url(self) -> ServerUrl:
        """
        The base URL, for instance ``http://127.0.0.1:40123``; ``server.url("/a")`` joins a path.

        Raises:
            ServerStateError: If the server was never started.
        """
        if self._url is None:
            raise ServerStateError("url: the server is not running; use it in a with block, or call start()")
        return self._url

    @property
    def host(self) -> str:
        """The address it is bound to."""
        return self._host

    @property
    def port(self) -> int:
        """The port it is bound to; 0 before the start if any free one will do."""
        return self._port

    @property
    def engine(self) -> str:
        """The name of the engine that serves it."""
        if self._engine is None:
            raise ServerStateError("engine: the server is not running; use it in a with block, or call start()")
        return self._engine.name

    def reset(self) -> None:
        """Forget routes, requests and what went wrong; the port and open connections stay."""
        self.simulation.reset()

    # What it was asked

    def get_requests(self, method: str | None = None, path: str | None = None) -> list[CapturedRequest]:
        """
        Return the captured requests in the order of their arrival, unmatched ones included.

        Args:
            method: Only of this method, in any case.

            path: Only to this decoded path; with ``?query`` only with exactly that query string.

        Raises:
            JournalOverflowError: If the journal's bound has dropped some of them.
        """
        return self.simulation.journal.requests(method, path)

    def request_count(self, method: str | None = None, path: str | None = None) -> int:
        """Return how many requests arrived; exact even when the journal has dropped old ones."""
        return self.simulation.journal.count(method, path)

    def wait_for_requests(
        self, n: int = 1, timeout_s: float = 5.0, *, method: str | None = None, path: str | None = None
    ) -> list[CapturedRequest]:
        """
        Block until *n* requests have arrived since the start or the last reset, and return them all.

        Args:
            n: How many.

            timeout_s: Seconds to wait at most.

            method: As for :meth:`get_requests`.

            path: As for :meth:`get_requests`.

        Raises:
            WaitTimeoutError: If fewer arrived in time; the message lists what did.
        """
        return self.simulation.journal.wait(n, timeout_s=timeout_s, method=method, path=path)

    async def wait_for_requests_async(
        self, n: int = 1, timeout_s: float = 5.0, *, method: str | None = None, path: str | None = None
    ) -> list[CapturedRequest]:
        """Wait as :meth:`wait_for_requests` does without blocking the event loop (asyncio or trio)."""
        from api_simulator.http import _waiting

        journal = self.simulation.journal
        return await _waiting.wait_for_requests(journal, n, timeout_s=timeout_s, method=method, path=path)

    def wait_until(self, condition: Callable[[], object], timeout_s: float = 5.0) -> None:
        """
        Block until *condition* says yes, looking again whenever something happens at the server.

        For what :meth:`wait_for_requests` does not count: ``lambda: server.get_requests()[0].aborted``.

        Args:
            condition: A function without arguments; called on this thread.

            timeout_s: Seconds to wait at most.

        Raises:
            WaitTimeoutError: If it did not say yes in time.
        """
        if not self.simulation.journal.wait_until(condition, timeout_s=timeout_s):
            name = getattr(condition, "__qualname__", repr(condition))
            raise WaitTimeoutError(
                f"waited {timeout_s:g} s for {name} in vain; {self.request_count()} requests arrived"
            )

    @property
    def unmatched(self) -> list[CapturedRequest]:
        """Requests that matched no route; looking at them acknowledges nothing."""
        return self.simulation.unmatched()

    @property
    def malformed(self) -> list[MalformedRequest]:
        """Input that was no HTTP request, the last thousand of it."""
        self.simulation.journal.drain()
        return list(self.simulation.journal.malformed)

    @property
    def routes(self) -> list[MountedRoute]:
        """The registered routes in the order of their registration."""
        return list(self.simulation.routes)

    @property
    def is_running(self) -> bool:
        """Whether it is being served."""
        return self._serving is not None

    @property
    def uses_chance(self) -> bool:
        """Whether anything on it is random, so that its seed matters."""
        return self.simulation.uses_chance()

    @property
    def seed(self) -> int:
        """Where everything random on this server comes from."""
        return self.simulation.seed

    def timeline(self) -> list[TimelineEvent]:
        """Return requests, answers and malformed input as events of the common timeline."""
        return self.simulation.timeline()

    def __repr__(self) -> str:
        state = str(self._url) if self._serving is not None else "closed" if self._url is not None else "not started"
        count = len(self.simulation.routes)
        return f"<MockHttpServer {state}, {count} {'route' if count == 1 else 'routes'}>"


def _checked_port(port: object) -> int:
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise OptionError(f"port: expected a whole number from 0 (any free port) to 65535, got {port!r}")
    return port


def _bind_error(error: OSError, host: str, port: int) -> Exception:
    if error.errno == errno.EADDRINUSE:
        text = f"port {port} on {host} is in use; pass port=0 to take a free one, or stop what listens there"
        return PortInUseError(error.errno, text)
    return PortInUseError(error.errno, f"cannot listen on {host}:{port}: {error.strerror or error}")
