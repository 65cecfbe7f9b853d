"""
Answer clients that the code under test makes itself, by their origin: ``https://api.example.com``.

Installed at the lowest layer at which both libraries still have requests and responses of their own:
the methods of their transports, as class attributes, so that it does not matter when a client was made.
They stay as they were while nobody intercepts.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Collection
from contextvars import ContextVar
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from api_simulator._core.messages import CapturedRequest
from api_simulator._engines._inprocess._connections import Pool
from api_simulator._engines._inprocess._limited_pool import limit_of, pool_for
from api_simulator._engines._inprocess._serving import InProcessServing
from api_simulator.errors import OptionError

#: Scheme, host and port, as they stand in a URL of the libraries: a scheme's own port is None.
Origin: TypeAlias = tuple[bytes, bytes, int | None]

PORTS = {b"http": 80, b"https": 443}


class Interception:
    """
    Requests to some origins, answered by one server.

    Args:
        serving: The server.

        origins: Which requests it gets.

        watches: Whether a client that asks these origins and cannot be seen is an error.

        guards: Whether a request to another host is an error.

        pass_through: Hosts that are asked as if nothing was intercepted.
    """

    def __init__(
        self,
        serving: InProcessServing,
        origins: Collection[Origin],
        *,
        watches: bool,
        guards: bool,
        pass_through: Collection[bytes] = (),
    ) -> None:
        self.serving = serving
        self.origins = frozenset(origins)
        self.watches = watches
        self.guards = guards
        self.pass_through = frozenset(pass_through)
        # One for each transport of the libraries: what a client keeps open, and closes with it.
        self._pools: weakref.WeakKeyDictionary[Any, Pool] = weakref.WeakKeyDictionary()

    def pool_of(self, transport: Any) -> Pool:
        """Return the connections that a client's transport has here."""
        pool = self._pools.get(transport)
        if pool is None:
            pool = self._pools.setdefault(transport, pool_for(self.serving, limit_of(transport)))
        return pool

    def close_pool(self, transport: Any) -> None:
        """Close the connections of a transport that is closed."""
        pool = self._pools.pop(transport, None)
        if pool is not None:
            pool.close()

    def note_escape(self, method: str, target: str, text: str) -> None:
        """Let the test fail: its client's own exception may be caught by the code under test."""
        simulation = self.serving.simulation
        request = CapturedRequest(method, target, generation=simulation.generation, clock=self.serving.sleeper.clock)
        simulation.escaped(request, text)


def parsed_origin(url: str) -> Origin:
    """
    Return what *url* names.

    Raises:
        OptionError: If it is more or less than scheme and host, and perhaps a port.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.encode()
    if scheme not in PORTS or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise OptionError(
            f"intercept: expected an origin like 'https://api.example.com', got {url!r}; paths belong into routes"
        )
    port = None if parts.port == PORTS[scheme] else parts.port
    return scheme, parsed_host(parts.hostname), port


def parsed_host(host: str) -> bytes:
    """Return a host as it stands in URLs of the libraries."""
    return host.lower().encode("idna" if not host.isascii() else "ascii")


def shown_origin(origin: Origin) -> str:
    """Return an origin as users write it."""
    scheme, host, port = origin
    return f"{scheme.decode()}://{host.decode()}{'' if port is None else f':{port}'}"


# Which one


class AmbiguousError(Exception):
    """Several interceptions know an origin, and none of them is the caller's own."""


_lock = threading.Lock()
_active: list[Interception] = []
_by_origin: dict[Origin, list[Interception]] = {}
#: Those begun in the running thread or task, or in one that it comes from.
_own: ContextVar[tuple[Interception, ...]] = ContextVar("api_simulator_interceptions", default=())


def add(interception: Interception) -> None:
    """Intercept from now on."""
    with _lock:
        _active.append(interception)
        for origin in interception.origins:
            # A new list each time: others look into it without the lock.
            _by_origin[origin] = [*_by_origin.get(origin, ()), interception]
    _own.set((*_own.get(), interception))


def remove(interception: Interception) -> None:
    """Intercept no more; twice changes nothing."""
    with _lock:
        _active[:] = [each for each in _active if each is not interception]
        for origin in interception.origins:
            left = [each for each in _by_origin.get(origin, ()) if each is not interception]
            if left:
                _by_origin[origin] = left
            else:
                _by_origin.pop(origin, None)
    _own.set(tuple(each for each in _own.get() if each is not interception))


def find(origin: Origin) -> Interception | None:
    """
    Return who answers requests to *origin*: the caller's own interception, or the only one there is.

    Raises:
        AmbiguousError: If there are several, and none is the caller's own.
    """
    known = _by_origin.get(origin)
    if known is None:
        return None
    if len(known) == 1:
        return known[0]
    own = [each for each in _own.get() if each in known]
    if not own:
        raise AmbiguousError(
            f"{len(known)} servers intercept {shown_origin(origin)}, and none of them in this thread or task; "
            "give the client transport=server.transport() to say which one it means"
        )
    return own[-1]


def guard_of(host: bytes) -> Interception | None:
    """Return an interception to which a request to an unknown *host* is an error, None if it may be asked."""
    guards = [each for each in _own.get() if each.guards and each in _active] or [
        each for each in _active if each.guards
    ]
    if not guards or any(host in each.pass_through for each in guards):
        return None
    return guards[-1]


def known_origins() -> str:
    """Return which requests are intercepted, as text: by whom makes no difference to one that is not."""
    shown = sorted(map(shown_origin, _by_origin))
    return f"{', '.join(shown)} {'is' if len(shown) == 1 else 'are'}"


def watcher_of(host: object, port: object) -> Interception | None:
    """Return the interception that a look-up of this address escapes, None if it is nobody's."""
    try:
        name = parsed_host(host) if isinstance(host, str) else host
    except UnicodeError:
        return None
    for interception in _active:
        for scheme, known_host, known_port in interception.origins:
            if interception.watches and known_host == name and port in (None, known_port or PORTS[scheme]):
                return interception
    return None


def close_pools(transport: Any) -> None:
    """Close what a transport has open, wherever."""
    for interception in _active:
        interception.close_pool(transport)
