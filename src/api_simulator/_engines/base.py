"""
What an engine is, which ones there are, and how one is chosen.

An engine gets a listening socket and a :class:`~api_simulator._core.simulation.Simulation`. It
parses requests, hands them in, and carries out the actions that come back.
"""

from __future__ import annotations

import importlib
import os
import socket
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, cast

from api_simulator._core.simulation import Simulation
from api_simulator.errors import EngineUnavailableError, OptionError

EngineName: TypeAlias = Literal["auto", "native", "aiohttp"]

#: Every name that may be asked for, with the module that implements it.
ENGINE_MODULES: dict[str, str] = {
    "native": "api_simulator._engines._native.engine",
    "aiohttp": "api_simulator._engines._aiohttp",
}
ENVIRONMENT_VARIABLE = "API_SIMULATOR_ENGINE"


class Serving(Protocol):
    """A listener being served by an engine."""

    def drop_connections(self) -> None:
        """Close every open connection now; the listener stays."""
        ...

    def close(self) -> None:
        """Stop listening and close every connection; returns when all descriptors are closed."""
        ...


class Engine(Protocol):
    """A way to serve HTTP; a module of :data:`ENGINE_MODULES` has one as ``ENGINE``."""

    name: str

    def serve(self, listener: socket.socket, simulation: Simulation) -> Serving:
        """Serve *listener*, which the engine owns from now on, until the result is closed."""
        ...

    def hold(self) -> None:
        """Keep threads running while no server is open, until :meth:`release`: the pytest plugin pools them."""
        ...

    def release(self) -> None:
        """Undo one :meth:`hold`."""
        ...


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """Whether an engine can be used here, and why not, for ``api-simulator doctor``."""

    name: str
    available: bool
    detail: str


def checked_engine_name(name: object, *, origin: str = "engine") -> str:
    """Return *name* if there is such an engine, or raise :class:`OptionError` naming *origin*."""
    if name == "auto" or name in ENGINE_MODULES:
        return str(name)
    raise OptionError(f"{origin}: expected one of auto, {', '.join(ENGINE_MODULES)}, got {name!r}")


def open_engine(name: str | None = None) -> Engine:
    """
    Return the engine called *name*.

    Args:
        name: ``auto`` takes the fastest that is installed. None asks the environment variable
            ``API_SIMULATOR_ENGINE``, which defaults to ``auto``.

    Raises:
        OptionError: If there is no engine of that name.

        EngineUnavailableError: If it is not installed here; the message says what was looked at.
    """
    if name is None:
        name = checked_engine_name(os.environ.get(ENVIRONMENT_VARIABLE) or "auto", origin=ENVIRONMENT_VARIABLE)
    wanted = checked_engine_name(name)
    candidates = list(ENGINE_MODULES) if wanted == "auto" else [wanted]
    for candidate in candidates:
        if _problem(candidate) is None:
            return cast("Engine", importlib.import_module(ENGINE_MODULES[candidate]).ENGINE)
    from api_simulator._engines._native import _library

    _library.load()
    raise EngineUnavailableError(f"engine {wanted!r} is not available")


def _problem(name: str) -> str | None:
    """Return why an engine cannot be used here, None if it can."""
    if name != "native":
        return None
    from api_simulator._engines._native import _library

    return _library.problem()


def engine_statuses() -> list[EngineStatus]:
    """Return what :func:`open_engine` would find, an entry for each engine."""
    found = [(name, _problem(name)) for name in ENGINE_MODULES]
    return [EngineStatus(name, problem is None, problem or f"module {ENGINE_MODULES[name]}") for name, problem in found]


def bind_listener(host: str, port: int) -> socket.socket:
    """
    Return a listening socket on *host* and *port* (0: any free one).

    Python owns the listener, whichever engine serves it: the port is known and taken before an
    engine starts, so there is no race for it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            # Without it a fixed port stays taken for a minute after a server on it was closed (TIME_WAIT).
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
