"""
What a user says about an answer, checked when it is said.

A value of this module that exists can be put on the wire: every refusal happens at the call that
gave the bad input, where the traceback points at the line to mend.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeAlias

from api_simulator._core.bodies import encode_body
from api_simulator._core.delays import Delay, DelayInput, checked_delay
from api_simulator._core.faults import AnyFault, Fault, Stalled, Truncated, WrongLength, checked_fault
from api_simulator._core.streams import StreamBody
from api_simulator._core.values import dataclass
from api_simulator.errors import SpecError

HeaderPairs: TypeAlias = tuple[tuple[str, str], ...]
HeaderInput: TypeAlias = Mapping[str, str | int] | Sequence[tuple[str, str | int]]

# RFC 9110 5.6.2: a field name is a token.
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# RFC 9110 5.5: CR, LF and NUL end or break a field; they are the tools of header injection.
_FORBIDDEN_IN_VALUE = re.compile(r"[\r\n\0]")
# Python took over RFC 9110's new phrases in 3.13; the bytes on the wire must not depend on its version.
_RENAMED = {413: "Content Too Large", 414: "URI Too Long", 416: "Range Not Satisfiable", 422: "Unprocessable Content"}
# RFC 9110 6.4.1: these answers have no content.
BODYLESS_STATUSES = frozenset({204, 304})
_FRAMING_HEADERS = frozenset({"content-length", "transfer-encoding"})
_FAULTS_WITHOUT_BODY = frozenset(
    {
        Fault.CONNECTION_RESET_BY_PEER,
        Fault.EMPTY_RESPONSE,
        Fault.RANDOM_DATA_THEN_CLOSE,
        Fault.MALFORMED_RESPONSE_CHUNK,
        Fault.GARBAGE_STATUS_LINE,
        Fault.HANG,
    }
)


@dataclass(frozen=True, slots=True)
class Pace:
    """
    How an answer moves along the wire once it has begun.

    Args:
        head_delay_ms: Between the interim answers and the head of the final one; ``delay_ms`` is before both.

        body_delay_ms: Between the head and the first byte of the body.

        trailers_delay_ms: Between the body and the trailers.

        bytes_per_s: Send the body no faster than so many bytes a second.

        dribble: Send the body in (so many) pieces over (so many milliseconds).

    Raises:
        SpecError: If a number makes no sense, or both *bytes_per_s* and *dribble* are given.
    """

    body_delay_ms: DelayInput = 0
    trailers_delay_ms: DelayInput = 0
    bytes_per_s: int | None = None
    dribble: tuple[int, int] | None = None
    head_delay_ms: DelayInput = 0

    def __post_init__(self) -> None:
        checked_delay(self.head_delay_ms, "head_delay_ms")
        checked_delay(self.body_delay_ms, "body_delay_ms")
        checked_delay(self.trailers_delay_ms, "trailers_delay_ms")
        if self.bytes_per_s is not None and not _is_count(self.bytes_per_s, least=1):
            raise SpecError(f"bytes_per_s: expected a whole number, 1 or more, got {self.bytes_per_s!r}")
        if self.dribble is None:
            return
        if self.bytes_per_s is not None:
            raise SpecError("pace: give either bytes_per_s or dribble")
        pieces = self.dribble
        if not (isinstance(pieces, tuple) and len(pieces) == 2 and _is_count(pieces[0], 1) and _is_count(pieces[1], 0)):
            raise SpecError(f"dribble: expected (pieces, over milliseconds), for example (5, 1000); got {pieces!r}")


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


class ResponseSpec:
    """
    One answer of the server: status, body, headers, and when and how it is sent.

    Frozen and reusable: the same spec may be registered on several routes and servers.

    Args:
        status: 200–999. A final 1xx would make clients wait for ever, so it is refused.

        body: ``dict``, ``list`` or another JSON value → JSON; ``str`` → UTF-8 text; ``bytes`` as they
            are; ``None`` → no body; or a body in pieces: ``chunks()``, ``stream()``, ``file()``,
            ``ndjson()``, ``sse()``. JSON ``null`` is ``body="null"`` with a content type of your own.

        headers: Pairs of name and value, in the order and case to send, names may repeat; or a
            mapping. ``Content-Type`` overrides the one of the body. No ``Server`` or ``Date`` is added.

        delay_ms: Whole milliseconds from the end of the request to the first byte of the answer,
            never short; or a distribution: ``uniform()``, ``normal()``, ``log_normal()``.

        reason: The reason phrase; the standard one of *status* by default, empty if it has none.

        trailers: Fields sent after the body, which is then chunked.

        informational: Interim answers sent first: pairs of status (100–199, not 101) and headers.

        gzip: Whether the body is compressed for clients that accept it (and ``Vary`` says so).

        pace: How the body moves along the wire.

        fault: What goes wrong: a :class:`Fault`, its name, ``truncated()``, ``wrong_length()`` or ``stalled()``.
            The last three need a body to break; without one they break a text of a thousand letters or more.

        early: Answer as soon as the head is there, before the body is read.

    Raises:
        SpecError: If something cannot be sent as described.
    """

    __slots__ = (
        "body",
        "content",
        "content_type",
        "delay_ms",
        "early",
        "fault",
        "gzip",
        "headers",
        "informational",
        "is_plain",
        "pace",
        "reason",
        "sealed",
        "status",
        "stream",
        "trailers",
        "wire_cache",
    )

    def __init__(
        self,
        status: int = 200,
        body: Any = None,
        headers: HeaderInput | None = None,
        delay_ms: DelayInput = 0,
        *,
        reason: str | None = None,
        trailers: HeaderInput | None = None,
        informational: Iterable[tuple[int, HeaderInput | None]] = (),
        gzip: bool = False,
        pace: Pace | None = None,
        fault: AnyFault | str | None = None,
        early: bool = False,
    ) -> None:
        # Before the others: asking for an attribute that is not there yet would be half of making a spec.
        object.__setattr__(self, "sealed", False)
        self.status = _checked_status(status)
        self.headers = checked_headers(headers)
        self.trailers = checked_headers(trailers)
        self.informational = tuple(_checked_informational(item) for item in informational)
        self.delay_ms = checked_delay(delay_ms)
        self.gzip = gzip
        if pace is not None and not isinstance(pace, Pace):
            raise SpecError(f"pace: expected Pace(...), got {pace!r}")
        self.pace = pace
        self.fault = checked_fault(fault)
        self.early = early
        self.reason = standard_reason(self.status) if reason is None else _checked_reason(reason)
        # Encoded here: a mistake is reported where it is made, and a later change of the dict changes nothing.
        self.stream = body if isinstance(body, StreamBody) else None
        self.content, self.content_type = encode_body(body) if self.stream is None else (b"", self.stream.content_type)
        self.body = body
        # Filled by wire.py, which is the only one to know what an answer looks like as bytes.
        self.wire_cache: dict[object, Any] = {}
        if self.status in BODYLESS_STATUSES and body is not None:
            raise SpecError(f"body: a {self.status} answer has none (RFC 9110, section 6.4.1); leave body out")
        if isinstance(self.fault, Truncated | WrongLength | Stalled) and body is None:
            self.content, self.content_type = encode_body(_body_to_break(self.fault))
        self._check_combination()
        # Plain: the same bytes for every request of the same form, so that they can be made once.
        self.is_plain = not (
            isinstance(self.delay_ms, Delay)
            or self.stream is not None
            or self.trailers
            or self.informational
            or self.gzip
            or self.pace
            or self.fault
        )

        self.sealed = True

    def __setattr__(self, name: str, value: object) -> None:
        if self.sealed:
            raise AttributeError(f"a ResponseSpec cannot be changed; make a new one with the {name} you want")
        object.__setattr__(self, name, value)

    def _check_combination(self) -> None:
        if self.fault is not None:
            for name in ("pace", "gzip", "trailers"):
                if getattr(self, name):
                    raise SpecError(
                        f"{name}: {self.fault} sends bytes of its own, which nothing else shapes; leave {name} or the "
                        "fault out"
                    )
        if self.stream is not None and self.fault is not None and self.fault not in _FAULTS_WITHOUT_BODY:
            raise SpecError(f"fault: {self.fault} changes a body that is known at once, not one in pieces")
        if self.stream is not None and self.gzip:
            raise SpecError("gzip: a body in pieces is not compressed; compress the pieces, or leave gzip out")
        if isinstance(self.fault, Truncated | WrongLength | Stalled):
            self._check_that_it_breaks(self.fault)
        if self.trailers and self.status in BODYLESS_STATUSES:
            raise SpecError(f"trailers: a {self.status} answer has no body to send them after")
        if self.stream is not None and self.pace is not None and (self.pace.bytes_per_s or self.pace.dribble):
            raise SpecError(
                "pace: a body in pieces has its own pace (every_ms); bytes_per_s and dribble are for others"
            )

    def _check_that_it_breaks(self, fault: Truncated | WrongLength | Stalled) -> None:
        """Refuse a fault of the body that would leave it whole: the test would go on with a good answer."""
        length = len(self.content)
        if self.status in BODYLESS_STATUSES:
            raise SpecError(f"fault: a {self.status} answer has no body for {fault} to break; choose another status")
        if isinstance(fault, WrongLength):
            if length + fault.by < 0:
                raise SpecError(f"fault: {fault} makes the length negative, the body has {length} bytes")
        elif fault.after >= length:
            raise SpecError(
                f"fault: {fault} would send the whole body, which has {length} bytes; give a longer one, or none"
            )

    @property
    def uses_chance(self) -> bool:
        """Whether anything of it is drawn by chance."""
        pace, stream = self.pace, self.stream
        delays = [self.delay_ms]
        if pace is not None:
            delays += [pace.head_delay_ms, pace.body_delay_ms, pace.trailers_delay_ms]
        if stream is not None:
            delays.append(stream.every_ms)
        random_bytes = self.fault in (Fault.RANDOM_DATA_THEN_CLOSE, Fault.MALFORMED_RESPONSE_CHUNK)
        return random_bytes or any(isinstance(delay, Delay) for delay in delays)

    def with_headers(self, extra: Iterable[tuple[str, str]]) -> ResponseSpec:
        """Return a copy that sends *extra* fields after its own."""
        copy = object.__new__(type(self))
        for name in self.__slots__:
            object.__setattr__(copy, name, getattr(self, name))
        object.__setattr__(copy, "headers", (*self.headers, *extra))
        object.__setattr__(copy, "wire_cache", {})
        return copy

    def to_httpx2(self) -> Any:
        """
        Return what a client of httpx2 gets for this in answer to a GET: an ``httpx2.Response``, read.

        Raises:
            SpecError: If no response holds it: a delay, a pause, a fault, a source of pieces.

            MissingExtraError: If httpx2 is not installed.
        """
        return _as_response(self, "httpx2")

    def to_httpx(self) -> Any:
        """Return an ``httpx.Response``, as :meth:`to_httpx2` does."""
        return _as_response(self, "httpx")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ResponseSpec) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[object, ...]:
        body = self.content if self.stream is None else id(self.stream)
        how = (self.trailers, self.informational, self.gzip, self.pace, self.fault, self.early)
        return (self.status, body, self.content_type, self.headers, self.delay_ms, self.reason, *how)

    def __repr__(self) -> str:
        parts = [f"status={self.status}"]
        if self.body is not None:
            shown = repr(self.body)
            parts.append(f"body={shown if len(shown) <= 60 else shown[:57] + '...'}")
        if self.headers:
            parts.append(f"headers={list(self.headers)!r}")
        options = ("delay_ms", "trailers", "informational", "gzip", "pace", "fault", "early")
        parts += [f"{name}={getattr(self, name)!r}" for name in options if getattr(self, name)]
        return f"ResponseSpec({', '.join(parts)})"


def _as_response(spec: ResponseSpec, library: str) -> Any:
    # The one step upwards, by name and when it is asked for: a convenience of the value, whose work is that of the
    # place where the libraries are named.
    return importlib.import_module("api_simulator._engines._libraries").response_of(spec, library)


def _body_to_break(fault: Truncated | WrongLength | Stalled) -> str:
    """Return a body that is long enough for *fault* to show."""
    touched = -fault.by if isinstance(fault, WrongLength) else fault.after
    return "x" * max(1024, touched + 1)


def checked_headers(headers: HeaderInput | None) -> HeaderPairs:
    """Return *headers* as pairs of text, or raise :class:`SpecError` naming the field and what is wrong with it."""
    if headers is None:
        return ()
    if isinstance(headers, str | bytes):
        raise SpecError(f"headers: expected pairs of name and value or a mapping, got {headers!r}")
    try:
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    except TypeError:
        raise SpecError(f"headers: expected pairs of name and value or a mapping, got {headers!r}") from None
    return tuple(_checked_header(pair) for pair in pairs)


def _checked_header(pair: object) -> tuple[str, str]:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise SpecError(f"headers: expected pairs of name and value, got {pair!r}")
    name, value = pair
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(name, str) or not isinstance(value, str):
        raise SpecError(f"headers: name and value are text (str), got {pair!r}")
    if not _TOKEN.fullmatch(name):
        raise SpecError(f"headers: {name!r} is no field name; letters, digits and !#$%&'*+-.^_`|~ are allowed")
    found = _FORBIDDEN_IN_VALUE.search(value)
    if found:
        raise SpecError(f"headers: the value of {name!r} has {found.group()!r} at character {found.start()}; remove it")
    _check_encodable(value, f"headers: the value of {name!r}")
    if name.lower() in _FRAMING_HEADERS:
        raise SpecError(f"headers: {name!r} is set by the server; to send a wrong one, use a fault")
    return name, value


def _checked_status(status: object) -> int:
    if isinstance(status, bool) or not isinstance(status, int):
        raise SpecError(f"status: expected a whole number from 200 to 999, got {status!r}")
    if not 200 <= status <= 999:
        hint = "; a client waits for the final answer after a 1xx" if 100 <= status < 200 else ""
        raise SpecError(f"status: expected a whole number from 200 to 999, got {status}{hint}")
    return int(status)


def _checked_informational(item: object) -> tuple[int, HeaderPairs]:
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise SpecError(f"informational: expected pairs of status and headers, got {item!r}")
    status, headers = item
    # 101 switches protocols: what comes after it is no HTTP.
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status < 200 or status == 101:
        raise SpecError(f"informational: expected a status from 100 to 199 other than 101, got {status!r}")
    return status, checked_headers(headers)


def _checked_reason(reason: object) -> str:
    if not isinstance(reason, str) or _FORBIDDEN_IN_VALUE.search(reason):
        raise SpecError(f"reason: expected text without line ends, got {reason!r}")
    _check_encodable(reason, "reason: the text")
    return reason


def _check_encodable(text: str, subject: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise SpecError(f"{subject} cannot be encoded: {error.reason} at character {error.start}") from None


def standard_reason(status: int) -> str:
    """Return the reason phrase that RFC 9110 and its registry give *status*, empty if there is none."""
    if status in _RENAMED:
        return _RENAMED[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
