"""Clients on uvloop: on a socket and without, they are answered as on asyncio's own loop."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from api_simulator.http import MockHttpServer, ResponseSpec, stream
from tests.libraries import LIBRARIES

uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed (it is not made for Windows)")

PATIENCE_S = 30.0


@pytest.fixture
def server():
    with MockHttpServer() as running:
        yield running


@pytest.fixture(params=["socket", "in process"])
def client_of(request, server):
    """Makes a client that reaches the server one way or the other."""

    def make(library, **options):
        transport = None if request.param == "socket" else server.transport()
        return library.AsyncClient(
            base_url=server.url, trust_env=False, timeout=PATIENCE_S, transport=transport, **options
        )

    return make


@LIBRARIES
def test_plain_answers_delays_and_responders(library, server, client_of):
    server.get("/plain").json(1)
    server.get("/delayed").delay(50).json(2)
    server.register("GET", "/computed", lambda _: ResponseSpec(body=3))

    async def awaited(_):
        await asyncio.sleep(0)
        return ResponseSpec(body=4)

    server.register("GET", "/awaited", awaited)

    async def ask():
        async with client_of(library) as client:
            paths = ("/plain", "/delayed", "/computed", "/awaited")
            return [answer.json() for answer in await asyncio.gather(*map(client.get, paths))]

    assert uvloop.run(ask()) == [1, 2, 3, 4]


@LIBRARIES
def test_timeouts_streams_and_gates(library, server, client_of):
    """Each of them wakes the loop from somewhere else: a timer, a worker thread, the thread that opens the gate."""
    server.get("/slow").delay(60_000).json(1)
    server.register("GET", "/stream", ResponseSpec(body=stream(lambda: iter([b"one", b"two"]))))
    gate = server.get("/held").json(2).hold()

    def release():
        gate.wait_for(1, timeout_s=PATIENCE_S)
        gate.release()

    opener = threading.Thread(target=release)
    opener.start()

    async def ask():
        async with client_of(library) as client:
            with pytest.raises(library.ReadTimeout):
                await client.get("/slow", timeout=library.Timeout(PATIENCE_S, read=0.1))
            return (await client.get("/stream")).content, (await client.get("/held")).json()

    started = time.monotonic()
    assert uvloop.run(ask()) == (b"onetwo", 2)
    assert time.monotonic() - started >= 0.1
    opener.join(PATIENCE_S)


@LIBRARIES
def test_clients_that_are_intercepted(library, server):
    server.get("/me").json({"id": 1})

    async def ask():
        async with library.AsyncClient() as client:
            return (await client.get("https://api.example.com/me")).json()

    with server.intercept("https://api.example.com"):
        assert uvloop.run(ask()) == {"id": 1}
