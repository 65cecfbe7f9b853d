"""Bodies in pieces: chunks, iterators of every kind, files, NDJSON, server-sent events, trailers."""

import asyncio
import itertools
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from api_simulator.http import ResponseSpec, ServerSentEvent, chunks, file, sse, stream
from tests.conformance.manifest import requirement
from tests.conformance.raw import PATIENCE_S, Wire, call, taken_problems


class Valve:
    """Lets an iterator on the server wait for the test: a thread, or a task on a loop that is not ours."""

    def __init__(self):
        self._opened = threading.Event()

    def open(self):
        self._opened.set()

    def wait(self):
        assert self._opened.wait(PATIENCE_S)

    async def wait_async(self):
        while not self._opened.is_set():  # noqa: ASYNC110  # what is waited for happens on another thread
            await asyncio.sleep(0.001)

    def between(self, before, after, *, is_async):
        """Return an iterator with the pieces *before*, and with those *after* once this is open."""

        def plain():
            yield from before
            self.wait()
            yield from after

        async def later():
            for piece in before:
                yield piece
            await self.wait_async()
            for piece in after:
                yield piece

        return later() if is_async else plain()


# Chunks


@requirement("answer:chunks:boundaries")
def test_chunks_keep_their_boundaries(server):
    server.get("/").chunks(b"a", "bü", b"\r\n0\r\n\r\n", content_type="text/x-pieces")

    with Wire(server) as wire:
        first, second = wire.call(), wire.call()

    assert first.chunks == second.chunks == [b"a", "bü".encode(), b"\r\n0\r\n\r\n"]
    assert first.fields == [("Content-Type", "text/x-pieces"), ("Transfer-Encoding", "chunked")]


@requirement("answer:chunks:http-10")
@pytest.mark.parametrize("fields", [[], ["Connection: keep-alive"]], ids=["close", "keep-alive"])
def test_an_http_10_client_gets_pieces_up_to_the_end_of_the_connection(server, fields):
    server.get("/").chunks(b"a", b"b")

    with Wire(server) as wire:
        reply = wire.call("/", "GET", *fields, version="1.0")

    assert (reply.body, reply.get("connection"), reply.get("transfer-encoding")) == (b"ab", "close", None)


@requirement("answer:chunks:head")
def test_head_of_a_body_in_pieces_has_its_fields(server):
    server.get("/").chunks(b"a")

    with Wire(server) as wire:
        head, get = wire.call(method="HEAD"), wire.call()

    assert head.fields == get.fields


# Trailers


@requirement("answer:trailers:sent")
@pytest.mark.parametrize("kind", ["whole", "empty", "chunks", "iterator", "file"])
def test_trailers_follow_the_body(server, kind, tmp_path):
    path = tmp_path / "body"
    path.write_bytes(b"abc")
    bodies = {"whole": "abc", "empty": None, "chunks": chunks("a", "bc"), "iterator": stream(["a", "bc"])}
    body = bodies[kind] if kind in bodies else file(path)
    server.register("GET", "/", ResponseSpec(body=body, trailers=[("Grpc-Status", "0"), ("X-é", "é")][:1]))

    with Wire(server) as wire:
        replies = [wire.call(), wire.call()]

    assert [reply.body for reply in replies] == [b"" if kind == "empty" else b"abc"] * 2
    assert [reply.trailers for reply in replies] == [[("Grpc-Status", "0")]] * 2
    assert replies[0].get("content-length") is None


@requirement("answer:trailers:http-10")
def test_an_http_10_client_gets_no_trailers(server):
    server.get("/").trailers({"Grpc-Status": "0"}).text("abc")

    reply = call(server, version="1.0")

    assert (reply.body, reply.get("content-length")) == (b"abc", "3")


# Iterators


def generator():
    yield b"bytes "
    yield "text "
    yield {"json": 1}


async def async_generator():
    for piece in generator():
        await asyncio.sleep(0)
        yield piece


class Reiterable:
    def __aiter__(self):
        return async_generator()


SOURCES = {
    "list": lambda: list(generator()),
    "generator": generator,
    "generator function": lambda: generator,
    "async generator": async_generator,
    "async generator function": lambda: async_generator,
    "async iterable": Reiterable,
    "with empty pieces": lambda: [b"", *generator(), ""],
}


@requirement("answer:stream:sources", "answer:stream:repeatable")
@pytest.mark.parametrize("kind", SOURCES)
def test_pieces_of_every_kind_of_source_are_sent_to_every_request(server, kind):
    server.get("/").stream(SOURCES[kind]())

    with Wire(server) as wire:
        replies = [wire.call() for _ in range(3)]

    assert [reply.body for reply in replies] == [b'bytes text {"json":1}\n'] * 3
    assert replies[0].chunks == [b"bytes ", b"text ", b'{"json":1}\n']


