"""
Answer a client's request: at once where the answer is nothing but bytes, else as it comes.

An answer that is bytes is parsed once per spec, by the parser that the client would use, and handed
out again and again; so most calls cost little more than the client itself.
"""

from __future__ import annotations

import re
from typing import Any

import h11

from api_simulator._core.decide import Decision
from api_simulator._core.messages import CapturedRequest
from api_simulator._engines._inprocess._connections import Connection, Pool
from api_simulator._engines._inprocess._limited_pool import LimitedPool
from api_simulator._engines._inprocess._reply import READ_BYTES, Head, Reply, asking_parser, head_of
from api_simulator._engines._inprocess._upload import WIRE_BYTES, Upload, times_of_upload
from api_simulator._engines._libraries import Library, library_of

# RFC 9110, section 5: what h11 lets a client send.
_FIELD_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FIELD_VALUE = re.compile(rb"(?:[\x21-\x7e\x80-\xff](?:[\x20-\x7e\x80-\xff\t]*[\x21-\x7e\x80-\xff])?)?")
#: What good fields mean to the exchange; most come again with the next request.
_KNOWN_FIELDS: dict[tuple[bytes, bytes], str] = {}
_MAX_KNOWN_FIELDS = 4096


def answer(pool: Pool, request: Any) -> Any:
    """Return the response to a blocking client's *request*."""
    library = library_of(request)
    connection = pool.take() or _limited(pool).wait(library, _patience_s(request, "pool"))
    try:
        early = _begun(pool, connection, library, request)
        try:
            body = b"".join(request.stream)
        except BaseException:
            _note_broken_body(pool, connection, request)
            raise
        got = _ask(pool, connection, library, request, body, early)
    except BaseException:
        pool.end(connection)
        raise
    return _response(library, got.head(), library.sync_body(got)) if isinstance(got, Reply) else got


async def answer_async(pool: Pool, request: Any) -> Any:
    """Return the response to the *request* of a client on a loop."""
    library = library_of(request)
    connection = pool.take() or await _limited(pool).wait_async(library, _patience_s(request, "pool"))
    try:
        early = _begun(pool, connection, library, request)
        try:
            body = b"".join([part async for part in request.stream])
        except BaseException:
            _note_broken_body(pool, connection, request)
            raise
        got = _ask(pool, connection, library, request, body, early)
    except BaseException:
        pool.end(connection)
        raise
    return _response(library, await got.head_async(), library.async_body(got)) if isinstance(got, Reply) else got


def _limited(pool: Pool) -> LimitedPool:
    assert isinstance(pool, LimitedPool)
    return pool


def _response(library: Library, head: Head, body: Any) -> Any:
    return library.module.Response(head.status, headers=head.headers, stream=body, extensions=head.extensions)


def _patience_s(request: Any, what: str) -> float | None:
    patience_s: float | None = request.extensions.get("timeout", {}).get(what)
    return patience_s


def _begun(
    pool: Pool, connection: Connection, library: Library, request: Any
) -> tuple[CapturedRequest, Decision] | None:
    """Return what is decided by the head alone, if a route says so."""
    serving = pool.serving
    if serving.is_closed:
        raise library.module.ConnectError("[Errno 111] Connection refused")
    simulation = serving.simulation
    if not simulation.answers_early:
        return None
    headers = request.headers.raw
    keep_alive = _looked_at(headers, b"")[1] and "100-continue" not in request.headers.get("expect", "").lower()
    captured = serving.captured(connection, request.method, _target(request), headers, b"", keep_alive=keep_alive)
    decision = simulation.receive_head(captured)
    if decision is None:
        connection.requests -= 1
        return None
    return captured, decision


def _upload(
    pool: Pool, connection: Connection, request: Any, body: bytes, early: tuple[CapturedRequest, Decision] | None
) -> Upload:
    simulation = pool.serving.simulation
    patience_s = _patience_s(request, "write")
    now_ns = pool.serving.sleeper.clock.now_ns()
    if early is not None:
        fails_ns = None if patience_s is None else now_ns + int(patience_s * 1e9)
        # Nothing is read until the answer is out. A client that leaves before is noted with the answer.
        return Upload(None, fails_ns, lambda: simulation.body_arrived(early[0], body), lambda: None)
    ends_ns, fails_ns = times_of_upload(
        len(body),
        now_ns=now_ns,
        reads_ns=pool.serving.reads_ns(connection),
        bytes_per_s=simulation.upload_bytes_per_s,
        patience_s=patience_s,
    )
    return Upload(ends_ns, fails_ns, lambda: None, lambda: _note_broken_body(pool, connection, request))


def _note_broken_body(pool: Pool, connection: Connection, request: Any) -> None:
    start = f"{request.method} {_target(request)}".encode()
    pool.serving.simulation.receive_malformed(start, "the client went away inside the body", connection.number)


