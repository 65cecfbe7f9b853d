"""
Turn an answer into wire bytes, once: the same bytes on every engine.

Framing follows RFC 9112. No ``Server`` and no ``Date`` field is sent unless the user asks for it:
both would differ from engine to engine and from run to run.
"""

from __future__ import annotations

from typing import NamedTuple

from api_simulator._core.messages import CapturedRequest
from api_simulator._core.specs import BODYLESS_STATUSES, ResponseSpec

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class _Form(NamedTuple):
    """What of a request changes the bytes of its answer."""

    head_only: bool
    keep_alive: bool
    http_10: bool


def response_bytes(spec: ResponseSpec, request: CapturedRequest) -> bytes:
    """
    Return the whole answer to *request* as it goes on the wire.

    A spec has at most six forms (with or without body for HEAD; the connection kept, closed, or
    kept for HTTP/1.0); each is made at most once.
    """
    form = _Form(request.method == "HEAD", request.keep_alive, request.http_version == "1.0")
    cached = spec.wire_cache.get(form)
    if cached is None:
        cached = spec.wire_cache[form] = _encode(spec, form)
    return cached


def _encode(spec: ResponseSpec, form: _Form) -> bytes:
    lines = [f"HTTP/1.1 {spec.status} {spec.reason}"]
    names = {name.lower() for name, _ in spec.headers}
    if spec.content_type is not None and "content-type" not in names:
        lines.append(f"Content-Type: {spec.content_type}")
    lines += [f"{name}: {value}" for name, value in spec.headers]
    # RFC 9110 8.6: no Content-Length with 204; with 304 it would speak of the body left out.
    if spec.status not in BODYLESS_STATUSES:
        lines.append(f"Content-Length: {len(spec.content)}")
    if "connection" not in names:
        # RFC 9112 9.3: 1.1 keeps the connection unless told otherwise, 1.0 closes it unless told otherwise.
        if not form.keep_alive:
            lines.append("Connection: close")
        elif form.http_10:
            lines.append("Connection: keep-alive")
    head = "\r\n".join(lines) + "\r\n\r\n"
    return _field_bytes(head) + (b"" if form.head_only else spec.content)


def _field_bytes(text: str) -> bytes:
    # Latin-1 is what most clients decode with (RFC 9110 5.5); beyond it only UTF-8 is left.
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", errors="surrogateescape")


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
