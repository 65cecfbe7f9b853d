"""Clients that the code under test makes itself, answered by their origin; and what happens to those that escape."""

from __future__ import annotations

import asyncio
import importlib
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import aiohttp
import pytest

from api_simulator.errors import EscapedRequestError, OptionError, SpecError, VerificationError
from api_simulator.http import MockHttpServer, ResponseSpec, chunks
from tests.libraries import LIBRARIES, either, httpx, needs, needs_either

PATIENCE_S = 30.0
URL = "https://api.example.com"


@pytest.fixture
def server():
    running = MockHttpServer().start()
    yield running
    running.close()


def escaped(server):
    """Return what escaped, taken: it would fail the user's test."""
    report = server.verdict(expectations=False)
    for problem in report.problems:
        problem.reported = True
    return [problem.text for problem in report.problems if problem.kind == "escaped"]


@LIBRARIES
def test_clients_are_seen_whoever_made_them_and_when(library, server):
    server.get("/me").text("mine")
    before = library.Client()

    with server.intercept(URL), library.Client() as after, before:
        assert [library.get(f"{URL}/me").text, before.get(f"{URL}/me").text, after.get(f"{URL}/me").text] == [
            "mine"
        ] * 3
        assert asyncio.run(_ask_on_a_loop(library)) == "mine"

    assert server.request_count() == 4
    assert server.connections.open == 0


async def _ask_on_a_loop(library):
    async with library.AsyncClient() as client:
        return (await client.get(f"{URL}/me")).text


# In a process of its own: servers that serve in the process intercept as long as they are open, and ended tests' are.
LAST_BLOCK = """
import socket
import httpx, httpx2
from api_simulator.http import MockHttpServer

def patchable():
    return [
        getattr(getattr(library, owner), name)
        for library in (httpx2, httpx)
        for owner, names in (
            ("HTTPTransport", ("handle_request", "close", "__exit__")),
            ("AsyncHTTPTransport", ("handle_async_request", "aclose", "__aexit__")),
            ("Client", ("send",)),
            ("AsyncClient", ("send",)),
        )
        for name in names
    ] + [socket.getaddrinfo]

before = patchable()
with MockHttpServer() as server:
    try:
        with server.intercept("https://api.example.com"):
            with server.intercept("http://other.example.com"):
                pass
            print(sum(one is not other for one, other in zip(patchable(), before)), "of", len(before))
            raise LookupError
    except LookupError:
        print(patchable() == before)
"""


@needs("httpx")
@needs("httpx2")
def test_everything_is_as_it_was_when_the_last_block_ends_however_that_ends():
    done = run(LAST_BLOCK)

    assert done.stdout == "17 of 17\nTrue\n", done.stderr


@LIBRARIES
def test_a_host_that_nobody_knows_is_an_error_of_the_client_and_of_the_test(library, server):
    refused = pytest.raises(library.ConnectError, match="pass_through")
    with server.intercept(URL), refused:
        library.get("https://other.example.com/x")

    assert "https://other.example.com/x is not intercepted" in escaped(server)[0]


@needs_either
def test_what_is_intercepted_is_told_of_all_servers(server):
    """A port that differs is seen at once, whoever has the other one."""
    with MockHttpServer() as other, server.intercept(URL), other.intercept("https://b.example"):
        with pytest.raises(either.ConnectError, match=f"{URL}, https://b.example are; add it"):
            either.get(f"{URL}:444/x")

        escaped(other)


@LIBRARIES
def test_a_host_may_be_let_through(library, server):
    with MockHttpServer() as other, server.intercept(URL, pass_through=["127.0.0.1"]):
        other.get("/").text("on a socket")
        assert library.get(other.url("/")).text == "on a socket"

    assert escaped(server) == []


@LIBRARIES
def test_without_strictness_the_others_go_their_own_way(library, server):
    with MockHttpServer() as other, server.intercept(URL, strict=False):
        other.get("/").text("on a socket")
        assert library.get(other.url("/")).text == "on a socket"


