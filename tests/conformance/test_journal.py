"""What the journal holds, how it is bounded and waited for, and what a reset leaves."""

import asyncio
import threading

import pytest
import trio

from api_simulator.errors import JournalOverflowError, WaitTimeoutError
from api_simulator.http import MockHttpServer, ResponseSpec
from tests.conformance.asking import PATIENCE_S, Call, Wire, ask, get, post, send_raw, statuses
from tests.conformance.manifest import requirement
from tests.libraries import either as httpx


def in_thread(function, *arguments):
    """Run *function* on a thread of its own; the result is joined at the end of a ``with`` block."""
    return _Joined(threading.Thread(target=function, args=arguments))


class _Joined:
    def __init__(self, thread):
        self._thread = thread

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


@requirement("journal:record:before-answer")
def test_a_request_is_counted_when_the_first_byte_of_its_answer_is_seen(server):
    """Whatever the answer: the client has one byte of it and asks at once."""
    server.get("/plain").text("x")
    server.get("/chunks").chunks("x", "y", every_ms=60_000)
    server.get("/asked").respond(lambda request: ResponseSpec(body="x"))
    server.get("/paced").pace(body_delay_ms=60_000).text("x")
    server.get("/interim").informational(103).text("x")
    for count, path in enumerate(("/plain", "/chunks", "/asked", "/paced", "/interim", "/none"), start=1):
        with Wire(server) as wire:
            wire.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert wire.socket.recv(1) == b"H"

            assert server.request_count() == len(server.get_requests()) == count
            assert server.request_count("GET", path) == 1


@requirement("journal:record:before-answer")
def test_a_responder_finds_its_request_in_the_journal(server):
    found = []

    def responder(request):
        found.append(server.get_requests() == [request])
        return ResponseSpec()

    server.get("/").respond(responder)
    ask(server, "/")

    assert found == [True]


@requirement("journal:record:order")
def test_requests_of_all_connections_are_in_one_order(server):
    with httpx.Client(base_url=server.url) as one, httpx.Client(base_url=server.url) as other:
        for place in range(6):
            (one if place % 2 else other).get(f"/{place}")

    assert [request.path for request in server.get_requests()] == [f"/{place}" for place in range(6)]
    assert [request.number for request in server.get_requests()] == [1, 2, 3, 4, 5, 6]


@requirement("journal:record:unmatched")
def test_unmatched_requests_are_in_the_journal(server):
    server.get("/a").empty()
    ask(server, "/a", "/b")

    assert [request.path for request in server.get_requests()] == ["/a", "/b"]
    assert [request.path for request in server.unmatched] == ["/b"]


@requirement("journal:filter:method-path")
@pytest.mark.parametrize(
    ("method", "path", "targets"),
    [
        (None, None, ["/a", "/a?x=1", "/a b", "/a?x=2"]),
        ("GET", None, ["/a", "/a b", "/a?x=2"]),
        ("post", None, ["/a?x=1"]),
        ("*", "/a", ["/a", "/a?x=1", "/a?x=2"]),
        ("GET", "/a", ["/a", "/a?x=2"]),
        (None, "/a?x=2", ["/a?x=2"]),
        (None, "/a?", ["/a"]),
        (None, "/a%20b", ["/a b"]),
        (None, "/a b", ["/a b"]),
        ("DELETE", None, []),
        (None, "/nowhere", []),
    ],
)
def test_requests_are_listed_and_counted_by_method_path_and_query(server, method, path, targets):
    ask(server, "/a", post("/a?x=1"), "/a%20b", "/a?x=2")

    found = server.get_requests(method, path)

    assert [request.raw_target.replace("%20", " ") for request in found] == targets
    assert server.request_count(method, path) == len(targets)