@requirement("answer:stream:repeatable")
def test_one_source_on_two_routes_is_read_by_both(server):
    spec = ResponseSpec(body=stream(piece for piece in ("a", "b")))
    server.register("GET", "/1", spec)
    server.register("GET", "/2", spec)

    assert [call(server, path).body for path in ("/1", "/2", "/1")] == [b"ab"] * 3


@requirement("answer:stream:piece-by-piece")
@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
def test_a_piece_leaves_before_the_next_is_there(server, is_async):
    valve = Valve()
    server.get("/").stream(valve.between((b"first",), (b"second",), is_async=is_async))

    with Wire(server) as wire:
        wire.ask()
        before = wire.read_until(b"5\r\nfirst\r\n")
        valve.open()
        after = wire.read_until(b"0\r\n\r\n")

    assert before.startswith(b"HTTP/1.1 200 OK\r\n")
    assert after == b"6\r\nsecond\r\n0\r\n\r\n"


@requirement("answer:stream:concurrent")
@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
def test_readers_of_one_iterator_do_not_take_pieces_from_each_other(server, is_async):
    """Those who come later get what is there at once, and the rest together with the first."""
    valve = Valve()
    server.get("/").stream(valve.between((b"first",), (b"second", b"third"), is_async=is_async))
    wires = [Wire(server) for _ in range(4)]
    for wire in wires:
        wire.ask()
        wire.read_until(b"5\r\nfirst\r\n")

    valve.open()

    assert [wire.read_until(b"0\r\n\r\n") for wire in wires] == [b"6\r\nsecond\r\n5\r\nthird\r\n0\r\n\r\n"] * 4
    for wire in wires:
        wire.close()


@requirement("answer:stream:client-leaves")
@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
def test_a_client_that_leaves_does_not_end_the_iterator_for_others(server, is_async):
    valve = Valve()
    server.get("/").stream(valve.between((b"first",), (b"second",), is_async=is_async))
    with Wire(server) as leaving:
        leaving.ask()
        leaving.read_until(b"first\r\n")
    server.wait_until(lambda: server.get_requests()[0].aborted)
    valve.open()

    assert call(server).body == b"firstsecond"
    assert taken_problems(server) == []


@requirement("answer:stream:stalls-nobody")
@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
def test_an_iterator_that_blocks_holds_nobody_else_up(server, is_async):
    valve = Valve()
    server.get("/slow").stream(valve.between((), (b"late",), is_async=is_async))
    server.get("/quick").text("quick")

    with Wire(server) as slow:
        slow.ask("/slow")
        slow.read_until(b"\r\n\r\n")
        assert call(server, "/quick").body == b"quick"
        assert slow.is_silent()
        valve.open()
        assert slow.read_until(b"0\r\n\r\n") == b"4\r\nlate\r\n0\r\n\r\n"


@requirement("answer:stream:fails")
@pytest.mark.parametrize("error", [ValueError("broken"), ConnectionResetError("broken"), SystemExit("broken")])
@pytest.mark.parametrize("is_async", [False, True], ids=["plain", "async"])
def test_an_iterator_that_raises_cuts_the_connection_and_fails_the_test(server, is_async, error):
    """So does its second reader: a body that looks whole would be the worst of all answers."""

    def plain():
        yield b"first"
        raise error

    async def later():
        yield b"first"
        raise error

    server.get("/").stream(later() if is_async else plain())

    for _ in range(2):
        with Wire(server) as wire:
            wire.ask()
            received = wire.rest_until_reset()

        ((kind, text),) = taken_problems(server)
        assert not received.endswith(b"0\r\n\r\n")
        assert kind == "stream"
        assert text.startswith("GET /: the body's iterator raised ")
        assert type(error).__name__ in text
        assert "broken" in text


@requirement("answer:stream:fails")
@pytest.mark.parametrize(
    ("source", "named"),
    [(lambda: None, "TypeError"), (lambda: [object()], "SpecError"), (lambda: 1 / 0, "ZeroDivisionError")],
    ids=["no iterable", "no piece", "raises"],
)
def test_a_source_that_is_none_cuts_the_connection_and_fails_the_test(server, source, named):
    server.get("/").stream(source)

    with Wire(server) as wire:
        wire.ask()
        wire.rest_until_reset()

    ((kind, text),) = taken_problems(server)
    assert (kind, named in text) == ("stream", True)


@requirement("answer:stream:endless")
def test_an_endless_iterator_ends_with_its_client(server):
    taken = itertools.count()
    server.get("/").stream(lambda: (b"x" * 10_000 for _ in taken))

    with Wire(server) as wire:
        wire.ask()
        wire.read(1_000_000)
    server.wait_until(lambda: server.get_requests()[0].aborted)

    assert next(taken) >= 100


