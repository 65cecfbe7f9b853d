"""
The same routes without a socket: for clients of httpx2 and httpx in the test's own process.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from api_simulator._core.simulation import Simulation
from api_simulator.errors import OptionError

if TYPE_CHECKING:
    from types import ModuleType

    from api_simulator._engines._inprocess import InProcessServing


class InProcess(ABC):
    """The ways into a server that need no port; mixed into the server."""

    simulation: Simulation

    @abstractmethod
    def _in_process(self) -> InProcessServing:
        """Return what serves clients of this process; the server must run."""

    def transport(self, *, limits: Any = None) -> Any:
        """
        Return a transport for a client of httpx2 or httpx, blocking or on a loop, whatever host it asks.

        ``httpx2.Client(transport=server.transport())``, ``httpx.AsyncClient(transport=server.transport())``.

        Args:
            limits: ``httpx2.Limits`` or ``httpx.Limits``: what of it says how many connections there may be is kept
                to. A client's own limits are for the transport that it makes itself. None is any number.

        Raises:
            OptionError: If *limits* is something else.

            MissingExtraError: If neither library is installed.

            ServerStateError: If the server does not run.
        """
        engine = _engine()
        limit = getattr(limits, "max_connections", limits)
        if not (limit is None or (isinstance(limit, int) and limit is not limits)):
            raise OptionError(f"transport: limits: expected httpx2.Limits(max_connections=...), got {limits!r}")
        return engine.InProcessTransport(self._in_process(), limit)

    def intercept(
        self, *urls: str, pass_through: Collection[str] = (), strict: bool | None = None
    ) -> AbstractContextManager[None]:
        """
        Answer clients of httpx2 and httpx that ask these origins, whoever made them and when.

        In a ``with`` block: ``with server.intercept("https://api.example.com"):``. A request of theirs to
        another host, and a client that is not seen (of another library, or with a transport of its own),
        fails the test.

        Args:
            urls: Origins: scheme, host, and port if it is not the scheme's own.

            pass_through: Hosts that may be asked as if nothing was intercepted.

            strict: Whether what escapes is an error; False lets it go its own way. None does what the
                server does with unmatched requests.

        Raises:
            OptionError: If a URL is no origin.

            MissingExtraError: If neither library is installed.

            ServerStateError: If the server does not run.
        """
        if not urls or isinstance(pass_through, str):
            raise OptionError("intercept: expected at least one origin, and pass_through as a list of hosts")
        engine = _engine()
        from api_simulator._engines._inprocess._interception import parsed_host, parsed_origin

        is_strict = self.simulation.strict if strict is None else strict
        interception = engine.Interception(
            self._in_process(),
            [parsed_origin(url) for url in urls],
            watches=is_strict,
            guards=is_strict,
            pass_through=[parsed_host(host) for host in pass_through],
        )
        return _open(engine, interception)

    def respx_router(self) -> Any:
        """
        Return a ``respx.MockRouter`` that answers what it is asked by the routes of this server.

        For suites that use respx already: ``with server.respx_router():``, or
        ``httpx.MockTransport(server.respx_router().handler)``. Needs the extra ``httpx``.

        Raises:
            MissingExtraError: If respx is not installed.

            ServerStateError: If the server does not run.
        """
        _engine()
        from api_simulator._engines._inprocess._respx import router

        return router(self._in_process())


@contextmanager
def _open(engine: ModuleType, interception: Any) -> Iterator[None]:
    # Apart from intercept(), whose own body would run in the with statement only: what is wrong is said by the call.
    engine.open_interception(interception)
    try:
        yield
    finally:
        engine.close_interception(interception)


def _engine() -> ModuleType:
    from api_simulator._engines._libraries import require_library

    # Asked first: the engine itself is of no use without, and would fail on what they bring along.
    require_library("an in-process transport")
    return importlib.import_module("api_simulator._engines._inprocess")