@requirement("journal:count:concurrent")
def test_no_request_is_lost_or_counted_twice(server):
    route = server.get("/{client}/{n}").respond(lambda request: ResponseSpec(body=request.path))
    errors: list[tuple[str, str]] = []

    def client(name):
        targets = [f"/{name}/{n}" for n in range(25)]
        answers = [answer.text for answer in ask(server, *targets)]
        errors.extend(pair for pair in zip(targets, answers, strict=True) if pair[0] != pair[1])

    threads = [threading.Thread(target=client, args=(name,)) for name in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert server.request_count() == route.call_count == len(server.get_requests()) == 400
    assert len({request.path for request in server.get_requests()}) == 400
    assert [request.number for request in server.get_requests()] == list(range(1, 401))


@pytest.fixture
def small(engine):
    """A server that keeps three requests, or a hundred bytes of bodies."""
    with MockHttpServer(engine=engine, journal_entries=3, journal_body_bytes=100) as running:
        yield running


@requirement("journal:bound:entries")
def test_the_oldest_are_dropped_and_counts_stay_exact(small):
    route = small.get("/a").empty()
    other = small.post("/b").empty()

    ask(small, "/a", "/a", post("/b"), "/a", post("/b"))

    assert (small.request_count(), small.request_count("GET"), small.request_count("POST", "/b")) == (5, 3, 2)
    assert (route.call_count, other.call_count) == (3, 2)
    assert [request.number for request in small.get_requests("POST")] == [3, 5]


@requirement("journal:overflow:error")
def test_a_question_about_dropped_requests_names_the_option(small):
    route = small.get("/a").empty()
    ask(small, *["/a"] * 5)

    for question in (small.get_requests, lambda: route.requests, lambda: small.get_requests("GET", "/a")):
        with pytest.raises(JournalOverflowError, match=r"2 of 5 requests were dropped .*journal_entries=3"):
            question()
    assert small.get_requests("POST") == []


@requirement("journal:bound:bytes")
def test_the_oldest_bodies_are_dropped(small):
    small.post("/").empty()

    ask(small, post("/", content=b"a" * 60), post("/", content=b"b" * 60))

    assert small.request_count() == 2
    with pytest.raises(JournalOverflowError, match="journal_body_bytes=100"):
        small.get_requests()


@requirement("journal:bound:early-bodies")
def test_a_body_that_comes_after_its_answer_counts_for_the_bound(small):
    """A route that answers early does not unbind the journal, whatever its clients upload."""
    small.any("/").early().text("early")
    with Wire(small) as wire:
        for _ in range(2):
            wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\n\r\n")
            wire.read_until(b"early")
            wire.send(b"a" * 60)
        wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        wire.read_until(b"early")

    assert small.request_count() == 3
    with pytest.raises(JournalOverflowError, match="journal_body_bytes=100"):
        small.get_requests()


@requirement("journal:bound:newest-kept")
def test_the_newest_request_is_kept_however_large(small):
    small.post("/").empty()

    ask(small, post("/", content=b"a" * 10_000))

    assert [len(request.raw_body) for request in small.get_requests()] == [10_000]


@requirement("journal:reset:forgets")
def test_a_reset_forgets(server):
    server.get("/a").sequence(201, 202).expect(7)
    server.get("/never-answered")
    server.simulation.strict = True
    ask(server, "/a", "/b")
    send_raw(server, b"garbage\r\n\r\n")

    server.reset()

    assert (server.request_count(), server.get_requests(), server.unmatched, server.malformed) == (0, [], [], [])
    assert server.routes == []
    server.verify()
    assert statuses(server, "/a") == [404]
    server.expect_unmatched(1)


@requirement("journal:reset:connections")
def test_a_reset_keeps_connections_open(server):
    with httpx.Client(base_url=server.url) as client:
        client.get("/a")
        server.reset()
        client.get("/b")

        assert [(r.connection_id, r.connection_index) for r in server.get_requests()] == [(1, 1)]
        assert (server.connections.opened, server.connections.open) == (0, 1)


@requirement("journal:reset:in-flight")
def test_a_request_under_way_is_answered_and_not_recorded(server):
    """Neither one whose answer is held back, nor one whose body is still to come."""
    gate = server.get("/held").text("held").hold()
    with Wire(server) as held, Wire(server) as uploading:
        held.send(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        gate.wait_for(1)
        uploading.send(b"POST /upload HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        uploading.read_until(b"100 Continue\r\n\r\n")

        server.reset()
        route = server.post("/upload").text("done")
        gate.release()
        uploading.send(b"x")

        assert held.read_until(b"held").startswith(b"HTTP/1.1 200 ")
        assert uploading.read_until(b"done").startswith(b"HTTP/1.1 200 ")
        assert (server.request_count(), server.get_requests()) == (0, [])
        assert ask(server, post("/upload"))[0].text == "done"
        assert [request.number for request in route.requests] == [1]


@requirement("journal:malformed:apart")
def test_what_is_no_http_is_kept_apart(server):
    send_raw(server, b"\x16\x03\x01 this is no HTTP\r\n\r\n")
    ask(server, "/a")

    (malformed,) = server.malformed

    assert malformed.raw.startswith(b"\x16\x03\x01 this is no HTTP")
    assert malformed.error
    assert malformed.connection_id == 1
    assert malformed.received_ns <= server.get_requests()[0].received_ns
    assert [request.path for request in server.get_requests()] == ["/a"]
    assert (server.request_count(), len(server.unmatched)) == (1, 1)


@requirement("journal:wait:arrived")
def test_waiting_ends_with_the_request_waited_for(server):
    server.any("/{path:path}").empty()
    ask(server, "/a")

    with in_thread(ask, server, post("/a"), "/b", "/a"):
        assert len(server.wait_for_requests(4, PATIENCE_S)) == 4
        found = server.wait_for_requests(2, PATIENCE_S, method="GET", path="/a")

    assert [request.path for request in found] == ["/a", "/a"]


@requirement("journal:wait:arrived")
def test_waiting_for_what_is_there_returns_at_once(server):
    ask(server, "/a", "/b")

    assert len(server.wait_for_requests(1, 0)) == 2
    assert server.wait_for_requests(0, 0, path="/none") == []


@requirement("journal:wait:timeout")
def test_waiting_in_vain_says_what_came_instead(server):
    with pytest.raises(TimeoutError, match="waited 0 s for 1 requests, 0 arrived; no request arrived at all"):
        server.wait_for_requests(1, 0)
    ask(server, "/a?x=1")

    with pytest.raises(WaitTimeoutError, match=r"for 2 requests \(POST /b\), 0 arrived; .*\n  #1 GET /a\?x=1"):
        server.wait_for_requests(2, 0.01, method="POST", path="/b")


@requirement("journal:wait:async")
def test_waiting_on_asyncio_blocks_no_other_task(server):
    """The request waited for comes from a task of the same loop."""

    async def call():
        async with httpx.AsyncClient(base_url=server.url) as client:
            await client.get("/a")

    async def main():
        waiting = asyncio.create_task(server.wait_for_requests_async(1, PATIENCE_S))
        await call()
        return await waiting

    assert [request.path for request in asyncio.run(main())] == ["/a"]


@requirement("journal:wait:async")
def test_waiting_on_trio_blocks_no_other_task(server):
    async def call():
        async with httpx.AsyncClient(base_url=server.url) as client:
            await client.get("/a")

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            return await server.wait_for_requests_async(1, PATIENCE_S)

    assert [request.path for request in trio.run(main)] == ["/a"]


@requirement("journal:wait:async")
def test_waiting_asynchronously_in_vain_is_a_timeout(server):
    with pytest.raises(WaitTimeoutError, match=r"waited 0\.01 s for 1 requests"):
        asyncio.run(server.wait_for_requests_async(1, 0.01))


@requirement("journal:wait:condition")
def test_a_condition_is_looked_at_whenever_something_happens(server):
    """After a request, an answer, an abort, malformed input and the end of a connection."""
    server.get("/slow").delay(30).empty()
    with in_thread(ask, server, "/slow"):
        server.wait_until(lambda: server.request_count() == 1, PATIENCE_S)
        server.wait_until(lambda: server.get_requests()[0].answered_ns, PATIENCE_S)
    with in_thread(send_raw, server, b"garbage\r\n\r\n"):
        server.wait_until(lambda: server.malformed, PATIENCE_S)
    server.wait_until(lambda: server.connections.open == 0, PATIENCE_S)

    with pytest.raises(WaitTimeoutError, match=r"waited 0 s for .*<lambda> in vain; 1 requests arrived"):
        server.wait_until(lambda: False, 0)


@requirement("journal:timeline:events")
def test_the_timeline_tells_what_happened_in_order(server):
    server.get("/a").text("hi")
    ask(server, "/a", Call("POST", "/b", {"content": b"xyz"}), get("/a"))
    send_raw(server, b"garbage\r\n\r\n")
    server.wait_until(lambda: all(request.answered_ns for request in server.get_requests()))

    lines = [event.text for event in sorted(server.timeline())]

    assert [line.split(" after ")[0] for line in lines[:6]] == [
        "#1 GET /a  [GET /a]",
        "#1 -> 200",
        "#2 POST /b (3 bytes)  [no route]",
        "#2 -> 404",
        "#3 GET /a  [GET /a]",
        "#3 -> 200",
    ]
    assert lines[6].startswith("malformed input on connection 2: ")
