"""Bodies in pieces as values: what may be one, what is sent, and that it can be sent again."""

import asyncio
import itertools
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_simulator._core.streams import (
    NOT_PULLED,
    ServerSentEvent,
    SharedReader,
    chunks,
    encode_piece,
    file,
    ndjson,
    sse,
    stream,
)
from api_simulator.errors import SpecError
from tests._core.strategies import json_values


def started_by(body) -> Any:
    """Return one more reading; of which kind depends on the source."""
    return body.source()()


def pieces_of(body):
    """Return the pieces of one more reading, whatever kind the source is of."""
    started = started_by(body)
    if isinstance(started, SharedReader):
        return asyncio.run(pulled(started))
    if hasattr(started, "__anext__"):
        return asyncio.run(collected(started))
    return list(started)


async def pulled(reader):
    """Read as an engine does: pull what is not there."""
    pieces: list[Any] = []
    while True:
        try:
            piece = reader.next()
        except StopAsyncIteration:
            return pieces
        if piece is NOT_PULLED:
            await reader.source.pull()
        else:
            pieces.append(piece)


async def collected(pieces):
    return [piece async for piece in pieces]


async def counting(n, error=None):
    for number in range(n):
        yield number
    if error is not None:
        raise error


# Pieces


@pytest.mark.parametrize(
    ("piece", "encoded"),
    [
        (b"\0a", b"\0a"),
        (bytearray(b"a"), b"a"),
        (memoryview(b"a"), b"a"),
        ("ü", b"\xc3\xbc"),
        ({"a": 1}, b'{"a":1}\n'),
        (None, b"null\n"),
        (0, b"0\n"),
    ],
    ids=["bytes", "bytearray", "memoryview", "text", "object", "null", "number"],
)
def test_pieces_are_bytes_text_or_lines_of_json(piece, encoded):
    assert encode_piece(piece) == encoded


def test_chunks_are_encoded_at_once():
    assert chunks("ü", b"b").known_pieces() == (b"\xc3\xbc", b"b")


@pytest.mark.parametrize("empty", [b"", ""])
def test_an_empty_chunk_is_refused_because_it_would_end_the_body(empty):
    with pytest.raises(SpecError, match="a chunk must not be empty"):
        chunks("a", empty)


@given(st.lists(json_values, max_size=5))
def test_ndjson_has_a_line_for_each_value(values):
    body = ndjson(iter(values))

    lines = body.known_pieces()
    assert len(lines) == len(values)
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)


@pytest.mark.parametrize("make", [chunks, ndjson, sse, stream], ids=lambda make: make.__name__)
def test_a_pause_is_a_delay(make):
    arguments = [["a"]] if make in (ndjson, stream) else ["a"]

    with pytest.raises(SpecError, match=r"^every_ms: expected"):
        make(*arguments, every_ms=-1)


# Sources


@pytest.mark.parametrize(
    "source",
    [
        lambda: [0, 1, 2],
        lambda: (n for n in range(3)),
        lambda: lambda: (n for n in range(3)),
        lambda: counting(3),
        lambda: lambda: counting(3),
        lambda: type("Endless", (), {"__aiter__": lambda _: counting(3)})(),
        lambda: type("Sequence", (), {"__iter__": lambda _: iter(range(3))})(),
        lambda: map(int, "012"),
    ],
    ids=["list", "generator", "function", "async generator", "async function", "async iterable", "iterable", "map"],
)
def test_every_reading_gets_every_piece(source):
    body = stream(source())

    assert [pieces_of(body) for _ in range(3)] == [[0, 1, 2]] * 3


def test_nothing_is_taken_from_a_source_before_it_is_read():
    taken = itertools.count()

    stream(next(taken) for _ in range(3))

    assert next(taken) == 0


@pytest.mark.parametrize("body", ["text", b"bytes", {"a": 1}, 7, None, object()], ids=lambda body: type(body).__name__)
def test_what_gives_no_pieces_is_refused(body):
    with pytest.raises(SpecError, match=r"^stream: expected an iterable"):
        stream(body)


def test_a_function_that_needs_arguments_is_refused():
    with pytest.raises(SpecError, match="must take no argument"):
        stream(lambda request: [request])


def test_a_callable_without_a_signature_is_taken():
    assert pieces_of(stream(list)) == []


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt("x")], ids=repr)
def test_a_failure_is_repeated_for_every_reader(error):
    """A generator that has raised is at its end: its next reader must not take that for the end of the body."""

    def failing():
        yield "first"
        raise error

    body = stream(failing())

    for _ in range(3):
        pieces = started_by(body)
        assert next(pieces) == "first"
        with pytest.raises(type(error)):
            next(pieces)


@pytest.mark.parametrize(("error", "raised"), [(ValueError("x"), ValueError), (SystemExit("x"), RuntimeError)])
def test_a_failure_of_an_async_source_is_repeated_too(error, raised):
    """One that would end the loop is turned into one that does not."""
    body = stream(counting(1, error))

    for _ in range(3):
        with pytest.raises(raised, match="x"):
            asyncio.run(pulled(started_by(body)))


def test_a_cancelled_pull_ends_the_source_for_good():
    async def waiting():
        yield "first"
        await asyncio.sleep(3600)

    async def cancelled(reader):
        await reader.source.pull()
        pull = asyncio.ensure_future(reader.source.pull())
        await asyncio.sleep(0)
        pull.cancel()
        await asyncio.wait([pull])

    body = stream(waiting())
    asyncio.run(cancelled(started_by(body)))

    reader = started_by(body)
    assert reader.next() == "first"
    with pytest.raises(RuntimeError, match="ended by CancelledError"):
        reader.next()


