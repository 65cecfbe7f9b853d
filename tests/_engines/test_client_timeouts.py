"""A client's patience with its pool and with its upload: the same on a socket and without."""

from __future__ import annotations

import gc
import threading
from contextlib import ExitStack

import anyio
import pytest

from api_simulator.errors import OptionError
from api_simulator.http import MockHttpServer
from tests.libraries import LIBRARIES, either

PATIENCE_S = 30.0
SHORT_S = 0.3
ORIGIN = "http://api.example.com"
#: More than any system's sockets hold while nobody reads.
LARGE = bytes(24 * 1024 * 1024)

ways = pytest.mark.parametrize("way", ["socket", "given", "intercepted"])


@pytest.fixture
def server():
    with MockHttpServer() as running:
        yield running


@pytest.fixture
def opened():
    with ExitStack() as stack:
        yield stack


def options_of(library, server, way, opened, limits=None):
    """Return what a client of *library* is made with that reaches *server* one way or the other."""
    if way == "socket":
        return {"base_url": server.url, "limits": limits or library.Limits(), "trust_env": False}
    if way == "given":
        return {"base_url": ORIGIN, "transport": server.transport(limits=limits)}
    opened.enter_context(server.intercept(ORIGIN))
    return {"base_url": ORIGIN, "limits": limits or library.Limits(), "trust_env": False}


@LIBRARIES
@ways
def test_a_stream_that_is_open_keeps_the_only_connection(library, way, server, opened):
    server.get("/events").sse("one", "two", every_ms=60_000)
    server.get("/").json(1)
    timeout = library.Timeout(PATIENCE_S, pool=SHORT_S)

    options = options_of(library, server, way, opened, library.Limits(max_connections=1))
    with library.Client(timeout=timeout, **options) as client:
        with client.stream("GET", "/events") as answer:
            lines = answer.iter_lines()
            assert next(lines) == "data: one"
            with pytest.raises(library.PoolTimeout):
                client.get("/")
        assert client.get("/").json() == 1

    assert [request.path for request in server.get_requests()] == ["/events", "/"]


@LIBRARIES
@ways
def test_the_same_on_a_loop(library, way, server, opened):
    server.get("/events").sse("one", "two", every_ms=60_000)
    server.get("/").json(1)
    timeout = library.Timeout(PATIENCE_S, pool=SHORT_S)
    options = options_of(library, server, way, opened, library.Limits(max_connections=1))

    async def ask():
        async with library.AsyncClient(timeout=timeout, **options) as client:
            async with client.stream("GET", "/events") as answer:
                lines = answer.aiter_lines()
                assert await anext(lines) == "data: one"
                with pytest.raises(library.PoolTimeout):
                    await client.get("/")
            return (await client.get("/")).json()

    assert anyio.run(ask) == 1


@LIBRARIES
@ways
def test_requests_that_wait_for_a_connection_get_it_in_order(library, way, server, opened):
    gate = server.get("/first").json(1).hold()
    for name in "abc":
        server.get(f"/{name}").json(1)
    options = options_of(library, server, way, opened, library.Limits(max_connections=1))

    async def ask():
        async with library.AsyncClient(timeout=PATIENCE_S, **options) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(client.get, "/first")
            # Until it is there: on a socket its connection is made first.
            await anyio.to_thread.run_sync(lambda: gate.wait_for(1, timeout_s=PATIENCE_S))
            for name in "abc":
                tasks.start_soon(client.get, f"/{name}")
                await anyio.lowlevel.checkpoint()
            gate.release()

    anyio.run(ask)

    assert [request.path for request in server.get_requests()] == ["/first", "/a", "/b", "/c"]
    assert len({request.connection_id for request in server.get_requests()}) == 1


@LIBRARIES
def test_a_thread_that_waits_is_woken_by_the_end_of_another_ones_answer(library, server):
    gate = server.get("/first").json(1).hold()
    server.get("/second").json(2)

    limits = library.Limits(max_connections=1)
    with library.Client(base_url=ORIGIN, transport=server.transport(limits=limits), timeout=PATIENCE_S) as client:
        first = threading.Thread(target=client.get, args=["/first"])
        first.start()
        gate.wait_for(1, timeout_s=PATIENCE_S)
        got = []
        second = threading.Thread(target=lambda: got.append(client.get("/second").json()))
        second.start()
        gate.release()
        for thread in (first, second):
            thread.join(PATIENCE_S)

    assert got == [2]


@LIBRARIES
def test_whoever_gives_up_waiting_leaves_the_connection_to_others(library, server):
    server.get("/events").sse("one", "two", every_ms=60_000)
    server.get("/").json(1)

    async def ask():
        limits = library.Limits(max_connections=1)
        transport = server.transport(limits=limits)
        async with library.AsyncClient(base_url=ORIGIN, transport=transport, timeout=PATIENCE_S) as client:
            async with client.stream("GET", "/events"):
                with anyio.move_on_after(SHORT_S) as left:
                    await client.get("/")
                assert left.cancelled_caught
            return (await client.get("/")).json()

    assert anyio.run(ask) == 1


