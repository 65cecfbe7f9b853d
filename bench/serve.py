"""
Run one server in a process of its own: ours, pytest-httpserver, or bare aiohttp.

The three answer ``GET /item/0``, ``/item/1`` … with the same small JSON body, and ours and bare aiohttp a stream of
events at ``/events``. Started by :func:`started` as ``python -m bench.serve KIND ROUTES FORM``; prints one line of
JSON when it is ready and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import psutil

BODY = {"remaining": 42, "resets_at": "2030-01-01T00:00:00Z"}
OURS, HTTPSERVER, AIOHTTP = "ours", "pytest-httpserver", "bare aiohttp"
#: The fake Messages API; the number is the tokens a second of its streams, 1 for as fast as it can.
ANTHROPIC = "anthropic"


#: How routes are registered: by their path, or by a pattern that means more than one.
Form = Literal["exact", "template", "regex"]
EVENTS, EVERY_MS = 20, 200


def path_of(number: int, form: Form = "exact") -> str:
    """Return a path that the route of that number answers, and no other one."""
    return f"/item/{number}" if form == "exact" else f"/v1/acme/item-{number}"


@dataclass(frozen=True, slots=True)
class Served:
    """A server in another process."""

    pid: int
    port: int
    registration_s: float

    @property
    def memory_bytes(self) -> int:
        """How much of the machine's memory the process takes now."""
        return int(psutil.Process(self.pid).memory_info().rss)


@contextlib.contextmanager
def started(
    kind: str, routes: int = 1, environment: Mapping[str, str] | None = None, *, form: Form = "exact"
) -> Iterator[Served]:
    """Run a server of that *kind* with so many routes while the block lasts; *environment* is added to ours."""
    command = [sys.executable, "-m", "bench.serve", kind, str(routes), form]
    root = Path(__file__).parent.parent
    variables = {**os.environ, **(environment or {})}
    with subprocess.Popen(
        command, cwd=root, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the server {kind!r} ended before it was ready; its error is above")
        try:
            yield Served(process.pid, **json.loads(line))
        finally:
            process.stdin.close()


@dataclass(frozen=True, slots=True)
class Opened:
    """A server in this process; *server* is only kept so that it lives on."""

    server: Any
    port: int
    registration_s: float = 0.0


def open_ours(routes: int, form: Form) -> Opened:
    """Start our server."""
    from api_simulator import MockHttpServer, ResponseSpec
    from api_simulator.http import sse

    server = MockHttpServer().start()
    server.register("POST", "/events", ResponseSpec(201, BODY))
    server.register("GET", "/events", ResponseSpec(body=sse(*map(str, range(EVENTS)), every_ms=EVERY_MS)))
    begin = time.perf_counter()
    for number in range(routes):
        path: Any = {
            "exact": path_of(number),
            "template": f"/v1/{{tenant}}/item-{number}",
            "regex": re.compile(f"/v1/[^/]+/item-{number}"),
        }[form]
        server.register("GET", path, ResponseSpec(200, BODY))
    return Opened(server, server.port, time.perf_counter() - begin)


def open_httpserver(routes: int, form: Form) -> Opened:
    """Start pytest-httpserver."""
    # Werkzeug would write a line to the terminal for each request; under pytest it goes to a buffer.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = importlib.import_module("pytest_httpserver").HTTPServer(port=0)
    server.start()
    server.expect_request("/events", method="POST").respond_with_json(BODY, status=201)
    begin = time.perf_counter()
    for number in range(routes):
        # It has no templates: an expression is the only pattern it knows, and it looks at the beginning of a path only.
        path = path_of(number) if form == "exact" else re.compile(f"/v1/[^/]+/item-{number}$")
        server.expect_request(path, method="GET").respond_with_json(BODY)
    return Opened(server, server.port, time.perf_counter() - begin)


def open_aiohttp(_: int, __: Form) -> Opened:
    """Start an aiohttp server that looks at nothing but whether events are wanted, and remembers nothing."""
    from aiohttp import web

    body = json.dumps(BODY).encode()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/events":
            return await events(request)
        return web.Response(body=body, content_type="application/json")

    async def events(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number in range(EVENTS):
            if number:
                await asyncio.sleep(EVERY_MS / 1000)
            await response.write(f"data: {number}\n\n".encode())
        return response

    async def start() -> int:
        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return int(runner.addresses[0][1])

    loop = asyncio.new_event_loop()
    port = loop.run_until_complete(start())
    # A thread, because the main one waits for the end of standard input, as with the other two.
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return Opened(loop, port)


def open_anthropic(tokens_per_s: int, __: Form) -> Opened:
    """Start our fake Messages API; to "say N" it says N tokens."""
    from api_simulator import MockHttpServer
    from api_simulator.services.anthropic import AnthropicService

    server = MockHttpServer().start()
    service = AnthropicService(server, tokens_per_s=tokens_per_s if tokens_per_s > 1 else None)
    service.answer_with(lambda request: " word" * int(request.prompt.split()[1]))
    return Opened(server, server.port)


KINDS: dict[str, Callable[[int, Form], Opened]] = {
    OURS: open_ours,
    HTTPSERVER: open_httpserver,
    AIOHTTP: open_aiohttp,
    ANTHROPIC: open_anthropic,
}


def has_httpserver() -> bool:
    """Return whether the peer is installed; the bars against it cannot be judged without it."""
    return importlib.util.find_spec("pytest_httpserver") is not None


def main() -> None:
    opened = KINDS[sys.argv[1]](int(sys.argv[2]), cast("Form", sys.argv[3]))
    print(json.dumps({"port": opened.port, "registration_s": opened.registration_s}), flush=True)
    sys.stdin.read()
    # An orderly end of pytest-httpserver takes half a second, and nothing here needs one.
    os._exit(0)


if __name__ == "__main__":
    main()
