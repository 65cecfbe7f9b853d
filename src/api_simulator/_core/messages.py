"""
Requests as values: what was received, in the views that tests ask for.

Views (headers, query, JSON ...) are made on first use: a request that nobody looks at costs little
more than its bytes. Parsing the wire is the engine's job.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from api_simulator._core.bodies import decode_content
from api_simulator._core.clock import SYSTEM_CLOCK, Clock
from api_simulator.errors import BodyError

if TYPE_CHECKING:
    from api_simulator._core.routes import MountedRoute

_ENCODED_SLASH = re.compile("(%2[fF])")


class MultiView(Mapping[str, str]):
    """
    A read-only mapping of names to text in which a name may have several values.

    ``view[name]`` gives one text, ``view.getall(name)`` all values in the order of their arrival.
    """

    __slots__ = ("_values",)

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            values.setdefault(name, []).append(value)
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def getall(self, name: str) -> list[str]:
        """Return every value of *name*, an empty list if there is none."""
        return list(self._values.get(name, ()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({[(name, value) for name in self._values for value in self.getall(name)]})"


class Query(MultiView):
    """The query's parameters; ``query[name]`` is the first value."""

    __slots__ = ()


class Headers(MultiView):
    """
    Header fields by name, in any case; iteration gives lower-case names.

    ``headers[name]`` joins repeated fields by ``", "`` (RFC 9110, section 5.2).
    """

    __slots__ = ()

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        super().__init__([(name.lower(), value) for name, value in pairs])

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._values[name.lower()])

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def getall(self, name: str) -> list[str]:
        """Return every value of the field *name*, an empty list if there is none."""
        return super().getall(name.lower())


def decode_path(raw_path: str) -> str:
    """
    Percent-decode a path, keeping ``%2F``: an encoded slash is data, not a separator.

    Bytes that are not UTF-8 stay percent-encoded.
    """
    if "%" not in raw_path:
        return raw_path
    pieces = _ENCODED_SLASH.split(raw_path)
    return "".join("%2F" if _ENCODED_SLASH.fullmatch(piece) else _unquote(piece) for piece in pieces)


