"""
Bodies that are made or sent piece by piece: chunks, iterators, files, NDJSON and server-sent events.

All of them can be sent any number of times. A one-shot iterator is remembered while it is first
read, because a retry that silently gets an empty body is the worst of all answers.
"""

from __future__ import annotations

import inspect
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, TypeAlias

from api_simulator._core.bodies import encode_json
from api_simulator._core.delays import DelayInput, checked_delay
from api_simulator._core.values import dataclass
from api_simulator.errors import SpecError

Piece: TypeAlias = bytes
PieceSource: TypeAlias = Callable[[], Iterator[Any]] | Callable[[], AsyncIterator[Any]] | Callable[[], "SharedReader"]

_FILE_PIECE_BYTES = 256 * 1024
#: In place of a piece that is not there yet.
NOT_PULLED: Any = object()


class StreamBody(ABC):
    """
    A body in pieces.

    Attributes:
        content_type: Sent unless the user gives another.

        every_ms: Pause between two pieces.
    """

    __slots__ = ()

    content_type: str
    every_ms: DelayInput

    @abstractmethod
    def source(self) -> PieceSource:
        """Return a function that starts the pieces from the beginning."""

    def known_pieces(self) -> Sequence[Piece] | None:
        """Return the pieces if they are known already, so that no iterator is needed."""
        return None

    def length(self) -> int | None:
        """Return the length if it is to be sent as ``Content-Length``, None to send chunks."""
        return None


@dataclass(frozen=True, slots=True)
class Chunks(StreamBody):
    """These pieces, each in a chunk of its own."""

    pieces: tuple[bytes, ...]
    every_ms: DelayInput = 0
    content_type: str = "application/octet-stream"

    def source(self) -> PieceSource:
        """Start from the first chunk."""
        return lambda: iter(self.pieces)

    def known_pieces(self) -> Sequence[Piece]:
        """Return the chunks."""
        return self.pieces


@dataclass(frozen=True, slots=True)
class Stream(StreamBody):
    """The pieces of an iterable, of an async iterable, or of what a function returns for each request."""

    make: PieceSource
    every_ms: DelayInput = 0
    content_type: str = "application/octet-stream"

    def source(self) -> PieceSource:
        """Start from the first piece."""
        return self.make


@dataclass(frozen=True, slots=True)
class File(StreamBody):
    """The bytes of a file, read when it is sent."""

    path: Path
    every_ms: DelayInput = 0
    content_type: str = "application/octet-stream"

    def source(self) -> PieceSource:
        """Start at the beginning of the file."""
        return lambda: _file_pieces(self.path)

    def length(self) -> int | None:
        """Return the file's size now, None if it is gone: reading it then fails where failures are reported."""
        try:
            return self.path.stat().st_size
        except OSError:
            return None