@LIBRARIES
def test_a_client_with_a_transport_of_its_own_is_told_of(library, server):
    client = library.Client(transport=library.MockTransport(lambda request: library.Response(200)))

    with client, server.intercept(URL), pytest.raises(EscapedRequestError, match="transport of its own"):
        client.get(f"{URL}/me")

    assert "was answered by something else" in escaped(server)[0]


@LIBRARIES
def test_a_transport_that_wraps_another_is_seen(library, server):
    class Wrapping(library.BaseTransport):  # type: ignore[name-defined, misc]
        def __init__(self):
            self.inner = library.HTTPTransport()

        def handle_request(self, request):
            return self.inner.handle_request(request)

    server.get("/me").text("mine")

    with library.Client(transport=Wrapping()) as client, server.intercept(URL):
        assert client.get(f"{URL}/me").text == "mine"


@needs_either
def test_other_libraries_are_told_of_when_they_look_the_host_up(server):
    async def with_aiohttp():
        async with aiohttp.ClientSession() as session:
            await session.get(f"{URL}/me")

    with server.intercept(URL):
        with pytest.raises(urllib.error.URLError, match="another client connects"):
            urllib.request.urlopen(f"{URL}/me", timeout=PATIENCE_S)
        with pytest.raises(aiohttp.ClientConnectorError):
            asyncio.run(with_aiohttp())

    assert len(escaped(server)) == 2


@needs_either
def test_a_server_that_is_only_in_the_process_tells_other_libraries_too():
    server = MockHttpServer("inprocess").start()
    with pytest.raises(urllib.error.URLError, match="another client connects"):
        urllib.request.urlopen(server.url, timeout=PATIENCE_S)
    with pytest.raises(ConnectionRefusedError):
        _connect(server)
    with pytest.raises(VerificationError, match="another client connects"):
        server.verify()
    server.close()


def _connect(server):
    with socket.socket() as client:
        client.connect((server.host, server.port))


@needs_either
@pytest.mark.parametrize("url", ["api.example.com", f"{URL}/v1", "ftp://x", "", f"{URL}?a=1"])
def test_what_is_no_origin_is_refused(server, url):
    with pytest.raises(OptionError, match="origin"):
        server.intercept(url)  # by the call itself: a forgotten `with` must not swallow it


def test_without_an_origin_nothing_is_intercepted(server):
    with pytest.raises(OptionError, match="at least one"):
        server.intercept()


@needs_either
def test_two_servers_of_one_origin_are_an_error_to_a_stranger(server):
    """A thread that has begun none of the interceptions cannot say whose routes it means."""
    raised = []

    def ask():
        try:
            either.get(f"{URL}/me")
        except either.ConnectError as error:
            raised.append(str(error))

    with MockHttpServer() as other, server.intercept(URL), other.intercept(URL):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join(PATIENCE_S)

    assert "2 servers intercept https://api.example.com" in raised[0]


PROGRAM = """
import httpx2
httpx2.alias_httpx()
import httpx
from api_simulator.http import MockHttpServer
with MockHttpServer() as server, server.intercept("https://api.example.com"):
    server.get("/me").text("mine")
    assert httpx is httpx2
    print(httpx.get("https://api.example.com/me").text)
"""


def run(program):
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_S * 2, check=False
    )


@needs("httpx")
@needs("httpx2")
def test_under_alias_httpx_both_names_are_one_library():
    assert run(PROGRAM).stdout == "mine\n"


BLOCKED = """
import sys
from importlib.abc import MetaPathFinder
class Blocking(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(name)
# importlib.util.find_spec() asks finders too, and says None of what is not there.
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name.partition(".")[0] in {blocked!r} else found(name, *rest)
sys.meta_path.insert(0, Blocking())
from api_simulator.http import MockHttpServer, MockResponseSpec
"""

