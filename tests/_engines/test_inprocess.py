"""The in-process engine through the clients of httpx2 and httpx: what a client sees without a socket."""

from __future__ import annotations

import threading
import time

import anyio
import pytest

from api_simulator.errors import ServerStateError
from api_simulator.http import MockHttpServer, ResponseSpec, sse, stream
from tests.libraries import LIBRARIES, either, needs_either

PATIENCE_S = 30.0


@pytest.fixture
def server():
    with MockHttpServer() as running:
        yield running


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param


def client_of(library, server, **options):
    return library.Client(transport=server.transport(), base_url="https://api.example.com", **options)


def async_client_of(library, server, **options):
    return library.AsyncClient(transport=server.transport(), base_url="https://api.example.com", **options)


@LIBRARIES
def test_a_transport_answers_for_every_host_and_the_journal_has_the_request(library, server):
    server.post("/things").status(201).json({"id": 1})

    with client_of(library, server) as client:
        answer = client.post("/things?a=1", json={"name": "x"})

    assert (answer.status_code, answer.json(), answer.http_version) == (201, {"id": 1}, "HTTP/1.1")
    assert answer.elapsed.total_seconds() >= 0
    request = server.get_requests()[0]
    assert (request.json, request.query["a"], request.headers["host"]) == ({"name": "x"}, "1", "api.example.com")


@LIBRARIES
@pytest.mark.anyio
async def test_a_transport_serves_clients_on_a_loop(library, server):
    server.get("/").delay(20).json(1)

    async with async_client_of(library, server) as client:
        assert (await client.get("/")).json() == 1


@LIBRARIES
def test_a_delay_that_is_longer_than_the_clients_patience_ends_in_its_timeout(library, server):
    server.get("/slow").delay(60_000).json(1)

    with client_of(library, server, timeout=0.05) as client:
        started = time.monotonic()
        with pytest.raises(library.ReadTimeout):
            client.get("/slow")

    assert time.monotonic() - started >= 0.05
    assert server.get_requests()[0].aborted


@LIBRARIES
@pytest.mark.anyio
async def test_the_same_on_a_loop_and_others_go_on_meanwhile(library, server):
    server.get("/slow").delay(60_000).json(1)
    server.get("/fast").json(2)

    async with async_client_of(library, server, timeout=0.2) as client:
        done = []

        async def ask_slowly():
            with pytest.raises(library.ReadTimeout):
                await client.get("/slow")
            done.append("slow")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask_slowly)
            await client.get("/fast")
            done.append("fast")

    assert done == ["fast", "slow"]


@LIBRARIES
def test_the_timeout_is_for_each_read_and_not_for_the_whole(library, server):
    server.register("GET", "/", ResponseSpec(body=stream([b"a", b"b", b"c", b"d"], every_ms=60)))

    with client_of(library, server, timeout=0.15) as client:
        assert client.get("/").content == b"abcd"


@LIBRARIES
def test_a_stream_comes_piece_by_piece(library, server):
    """The second piece is made when the first has been read."""
    go_on = threading.Event()

    def pieces():
        yield b"one"
        assert go_on.wait(PATIENCE_S)
        yield b"two"

    server.register("GET", "/", ResponseSpec(body=stream(pieces)))

    with client_of(library, server) as client, client.stream("GET", "/") as answer:
        read = answer.iter_raw()
        assert next(read) == b"one"
        go_on.set()
        assert next(read) == b"two"


@LIBRARIES
@pytest.mark.anyio
async def test_a_one_shot_stream_is_sent_to_every_request(library, server):
    async def pieces():
        yield b"one"
        yield b"two"

    server.register("GET", "/", ResponseSpec(body=stream(pieces())))

    async with async_client_of(library, server) as client:
        assert [(await client.get("/")).content for _ in range(2)] == [b"onetwo", b"onetwo"]


@LIBRARIES
def test_a_reader_that_leaves_a_stream_is_noted(library, server):
    server.register("GET", "/", ResponseSpec(body=sse("a", "b", every_ms=60_000)))

    with client_of(library, server) as client, client.stream("GET", "/") as answer:
        assert next(answer.iter_lines()) == "data: a"

    assert server.get_requests()[0].aborted
    assert server.connections.open == 0


