"""Multipart forms (RFC 7578), by the library python-multipart: the one of Starlette and FastAPI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any

from api_simulator._core.body_conditions import CheckedBody
from api_simulator._core.conditions import Condition
from api_simulator._core.differences import brief
from api_simulator._core.messages import CapturedRequest
from api_simulator._core.values import dataclass
from api_simulator.errors import BodyError
from api_simulator.http._extras import library


@dataclass(frozen=True, slots=True)
class Part:
    """
    One part of a multipart form.

    Attributes:
        name: Of the form field.

        content: Its bytes.

        filename: What the client calls the file, None for a plain field.

        content_type: As the client says, None if it does not.
    """

    name: str
    content: bytes
    filename: str | None = None
    content_type: str | None = None


def parts_of(request: CapturedRequest) -> list[Part]:
    """
    Return the parts of a multipart body in their order.

    Raises:
        BodyError: If the body is no multipart form, or a broken one.
    """
    multipart = library("python_multipart", extra="multipart", purpose="a multipart form")
    content_type, options = multipart.multipart.parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if content_type != b"multipart/form-data" or not boundary:
        raise BodyError(f"the body is no multipart form: content type {request.headers.get('content-type', '')!r}")
    collector = _Collector(multipart)
    try:
        parser = multipart.MultipartParser(boundary, collector.callbacks())
        parser.write(request.body)
        parser.finalize()
    except multipart.exceptions.FormParserError as error:
        raise BodyError(f"the multipart form is broken: {error}") from None
    return collector.parts


class _Collector:
    """Collects what the parser calls back."""

    def __init__(self, multipart: Any) -> None:
        self.parts: list[Part] = []
        self._parse_options = multipart.multipart.parse_options_header
        self._content = BytesIO()
        self._headers: dict[bytes, bytes] = {}
        self._field = self._value = b""

    def callbacks(self) -> dict[str, Any]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_part_data": lambda data, start, end: self._content.write(data[start:end]),
            "on_part_end": self._end,
        }

    def _begin(self) -> None:
        self._content, self._headers = BytesIO(), {}

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _end(self) -> None:
        _, options = self._parse_options(self._headers.get(b"content-disposition", b""))
        filename, content_type = options.get(b"filename"), self._headers.get(b"content-type")
        self.parts.append(
            Part(
                options.get(b"name", b"").decode(errors="replace"),
                self._content.getvalue(),
                None if filename is None else filename.decode(errors="replace"),
                None if content_type is None else content_type.decode(errors="replace"),
            )
        )


def multipart_condition(fields: Mapping[str, Any], files: Mapping[str, Any]) -> Condition:
    """Ask for plain fields with these texts, and for files with these contents (None: any)."""
    library("python_multipart", extra="multipart", purpose="multipart()")

    def check(request: CapturedRequest) -> Iterator[str]:
        try:
            parts = parts_of(request)
        except BodyError as error:
            yield f"form: {error}"
            return
        for wanted, is_file in ((fields, False), (files, True)):
            for name, value in wanted.items():
                yield from _difference(name, value, [p for p in parts if p.name == name], is_file=is_file)

    names = ", ".join([*fields, *files])
    return CheckedBody(f"multipart form with {names}", ("multipart", _key(fields), _key(files)), check)


def _difference(name: str, value: Any, parts: list[Part], *, is_file: bool) -> Iterator[str]:
    kind = "file" if is_file else "field"
    parts = [part for part in parts if (part.filename is not None) == is_file]
    if not parts:
        yield f"form {kind} {name!r}: expected {'any' if value is None else brief(_shown(value))}, missing"
        return
    wanted = value.encode() if isinstance(value, str) else value
    if wanted is not None and all(part.content != wanted for part in parts):
        yield f"form {kind} {name!r}: expected {brief(_shown(value))}, found {brief(_shown(parts[0].content))}"


def _shown(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode(errors="replace")


def _key(values: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(values.items()))