def _file_pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_FILE_PIECE_BYTES):
            yield piece


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """
    One event of a ``text/event-stream`` (WHATWG HTML, section 9.2).

    Attributes:
        data: Text; several lines become several ``data`` fields.

        event: The type; clients take ``message`` when it is None.

        id: What the client sends back as ``Last-Event-ID`` when it reconnects.

        retry_ms: How long the client shall wait before it reconnects.

        comment: Sent as a line that starts with a colon; alone it keeps a connection awake.
    """

    data: str | None = None
    event: str | None = None
    id: str | None = None
    retry_ms: int | None = None
    comment: str | None = None

    def __post_init__(self) -> None:
        for name in ("event", "id"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or "\n" in value or "\r" in value or "\0" in value):
                raise SpecError(f"sse: {name} is text without line ends, got {value!r}")
        for name in ("data", "comment"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise SpecError(f"sse: {name} is text, got {value!r}; a dict in place of the event takes JSON as data")
        retry = self.retry_ms
        if retry is not None and (isinstance(retry, bool) or not isinstance(retry, int) or retry < 0):
            raise SpecError(f"sse: retry_ms is whole milliseconds, 0 or more; got {retry!r}")
        try:
            self.encode()
        except UnicodeEncodeError as error:
            raise SpecError(f"sse: the text cannot be encoded as UTF-8 ({error.reason})") from None

    def encode(self) -> bytes:
        """Return the event's lines with the blank line that ends it."""
        lines = [f": {line}" for line in _lines(self.comment)] if self.comment is not None else []
        if self.event is not None:
            lines.append(f"event: {self.event}")
        if self.id is not None:
            lines.append(f"id: {self.id}")
        if self.retry_ms is not None:
            lines.append(f"retry: {self.retry_ms}")
        if self.data is not None:
            lines += [f"data: {line}" for line in _lines(self.data)]
        return ("\n".join(lines) + "\n\n").encode()


def _lines(text: str) -> list[str]:
    # split, not splitlines: the format knows CR, LF and CRLF as line ends and nothing else.
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


@dataclass(frozen=True, slots=True)
class EventStream(StreamBody):
    """
    Server-sent events that can be cut and resumed.

    Attributes:
        events: In order.

        cut_after: End the connection after so many events of each request; None sends all.

        resume: Whether a request with ``Last-Event-ID`` continues after that event.
    """

    events: tuple[ServerSentEvent, ...]
    every_ms: DelayInput = 0
    cut_after: int | None = None
    resume: bool = True
    content_type: str = "text/event-stream"
    ids: dict[str, int] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        for index, event in enumerate(self.events):
            if event.id is not None:
                self.ids[event.id] = index

    def source(self) -> PieceSource:
        """Start from the first event."""
        return lambda: (event.encode() for event in self.events)

    def known_pieces(self) -> Sequence[Piece]:
        """Return the encoded events."""
        return [event.encode() for event in self.events]

    def start_for(self, last_event_id: str | None) -> int:
        """
        Return the index of the first event for a request with that ``Last-Event-ID``.

        Raises:
            KeyError: If no event has that id.
        """
        if last_event_id is None or not self.resume:
            return 0
        return self.ids[last_event_id] + 1


def chunks(*pieces: bytes | str, every_ms: DelayInput = 0, content_type: str = "application/octet-stream") -> Chunks:
    """
    Make a body that is sent in exactly these chunks.

    Args:
        pieces: Bytes, or text as UTF-8; none may be empty, because an empty chunk ends a body.

        every_ms: Pause between two chunks, in milliseconds or as a distribution.

        content_type: The body's content type.
    """
    encoded = tuple(encode_piece(piece) for piece in pieces)
    if not all(encoded):
        raise SpecError("chunks: a chunk must not be empty: an empty one ends the body (RFC 9112, section 7.1)")
    return Chunks(encoded, checked_delay(every_ms, "every_ms"), content_type)


def ndjson(items: Iterable[Any], *, every_ms: DelayInput = 0) -> Chunks:
    """Make a body of JSON values, one a line and one a chunk (``application/x-ndjson``)."""
    lines = tuple(encode_json(item) + b"\n" for item in items)
    return Chunks(lines, checked_delay(every_ms, "every_ms"), "application/x-ndjson")


def stream(source: Any, *, every_ms: DelayInput = 0, content_type: str = "application/octet-stream") -> Stream:
    """
    Make a body from an iterable, an async iterable, or a function that returns one for each request.

    Args:
        source: Gives bytes, text, or JSON values for NDJSON lines. A one-shot iterator is remembered,
            so that a second request gets the same pieces.

        every_ms: Pause between two pieces, in milliseconds or as a distribution.

        content_type: The body's content type.
    """
    return Stream(_repeatable(source), checked_delay(every_ms, "every_ms"), content_type)


def file(path: str | Path, *, content_type: str = "application/octet-stream") -> File:
    """
    Make a body of a file's bytes.

    Raises:
        SpecError: If there is no such file.
    """
    where = Path(path)
    if not where.is_file():
        place = "" if where.is_absolute() else f" in {str(Path.cwd())!r}"
        raise SpecError(f"file: {str(where)!r} is no file{place}; give the path of one that exists")
    return File(where, 0, content_type)


def sse(
    *events: ServerSentEvent | str | dict[str, Any],
    every_ms: DelayInput = 0,
    cut_after: int | None = None,
    resume: bool = True,
) -> EventStream:
    """
    Make a stream of server-sent events.

    Args:
        events: :class:`ServerSentEvent`; text for the data alone; or a dict with ``data`` (a JSON value is
            encoded), ``event``, ``id``, ``retry_ms``, ``comment``.

        every_ms: Pause between two events, in milliseconds or as a distribution.

        cut_after: End the connection after so many events; the client is expected to come back.

        resume: Whether a client that comes back with ``Last-Event-ID`` gets the events after that one.
    """
    if cut_after is not None and (isinstance(cut_after, bool) or not isinstance(cut_after, int) or cut_after < 0):
        raise SpecError(f"sse: cut_after is a whole number of events, 0 or more; got {cut_after!r}")
    made = tuple(_event(event, index) for index, event in enumerate(events))
    return EventStream(made, checked_delay(every_ms, "every_ms"), cut_after, resume)


def _event(event: object, index: int) -> ServerSentEvent:
    if isinstance(event, ServerSentEvent):
        return event
    if isinstance(event, str):
        return ServerSentEvent(data=event)
    if isinstance(event, dict):
        known = ("data", "event", "id", "retry_ms", "comment")
        unknown = [key for key in event if key not in known]
        if unknown:
            raise SpecError(f"sse: event {index} has no field {unknown[0]!r}; it has {', '.join(known)}")
        data = event.get("data")
        text = data if data is None or isinstance(data, str) else encode_json(data).decode()
        return ServerSentEvent(**{**event, "data": text})
    raise SpecError(f"sse: event {index} is text, a dict or a ServerSentEvent; got {event!r}")


def encode_piece(piece: Any) -> bytes:
    """Return a piece as bytes: text as UTF-8, a JSON value as a line of its own."""
    if isinstance(piece, bytes | bytearray | memoryview):
        return bytes(piece)
    if isinstance(piece, str):
        return piece.encode()
    return encode_json(piece) + b"\n"


def _repeatable(source: Any) -> PieceSource:
    if isinstance(source, str | bytes | dict):
        raise SpecError(f"stream: expected an iterable of pieces, got {type(source).__name__}; pass it as body instead")
    if isinstance(source, AsyncIterator):
        return SharedSource(source).reader
    if isinstance(source, AsyncIterable):
        return source.__aiter__
    if isinstance(source, Iterator):
        return _Remembered(source).replay
    if isinstance(source, Iterable):
        return source.__iter__
    if callable(source):
        return _called(source)
    raise SpecError(f"stream: expected an iterable, an async iterable or a function that returns one, got {source!r}")


def _called(make: Callable[[], Any]) -> PieceSource:
    try:
        inspect.signature(make).bind()
    except TypeError:
        raise SpecError(f"stream: the function {make!r} must take no argument") from None
    except ValueError:
        pass  # a callable of C code has no signature to check

    def start() -> Any:
        made = make()
        return made.__aiter__() if isinstance(made, AsyncIterable) else iter(made)

    return start


class _Remembered:
    """A one-shot iterator whose pieces can be read again, by several threads at once, and so can its failure."""

    def __init__(self, source: Iterator[Any]) -> None:
        self._source = source
        self._pieces: list[Any] = []
        self._error: BaseException | None = None
        self._lock = threading.Lock()

    def replay(self) -> Iterator[Any]:
        index = 0
        while index < len(self._pieces) or self._has_more(index):
            yield self._pieces[index]
            index += 1

    def _has_more(self, index: int) -> bool:
        with self._lock:
            if index < len(self._pieces):
                return True
            if self._error is not None:
                # A generator that has raised is at its end: without this the next request would get a short body
                # that looks whole.
                raise self._error
            try:
                self._pieces.append(next(self._source))
            except StopIteration:
                return False
            except BaseException as error:
                self._error = error
                raise
            return True


class SharedSource:
    """
    A one-shot async iterator with several readers, now and later.

    No reader pulls by itself: it may be cancelled because its client has gone away, and that would end
    the iterator for all. An engine runs :meth:`pull` apart from the readers, once at a time.
    """

    def __init__(self, source: AsyncIterator[Any]) -> None:
        self._source = source
        self._pieces: list[Any] = []
        self._end: Exception | None = None

    async def pull(self) -> None:
        """Take one more piece from the iterator."""
        try:
            self._pieces.append(await anext(self._source))
        except Exception as error:  # noqa: BLE001  # the user's own iterator: each reader gets it
            self._end = error
        except BaseException as error:  # noqa: BLE001  # ``pytest.fail``, or cancelled with a server that read it
            # Not raised again: it would end the loop that runs this, and not as what it was.
            self._end = RuntimeError(f"it was ended by {error!r}")

    def reader(self) -> SharedReader:
        """Start from the first piece."""
        return SharedReader(self)

    def piece(self, index: int) -> Any:
        """Return a piece, :data:`NOT_PULLED` if it must be pulled first, or raise what the iterator raised."""
        if index < len(self._pieces):
            return self._pieces[index]
        if self._end is not None:
            raise self._end
        return NOT_PULLED


class SharedReader:
    """One reader of a :class:`SharedSource`."""

    def __init__(self, source: SharedSource) -> None:
        self.source = source
        self._index = 0

    def next(self) -> Any:
        """Return the next piece as :meth:`SharedSource.piece` does; one that must be pulled is still the next."""
        piece = self.source.piece(self._index)
        self._index += piece is not NOT_PULLED
        return piece
