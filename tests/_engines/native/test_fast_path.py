"""What takes an answer out of the library's hands, and what comes to the same server another way."""

import contextlib
import socket
import threading

import pytest

from api_simulator import hookspecs, plugins
from api_simulator.http import MockHttpServer, ResponseSpec
from tests._engines.native import needs_native
from tests.conformance.raw import Wire
from tests.libraries import either as httpx

pytestmark = needs_native

# What `asim_count` is asked for.
ROUTES = 3


@pytest.fixture
def server():
    with MockHttpServer(engine="native", strict=False) as running:
        yield running


@pytest.fixture
def client(server):
    with httpx.Client(base_url=server.url) as one:
        yield one


class Listening:
    """A plug-in that is told of finished requests."""

    def __init__(self):
        self.heard = []

    @hookspecs.hookimpl
    def api_simulator_request_done(self, request):
        self.heard.append((request.path, request.status, request.answered_ns is not None))


def test_exchanged_routes_answer_from_the_next_request_on(server, client):
    old = [server.get("/kept").text("old"), server.get("/removed").text("old")]
    aside = MockHttpServer()
    new = [aside.get("/kept").text("new").route, aside.get("/added").text("new").route]
    before = [client.get(path).text for path in ("/kept", "/removed", "/kept", "/removed")]

    mounted = server.simulation.exchange(old, new)

    after = [client.get(path) for path in ("/kept", "/removed", "/added", "/kept")]
    assert before == ["old"] * 4
    assert [answer.status_code for answer in after] == [200, 404, 200, 200]
    assert after[0].text == after[2].text == after[3].text == "new"
    assert [route.call_count for route in (*old, *mounted)] == [2, 2, 2, 1]


def test_exchanged_routes_leave_nothing_behind(server, client):
    """Neither in the library nor beside it; what is still held by somebody keeps its counts."""

    def counts():
        tables = server._serving._fast_path
        return (
            server._serving.handle("asim_count", ROUTES),
            len(tables.entries),
            len(tables._compiled),
            sum(map(len, tables._keys_of_path.values())),
        )

    def exchange(old):
        aside = MockHttpServer()
        new = [aside.get("/a").text("a").route, aside.get("/b").text("b").route]
        mounted = server.simulation.exchange(old, new)
        # Another spelling and another form are learnt from requests.
        for path in ("/a", "/b", "/%61"):
            client.get(path)
            client.head(path)
        return mounted

    server.get("/kept").text("kept")
    first = mounted = exchange([])
    client.get("/a")
    server.get_requests()
    before = counts()

    for _ in range(20):
        client.get("/kept")
        mounted = exchange(mounted)
    server.get_requests()

    assert counts() == before
    assert before[0] == 3
    assert [route.call_count for route in first + mounted] == [5, 2, 4, 2]


def test_routes_that_replace_or_are_reset_leave_nothing_behind(server, client):
    def registered():
        return server._serving.handle("asim_count", ROUTES)

    def register():
        route = server.get("/a").text("a")
        client.get("/a")
        return route

    for _ in range(20):
        register()
    last = register()
    assert (registered(), last.call_count) == (1, 1)

    for _ in range(20):
        server.reset()
        register()
    server.get_requests()

    # Those that somebody still asks stay.
    assert (registered(), last.call_count) == (2, 1)
    del last
    assert registered() == 1


def test_an_answer_under_way_outlives_its_route(server):
    route = server.register("GET", "/a", ResponseSpec(200, "old", delay_ms=300))
    with Wire(server) as wire:
        wire.ask("/a")
        server.wait_for_requests(1)

        server.simulation.exchange([route], [])

        assert server._serving.handle("asim_count", ROUTES) == 0
        assert wire.reply().body == b"old"
        assert wire.call("/a").status == 404


def test_a_route_that_another_one_hid_answers_when_that_is_gone(server, client):
    server.register("*", "/a", ResponseSpec(200, "below"))
    above = server.register("GET", "/a", ResponseSpec(200, "above"), priority=1)
    hidden = [client.get("/a").text for _ in range(2)]

    server.simulation.exchange([above], [])

    assert hidden + [client.get("/a").text for _ in range(2)] == ["above", "above", "below", "below"]


def test_listeners_hear_of_each_plain_request_also_after_a_reset():
    plugin = Listening()
    with plugins.registered(plugin), MockHttpServer(engine="native") as server:
        for _ in range(2):
            server.get("/a").text("plain")
            for _ in range(3):
                httpx.get(server.url("/a"))
            server.wait_until(lambda: len(plugin.heard) % 3 == 0, timeout_s=20)
            server.reset()

    assert plugin.heard == [("/a", 200, True)] * 6


def test_a_listener_that_comes_later_hears_from_then_on(server, client):
    heard = []
    server.get("/a").text("plain")
    unheard = [client.get("/a").text for _ in range(2)]

    server.simulation.listen([("the test", lambda request: heard.append(request.number))])
    told = [client.get("/a").text for _ in range(3)]
    server.wait_until(lambda: len(heard) == 3, timeout_s=20)

    assert unheard + told == ["plain"] * 5
    assert heard == [3, 4, 5]


def test_the_end_of_a_server_waits_for_a_listener_that_still_hears(client, server):
    """It is slow: it goes on only when the connections are gone, and looks for a while whether the server is."""
    closing, closed = threading.Event(), threading.Event()
    heard = []

    def watch():
        # One that the server has not accepted yet is reset, the others end.
        with contextlib.suppress(ConnectionResetError):
            connection.recv(1)
        closing.set()

    def hear(request):
        closing.wait(20)
        closed.wait(0.3)
        heard.append((request.path, closed.is_set()))

    server.get("/a").text("plain")
    server.simulation.listen([("the test", hear)])
    client.get("/a")
    # The other server keeps the thread that both share: the last one would wait for its end anyway.
    with socket.create_connection((server.host, server.port)) as connection, MockHttpServer(engine="native"):
        watcher = threading.Thread(target=watch)
        watcher.start()

        server.close()

        closed.set()
        watcher.join()
    assert heard == [("/a", False)]


def test_a_listener_may_ask_the_server(server, client):
    counts = []
    route = server.get("/a").text("plain")
    server.simulation.listen([("the test", lambda _: counts.append((len(server.get_requests()), route.call_count)))])

    client.get("/a")
    server.wait_until(lambda: counts, timeout_s=20)

    assert counts == [(1, 1)]


def test_requests_without_a_socket_come_in_their_order(server, client):
    server.get("/socket").text("plain")
    server.get("/process").text("plain")

    with httpx.Client(transport=server.transport(), base_url="https://api.example.com") as inside:
        for _ in range(3):
            client.get("/socket")
            inside.get("/process")

    assert [request.path for request in server.get_requests()] == ["/socket", "/process"] * 3
    assert [request.connection_id for request in server.get_requests()] == [1, -1] * 3
    assert server.connections.opened == 2


@pytest.mark.parametrize("answers", [["one"], ["one", "two", "three", "four"]], ids=["one answer", "a sequence"])
def test_calls_on_the_socket_and_without_are_counted_together(answers, server, client):
    """Whichever side counts: a route with one answer is counted where it is asked."""
    mounted = server.register_sequence("GET", "/", [ResponseSpec(body=text) for text in answers])

    with httpx.Client(base_url=server.url, transport=server.transport()) as inside:
        got = [asked.get("/").text for asked in (client, inside, client, inside)]
        mounted.fail(times=1, status=503)
        failed = inside.get("/").status_code

    assert got == (answers * 4)[:4]
    assert (failed, mounted.call_count, len(mounted.requests), mounted.tally.position) == (503, 5, 5, 4)
