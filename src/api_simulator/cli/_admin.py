"""
The admin API of ``api-simulator serve``: routes, journal and reset, from any language, with a token.

On a listener of its own, so that it can stay on this machine while the served port is open to others.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Any

from api_simulator.cli._site import Site
from api_simulator.cli.config import RouteEntry, read_entry
from api_simulator.errors import ApiSimulatorError
from api_simulator.http import CapturedRequest, MockHttpServer, ResponseSpec
from api_simulator.http._forms import registered_by
from api_simulator.services._settings import nearest

#: Requests that one answer lists, unless it is asked for more.
PAGE = 100

#: The parameters of ``GET /requests``.
_FILTERS = ["path", "method", "limit"]

_Answer = Callable[[CapturedRequest], ResponseSpec]


class Admin:
    """
    The admin API of *site* on *server*.

    Args:
        site: What is administered.

        server: Where it listens; not the site's own.

        token: What requests must send as ``Authorization: Bearer``.
    """

    def __init__(self, site: Site, server: MockHttpServer, token: str) -> None:
        self._site = site
        self._token = f"Bearer {token}".encode()
        for method, path, answer in (
            ("GET", "/routes", self._routes),
            ("POST", "/routes", self._add_route),
            ("GET", "/requests", self._requests),
            ("POST", "/reset", self._reset),
            ("GET", "/services", self._services),
        ):
            server.register(method, path, self._guarded(answer))
        server.register("GET", "/health", ResponseSpec(200, {"status": "ok"}))

    def _guarded(self, answer: _Answer) -> _Answer:
        def respond(request: CapturedRequest) -> ResponseSpec:
            given = request.headers.get("authorization", "").encode()
            # In constant time: the token must not be found letter by letter.
            if not hmac.compare_digest(given, self._token):
                problem = "this is not the admin token; " if given else ""
                return _error(401, "unauthorized", f"{problem}send the admin token as Authorization: Bearer ...")
            try:
                return answer(request)
            except ApiSimulatorError as error:
                return _error(400, type(error).__name__, str(error))

        return respond

    def _routes(self, _: CapturedRequest) -> ResponseSpec:
        routes = [
            {"route": str(mounted.route), "calls": mounted.call_count, "source": mounted.route.source}
            for mounted in self._site.server.routes
        ]
        return ResponseSpec(200, {"routes": routes})

    def _add_route(self, request: CapturedRequest) -> ResponseSpec:
        if not request.is_json:
            return _error(400, "not_json", "the body is a JSON object, as an entry of a file's routes")
        entry = read_entry(RouteEntry, request.json, "route")
        if any(answer.file is not None for answer in (entry.answer, *entry.answers) if answer is not None):
            return _error(400, "OptionError", "route: 'file' reads from this machine, and is for configuration files")
        with registered_by("the admin API"):
            entry.register(self._site.server, Path())
        return ResponseSpec(201, {"added": f"{entry.method} {entry.path}"})

    def _requests(self, request: CapturedRequest) -> ResponseSpec:
        query = request.query
        for name in query:
            if name not in _FILTERS:
                return _error(400, "OptionError", f"requests: there is no {name!r}{nearest(name, _FILTERS)}")
        limit = query.get("limit", str(PAGE))
        if not limit.isdecimal() or limit == "0":
            return _error(400, "OptionError", f"limit: expected a whole number, 1 or more, got {limit!r}")
        method, path = query.get("method"), query.get("path")
        server = self._site.server
        kept = [
            found
            for found in server.simulation.journal.kept()
            if (method is None or found.method == method.upper()) and (path is None or found.path == path)
        ]
        listed = [_shown(found) for found in kept[-int(limit) :]]
        return ResponseSpec(200, {"count": server.request_count(method, path), "requests": listed})

    def _reset(self, _: CapturedRequest) -> ResponseSpec:
        self._site.reset()
        return ResponseSpec(200, {"reset": True})

    def _services(self, _: CapturedRequest) -> ResponseSpec:
        return ResponseSpec(200, {"services": [service.name for service in self._site.services]})


def _shown(request: CapturedRequest) -> dict[str, Any]:
    return {
        "number": request.number,
        "method": request.method,
        "path": request.path,
        "query": request.query_string,
        "headers": dict(request.headers),
        "json": request.json,
        "text": request.text,
        "status": request.status,
        "matched": request.route is not None,
        "received_at": request.received_at,
    }


def _error(status: int, kind: str, message: str) -> ResponseSpec:
    return ResponseSpec(status, {"error": {"type": kind, "message": message}})