def _ask(
    pool: Pool,
    connection: Connection,
    library: Library,
    request: Any,
    body: bytes,
    early: tuple[CapturedRequest, Decision] | None,
) -> Any:
    """Return the response, or the reply that is to be read for it."""
    serving, simulation = pool.serving, pool.serving.simulation
    method, target, headers = request.method, _target(request), request.headers.raw
    is_good, keep_alive = _looked_at(headers, body)
    # What httpx makes of a URL is good; a target that the caller gave is for the client's parser to judge.
    is_good = is_good and "target" not in request.extensions
    parser = None if is_good else _parser(library, request, body)
    upload = None
    if len(body) > WIRE_BYTES and (early is not None or serving.reads_slowly(connection)):
        upload = _upload(pool, connection, request, body, early)
    if early is not None:
        if upload is None:
            simulation.body_arrived(early[0], body)
        exchange = serving.begin(*early, due_ns=early[0].received_ns)
    elif serving.reads_slowly(connection):
        exchange = serving.begin_arriving(connection, method, target, headers, body, keep_alive=keep_alive)
    else:
        captured = serving.captured(connection, method, target, headers, body, keep_alive=keep_alive)
        decision = simulation.receive(captured)
        if decision.immediate is not None:
            response = _at_once(library, captured, decision.immediate)
            if response is not None:
                simulation.answered(captured)
                pool.give_back(connection)
                return response
        exchange = serving.begin(captured, decision, captured.received_ns)
    if parser is None:
        parser = _parser(library, request, body)
    return Reply(library, parser, exchange, connection, pool, serving.sleeper, _patience_s(request, "read"), upload)


def _parser(library: Library, request: Any, body: bytes) -> h11.Connection:
    try:
        return asking_parser(request.method, _target(request).encode("latin-1"), request.headers.raw, body)
    except h11.LocalProtocolError as error:
        raise library.module.LocalProtocolError(str(error)) from error


# Requests


def _target(request: Any) -> str:
    target: bytes = request.extensions.get("target") or request.url.raw_path
    return target.decode("latin-1")


def _looked_at(headers: list[tuple[bytes, bytes]], body: bytes) -> tuple[bool, bool]:
    """
    Return whether a client can send this without breaking the rules, and whether it keeps the connection.

    What cannot be sent goes through the client's own parser, which says what is raised for it.
    """
    is_good = keeps = True
    for field in headers:
        meaning = _KNOWN_FIELDS.get(field)
        if meaning is None:
            meaning = _meaning_of(*field)
        if meaning is not _HARMLESS:
            if meaning is _CLOSES:
                keeps = False
            elif meaning is _BROKEN or field[1] != b"%d" % len(body):
                is_good = False
    return is_good, keeps


_HARMLESS, _CLOSES, _LENGTH, _BROKEN = "harmless", "closes", "length", "broken"


def _meaning_of(name: bytes, value: bytes) -> str:
    lower = name.lower()
    if not (_FIELD_NAME.fullmatch(name) and _FIELD_VALUE.fullmatch(value)):
        return _BROKEN
    if lower == b"content-length":
        meaning = _LENGTH
    else:
        meaning = _CLOSES if lower == b"connection" and b"close" in value.lower() else _HARMLESS
    if len(_KNOWN_FIELDS) >= _MAX_KNOWN_FIELDS:
        _KNOWN_FIELDS.clear()
    _KNOWN_FIELDS[name, value] = meaning
    return meaning


# Answers that are nothing but bytes


def _at_once(library: Library, request: CapturedRequest, data: bytes) -> Any:
    """Return *data* as a response, or None if it is not one whole good answer."""
    cache = request.answer.wire_cache if request.answer is not None else {}
    # The spec's own cache: it lives as long as the spec, and the bytes in the key are those that lie in it already.
    key = (library.name, request.method == "HEAD", data)
    parsed = cache.get(key)
    if parsed is None:
        parsed = _parsed(library.module, request.method, data)
        if parsed is None:
            return None
        cache[key] = parsed
    status, headers, extensions, content = parsed
    return library.module.Response(status, headers=headers, stream=library.body(content), extensions=extensions)


def whole_response(module: Any, data: bytes) -> Any:
    """Return the bytes of an answer to GET as a response, or None if they are not one whole good answer."""
    parsed = _parsed(module, "GET", data)
    if parsed is None:
        return None
    status, headers, extensions, content = parsed
    return module.Response(status, headers=headers, stream=module.ByteStream(content), extensions=extensions)


def _parsed(module: Any, method: str, data: bytes) -> tuple[int, Any, dict[str, bytes], bytes] | None:
    if data.find(b"\r\n\r\n", 0, READ_BYTES) < 0:
        # Too long for one read: whether it is too long altogether is found by reading.
        return None
    parser = asking_parser(method, b"/", [(b"Host", b"server")], b"")
    parser.receive_data(data)
    content = b""
    head = None
    try:
        while not isinstance(event := parser.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                head = head_of(event)
            elif isinstance(event, h11.Data):
                content += event.data
            else:
                return None
    except h11.RemoteProtocolError:
        return None
    if head is None or parser.trailing_data[0] or parser.their_state is not h11.DONE:
        return None
    return head.status, module.Headers(head.headers), head.extensions, content