NEITHER = """
for act in (
    lambda: server.transport(),
    lambda: server.intercept("https://x").__enter__(),
    lambda: server.respx_router(),
    lambda: MockResponseSpec().to_httpx(),
    lambda: MockResponseSpec().to_httpx2(),
    lambda: MockHttpServer("inprocess").start(),
):
    try:
        act()
    except Exception as error:
        print(type(error).__name__, "api-simulator[" in str(error))
"""


def test_without_the_libraries_every_way_names_the_extra():
    blocked = ("httpx", "httpx2", "respx", "h11", "httpcore", "httpcore2")
    program = BLOCKED.format(blocked=blocked) + "with MockHttpServer() as server:" + NEITHER.replace("\n", "\n    ")

    done = run(program)

    assert done.stdout.splitlines() == ["MissingExtraError True"] * 5 + ["EngineUnavailableError True"], done.stderr


ONE = """
import {library} as library
with MockHttpServer() as server:
    server.get("/me").text("mine")
    with server.intercept("https://api.example.com"):
        print(library.get("https://api.example.com/me").text)
    with library.Client(transport=server.transport()) as client:
        print(client.get("http://x/me").text)
    print(MockResponseSpec(body=1).to_{library}().json())
with MockHttpServer("inprocess") as server:
    server.get("/me").text("mine")
    print(library.get(server.url("/me")).text)
"""


@pytest.mark.parametrize(
    ("library", "blocked"),
    [
        pytest.param("httpx2", ("httpx", "httpcore", "respx"), marks=needs("httpx2")),
        pytest.param("httpx", ("httpx2", "httpcore2"), marks=needs("httpx")),
    ],
)
def test_one_of_the_libraries_is_enough(library, blocked):
    done = run(BLOCKED.format(blocked=blocked) + ONE.format(library=library))

    assert done.stdout.split() == ["mine", "mine", "1", "mine"], done.stderr


# respx, and specs as responses


@needs("respx")
def test_a_router_of_respx_has_the_servers_routes(server):
    server.get("/me").text("mine")
    server.get("/slow").delay(60_000).json(1)

    with server.respx_router() as router:
        assert httpx.get(f"{URL}/me").text == "mine"
        assert asyncio.run(_ask_on_a_loop(httpx)) == "mine"
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{URL}/slow", timeout=0.05)
        assert router.calls.call_count == 3

    assert server.request_count() == 3


def test_its_handler_goes_into_httpxs_own_transport(server):
    server.get("/me").text("mine")

    with httpx.Client(transport=httpx.MockTransport(server.respx_router().handler)) as client:
        assert client.get(f"{URL}/me").text == "mine"


@pytest.mark.parametrize("library", [pytest.param(name, marks=needs(name)) for name in ("httpx2", "httpx")])
def test_a_spec_is_a_response_of_either_library(library):
    spec = ResponseSpec(status=201, body={"id": 1}, headers=[("X-A", "1"), ("X-A", "2")])

    response = getattr(spec, f"to_{library}")()

    assert isinstance(response, importlib.import_module(library).Response)
    assert (response.status_code, response.json(), response.reason_phrase) == (201, {"id": 1}, "Created")
    assert response.headers.get_list("x-a") == ["1", "2"]


@needs("httpx2")
def test_pieces_that_are_known_are_a_response_too():
    assert ResponseSpec(body=chunks("a", "b")).to_httpx2().content == b"ab"


@needs("httpx2")
@pytest.mark.parametrize("spec", [ResponseSpec(delay_ms=1), ResponseSpec(fault="HANG")], ids=["delay", "fault"])
def test_what_happens_is_no_response(spec):
    with pytest.raises(SpecError, match="a delay, a pause, a fault"):
        spec.to_httpx2()


WITHOUT_RESPX = """
with MockHttpServer() as server:
    try:
        server.respx_router()
    except Exception as error:
        print(type(error).__name__, "api-simulator[httpx]" in str(error))
"""


def test_without_respx_the_router_names_the_extra():
    done = run(BLOCKED.format(blocked=("respx",)) + WITHOUT_RESPX)

    assert done.stdout == "MissingExtraError True\n", done.stderr
