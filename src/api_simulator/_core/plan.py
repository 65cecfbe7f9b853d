"""
Plan an answer that is more than ready bytes: streams, pauses, interim answers, trailers, faults.

Gives the actions for one request, bytes included; engines add nothing of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from random import Random

from api_simulator._core.actions import Action, Close, HalfClose, Hang, Pull, Reset, SendBytes, Wait
from api_simulator._core.delays import sampled_ms
from api_simulator._core.faults import Fault, Stalled, Truncated, WrongLength
from api_simulator._core.messages import CapturedRequest
from api_simulator._core.specs import HeaderPairs, Pace, ResponseSpec
from api_simulator._core.streams import EventStream, StreamBody, encode_piece
from api_simulator._core.wire import (
    accepts_gzip,
    chunk_bytes,
    closes_connection,
    content_length,
    gzip_bytes,
    head_bytes,
    informational_bytes,
    last_chunk_bytes,
)

#: A throttled body is sent in slices of this duration: short enough to look even, long enough to be few.
SLICE_MS = 50
_OVERSIZED_BYTES = 256 * 1024
_CHUNKED: HeaderPairs = (("Transfer-Encoding", "chunked"),)
_NO_PACE = Pace()


def plan(spec: ResponseSpec, request: CapturedRequest, random: Random, *, first_event: int = 0) -> tuple[Action, ...]:
    """
    Return the actions that give *spec* to *request*.

    Args:
        spec: The answer.

        request: What it answers.

        random: Where distributions and random bytes are drawn from.

        first_event: The first of a stream of events to send, for a client that resumes.
    """
    return tuple(_merged(_actions(spec, request, random, first_event)))


def _actions(spec: ResponseSpec, request: CapturedRequest, random: Random, first_event: int) -> Iterator[Action]:
    yield from _wait(sampled_ms(spec.delay_ms, random))
    if request.http_version != "1.0":
        # RFC 9110 15.2: a server must not send a 1xx answer to an HTTP/1.0 client.
        for status, headers in spec.informational:
            yield SendBytes(informational_bytes(status, headers))
    if spec.pace is not None:
        yield from _wait(sampled_ms(spec.pace.head_delay_ms, random))
    if spec.fault is not None:
        yield from _faulty(spec, request, random)
    elif spec.stream is not None:
        yield from _streamed(spec, spec.stream, request, random, first_event)
    else:
        yield from _whole(spec, request, random)


def _merged(actions: Iterator[Action]) -> Iterator[Action]:
    """Join neighbouring sends, so that an answer without pauses is one write."""
    # A list: a body in thousands of chunks would be copied thousands of times.
    pending: list[bytes] = []
    for action in actions:
        if isinstance(action, SendBytes):
            pending.append(action.data)
            continue
        if pending:
            yield SendBytes(b"".join(pending))
            pending.clear()
        yield action
    if pending:
        yield SendBytes(b"".join(pending))


def _wait(milliseconds: int) -> Iterator[Action]:
    if milliseconds > 0:
        yield Wait(milliseconds)


def _ending(spec: ResponseSpec, request: CapturedRequest) -> Iterator[Action]:
    if closes_connection(spec, request):
        yield Close()


# Bodies known at once


def _whole(spec: ResponseSpec, request: CapturedRequest, random: Random) -> Iterator[Action]:
    pace = spec.pace or _NO_PACE
    content, coding = _coded(spec, request)
    chunked = bool(spec.trailers) and request.http_version != "1.0"
    framing = _CHUNKED if chunked else content_length(spec, len(content))
    yield SendBytes(head_bytes(spec, request, (*coding, *framing)))
    if request.method != "HEAD":
        yield from _wait(sampled_ms(pace.body_delay_ms, random))
        for slice_, pause_ms in _slices(content, pace):
            yield from _wait(pause_ms)
            yield SendBytes(chunk_bytes(slice_) if chunked else slice_)
        if chunked:
            yield from _wait(sampled_ms(pace.trailers_delay_ms, random))
            yield SendBytes(last_chunk_bytes(spec.trailers))
    yield from _ending(spec, request)


def _coded(spec: ResponseSpec, request: CapturedRequest) -> tuple[bytes, HeaderPairs]:
    if not spec.gzip or not spec.content:
        return spec.content, ()
    if not accepts_gzip(request):
        return spec.content, (("Vary", "Accept-Encoding"),)
    return gzip_bytes(spec.content), (("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))


def _slices(content: bytes, pace: Pace) -> Iterator[tuple[bytes, int]]:
    """Yield slices of *content*, each with the pause in milliseconds before it."""
    if pace.dribble is not None:
        pieces, over_ms = min(pace.dribble[0], len(content)), pace.dribble[1]
        # Ends and times follow from the whole, so that there are as many pieces as asked for and none comes early.
        waited_ms = 0
        for index in range(pieces):
            due_ms = math.ceil(over_ms * index / (pieces - 1)) if index else 0
            yield content[len(content) * index // pieces : len(content) * (index + 1) // pieces], due_ms - waited_ms
            waited_ms = due_ms
    elif pace.bytes_per_s is not None:
        # The pause follows from the bytes sent before it, so that rounding does not add up.
        size = max(1, pace.bytes_per_s * SLICE_MS // 1000)
        waited_ms = 0
        for start in range(0, len(content), size):
            due_ms = math.ceil(start * 1000 / pace.bytes_per_s)
            yield content[start : start + size], due_ms - waited_ms
            waited_ms = due_ms
    elif content:
        yield content, 0


# Bodies in pieces


def _streamed(
    spec: ResponseSpec, body: StreamBody, request: CapturedRequest, random: Random, first_event: int
) -> Iterator[Action]:
    pace = spec.pace or _NO_PACE
    length = body.length()
    if spec.trailers and request.http_version != "1.0":
        # RFC 9112 7.1.2: only a chunked body has a place for trailers.
        length = None
    chunked = length is None and request.http_version != "1.0"
    framing = _CHUNKED if chunked else content_length(spec, length) if length is not None else ()
    until_close = not chunked and length is None
    yield SendBytes(head_bytes(spec, request, framing, closes=until_close))
    if request.method != "HEAD":
        yield from _wait(sampled_ms(pace.body_delay_ms, random))
        cut = yield from _pieces(body, random, first_event, chunked=chunked)
        if cut:
            # The connection ends inside the body, as it does when a server or proxy gives up on a long stream.
            yield Close()
            return
        if chunked:
            yield from _wait(sampled_ms(pace.trailers_delay_ms, random))
            yield SendBytes(last_chunk_bytes(spec.trailers))
    if until_close:
        yield Close()
    else:
        yield from _ending(spec, request)


def _pieces(body: StreamBody, random: Random, first_event: int, *, chunked: bool) -> Generator[Action, None, bool]:
    """Yield the body's actions; the return value says whether it is cut off after them."""

    def frame(piece: object) -> bytes:
        encoded = encode_piece(piece)
        return chunk_bytes(encoded) if chunked else encoded

    known = body.known_pieces()
    if known is None:
        yield Pull(body.source(), frame, lambda: sampled_ms(body.every_ms, random))
        return False
    last = len(known)
    cut = False
    if isinstance(body, EventStream) and body.cut_after is not None and first_event + body.cut_after < last:
        last, cut = first_event + body.cut_after, True
    framed = (chunk_bytes(piece) if chunked else piece for piece in known[first_event:last])
    if body.every_ms == 0:
        # Joined here and not by the caller: of thousands of pieces, an action each costs more than their bytes.
        yield SendBytes(b"".join(framed))
        return cut
    for index, data in enumerate(framed):
        if index:
            yield from _wait(sampled_ms(body.every_ms, random))
        yield SendBytes(data)
    return cut