def _unquote(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text


def _field_text(raw: bytes) -> str:
    # Field values have no declared encoding (RFC 9110 5.5); clients send UTF-8 or Latin-1.
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


class CapturedRequest(Mapping[str, Any]):
    """
    One request as the server received it, and what became of it.

    Works as an object (``request.headers``) and as a read-only dict (``request["headers"]``).

    Attributes:
        number: Its place in the server's journal, from 1; 0 before it is recorded.

        method: The method in upper case.

        raw_target: The request target as received, for instance ``/a%20b?x=1``.

        raw_headers: Pairs of name and value as bytes, in the order and case received.

        raw_body: The body after framing (chunks joined), content codings not undone.

        http_version: ``"1.0"`` or ``"1.1"``.

        connection_id: Number of its connection on this server, from 1.

        connection_index: Place of the request on its connection, from 0.

        path_params: Values of a template's parameters (``/users/{id}``), filled in when it matched.

        route: The route that answered it, None if no route matched.

        status: The status of the answer, None if there was none (yet).

        received_ns: When it was complete, in nanoseconds of the monotonic clock.

        answered_ns: When its last byte was handed to the operating system, None if it was not.

        aborted_ns: When the client went away before that, None if it did not.
    """

    __slots__ = (
        "_cache",
        "_clock",
        "aborted_ns",
        "answered_ns",
        "connection_id",
        "connection_index",
        "generation",
        "http_version",
        "keep_alive",
        "method",
        "number",
        "path",
        "path_params",
        "query_string",
        "raw_body",
        "raw_headers",
        "raw_target",
        "received_ns",
        "route",
        "status",
    )

    _KEYS = (
        "method",
        "path",
        "query",
        "headers",
        "body",
        "json",
        "text",
        "query_string",
        "path_params",
        "raw_target",
        "raw_headers",
        "raw_body",
        "http_version",
        "number",
        "status",
        "connection_id",
        "connection_index",
        "received_at",
    )

    def __init__(
        self,
        method: str,
        raw_target: str,
        *,
        raw_headers: Sequence[tuple[bytes, bytes]] = (),
        raw_body: bytes = b"",
        http_version: str = "1.1",
        keep_alive: bool = True,
        connection_id: int = 0,
        connection_index: int = 0,
        generation: int = 0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.method = method
        self.raw_target = raw_target
        raw_path, _, self.query_string = _origin_form(raw_target).partition("?")
        self.path = decode_path(raw_path)
        self.raw_headers = raw_headers
        self.raw_body = raw_body
        self.http_version = http_version
        self.keep_alive = keep_alive
        self.connection_id = connection_id
        self.connection_index = connection_index
        self.generation = generation
        self.received_ns = clock.now_ns()
        self.number = 0
        self.path_params: Mapping[str, str] = _NO_PARAMS
        self.route: MountedRoute | None = None
        self.status: int | None = None
        self.answered_ns: int | None = None
        self.aborted_ns: int | None = None
        self._clock = clock
        self._cache: dict[str, Any] | None = None

    def _view(self, name: str) -> Any:
        cache = self._cache
        if cache is None:
            cache = self._cache = {}
        if name not in cache:
            cache[name] = _VIEWS[name](self)
        return cache[name]

    @property
    def headers(self) -> Headers:
        """The header fields, names in any case, repeated ones joined by ``", "``."""
        view: Headers = self._view("headers")
        return view

    @property
    def query(self) -> Query:
        """The query's parameters; ``.getall(name)`` gives repeated ones."""
        view: Query = self._view("query")
        return view

    @property
    def body(self) -> bytes:
        """
        The body with its content codings undone.

        Raises:
            BodyError: If that is not possible; ``raw_body`` always works.
        """
        view: bytes = self._view("body")
        return view

    @property
    def text(self) -> str:
        """The body as text: by the charset of its content type or UTF-8, undecodable bytes replaced."""
        view: str = self._view("text")
        return view

    @property
    def json(self) -> Any:
        """The body as JSON, or None if it is not JSON (whatever its content type says)."""
        return self._view("json")

    @property
    def received_at(self) -> float:
        """When the request was complete, in seconds since 1970."""
        return self._clock.epoch_s(self.received_ns)

    @property
    def aborted(self) -> bool:
        """Whether the client went away before the answer was complete."""
        return self.aborted_ns is not None

    def __getitem__(self, key: str) -> Any:
        if key not in self._KEYS:
            raise KeyError(f"{key!r}: a captured request has {', '.join(self._KEYS)}")
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._KEYS)

    def __len__(self) -> int:
        return len(self._KEYS)

    # A request is an event: two with equal content are still two.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        answer = f" -> {self.status}" if self.status is not None else ""
        return f"<CapturedRequest #{self.number} {self.method} {self.raw_target} ({len(self.raw_body)} bytes){answer}>"


_NO_PARAMS: Mapping[str, str] = {}


def _origin_form(target: str) -> str:
    """Return the origin form of a request target (RFC 9112, section 3.2): proxies are sent whole URLs."""
    if target.startswith("/") or "://" not in target:
        return target
    authority_and_path = target.partition("://")[2]
    cut = min((at for at in (authority_and_path.find("/"), authority_and_path.find("?")) if at >= 0), default=-1)
    if cut < 0:
        return "/"
    rest = authority_and_path[cut:]
    return rest if rest.startswith("/") else f"/{rest}"


def _headers(request: CapturedRequest) -> Headers:
    return Headers([(name.decode("latin-1"), _field_text(value)) for name, value in request.raw_headers])


def _query(request: CapturedRequest) -> Query:
    return Query(parse_qsl(request.query_string, keep_blank_values=True))


def _body(request: CapturedRequest) -> bytes:
    coding = request.headers.get("content-encoding")
    return decode_content(request.raw_body, coding) if coding and request.raw_body else request.raw_body


def _text(request: CapturedRequest) -> str:
    charset = re.search(r"charset=[\"']?([^\s\"';]+)", request.headers.get("content-type", ""), re.IGNORECASE)
    try:
        return request.body.decode(charset.group(1) if charset else "utf-8", errors="replace")
    except LookupError:
        return request.body.decode(errors="replace")


def _json(request: CapturedRequest) -> Any:
    try:
        return json.loads(request.body)
    except (ValueError, BodyError, RecursionError):
        return None


_VIEWS = {"headers": _headers, "query": _query, "body": _body, "text": _text, "json": _json}


class MalformedRequest:
    """
    Bytes that were no HTTP request, answered with 400 where that was possible.

    Attributes:
        raw: What was received since the last complete request on that connection (at most 64 KiB).

        error: What was wrong with it.

        connection_id: Number of its connection on this server, from 1.

        received_ns: When it was given up, in nanoseconds of the monotonic clock.
    """

    __slots__ = ("connection_id", "error", "raw", "received_ns")

    def __init__(self, raw: bytes, error: str, *, connection_id: int, received_ns: int) -> None:
        self.raw = raw
        self.error = error
        self.connection_id = connection_id
        self.received_ns = received_ns

    def __repr__(self) -> str:
        return f"<MalformedRequest on connection {self.connection_id}: {self.error}; {self.raw[:60]!r}>"
