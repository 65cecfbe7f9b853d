"""
The client's side of one exchange: its own parser, its own timeouts, its own exceptions.

What httpcore does with bytes from a socket is done here with bytes from the exchange, step for step
and with the same parser (h11, which both libraries bring along): an answer, whole or broken, is what
the client would have made of it on the wire.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import h11

from api_simulator._engines._inprocess._connections import Connection, Pool
from api_simulator._engines._inprocess._exchange import Ending, Exchange, Pause
from api_simulator._engines._inprocess._sleeper import Bell, LoopBell, Sleeper
from api_simulator._engines._inprocess._upload import Upload
from api_simulator._engines._libraries import Library

#: httpcore's bound of a head: a longer one is an error of the server's.
MAX_HEAD_BYTES = 100 * 1024
#: It reads so much at a time, and looks after each read whether the bound is passed.
READ_BYTES = 64 * 1024


class Head(NamedTuple):
    """Status line and fields of an answer, as the libraries take them."""

    status: int
    headers: list[tuple[bytes, bytes]]
    extensions: dict[str, bytes]


def asking_parser(method: str, target: bytes, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> h11.Connection:
    """
    Return a parser that has sent this request, and so knows what its answer may look like.

    Raises:
        h11.LocalProtocolError: If the request may not be sent.
    """
    parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
    parser.send(h11.Request(method=method, target=target, headers=list(headers)))
    if body:
        parser.send(h11.Data(data=body))
    parser.send(h11.EndOfMessage())
    return parser


def head_of(event: h11.Response) -> Head:
    """Return the head in an event."""
    extensions = {"http_version": b"HTTP/" + event.http_version, "reason_phrase": bytes(event.reason)}
    return Head(event.status_code, event.headers.raw_items(), extensions)


class Reply:
    """
    An answer as it comes in.

    Args:
        library: Whose exceptions are raised.

        parser: Has sent the request.

        exchange: Where bytes come from.

        connection: What the exchange is on.

        pool: Where that goes when the answer is whole.

        sleeper: Lets time pass.

        timeout_s: The client's patience with each read; None is endless.

        upload: A body that the wire does not hold, and that is to be sent first.
    """

    def __init__(
        self,
        library: Library,
        parser: h11.Connection,
        exchange: Exchange,
        connection: Connection,
        pool: Pool,
        sleeper: Sleeper,
        timeout_s: float | None,
        upload: Upload | None = None,
    ) -> None:
        self._errors = library.module
        self._parser = parser
        self._exchange = exchange
        self._connection: Connection | None = connection
        self._pool = pool
        self._sleeper = sleeper
        self._timeout_ns = None if timeout_s is None else int(timeout_s * 1e9)
        self._read_since_ns = 0
        self._unread = b""
        self._upload = upload

    # What the library's transport and streams ask for

    def head(self) -> Head:
        """Block until status line and fields are there; interim answers are passed over."""
        try:
            while not isinstance(event := self._event(), h11.Response):
                pass
        except BaseException:
            self.close()
            raise
        return head_of(event)

    async def head_async(self) -> Head:
        """Wait as :meth:`head` does."""
        try:
            while not isinstance(event := await self._event_async(), h11.Response):
                pass
        except BaseException:
            self.close()
            raise
        return head_of(event)

    def next_piece(self) -> bytes | None:
        """Block until a piece of the body is there; None at its end."""
        return _piece(self._event())

    async def next_piece_async(self) -> bytes | None:
        """Wait as :meth:`next_piece` does."""
        return _piece(await self._event_async())

    def close(self) -> None:
        """Give the connection back if the answer was read whole, end it otherwise; twice changes nothing."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._upload is not None:
            self._exchange.break_off()
            self._upload.broken_off()
        is_whole = self._parser.our_state is h11.DONE and self._parser.their_state is h11.DONE
        if self._exchange.finish() and is_whole:
            self._pool.give_back(connection)
        else:
            self._pool.end(connection)

    # Events

    def _event(self) -> Any:
        bell = Bell()
        self._exchange.ring = bell.ring
        self._read_since_ns = self._sleeper.clock.now_ns()
        while isinstance(found := self._advance(), Pause):
            self._sleeper.block(bell, self._until_ns(found))
            bell.silence()
        return found

    async def _event_async(self) -> Any:
        bell = LoopBell()
        self._exchange.ring = bell.ring
        self._read_since_ns = self._sleeper.clock.now_ns()
        while isinstance(found := self._advance(), Pause):
            await self._sleeper.pause(bell, self._until_ns(found))
            bell.silence()
        return found

    def _until_ns(self, pause: Pause) -> int | None:
        """Return when the exchange goes on or the client's patience ends; raise if that has ended."""
        if self._timeout_ns is None or self._upload is not None:
            return pause.until_ns
        ends_ns = self._read_since_ns + self._timeout_ns
        if self._sleeper.clock.now_ns() >= ends_ns:
            raise self._errors.ReadTimeout("timed out")
        return ends_ns if pause.until_ns is None else min(ends_ns, pause.until_ns)

    def _advance(self) -> Any:
        """Return the parser's next event, or what to wait for; raise what the library raises for what came."""
        if self._upload is not None and (pause := self._send(self._upload)) is not None:
            return pause
        while True:
            try:
                event = self._parser.next_event()
            except h11.RemoteProtocolError as error:
                raise self._errors.RemoteProtocolError(str(error)) from error
            if event is not h11.NEED_DATA:
                return event
            got = self._unread or self._exchange.step()
            if isinstance(got, Pause):
                return got
            if got is Ending.RESET:
                raise self._errors.ReadError("[Errno 104] Connection reset by peer")
            data, self._unread = (b"", b"") if got is Ending.CLOSED else (got[:READ_BYTES], got[READ_BYTES:])
            if not data and self._parser.their_state == h11.SEND_RESPONSE:
                raise self._errors.RemoteProtocolError("Server disconnected without sending a response.")
            self._parser.receive_data(data)
            self._read_since_ns = self._sleeper.clock.now_ns()

    def _send(self, upload: Upload) -> Pause | None:
        """Send the body as far as the server reads it; return what to wait for, None when the wire has all of it."""
        now_ns = self._sleeper.clock.now_ns()
        got: Any = b""
        while isinstance(got, bytes):
            # An answer that comes meanwhile is read when the body is sent.
            self._unread += got
            got = self._exchange.step()
        if not isinstance(got, Ending):
            if upload.fails_ns is not None and now_ns >= upload.fails_ns:
                raise self._errors.WriteTimeout("timed out")
            if upload.ends_ns is not None:
                is_sent = now_ns >= upload.ends_ns
            else:
                is_sent = self._exchange.is_over
            if not is_sent:
                moments = [moment for moment in (got.until_ns, upload.ends_ns, upload.fails_ns) if moment is not None]
                return Pause(min(moments, default=None))
        self._upload = None
        self._read_since_ns = now_ns
        upload.sent()
        return None


def _piece(event: Any) -> bytes | None:
    return bytes(event.data) if isinstance(event, h11.Data) else None
