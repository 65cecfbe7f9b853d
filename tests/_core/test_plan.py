"""Planned answers: whatever is asked for, what comes out is well framed, complete, and never early."""

import gzip
import itertools
import math
from random import Random
from typing import Any

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_simulator._core.actions import Close, HalfClose, Hang, Pull, Reset, SendBytes, Wait
from api_simulator._core.delays import Uniform
from api_simulator._core.faults import Fault, Stalled, Truncated, WrongLength
from api_simulator._core.plan import SLICE_MS, plan
from api_simulator._core.specs import Pace, ResponseSpec
from api_simulator._core.streams import chunks, ndjson, sse, stream
from tests._core.captured import captured

GET = captured()


def planned(spec, request=GET, **options):
    return plan(spec, request, Random(0), **options)


def played(actions):
    """Return what a client gets: each piece of bytes with the milliseconds waited before it, in all."""
    now_ms, sent = 0, []
    for action in actions:
        if isinstance(action, Wait):
            now_ms += action.milliseconds
        elif isinstance(action, SendBytes):
            sent.append((now_ms, action.data))
        elif isinstance(action, Pull):
            pieces: Any = action.start()
            for index, piece in enumerate(pieces):
                now_ms += action.pauses() if index else 0
                sent.append((now_ms, action.frame(piece)))
    return sent


def all_bytes(actions):
    return b"".join(data for _, data in played(actions))


# Well framed, by the judgment of h11

tokens = st.sampled_from(["X-A", "x-b", "ETag", "Set-Cookie"])
values = st.text("abc é;=,", max_size=6).map(str.strip)
fields = st.lists(st.tuples(tokens, values), max_size=3)
texts = st.text(max_size=50)
whole_bodies = st.one_of(st.none(), texts, st.binary(max_size=200), st.lists(st.integers(), max_size=5))
bodies_in_pieces = st.one_of(
    st.lists(st.binary(min_size=1, max_size=9), max_size=4).map(lambda pieces: chunks(*pieces)),
    st.lists(st.one_of(st.binary(max_size=9), texts, st.integers()), max_size=4).map(stream),
    st.lists(texts, max_size=4).map(lambda data: sse(*data)),
    st.lists(st.integers(), max_size=4).map(ndjson),
)
paces = st.one_of(
    st.none(),
    st.builds(Pace, st.integers(0, 9), st.integers(0, 9)),
    st.builds(lambda rate: Pace(bytes_per_s=rate), st.integers(1, 10**6)),
    st.builds(lambda *dribble: Pace(dribble=dribble), st.integers(1, 9), st.integers(0, 99)),
)
interims = st.lists(st.tuples(st.sampled_from([100, 102, 103, 199]), fields), max_size=2)


@st.composite
def specs(draw):
    common = {"headers": draw(fields), "delay_ms": draw(st.integers(0, 9)), "informational": draw(interims)}
    kind = draw(st.sampled_from(["whole", "pieces", "nothing"]))
    if kind == "nothing":
        return ResponseSpec(draw(st.sampled_from([204, 304])), None, **common, gzip=draw(st.booleans()))
    if kind == "pieces":
        pace = draw(st.none() | st.builds(Pace, st.integers(0, 9), st.integers(0, 9)))
        return ResponseSpec(201, draw(bodies_in_pieces), **common, trailers=draw(fields), pace=pace)
    options = {"trailers": draw(fields), "gzip": draw(st.booleans()), "pace": draw(paces)}
    return ResponseSpec(draw(st.sampled_from([200, 404, 599])), draw(whole_bodies), **common, **options)


requests = st.builds(
    lambda method, version_and_kept, coding: captured(
        method,
        headers=[("Accept-Encoding", coding)],
        http_version=version_and_kept[0],
        keep_alive=version_and_kept[1],
    ),
    st.sampled_from(["GET", "HEAD", "POST"]),
    st.sampled_from([("1.1", True), ("1.1", False), ("1.0", True), ("1.0", False)]),
    st.sampled_from(["", "gzip"]),
)