def test_threads_that_read_one_iterator_each_get_all_of_it():
    body = stream(number for number in range(2_000))
    results = []
    threads = [threading.Thread(target=lambda: results.append(pieces_of(body))) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert results == [list(range(2_000))] * 8


def test_a_reader_need_not_wait_for_what_is_there():
    """One that waits for the next piece holds nobody up who has not yet read the last."""
    arrived, opened = threading.Event(), threading.Event()

    def slow():
        yield "first"
        arrived.set()
        assert opened.wait(30)
        yield "second"

    body = stream(slow())
    waiting = threading.Thread(target=lambda: pieces_of(body))
    waiting.start()
    assert arrived.wait(30)

    later = started_by(body)
    first = next(later)
    opened.set()

    assert (first, next(later)) == ("first", "second")
    waiting.join()


# Files


def test_a_file_has_the_length_it_has_now(tmp_path):
    path = tmp_path / "body"
    path.write_bytes(b"abc")
    body = file(str(path))

    path.write_bytes(b"x" * 600_000)

    assert body.length() == 600_000
    assert b"".join(pieces_of(body)) == b"x" * 600_000
    assert len(pieces_of(body)) > 1


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SpecError, match=r"^file: .*missing' is no file; give the path"):
        file(tmp_path / "missing")
    with pytest.raises(SpecError, match=r"is no file"):
        file(tmp_path)


# Server-sent events


@pytest.mark.parametrize(
    ("event", "encoded"),
    [
        (ServerSentEvent("a"), b"data: a\n\n"),
        (ServerSentEvent(""), b"data: \n\n"),
        (ServerSentEvent("a\nb\r\nc\rd"), b"data: a\ndata: b\ndata: c\ndata: d\n\n"),
        (ServerSentEvent("a\x0bb\u2028c"), "data: a\x0bb\u2028c\n\n".encode()),
        (ServerSentEvent("x", "type", "7", 0), b"event: type\nid: 7\nretry: 0\ndata: x\n\n"),
        (ServerSentEvent(id=""), b"id: \n\n"),
        (ServerSentEvent(comment="a\nb"), b": a\n: b\n\n"),
        (ServerSentEvent(comment=""), b": \n\n"),
    ],
    ids=repr,
)
def test_events_are_these_bytes(event, encoded):
    assert event.encode() == encoded


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"event": "a\nb"}, "sse: event is text without line ends, got 'a\\nb'"),
        ({"id": "a\rb"}, "sse: id is text without line ends"),
        ({"id": "a\0b"}, "sse: id is text without line ends"),
        ({"id": 7}, "sse: id is text without line ends, got 7"),
        ({"data": 7}, "sse: data is text, got 7"),
        ({"data": {"a": 1}}, "a dict in place of the event takes JSON as data"),
        ({"data": "\ud800"}, "sse: the text cannot be encoded as UTF-8"),
        ({"comment": b"x"}, "sse: comment is text, got b'x'"),
        ({"retry_ms": -1}, "sse: retry_ms is whole milliseconds, 0 or more; got -1"),
        ({"retry_ms": 0.5}, "sse: retry_ms is whole milliseconds, 0 or more; got 0.5"),
    ],
    ids=repr,
)
def test_events_that_cannot_be_sent_are_refused(fields, complaint):
    with pytest.raises(SpecError) as raised:
        ServerSentEvent(**fields)

    assert complaint in str(raised.value)


def test_events_are_written_as_text_dicts_or_events():
    body = sse("a", {"data": [1], "id": "x"}, {"data": "text"}, ServerSentEvent("b"))

    assert b"".join(body.known_pieces()) == b"data: a\n\nid: x\ndata: [1]\n\ndata: text\n\ndata: b\n\n"


@pytest.mark.parametrize(
    ("event", "complaint"),
    [
        ({"Data": "a"}, "sse: event 1 has no field 'Data'; it has data, event, id, retry_ms, comment"),
        (7, "sse: event 1 is text, a dict or a ServerSentEvent; got 7"),
        ({"data": object()}, "body cannot be JSON"),
    ],
    ids=["field", "number", "data"],
)
def test_other_events_are_refused_by_their_place(event, complaint):
    with pytest.raises(SpecError) as raised:
        sse("fine", event)

    assert complaint in str(raised.value)


@pytest.mark.parametrize("cut_after", [-1, 1.5, True, "2"])
def test_a_cut_is_a_number_of_events(cut_after):
    with pytest.raises(SpecError, match=r"^sse: cut_after is a whole number of events"):
        sse("a", cut_after=cut_after)


@pytest.mark.parametrize(("last_event_id", "index"), [(None, 0), ("a", 1), ("c", 3)])
def test_a_stream_is_resumed_after_the_event_named(last_event_id, index):
    body = sse({"data": "1", "id": "a"}, "2", {"data": "3", "id": "c"}, "4")

    assert body.start_for(last_event_id) == index


def test_an_unknown_id_has_no_place():
    with pytest.raises(KeyError):
        sse("a").start_for("x")


def test_a_stream_that_does_not_resume_begins_anew():
    assert sse("a", resume=False).start_for("x") == 0