@LIBRARIES
def test_redirects_cookies_and_auth_are_the_clients_own(library, server):
    server.get("/old").redirect("/new")
    server.get("/new").headers({"Set-Cookie": "a=1"}).json(1)
    server.get("/next").json(2)

    with client_of(library, server, follow_redirects=True, auth=("me", "secret")) as client:
        assert client.get("/old").json() == 1
        assert client.get("/next").json() == 2

    last = server.get_requests()[-1]
    assert last.cookies["a"] == "1"
    assert last.headers["authorization"].startswith("Basic ")


@LIBRARIES
def test_connections_are_counted_as_a_client_would_open_them(library, server):
    server.get("/").json(1)
    server.get("/close").headers({"Connection": "close"}).json(1)

    with client_of(library, server) as client:
        for path in ("/", "/", "/close", "/"):
            client.get(path)
        assert (server.connections.opened, server.connections.reused, server.connections.open) == (2, 2, 1)

    assert server.connections.open == 0


@pytest.mark.parametrize("engine", ["aiohttp", "auto"])
def test_no_number_is_of_a_connection_with_a_socket_and_of_one_without(engine):
    with MockHttpServer(engine=engine) as server, either.Client(base_url=server.url, trust_env=False) as outside:
        server.get("/").json(1)
        with client_of(either, server) as inside:
            for client in (outside, inside, outside, inside):
                client.get("/")

            assert [request.connection_id for request in server.get_requests()] == [1, -1, 1, -1]
            assert (server.connections.opened, server.connections.open) == (2, 2)

        assert server.connections.open == 1


@LIBRARIES
def test_a_body_that_is_broken_off_is_no_request(library, server):
    def body():
        yield b"part"
        raise LookupError("mine")

    with client_of(library, server) as client, pytest.raises(LookupError, match="mine"):
        client.post("/", content=body())

    assert server.request_count() == 0
    assert "inside the body" in server.malformed[0].error


@LIBRARIES
@pytest.mark.parametrize("headers", [{"X-A": "a\nb"}, {"Content-Length": "5"}], ids=["line feed", "wrong length"])
def test_what_may_not_be_sent_is_the_clients_own_error(library, server, headers):
    with client_of(library, server) as client, pytest.raises(library.LocalProtocolError):
        client.post("/", content=b"abc", headers=headers)

    assert server.request_count() == 0


@LIBRARIES
def test_the_end_of_the_server_ends_what_waits_for_it(library):
    server = MockHttpServer().start()
    server.get("/").hang()
    raised = []

    def ask():
        with client_of(library, server) as client:
            try:
                client.get("/", timeout=None)
            except library.TransportError as error:
                raised.append(type(error))

    thread = threading.Thread(target=ask)
    thread.start()
    server.wait_for_requests(1, PATIENCE_S)
    server.close()
    thread.join(PATIENCE_S)

    assert raised == [library.ReadError]


@LIBRARIES
def test_a_closed_server_refuses(library):
    with MockHttpServer() as server:
        client = client_of(library, server)

    with client, pytest.raises(library.ConnectError):
        client.get("/")
    with pytest.raises(ServerStateError, match="not running"):
        server.transport()


@LIBRARIES
def test_responders_run_beside_the_clients_patience(library, server):
    """Plain or async: a responder that takes too long is the client's timeout, and one that answers is an answer."""
    never = threading.Event()

    async def answers(request):
        return ResponseSpec(body=request.method)

    server.register("GET", "/", answers)
    server.register("GET", "/never", lambda request: never.wait(PATIENCE_S))

    with client_of(library, server) as client:
        assert client.get("/").text == "GET"
        with pytest.raises(library.ReadTimeout):
            client.get("/never", timeout=0.05)
    never.set()


@needs_either
def test_threads_with_servers_of_their_own_never_see_each_others_routes():
    found = {}
    ready = threading.Barrier(4, timeout=PATIENCE_S)

    def work(number):
        with MockHttpServer() as server, server.intercept("https://api.example.com"):
            server.get("/me").json(number)
            ready.wait()
            found[number] = [either.get("https://api.example.com/me").json() for _ in range(20)]
            ready.wait()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)

    assert found == {number: [number] * 20 for number in range(4)}