# Faults


def _faulty(spec: ResponseSpec, request: CapturedRequest, random: Random) -> Iterator[Action]:
    fault = spec.fault
    content = _sent_content(spec, request)
    if isinstance(fault, Truncated):
        yield SendBytes(_full_head(spec, request) + content[: fault.after])
        yield Reset() if fault.reset else Close()
    elif isinstance(fault, Stalled):
        yield SendBytes(_full_head(spec, request) + content[: fault.after])
        yield Hang()
    elif isinstance(fault, WrongLength):
        framing = (("Content-Length", str(len(spec.content) + fault.by)),)
        yield SendBytes(head_bytes(spec, request, framing) + content)
        # Too long: the client waits for more. Too short: the rest is no answer, and nothing good can follow it.
        yield Hang() if fault.by > 0 else Close()
    elif fault in _CONNECTION_FAULTS:
        yield _CONNECTION_FAULTS[fault]
    elif fault is Fault.HALF_CLOSE:
        yield SendBytes(_full_head(spec, request) + content)
        yield HalfClose()
    elif fault is Fault.SILENT_CLOSE:
        yield SendBytes(_full_head(spec, request) + content)
        yield Close()
    else:
        yield SendBytes(_broken_bytes(spec, request, random))
        if fault in _UNFRAMED:
            yield Close()
        else:
            yield from _ending(spec, request)