@pytest.mark.parametrize("limits", [1, "many", object()])
def test_limits_of_another_kind_are_refused(limits, server):
    assert either.Limits() is not None
    with pytest.raises(OptionError, match="limits: expected"):
        server.transport(limits=limits)


def reads_nothing(server):
    server.slow_accept(60_000)
    server.post("/").json(1)


def reads_slowly(server):
    server.throttle_uploads(1)
    server.post("/").json(1)


def answers_by_the_head_and_never(server):
    server.post("/").early().hang()


@LIBRARIES
@ways
@pytest.mark.parametrize("prepare", [reads_nothing, reads_slowly, answers_by_the_head_and_never])
def test_a_body_that_is_not_read_ends_in_the_clients_write_timeout(prepare, library, way, server, opened):
    prepare(server)
    timeout = library.Timeout(PATIENCE_S, write=SHORT_S)

    with (
        library.Client(timeout=timeout, **options_of(library, server, way, opened)) as client,
        pytest.raises(library.WriteTimeout),
    ):
        client.post("/", content=LARGE)


@LIBRARIES
@pytest.mark.parametrize("way", ["socket", "given"])
def test_the_same_on_a_loop_while_others_go_on(library, way, server, opened):
    server.slow_accept(60_000)
    timeout = library.Timeout(PATIENCE_S, write=SHORT_S)

    async def ask():
        async with library.AsyncClient(timeout=timeout, **options_of(library, server, way, opened)) as client:
            with pytest.raises(library.WriteTimeout):
                await client.post("/", content=LARGE)

    anyio.run(ask)


@LIBRARIES
@ways
def test_a_small_body_is_the_wires_and_its_client_waits_for_the_answer(library, way, server, opened):
    server.slow_accept(60_000)
    server.post("/").json(1)
    timeout = library.Timeout(PATIENCE_S, write=SHORT_S, read=SHORT_S)

    with (
        library.Client(timeout=timeout, **options_of(library, server, way, opened)) as client,
        pytest.raises(library.ReadTimeout),
    ):
        client.post("/", content=bytes(1000))


@LIBRARIES
@ways
def test_a_large_body_that_is_read_in_time_arrives_whole(library, way, server, opened):
    """And the client's patience with the answer begins when it is sent."""
    server.slow_accept(200)
    server.post("/").early().json(1)
    server.put("/").json(2)

    with library.Client(timeout=PATIENCE_S, **options_of(library, server, way, opened)) as client:
        assert [client.post("/", content=LARGE).json(), client.put("/", content=LARGE).json()] == [1, 2]

    assert [len(request.raw_body) for request in server.get_requests()] == [len(LARGE)] * 2


@LIBRARIES
def test_a_request_whose_body_was_not_sent_has_not_arrived(library, server):
    reads_slowly(server)
    timeout = library.Timeout(PATIENCE_S, write=SHORT_S)

    with (
        library.Client(base_url=ORIGIN, transport=server.transport(), timeout=timeout) as client,
        pytest.raises(library.WriteTimeout),
    ):
        client.post("/", content=LARGE)

    assert server.request_count() == 0
    assert "inside the body" in server.malformed[0].error


@LIBRARIES
@ways
@pytest.mark.parametrize("early", [False, True], ids=["", "early"])
def test_a_request_that_cannot_be_sent_leaves_its_connection(library, way, early, server, opened):
    if early:
        server.post("/early").early().text("before the body")
    server.get("/").json(1)
    timeout = library.Timeout(PATIENCE_S, pool=SHORT_S)

    options = options_of(library, server, way, opened, library.Limits(max_connections=1))
    with library.Client(timeout=timeout, **options) as client:
        with pytest.raises(library.LocalProtocolError, match="target"):
            client.get("/", extensions={"target": b"/\xff"})
        assert client.get("/").json() == 1


def test_an_answer_that_nobody_holds_may_end_at_any_moment(server):
    """The collector of garbage ends it, on whatever line of whatever thread it runs: also inside the pool."""
    server.get("/events").sse("one", "two", every_ms=60_000)
    thresholds = gc.get_threshold()
    transport = server.transport(limits=either.Limits(max_connections=1_000))
    with either.Client(base_url=ORIGIN, transport=transport, timeout=PATIENCE_S) as client:
        try:
            for distance in range(1, 200):
                gc.disable()
                answer = client.send(client.build_request("GET", "/events"), stream=True)
                lines = answer.iter_lines()
                next(lines)
                cycle = [answer, lines]
                cycle.append(cycle)
                request = client.build_request("GET", "/events")
                del answer, lines, cycle
                # So many new objects from here.
                gc.set_threshold(gc.get_count()[0] + distance, 1_000, 1_000)
                gc.enable()
                client.send(request, stream=True).close()
        finally:
            gc.set_threshold(*thresholds)
            gc.enable()
