"""
Bodies: from what a user wrote to bytes with a content type, and from received bytes back.

The media types are those that the common clients send for the same values.
"""

from __future__ import annotations

import json
import math
import zlib
from typing import Any

from api_simulator.errors import BodyError, SpecError

#: A decoded body may be at most this large; a bomb of 1000:1 must not take the suite down.
MAX_DECODED_BYTES = 256 * 1024 * 1024


def encode_body(body: Any) -> tuple[bytes, str | None]:
    """
    Encode *body* as it goes on the wire.

    Args:
        body: ``None`` (no body), ``bytes`` (as they are), ``str`` (UTF-8), or any value JSON can hold.

    Returns:
        The bytes, and the content type they have unless the user gives another (None for no body).

    Raises:
        SpecError: If JSON cannot hold the value; the message has the path to the part that does not fit.
    """
    if body is None:
        return b"", None
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body), "application/octet-stream"
    if isinstance(body, str):
        try:
            return body.encode(), "text/plain; charset=utf-8"
        except UnicodeEncodeError as error:
            raise SpecError(
                f"body: the text cannot be encoded as UTF-8 ({error.reason} at character {error.start}); pass bytes"
            ) from None
    return encode_json(body), "application/json"


def encode_json(value: Any) -> bytes:
    """Encode *value* as compact UTF-8 JSON, or raise :class:`SpecError` with the path to what does not fit."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        try:
            found = _find_unencodable(value, "$", ())
        except RecursionError:
            found = "$: nested too deeply"
        where = found if found is not None else f"$: {error}"
        raise SpecError(f"body cannot be JSON: {where}; convert it first, or pass str or bytes") from None


def _find_unencodable(value: Any, path: str, parents: tuple[int, ...]) -> str | None:
    """Return ``path: reason`` for the first part of *value* that JSON cannot hold."""
    if value is None or isinstance(value, bool | int):
        return None
    if isinstance(value, str):
        return f"{path}: text with a lone surrogate" if _has_surrogate(value) else None
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{path}: {value!r} is not a JSON number"
    if id(value) in parents:
        return f"{path}: refers to itself"
    inside = (*parents, id(value))
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str | int | float | bool | None):
                return f"{path}: key {key!r} is of type {type(key).__name__}, not str"
            found = _find_unencodable(key, f"{path} (key {key!r})", inside) or _find_unencodable(
                item, f"{path}.{key}", inside
            )
            if found is not None:
                return found
        return None
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            found = _find_unencodable(item, f"{path}[{index}]", inside)
            if found is not None:
                return found
        return None
    return f"{path}: {type(value).__name__} is not a JSON type"


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def decode_content(raw: bytes, content_encoding: str) -> bytes:
    """
    Undo the ``Content-Encoding`` of a captured body (RFC 9110, section 8.4).

    Args:
        raw: The body as received.

        content_encoding: The header's value; several codings are undone from the last to the first.

    Raises:
        BodyError: If a coding is unknown, the data is broken, or it grows beyond :data:`MAX_DECODED_BYTES`.
    """
    body = raw
    for coding in reversed([part.strip().lower() for part in content_encoding.split(",")]):
        if coding in ("", "identity"):
            continue
        if coding in ("gzip", "x-gzip"):
            body = _inflate(body, coding, 16 + zlib.MAX_WBITS)
        elif coding == "deflate":
            # RFC 9110 8.4.1.2 means the zlib format, yet some clients send the bare stream.
            zlib_header = len(body) >= 2 and (body[0] & 0x0F) == 8 and (body[0] << 8 | body[1]) % 31 == 0
            body = _inflate(body, coding, zlib.MAX_WBITS if zlib_header else -zlib.MAX_WBITS)
        else:
            raise BodyError(f"Content-Encoding {coding!r} is not known here; read .raw_body and decode it yourself")
    return body


def _inflate(data: bytes, coding: str, window_bits: int) -> bytes:
    decoded = bytearray()
    rest = data
    try:
        # RFC 1952 2.2: a gzip file may have several members one after the other.
        while rest:
            stream = zlib.decompressobj(window_bits)
            decoded += stream.decompress(rest, MAX_DECODED_BYTES + 1 - len(decoded))
            if len(decoded) > MAX_DECODED_BYTES:
                raise BodyError(f"the {coding} body grows beyond {MAX_DECODED_BYTES} bytes; read .raw_body instead")
            if not stream.eof:
                raise BodyError(f"the {coding} body ends too early; .raw_body has what was received")
            rest = stream.unused_data
    except zlib.error as error:
        raise BodyError(f"the {coding} body is broken ({error}); .raw_body has what was received") from None
    return bytes(decoded)