def read_by_h11(request, data, *, ended):
    """Return the interim statuses, the final response, body and trailers that a strict client reads; all of *data*."""
    client = h11.Connection(h11.CLIENT)
    close = [("Connection", "close")] if not request.keep_alive else []
    client.send(h11.Request(method=request.method, target="/", headers=[("Host", "test"), *close]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    if ended:
        client.receive_data(b"")
    interim, final, body = [], None, b""
    while True:
        event = client.next_event()
        assert event is not h11.NEED_DATA, "the answer does not come to its end"
        if isinstance(event, h11.InformationalResponse):
            interim.append(event.status_code)
        elif isinstance(event, h11.Response):
            final = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            break
    assert client.trailing_data[0] == b""
    return interim, final, body, event.headers.raw_items(), client.their_state


def expected_body(spec):
    if spec.stream is None:
        return spec.content
    known = spec.stream.known_pieces()
    if known is not None:
        return b"".join(known)
    return b"".join(
        piece if isinstance(piece, bytes) else f"{piece}\n".encode() if isinstance(piece, int) else piece.encode()
        for piece in spec.stream.source()()
    )


@given(specs(), requests)
def test_every_answer_is_well_framed_and_complete(spec, request):
    actions = planned(spec, request)

    interim, final, body, trailers, state = read_by_h11(
        request, all_bytes(actions), ended=isinstance(actions[-1], Close)
    )

    is_old, is_head = request.http_version == "1.0", request.method == "HEAD"
    sent = gzip.decompress(body) if (b"content-encoding", b"gzip") in final.headers and body else body
    assert interim == ([] if is_old else [status for status, _ in spec.informational])
    assert final.status_code == spec.status
    assert sent == (b"" if is_head else expected_body(spec))
    assert len(trailers) == (0 if is_old or is_head else len(spec.trailers))
    assert (state is h11.MUST_CLOSE or state is h11.CLOSED) == isinstance(actions[-1], Close)


@given(specs(), requests)
def test_every_answer_begins_with_its_delay_and_sends_in_few_pieces(spec, request):
    """Neighbouring sends are joined: an answer without pauses is one write."""
    actions = planned(spec, request)

    assert (actions[0] == Wait(spec.delay_ms)) == (spec.delay_ms > 0)
    assert not any(
        isinstance(first, SendBytes) and isinstance(second, SendBytes) for first, second in itertools.pairwise(actions)
    )


@given(specs())
def test_head_has_the_fields_of_get(spec):
    get, head = (all_bytes(planned(spec, captured(method))) for method in ("GET", "HEAD"))

    assert get.startswith(head)
    assert head.endswith(b"\r\n\r\n")


# Paces


@given(st.integers(1, 10**7), st.integers(1, 5_000))
def test_a_throttled_body_is_never_ahead_of_its_rate(bytes_per_s, length):
    actions = planned(ResponseSpec(body=b"x" * length, pace=Pace(bytes_per_s=bytes_per_s)))

    slice_bytes = max(1, bytes_per_s * SLICE_MS // 1000)
    sent = 0
    for now_ms, data in played(actions):
        sent += len(data.partition(b"\r\n\r\n")[2] or data)
        assert sent - slice_bytes <= now_ms * bytes_per_s / 1000
    assert sent == length


@given(st.integers(1, 50), st.integers(0, 10_000), st.integers(0, 200))
def test_a_body_dribbles_in_as_many_pieces_over_as_long_as_asked(pieces, over_ms, length):
    spec = ResponseSpec(body=b"x" * length, pace=Pace(dribble=(pieces, over_ms)), trailers={"T": "1"})

    sent = played(planned(spec))

    count = min(pieces, length)
    body = b"".join(data for _, data in sent).partition(b"\r\n\r\n")[2]
    sizes = [int(line, 16) for line in body.replace(b"x", b"").split(b"\r\n")[: 2 * count : 2]]
    assert (len(sizes), sum(sizes)) == (count, length)
    assert max(sizes, default=0) - min(sizes, default=0) <= 1
    assert sent[-1][0] == (over_ms if count > 1 else 0)


@given(st.integers(2, 50), st.integers(0, 10_000))
def test_no_piece_of_a_dribble_is_early(pieces, over_ms):
    sent = played(planned(ResponseSpec(body=b"x" * 100, pace=Pace(dribble=(pieces, over_ms)))))

    count = 0
    for now_ms, data in sent:
        ends = [100 * number // pieces for number in range(pieces)]
        # The piece that begins here is due at its share of the time.
        assert now_ms >= math.floor(over_ms * ends.index(count) / (pieces - 1))
        count += len(data.partition(b"\r\n\r\n")[2] or data)
    assert count == 100


def test_pauses_are_where_they_were_asked_for():
    pace = Pace(body_delay_ms=20, trailers_delay_ms=40, head_delay_ms=80)
    spec = ResponseSpec(body="abc", delay_ms=10, pace=pace, trailers={"T": "1"}, informational=[(102, {"H": "y"})])

    marks = [(now_ms, data[-5:]) for now_ms, data in played(planned(spec))]

    assert marks == [(10, b"y\r\n\r\n"), (90, b"d\r\n\r\n"), (110, b"abc\r\n"), (150, b"1\r\n\r\n")]


def test_events_are_apart_by_their_pause():
    marks = [now_ms for now_ms, _ in played(planned(ResponseSpec(body=sse("a", "b", "c", every_ms=7))))]

    # The first leaves with the head, the end with the last.
    assert marks == [0, 7, 14]


def test_drawn_pauses_are_drawn_for_each_piece():
    body = stream(["a"] * 20, every_ms=Uniform(0, 1000))

    marks = [now_ms for now_ms, _ in played(planned(ResponseSpec(body=body)))]

    assert len({second - first for first, second in itertools.pairwise(marks)}) > 10


# Events


@pytest.mark.parametrize(
    ("cut_after", "first", "sent", "is_cut"),
    [
        (None, 0, [0, 1, 2, 3], False),
        (2, 0, [0, 1], True),
        (2, 2, [2, 3], False),
        (2, 3, [3], False),
        (0, 1, [], True),
        (None, 4, [], False),
    ],
)
def test_a_stream_begins_where_it_is_resumed_and_ends_where_it_is_cut(cut_after, first, sent, is_cut):
    actions = planned(ResponseSpec(body=sse("0", "1", "2", "3", cut_after=cut_after)), first_event=first)

    data = all_bytes(actions)
    assert [number for number in range(4) if b"data: %d\n" % number in data] == sent
    assert isinstance(actions[-1], Close) == is_cut
    assert data.endswith(b"0\r\n\r\n") != is_cut


# Faults


@pytest.mark.parametrize(
    ("fault", "last"),
    [
        (Fault.CONNECTION_RESET_BY_PEER, Reset()),
        (Fault.EMPTY_RESPONSE, Close()),
        (Fault.HANG, Hang()),
        (Fault.HALF_CLOSE, HalfClose()),
        (Fault.SILENT_CLOSE, Close()),
        (Fault.RANDOM_DATA_THEN_CLOSE, Close()),
        (Fault.GARBAGE_STATUS_LINE, Close()),
        (Fault.MALFORMED_RESPONSE_CHUNK, Close()),
        (Fault.DUPLICATE_CONTENT_LENGTH, Close()),
        (Truncated(1), Close()),
        (Truncated(1, reset=True), Reset()),
        (Stalled(1), Hang()),
        (WrongLength(1), Hang()),
        (WrongLength(-1), Close()),
    ],
    ids=str,
)
@pytest.mark.parametrize("keep_alive", [True, False], ids=["kept", "closed"])
def test_a_fault_ends_as_it_must_whatever_the_client_wants(fault, last, keep_alive):
    actions = planned(ResponseSpec(body="abc", fault=fault), captured(keep_alive=keep_alive))

    assert actions[-1] == last
    assert len(actions) == (1 if not all_bytes(actions) else 2)


@pytest.mark.parametrize(
    "fault", [Fault.BAD_GZIP, Fault.INVALID_JSON, Fault.INVALID_UTF8, Fault.OVERSIZED_HEADER], ids=str
)
def test_a_fault_inside_good_framing_leaves_the_connection_as_the_client_wants_it(fault):
    spec = ResponseSpec(body="abc", fault=fault)

    assert isinstance(planned(spec)[-1], SendBytes)
    assert planned(spec, captured(keep_alive=False))[-1] == Close()


@pytest.mark.parametrize("fault", [*Fault, Truncated(1), Stalled(1), WrongLength(1), WrongLength(-1)], ids=str)
@pytest.mark.parametrize("body", ["abc", {"a": 1}, b"\0\1"], ids=repr)
def test_a_fault_is_no_good_answer(fault, body):
    """Only what is wrong with the end of a connection does not show in the bytes."""
    good = all_bytes(planned(ResponseSpec(body=body)))

    broken = all_bytes(planned(ResponseSpec(body=body, fault=fault)))

    assert (broken == good) == (fault in (Fault.SILENT_CLOSE, Fault.HALF_CLOSE))