# Files


@requirement("answer:file:whole")
def test_a_file_is_sent_with_its_length(server, tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(range(256)) * 5_000)
    server.get("/").file(path, content_type="application/x-large")

    with Wire(server) as wire:
        replies = [wire.call(method="HEAD"), wire.call(), wire.call()]

    assert [reply.get("content-length") for reply in replies] == ["1280000"] * 3
    assert [reply.body for reply in replies] == [b"", path.read_bytes(), path.read_bytes()]
    assert replies[0].fields == replies[1].fields


@requirement("answer:file:read-when-sent")
def test_a_file_is_read_when_it_is_sent(server, tmp_path):
    path = tmp_path / "page"
    path.write_text("before")
    server.get("/").file(path)
    path.write_text("and after")

    assert call(server).body == b"and after"
    path.write_text("")
    assert call(server).fields[-1] == ("Content-Length", "0")


@requirement("answer:file:gone")
def test_a_file_that_is_gone_cuts_the_connection_and_fails_the_test(server, tmp_path):
    path = tmp_path / "page"
    path.write_text("soon gone")
    server.get("/").file(path)
    path.unlink()

    with Wire(server) as wire:
        wire.ask()
        wire.rest_until_reset()

    ((kind, text),) = taken_problems(server)
    assert (kind, "FileNotFoundError" in text) == ("stream", True)
    assert server.request_count() == 1


# NDJSON


@requirement("answer:ndjson:lines")
def test_each_value_is_a_line_and_a_chunk(server):
    server.get("/").ndjson({"a": "ü\n"}, [1], None, "text")

    reply = call(server)

    assert reply.chunks == ['{"a":"ü\\n"}\n'.encode(), b"[1]\n", b"null\n", b'"text"\n']
    assert [json.loads(line) for line in reply.body.splitlines()] == [{"a": "ü\n"}, [1], None, "text"]
    assert reply.get("content-type") == "application/x-ndjson"


# Server-sent events


def parsed(body):
    """Return events as a browser would dispatch them: (type, data, last id) (WHATWG HTML, section 9.2.6)."""
    events: list[tuple[str, str, str]] = []
    data: list[str] = []
    kind, last_id = "message", ""
    for line in body.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line == "":
            if data:
                events.append((kind, "\n".join(data), last_id))
            data, kind = [], "message"
        elif name == "data":
            data.append(value)
        elif name == "event":
            kind = value
        elif name == "id":
            last_id = value
    return events


@requirement("answer:sse:fields")
def test_events_have_their_fields(server):
    server.get("/").sse(
        "plain", {"data": {"a": 1}, "event": "delta", "id": "1", "retry_ms": 500}, ServerSentEvent(data="x", id="2")
    )

    reply = call(server)

    assert reply.chunks == [
        b"data: plain\n\n",
        b'event: delta\nid: 1\nretry: 500\ndata: {"a":1}\n\n',
        b"id: 2\ndata: x\n\n",
    ]
    assert reply.get("content-type") == "text/event-stream"
    assert parsed(reply.body) == [("message", "plain", ""), ("delta", '{"a":1}', "1"), ("message", "x", "2")]


@requirement("answer:sse:lines")
@pytest.mark.parametrize("data", ["", "a\nb", "a\n", "\n", " leading", "a\u2028b", "data: x", ":c", "ü 🐍"], ids=repr)
def test_data_arrives_as_given_whatever_lines_it_has(server, data):
    server.get("/").sse(data)

    assert parsed(call(server).body) == [("message", data, "")]


@requirement("answer:sse:lines")
@pytest.mark.parametrize("data", ["a\rb", "a\r\nb"], ids=repr)
def test_every_line_end_of_the_format_is_a_line_end(server, data):
    server.get("/").sse(data)

    assert parsed(call(server).body) == [("message", "a\nb", "")]


@requirement("answer:sse:comments")
def test_comments_are_lines_of_their_own_and_no_events(server):
    server.get("/").sse({"comment": "awake\nstill"}, {"comment": ""}, {"comment": "c", "data": "d"})

    reply = call(server)

    assert reply.chunks == [b": awake\n: still\n\n", b": \n\n", b": c\ndata: d\n\n"]
    assert parsed(reply.body) == [("message", "d", "")]


@requirement("answer:sse:cut")
@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_stream_is_cut_inside_its_body(server, count):
    server.get("/").sse("a", "b", "c", cut_after=count)

    with Wire(server) as wire:
        wire.ask()
        received = wire.rest()

    assert received.count(b"data: ") == count
    assert not received.endswith(b"0\r\n\r\n")


