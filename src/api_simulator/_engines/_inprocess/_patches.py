"""
What stands in the libraries while somebody intercepts, and how it is taken away again.

Each patch is a class attribute that calls what was there before for everything that is not
intercepted. What somebody else has put over it meanwhile is left alone: underneath, ours does nothing
once nobody intercepts.
"""

from __future__ import annotations

import functools
import socket
import threading
from collections.abc import Callable
from typing import Any

from api_simulator._engines._inprocess import _interception, _seen
from api_simulator._engines._inprocess._answering import answer, answer_async
from api_simulator._engines._inprocess._interception import AmbiguousError, Interception
from api_simulator._engines._libraries import library_of, require_library
from api_simulator.errors import EscapedRequestError

_lock = threading.Lock()
_users = 0
_patched: list[tuple[Any, str, Any, Any]] = []


def open_interception(interception: Interception) -> None:
    """
    Begin to intercept.

    Raises:
        MissingExtraError: If neither library is installed.
    """
    global _users  # the libraries are global too
    libraries = require_library("intercepting requests")
    with _lock:
        if _users == 0:
            for library in libraries:
                _patch_library(library)
            _patch(socket, "getaddrinfo", _guarded_look_up)
        _users += 1
    _interception.add(interception)


def close_interception(interception: Interception) -> None:
    """End it; the last one takes the patches away."""
    global _users  # see above
    _interception.remove(interception)
    with _lock:
        _users -= 1
        if _users == 0:
            while _patched:
                owner, name, before, ours = _patched.pop()
                if owner.__dict__.get(name) is ours:
                    setattr(owner, name, before)


def _patch(owner: Any, name: str, made: Callable[[Any], Any]) -> None:
    before = owner.__dict__[name]
    ours = functools.wraps(before)(made(before))
    setattr(owner, name, ours)
    _patched.append((owner, name, before, ours))


def _patch_library(library: Any) -> None:
    _patch(library.HTTPTransport, "handle_request", _handle_request)
    _patch(library.AsyncHTTPTransport, "handle_async_request", _handle_async_request)
    for name in ("close", "__exit__"):
        _patch(library.HTTPTransport, name, _closing)
    for name in ("aclose", "__aexit__"):
        _patch(library.AsyncHTTPTransport, name, _closing_async)
    _patch(library.Client, "send", _send)
    _patch(library.AsyncClient, "send", _send_async)


# Transports


def _origin_of(request: Any) -> _interception.Origin:
    url = request.url
    return url.raw_scheme, url.raw_host, url.port


def _interception_for(request: Any) -> Interception | None:
    """Return who answers *request*, None if it goes its own way; raise what the client raises if it may not."""
    _seen.note()
    origin = _origin_of(request)
    try:
        found = _interception.find(origin)
    except AmbiguousError as error:
        raise library_of(request).module.ConnectError(str(error)) from None
    if found is not None:
        return found
    guard = _interception.guard_of(origin[1])
    if guard is None:
        return None
    text = (
        f"{request.method} {request.url} is not intercepted: "
        f"{_interception.known_origins()}; "
        f"add it to intercept(...), or let it through with pass_through=[{request.url.host!r}]"
    )
    guard.note_escape(request.method, str(request.url), text)
    raise library_of(request).module.ConnectError(text)


def _handle_request(before: Callable[..., Any]) -> Callable[..., Any]:
    def handle_request(transport: Any, request: Any) -> Any:
        found = _interception_for(request)
        return before(transport, request) if found is None else answer(found.pool_of(transport), request)

    return handle_request


def _handle_async_request(before: Callable[..., Any]) -> Callable[..., Any]:
    async def handle_async_request(transport: Any, request: Any) -> Any:
        found = _interception_for(request)
        if found is None:
            return await before(transport, request)
        return await answer_async(found.pool_of(transport), request)

    return handle_async_request


def _closing(before: Callable[..., Any]) -> Callable[..., Any]:
    def close(transport: Any, *arguments: Any) -> Any:
        _interception.close_pools(transport)
        return before(transport, *arguments)

    return close


def _closing_async(before: Callable[..., Any]) -> Callable[..., Any]:
    async def aclose(transport: Any, *arguments: Any) -> Any:
        _interception.close_pools(transport)
        return await before(transport, *arguments)

    return aclose


# Clients with a way of their own


def _send(before: Callable[..., Any]) -> Callable[..., Any]:
    def send(client: Any, request: Any, *arguments: Any, **options: Any) -> Any:
        count = [0]
        token = _seen.begin(count)
        try:
            response = before(client, request, *arguments, **options)
        finally:
            _seen.end(token)
        if not count[0] and (guard := _escaped(request)) is not None:
            response.close()
            raise _own_way(guard, client, request)
        return response

    return send


def _send_async(before: Callable[..., Any]) -> Callable[..., Any]:
    async def send(client: Any, request: Any, *arguments: Any, **options: Any) -> Any:
        count = [0]
        token = _seen.begin(count)
        try:
            response = await before(client, request, *arguments, **options)
        finally:
            _seen.end(token)
        if not count[0] and (guard := _escaped(request)) is not None:
            await response.aclose()
            raise _own_way(guard, client, request)
        return response

    return send


def _escaped(request: Any) -> Interception | None:
    origin = _origin_of(request)
    return _interception.watcher_of(origin[1], origin[2] or _interception.PORTS.get(origin[0]))


def _own_way(guard: Interception, client: Any, request: Any) -> EscapedRequestError:
    text = (
        f"{request.method} {request.url} was answered by something else: the {type(client).__name__} has a transport "
        "of its own, which is not seen here; give it transport=server.transport()"
    )
    guard.note_escape(request.method, str(request.url), text)
    return EscapedRequestError(text)


def _guarded_look_up(before: Callable[..., Any]) -> Callable[..., Any]:
    def getaddrinfo(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        guard = _interception.watcher_of(host, port)
        if guard is None:
            return before(host, port, *arguments, **options)
        text = (
            f"{host}:{port} is answered in the process, for clients of httpx2 and httpx, and another client connects "
            "to it; give that one the URL of a server on a socket"
        )
        guard.note_escape("CONNECT", f"{host}:{port}", text)
        raise socket.gaierror(socket.EAI_FAIL, text)

    return getaddrinfo