# After these a client cannot know where the next answer begins; after the others it can.
_UNFRAMED = frozenset(
    {
        Fault.RANDOM_DATA_THEN_CLOSE,
        Fault.GARBAGE_STATUS_LINE,
        Fault.MALFORMED_RESPONSE_CHUNK,
        Fault.DUPLICATE_CONTENT_LENGTH,
    }
)
_CONNECTION_FAULTS: dict[object, Action] = {
    Fault.CONNECTION_RESET_BY_PEER: Reset(),
    Fault.EMPTY_RESPONSE: Close(),
    Fault.HANG: Hang(),
}


def _sent_content(spec: ResponseSpec, request: CapturedRequest) -> bytes:
    """Return the body that follows the head: none for HEAD, whatever else goes wrong."""
    return b"" if request.method == "HEAD" else spec.content


def _full_head(spec: ResponseSpec, request: CapturedRequest) -> bytes:
    return head_bytes(spec, request, content_length(spec, len(spec.content)))


def _broken_bytes(spec: ResponseSpec, request: CapturedRequest, random: Random) -> bytes:
    """Return everything that a fault sends which sends something and closes."""
    fault = spec.fault
    if fault is Fault.RANDOM_DATA_THEN_CLOSE:
        return random.randbytes(512)
    if fault is Fault.GARBAGE_STATUS_LINE:
        return b"HTTP/9.9 twohundred what\r\n\r\n" + spec.content
    if fault is Fault.MALFORMED_RESPONSE_CHUNK:
        return head_bytes(spec, request, _CHUNKED) + b"nothex\r\n" + random.randbytes(64)
    if fault is Fault.OVERSIZED_HEADER:
        framing = (("X-Oversized", "x" * _OVERSIZED_BYTES), *content_length(spec, len(spec.content)))
        return head_bytes(spec, request, framing) + _sent_content(spec, request)
    if fault is Fault.DUPLICATE_CONTENT_LENGTH:
        lengths = (str(len(spec.content)), str(len(spec.content) + 1))
        return head_bytes(spec, request, [("Content-Length", length) for length in lengths]) + _sent_content(
            spec, request
        )
    content_type, content, coding = _BROKEN_CONTENT[fault](spec)
    headers = [*_other_headers(spec), ("Content-Type", content_type)]
    broken = ResponseSpec(spec.status, None, headers, reason=spec.reason)
    head = head_bytes(broken, request, (*coding, ("Content-Length", str(len(content)))))
    return head if request.method == "HEAD" else head + content


def _other_headers(spec: ResponseSpec) -> list[tuple[str, str]]:
    return [(name, value) for name, value in spec.headers if name.lower() not in ("content-type", "content-encoding")]


_BROKEN_CONTENT: dict[object, Callable[[ResponseSpec], tuple[str, bytes, HeaderPairs]]] = {
    Fault.BAD_GZIP: lambda spec: (
        spec.content_type or "text/plain",
        # A good header, then a block of the reserved type (RFC 1951, section 3.2.3): decoders must notice.
        gzip_bytes(b"")[:10] + b"\xff" * 32,
        (("Content-Encoding", "gzip"),),
    ),
    Fault.INVALID_JSON: lambda spec: ("application/json", (spec.content or b'{"broken": true}')[:-1] + b",", ()),
    Fault.INVALID_UTF8: lambda spec: ("text/plain; charset=utf-8", (spec.content or b"text ") + b"\xff\xfe\x80", ()),
}
