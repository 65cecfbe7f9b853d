"""
What an engine is, which ones there are, and how one is chosen.

An engine gets a listening socket and a :class:`~api_simulator._core.simulation.Simulation`. It
parses requests, hands them in, and carries out the actions that come back.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import socket
from typing import Literal, Protocol, TypeAlias, cast

from api_simulator._core.simulation import Simulation
from api_simulator._core.values import dataclass
from api_simulator.errors import EngineUnavailableError, OptionError

EngineName: TypeAlias = Literal["auto", "native", "aiohttp", "inprocess"]

#: Every name that may be asked for, with the module that implements it.
ENGINE_MODULES: dict[str, str] = {
    "native": "api_simulator._engines._native.engine",
    "aiohttp": "api_simulator._engines._aiohttp",
    "inprocess": "api_simulator._engines._inprocess",
}
#: Those that any client can reach, the fastest first: what ``auto`` chooses from.
SOCKET_ENGINES = ("native", "aiohttp")
#: Of each tuple one package is enough.
_NEEDED_PACKAGES = {"inprocess": ("httpx2", "httpx")}
_WITHOUT_IT = "engine='auto' and engine='aiohttp' work without it"
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
    #: Whether the socket it gets must be listening; else it is only bound, and connecting is refused.
    listens: bool

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
    known = _with_plugins()
    if name in known:
        return str(name)
    raise OptionError(f"{origin}: expected one of auto, {', '.join(known)}, got {name!r}")


def _with_plugins() -> dict[str, str]:
    """Return the built-in engines and those of plug-ins, which are looked for only when a name is not built in."""
    from api_simulator import plugins

    return plugins.engines(ENGINE_MODULES)


def open_engine(name: str | None = None, *, virtual_time: bool = False) -> Engine:
    """
    Return the engine called *name*.

    Args:
        name: ``auto`` takes the fastest that is installed. None asks the environment variable
            ``API_SIMULATOR_ENGINE``, which defaults to ``auto``.

        virtual_time: Whether it must go by another clock than the machine's, which the native one does not.

    Raises:
        OptionError: If there is no engine of that name, or it does not go by such a clock.

        EngineUnavailableError: If it is not installed here; the message says what was looked at.
    """
    if name is None:
        name = checked_engine_name(os.environ.get(ENVIRONMENT_VARIABLE) or "auto", origin=ENVIRONMENT_VARIABLE)
    wanted = checked_engine_name(name)
    if virtual_time and wanted == "native":
        raise OptionError("engine 'native' goes by the machine's time; in virtual time use aiohttp, inprocess or auto")
    of_auto = ("aiohttp",) if virtual_time else SOCKET_ENGINES
    problem: str | None = None
    for candidate in of_auto if wanted == "auto" else (wanted,):
        problem = _problem(candidate)
        if problem is None:
            return cast("Engine", importlib.import_module(_module_of(candidate)).ENGINE)
    raise EngineUnavailableError(f"engine {wanted!r} is not available: {problem}; {_WITHOUT_IT}")


def _module_of(name: str) -> str:
    return ENGINE_MODULES[name] if name in ENGINE_MODULES else _with_plugins()[name]


def _problem(name: str) -> str | None:
    """Return why an engine cannot be used here, None if it can."""
    module = _module_of(name)
    try:
        found = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        # Not even the package that the module would be in.
        found = False
    if not found:
        return f"there is no module {module}"
    packages = _NEEDED_PACKAGES.get(name, ())
    if packages and not any(importlib.util.find_spec(package) is not None for package in packages):
        extras = " or ".join(f"api-simulator[{package}]" for package in packages)
        return f"neither {' nor '.join(packages)} is there; install {extras}"
    if name == "native":
        from api_simulator._engines._native import _library

        return _library.problem()
    return None


def engine_statuses() -> list[EngineStatus]:
    """Return what :func:`open_engine` would find, an entry for each engine."""
    found = [(name, _problem(name)) for name in ENGINE_MODULES]
    return [EngineStatus(name, problem is None, problem or f"module {ENGINE_MODULES[name]}") for name, problem in found]


def bind_listener(host: str, port: int, *, listens: bool = True) -> socket.socket:
    """
    Return a socket on *host* and *port* (0: any free one), listening or only bound.

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
        if listens:
            listener.listen(1024)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