@requirement("answer:sse:cut")
def test_a_stream_shorter_than_its_cut_ends_well(server):
    server.get("/").sse("a", "b", cut_after=2)

    with Wire(server) as wire:
        assert [wire.call().chunks for _ in range(2)] == [[b"data: a\n\n", b"data: b\n\n"]] * 2


def events(*names):
    return [{"data": name, "id": name} for name in names]


@requirement("answer:sse:resumes")
def test_a_client_that_comes_back_gets_the_rest(server):
    server.get("/").sse(*events("1", "2", "3", "4", "5"), cut_after=2)
    received = []

    for fields in ([], ["Last-Event-ID: 2"], ["Last-Event-ID: 4"]):
        with Wire(server) as wire:
            wire.ask("/", "GET", *fields, "Connection: close")
            received.append([line for line in wire.rest().split(b"\n") if line.startswith(b"data: ")])

    assert received == [[b"data: 1", b"data: 2"], [b"data: 3", b"data: 4"], [b"data: 5"]]
    assert taken_problems(server) == []


@requirement("answer:sse:resumes")
def test_a_client_that_has_all_gets_an_empty_rest(server):
    server.get("/").sse(*events("1", "2"))

    reply = call(server, "/", "GET", "Last-Event-ID: 2")

    assert (reply.status, reply.body) == (200, b"")


@requirement("answer:sse:resumes")
def test_a_client_that_forgets_its_place_starts_over(server):
    server.get("/").sse(*events("1", "2"), cut_after=1)
    with Wire(server) as wire:
        wire.ask()
        wire.rest()

    with Wire(server) as wire:
        wire.ask()

        assert b"data: 1\n" in wire.rest()
    assert taken_problems(server) == []


@requirement("answer:sse:wrong-id")
def test_an_id_that_was_never_sent_is_refused_and_fails_the_test(server):
    server.get("/").sse(*events("1", "2"))

    reply = call(server, "/", "GET", "Last-Event-ID: 7")

    assert reply.status == 400
    assert "Last-Event-ID is '7', but no event has that id" in json.loads(reply.body)["error"]["message"]
    assert [kind for kind, _ in taken_problems(server)] == ["resume"]


@requirement("answer:sse:wrong-id")
def test_an_id_other_than_the_last_one_sent_is_refused_and_fails_the_test(server):
    """A client that resumes too early would show events twice, one that resumes too late would lose some."""
    server.get("/").sse(*events("1", "2", "3", "4"), cut_after=2)
    with Wire(server) as wire:
        wire.ask()
        wire.rest()

    reply = call(server, "/", "GET", "Last-Event-ID: 1")

    assert reply.status == 400
    assert [kind for kind, _ in taken_problems(server)] == ["resume"]


@requirement("answer:sse:many-clients")
def test_clients_of_one_stream_resume_each_at_its_own_place(server):
    server.get("/").sse(*events("1", "2", "3", "4", "5", "6"), cut_after=2)
    received = []

    for fields in ([], [], ["Last-Event-ID: 2"], ["Last-Event-ID: 2"], ["Last-Event-ID: 4"], ["Last-Event-ID: 4"]):
        with Wire(server) as wire:
            wire.ask("/", "GET", *fields, "Connection: close")
            received.append([line[6:] for line in wire.rest().split(b"\n") if line.startswith(b"data: ")])

    assert received == [[b"1", b"2"]] * 2 + [[b"3", b"4"]] * 2 + [[b"5", b"6"]] * 2
    assert taken_problems(server) == []


@requirement("answer:sse:many-clients")
def test_a_client_that_left_before_the_cut_resumes_where_it_left(server):
    server.get("/").sse(*events("1", "2", "3", "4"), every_ms=60_000, cut_after=3)
    with Wire(server) as leaving:
        leaving.ask()
        leaving.read_until(b"data: 1\n\n")
    server.wait_until(lambda: server.get_requests()[0].aborted)

    with Wire(server) as wire:
        wire.ask("/", "GET", "Last-Event-ID: 1")
        assert wire.head().status == 200
        wire.read_until(b"data: 2\n\n")
    assert taken_problems(server) == []


@requirement("answer:sse:no-resume")
def test_a_stream_that_does_not_resume_starts_over(server):
    server.get("/").sse(*events("1", "2"), resume=False)

    assert call(server, "/", "GET", "Last-Event-ID: 7").body.count(b"data: ") == 2
    assert taken_problems(server) == []


@requirement("answer:sse:many-clients")
def test_many_clients_may_read_one_stream(server):
    server.register("GET", "/", ResponseSpec(body=sse(*events(*map(str, range(50))))))

    with ThreadPoolExecutor(8) as pool:
        bodies = {reply.body for reply in pool.map(lambda _: call(server), range(16))}

    assert len(bodies) == 1
