"""
Requests as values: what was received, in the views that tests ask for.

Views (headers, query, JSON ...) are made on first use: a request that nobody looks at costs little
more than its bytes. Parsing the wire is the engine's job.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from api_simulator._core.bodies import decode_content
from api_simulator._core.clock import SYSTEM_CLOCK, Clock
from api_simulator.errors import BodyError

if TYPE_CHECKING:
    from random import Random

    from api_simulator._core.mounted import MountedRoute
    from api_simulator._core.specs import ResponseSpec

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


class Cookies(MultiView):
    """The cookies of a request; ``cookies[name]`` is the first value."""

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

    Bytes that are not UTF-8 stay percent-encoded, each by itself.
    """
    if "%" not in raw_path:
        return raw_path
    pieces = _ENCODED_SLASH.split(raw_path)
    return "".join("%2F" if _ENCODED_SLASH.fullmatch(piece) else _unquote(piece) for piece in pieces)


def _unquote(text: str) -> str:
    decoded = unquote(text, errors="surrogateescape")
    return decoded if decoded.isascii() else percent_encode_surrogates(decoded)


def percent_encode_surrogates(text: str) -> str:
    """Percent-encode the bytes that are no UTF-8, which Python decodes to lone surrogates (PEP 383)."""
    return "".join(f"%{ord(char) - 0xDC00:02X}" if "\udc80" <= char <= "\udcff" else char for char in text)


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

        raw_body: The body after framing (chunks joined), content codings not undone.

        http_version: ``"1.0"`` or ``"1.1"``.

        connection_id: Number of its connection on this server, from 1; those without a socket, of a server that has
            one too, count down from -1.

        connection_index: Place of the request on its connection, from 0.

        path_params: Values of a template's parameters (``/users/{id}``), filled in when it matched.

        route: The route that answered it, None if no route matched.

        answer: The response spec it was answered with, None if there was none (yet).

        status: The status of the answer, None if there was none (yet).

        accepted_ns: When its connection was accepted, in nanoseconds of the monotonic clock, as all stamps.

        head_ns: When its head was complete.

        received_ns: When its body was complete too (or it was answered, if that was earlier).
    """

    __slots__ = (
        "_aborted_ns",
        "_answered_ns",
        "_cache",
        "_clock",
        "_raw_head",
        "_raw_headers",
        "_sync",
        "accepted_ns",
        "answer",
        "connection_id",
        "connection_index",
        "generation",
        "head_ns",
        "http_version",
        "keep_alive",
        "limit_fields",
        "method",
        "number",
        "path",
        "path_params",
        "query_string",
        "random",
        "raw_body",
        "raw_target",
        "received_ns",
        "route",
        "status",
        "told",
    )

    _KEYS = (
        "method",
        "path",
        "query",
        "headers",
        "cookies",
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
        raw_headers: Sequence[tuple[bytes, bytes]] | None = None,
        raw_body: bytes = b"",
        http_version: str = "1.1",
        keep_alive: bool = True,
        connection_id: int = 0,
        connection_index: int = 0,
        generation: int = 0,
        raw_head: bytes | None = None,
        accepted_ns: int | None = None,
        head_ns: int | None = None,
        received_ns: int | None = None,
        sync: Callable[[], None] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.method = method
        self.raw_target = raw_target
        raw_path, _, self.query_string = (raw_target if raw_target[:1] == "/" else _origin_form(raw_target)).partition(
            "?"
        )
        self.path = decode_path(raw_path) if "%" in raw_path else raw_path
        self._raw_headers = () if raw_headers is None and raw_head is None else raw_headers
        self.raw_body = raw_body
        self.http_version = http_version
        self.keep_alive = keep_alive
        self.connection_id = connection_id
        self.connection_index = connection_index
        self.generation = generation
        self.received_ns = clock.now_ns() if received_ns is None else received_ns
        self.head_ns = self.received_ns if head_ns is None else head_ns
        self.accepted_ns = self.head_ns if accepted_ns is None else accepted_ns
        self._raw_head = raw_head
        self.number = 0
        self.path_params: Mapping[str, str] = _NO_PARAMS
        self.route: MountedRoute | None = None
        self.answer: ResponseSpec | None = None
        # For the core alone: what a rate limit adds to the answer, and where what is random in it is drawn from.
        self.limit_fields: tuple[tuple[str, str], ...] = ()
        self.random: Random | None = None
        # Whether listeners have heard of it.
        self.told = False
        self.status: int | None = None
        self._answered_ns: int | None = None
        self._aborted_ns: int | None = None
        self._sync = sync
        self._clock = clock
        self._cache: dict[str, Any] | None = None

    @property
    def raw_head(self) -> bytes:
        """Request line and fields exactly as received, with the empty line that ends them."""
        if self._raw_head is None:
            self._raw_head = _rebuilt_head(self)
        return self._raw_head

    @property
    def raw_headers(self) -> Sequence[tuple[bytes, bytes]]:
        """Pairs of name and value as bytes, in the order and case received."""
        if self._raw_headers is None:
            self._raw_headers = _fields(self.raw_head)
        return self._raw_headers

    @raw_headers.setter
    def raw_headers(self, pairs: Sequence[tuple[bytes, bytes]]) -> None:
        self._raw_headers = pairs

    @property
    def answered_ns(self) -> int | None:
        """When its last byte was handed to the operating system, None if it was not."""
        if self._answered_ns is None and self._sync is not None:
            self._sync()
        return self._answered_ns

    @answered_ns.setter
    def answered_ns(self, stamp_ns: int | None) -> None:
        self._answered_ns = stamp_ns

    @property
    def aborted_ns(self) -> int | None:
        """When the client went away before that, None if it did not."""
        if self._aborted_ns is None and self._sync is not None and self._answered_ns is None:
            self._sync()
        return self._aborted_ns

    @aborted_ns.setter
    def aborted_ns(self, stamp_ns: int | None) -> None:
        self._aborted_ns = stamp_ns

    def forget_views(self) -> None:
        """Make the views anew on their next use: the body has come."""
        self._cache = None

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
    def cookies(self) -> Cookies:
        """The cookies that the client sent; ``.getall(name)`` gives repeated ones."""
        view: Cookies = self._view("cookies")
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
        return self._view("json")[0]

    @property
    def is_json(self) -> bool:
        """Whether the body is JSON: tells ``null`` from a body that is none."""
        is_json: bool = self._view("json")[1]
        return is_json

    def as_curl(self, base_url: str) -> str:
        """
        Return a shell command that sends the request again with curl.

        Args:
            base_url: Where to, for instance ``server.url``; the request's target is appended.
        """
        how = ["--head"] if self.method == "HEAD" else ["-X", self.method]
        # The target is taken as it is: curl would expand braces and resolve dots.
        words = ["curl", *how, "--globoff", "--path-as-is", f"{base_url}{_origin_form(self.raw_target)}"]
        for name, value in self.raw_headers:
            if name.lower() not in _CURLS_OWN_FIELDS:
                shown = name.decode("latin-1")
                # curl drops a field that is given without a value, unless it ends in a semicolon.
                words += ["-H", f"{shown}: {_field_text(value)}" if value else f"{shown};"]
        # What curl would add of its own is taken away where the request had none of it.
        added = ("Accept", "User-Agent", "Content-Type") if self.raw_body else ("Accept", "User-Agent")
        for absent in (name for name in added if name not in self.headers):
            words += ["-H", f"{absent}:"]
        if not self.raw_body:
            return shlex.join(words)
        try:
            body = self.raw_body.decode()
        except UnicodeDecodeError:
            body = None
        if body is not None and "\0" not in body:
            # A leading @ would name a file; --data-raw takes it as it is.
            return shlex.join([*words, "--data-raw", body])
        octal = "".join(f"\\{byte:03o}" for byte in self.raw_body)
        return f"printf '{octal}' | {shlex.join([*words, '--data-binary', '@-'])}"

    @property
    def received_at(self) -> float:
        """When the request was complete, in seconds since 1970."""
        return self._clock.epoch_s(self.received_ns)

    def epoch_s(self, stamp_ns: int) -> float:
        """Return one of the request's stamps as seconds since 1970."""
        return self._clock.epoch_s(stamp_ns)

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


