"""
Turn an answer into wire bytes, once: the same bytes on every engine.

Framing follows RFC 9112. No ``Server`` and no ``Date`` field is sent unless the user asks for it:
both would differ from engine to engine and from run to run.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from api_simulator._core.messages import CapturedRequest
from api_simulator._core.specs import BODYLESS_STATUSES, HeaderPairs, ResponseSpec, standard_reason

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


class _Form(NamedTuple):
    """What of a request changes the bytes of its answer."""

    head_only: bool
    keep_alive: bool
    http_10: bool


def response_bytes(spec: ResponseSpec, request: CapturedRequest) -> bytes:
    """
    Return the whole plain answer to *request* as it goes on the wire.

    A spec has at most six forms (with or without body for HEAD; the connection kept, closed, or
    kept for HTTP/1.0); each is made at most once.
    """
    form = _Form(request.method == "HEAD", request.keep_alive, request.http_version == "1.0")
    cached: bytes | None = spec.wire_cache.get(form)
    if cached is None:
        framing = content_length(spec, len(spec.content))
        cached = head_bytes(spec, request, framing) + (b"" if form.head_only else spec.content)
        spec.wire_cache[form] = cached
    return cached


def content_length(spec: ResponseSpec, length: int) -> HeaderPairs:
    """Return the ``Content-Length`` field of a body of *length* bytes, where the status may have one."""
    # RFC 9110 8.6: no Content-Length with 204; with 304 it would speak of the body left out.
    return () if spec.status in BODYLESS_STATUSES else (("Content-Length", str(length)),)


def head_bytes(
    spec: ResponseSpec, request: CapturedRequest, framing: Iterable[tuple[str, str]], *, closes: bool = False
) -> bytes:
    """
    Return status line and fields of an answer: its own fields first, then *framing*, then ``Connection``.

    Args:
        spec: The answer.

        request: What it answers: decides about ``Connection``.

        framing: The fields that say how long the body is, and how it is coded.

        closes: Whether the body ends with the connection.
    """
    lines = [f"HTTP/1.1 {spec.status} {spec.reason}"]
    names = {name.lower() for name, _ in spec.headers}
    if spec.content_type is not None and "content-type" not in names:
        lines.append(f"Content-Type: {spec.content_type}")
    lines += [f"{name}: {value}" for name, value in (*spec.headers, *framing)]
    if "connection" not in names:
        # RFC 9112 9.3: 1.1 keeps the connection unless told otherwise, 1.0 closes it unless told otherwise.
        if closes or not request.keep_alive:
            lines.append("Connection: close")
        elif request.http_version == "1.0":
            lines.append("Connection: keep-alive")
    return _lines_bytes(lines)


def informational_bytes(status: int, headers: HeaderPairs) -> bytes:
    """Return an interim answer (RFC 9110, section 15.2): a head and nothing else."""
    lines = [f"HTTP/1.1 {status} {standard_reason(status)}", *(f"{name}: {value}" for name, value in headers)]
    return _lines_bytes(lines)


def chunk_bytes(piece: bytes) -> bytes:
    """Return *piece* as one chunk (RFC 9112, section 7.1); an empty piece as nothing, because it would end the body."""
    return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""


def last_chunk_bytes(trailers: HeaderPairs) -> bytes:
    """Return the chunk that ends a body, with the trailer fields behind it."""
    if not trailers:
        return LAST_CHUNK
    return _lines_bytes(["0", *(f"{name}: {value}" for name, value in trailers)])


def gzip_bytes(content: bytes) -> bytes:
    """Return *content* compressed, the same bytes each time: the format's time stamp stays zero."""
    import gzip  # few answers are compressed

    return gzip.compress(content, 6, mtime=0)


def accepts_gzip(request: CapturedRequest) -> bool:
    """Return whether ``Accept-Encoding`` allows gzip (RFC 9110, section 12.5.3)."""
    weights = {}
    for part in request.headers.get("accept-encoding", "").split(","):
        coding, _, parameter = part.partition(";")
        name, _, value = parameter.partition("=")
        try:
            weights[coding.strip().lower()] = float(value) if name.strip().lower() == "q" else 1.0
        except ValueError:
            continue
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _lines_bytes(lines: list[str]) -> bytes:
    """Return *lines* with their ends, and the empty line behind them."""
    # Latin-1 is what most clients decode with (RFC 9110 5.5); for a line beyond it only UTF-8 is left.
    try:
        return "\r\n".join((*lines, "", "")).encode("latin-1")
    except UnicodeEncodeError:
        return b"".join(_field_bytes(line) + b"\r\n" for line in (*lines, ""))


def _field_bytes(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


def closes_connection(spec: ResponseSpec, request: CapturedRequest) -> bool:
    """Return whether the connection ends after this answer: by the client's wish or the spec's own field."""
    if not request.keep_alive:
        return True
    return any(name.lower() == "connection" and "close" in value.lower() for name, value in spec.headers)


def bad_request_bytes(error: str) -> bytes:
    """Return the answer to bytes that are no HTTP request."""
    content = f"400 Bad Request: {error}\n".encode(errors="replace")
    head = (
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + content