# These follow from the command itself.
_CURLS_OWN_FIELDS = (b"host", b"content-length", b"transfer-encoding", b"connection", b"expect")

_NO_PARAMS: Mapping[str, str] = {}


def _fields(head: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Return the fields of a head that has been found to be good."""
    lines = head.split(b"\r\n")[1:-2]
    return tuple((name, value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in lines))


def _rebuilt_head(request: CapturedRequest) -> bytes:
    """Write the head anew, for an engine that does not keep the bytes it was read from."""
    line = f"{request.method} {request.raw_target} HTTP/{request.http_version}".encode(errors="replace")
    return b"\r\n".join([line, *(name + b": " + value for name, value in request.raw_headers), b"", b""])


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
    except (LookupError, UnicodeError):
        # No such charset, or a codec (idna) that knows no replacement: the client's word must not break the test.
        return request.body.decode(errors="replace")


def _json(request: CapturedRequest) -> tuple[Any, bool]:
    try:
        return json.loads(request.body), True
    except (ValueError, BodyError, RecursionError):
        return None, False


def _cookies(request: CapturedRequest) -> Cookies:
    # RFC 6265 5.4: pairs joined by "; ". A browser's value may hold anything but a semicolon, so no quoting is undone.
    pairs = [part.strip().partition("=") for part in "; ".join(request.headers.getall("cookie")).split(";")]
    return Cookies([(name, value) for name, equals, value in pairs if equals])


_VIEWS = {"headers": _headers, "query": _query, "cookies": _cookies, "body": _body, "text": _text, "json": _json}


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
