"""
The reference engine: aiohttp's HTTP parser on an asyncio loop, wire bytes from the core.

Only aiohttp's request parser is used, not its web server: answers come ready-made from the core, and
a fault must be able to send what no web framework would. A request whose answer is nothing but
bytes is answered inside ``data_received``; everything else runs in one task per connection.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections import deque
from typing import NamedTuple

from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpProcessingError, HttpRequestParser, HttpVersion11, RawRequestMessage
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.http_parser import HttpRequestParserPy

from api_simulator._core.actions import Action, AskResponder, Close, HalfClose, Hang, Hold, Pull, Reset, SendBytes, Wait
from api_simulator._core.decide import Decision
from api_simulator._core.messages import CapturedRequest, percent_encode_surrogates
from api_simulator._core.simulation import Simulation
from api_simulator._core.strictness import refusal
from api_simulator._core.wire import CONTINUE, bad_request_bytes
from api_simulator._engines._loop import LOOP_THREAD
from api_simulator._engines._users_code import UsersCode, wait_until

#: A request line or a header field may be this long; more is answered with 400.
MAX_LINE_BYTES = 64 * 1024
MAX_HEADERS = 1_000
#: Buffered bytes of one body before the connection stops reading for a moment.
BODY_BUFFER_BYTES = 1024 * 1024
#: An answer of this size fits into the kernel's buffer, unless the client has stopped reading.
SENT_AT_ONCE_BYTES = 64 * 1024
KEPT_MALFORMED_BYTES = 64 * 1024
#: How long a connection that is closed inside an upload goes on reading, so that its client gets the answer.
LINGER_S = 1.0

# RFC 9293 3.10.7: with a linger time of zero, close() aborts the connection by RST instead of FIN.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

# What is left to do when an immediate answer is written but not all of it is sent: wait until it is.
_SENT = Decision((SendBytes(b""),))

_EMPTY_LINE = b"\r\n\r\n"


class _Arrival(NamedTuple):
    """A request whose head is there: what was parsed, where its body will be, and when that was."""

    message: RawRequestMessage
    payload: StreamReader
    raw_head: bytes | None
    head_ns: int
    generation: int


class _Connection(BaseProtocol):
    """One client connection: bytes in, requests to the simulation, actions out."""

    __slots__ = (
        "_accepted_ns",
        "_body_left",
        "_broken",
        "_clock",
        "_closing",
        "_index",
        "_number",
        "_payload",
        "_queue",
        "_reading",
        "_refusing",
        "_serving",
        "_tail",
        "_task",
        "_unparsed",
    )

    def __init__(self, serving: AiohttpServing) -> None:
        super().__init__(serving.loop)
        self._parser: HttpRequestParser = self._make_parser(HttpRequestParser)
        self._serving = serving
        self._clock = serving.simulation.clock
        self._number = 0
        self._index = 0
        self._queue: deque[_Arrival] = deque()
        # The request whose body is waited for.
        self._reading: _Arrival | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        # The body being received last, and what came after the requests that are still being answered.
        self._payload: StreamReader | None = None
        self._broken: tuple[bytes, HttpProcessingError] | None = None
        # Whether what still comes is read over: it follows something that was no HTTP.
        self._refusing = False
        # The head being received: kept as it came, shown if it turns out to be no HTTP, or fed to another parser.
        self._unparsed = b""
        # Where the next cut is: bytes of a body of known length, or the end of what may begin an empty line.
        self._body_left = 0
        self._tail = b""

    def _make_parser(self, kind: type[HttpRequestParser]) -> HttpRequestParser:
        return kind(
            self,
            self._loop,
            BODY_BUFFER_BYTES,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            max_headers=MAX_HEADERS,
            # The journal keeps the body as received; views decode it.
            auto_decompress=False,
        )

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # No high-water mark: "writing is paused" then means "bytes are unsent", and an answer that is still
        # in the buffer is not called answered.
        assert self.transport is not None
        self.transport.set_write_buffer_limits(high=0)
        self._accepted_ns = self._clock.now_ns()
        self._number = self._serving.add(self)
        delay_ms = self._serving.simulation.accept_delay_ms
        if delay_ms and not self._clock.skip_to(self._accepted_ns + delay_ms * 1_000_000):
            # The kernel has accepted; what the client notices is that nothing is read.
            self.transport.pause_reading()
            self._loop.call_later(delay_ms / 1000, self._resume_transport_reading)

    def data_received(self, data: bytes) -> None:
        # Fed in pieces, none of which goes beyond the end of a head: so it is known which bytes are whose head,
        # and a parser that raises has nothing in it that was good.
        arrivals: list[_Arrival] = []
        start = 0
        while start < len(data) and not (self._closing or self._refusing):
            end = self._next_cut(data, start)
            self._feed(data[start:end], arrivals)
            start = end
        self._take(arrivals)

    def _next_cut(self, data: bytes, start: int) -> int:
        if self._body_left:
            return min(len(data), start + self._body_left)
        across = (self._tail + data[start : start + 3]).find(_EMPTY_LINE) if self._tail else -1
        if across >= 0:
            return start + across + len(_EMPTY_LINE) - len(self._tail)
        found = data.find(_EMPTY_LINE, start)
        return len(data) if found < 0 else found + len(_EMPTY_LINE)

    def _feed(self, piece: bytes, arrivals: list[_Arrival]) -> None:
        in_body = self._payload is not None and not self._payload.is_eof()
        self._tail = b"" if piece.endswith(_EMPTY_LINE) else (self._tail + piece)[-3:]
        self._body_left = max(0, self._body_left - len(piece))
        if not in_body:
            self._unparsed += piece
        try:
            messages, upgraded, _ = self._parser.feed_data(piece)
        except HttpProcessingError as error:
            self._not_parsed(error, arrivals, in_body=in_body)
            return
        for message, payload in messages:
            head, self._unparsed = self._unparsed.lstrip(b"\r\n"), b""
            problem = refusal(head)
            if problem is not None:
                self._unparsed = head
                self._refuse_after(arrivals, BadHttpMessage(problem))
                return
            self._payload = payload
            if not (payload.is_eof() or message.chunked):
                self._body_left = int(message.headers.get("Content-Length", 0))
            generation = self._serving.simulation.generation
            arrivals.append(_Arrival(message, payload, head, self._clock.now_ns(), generation))
        if upgraded:
            self._take(arrivals)
            # An upgrade (or CONNECT) is answered like any request, but bytes after it are no HTTP.
            self._closing = True
            if self._task is None and self.transport is not None:
                self.transport.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._closing = True
        if self._task is not None:
            self._task.cancel()
        # Told here and not by the task, which may not have begun: who sees the connection closed must find it told.
        if self._reading is not None:
            self._report_malformed(_start_of(self._reading), "the client went away inside the body")
        elif self._unparsed.strip():
            self._report_malformed(self._unparsed, "the connection ended inside a request")
        self._serving.remove(self, self._number)

    def abort(self) -> None:
        """End the connection by RST."""
        self._closing = True
        if self.transport is not None:
            client: socket.socket = self.transport.get_extra_info("socket")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.transport.abort()

    def drop(self) -> None:
        """End the connection: in order when it is idle, by RST when a request is under way."""
        if self._task is not None:
            self.abort()
        elif self.transport is not None:
            self._closing = True
            self.transport.close()

    # Requests in

    def _take(self, arrivals: list[_Arrival]) -> None:
        for arrival in arrivals:
            payload = arrival.payload
            if self._task is None and payload.is_eof() and not self._is_throttled(payload):
                self._answer_now(arrival, payload.read_nowait(-1))
            else:
                self._queue.append(arrival)
                if self._task is None:
                    self._reading = arrival
                    self._task = self._loop.create_task(self._work())
        arrivals.clear()

    def _is_throttled(self, payload: StreamReader) -> bool:
        return self._serving.simulation.upload_bytes_per_s is not None and not payload.at_eof()

    def _capture(self, arrival: _Arrival, body: bytes) -> CapturedRequest:
        index = self._index
        self._index += 1
        message = arrival.message
        version = message.version
        return CapturedRequest(
            message.method,
            message.path if message.path.isascii() else percent_encode_surrogates(message.path),
            raw_headers=message.raw_headers,
            raw_body=body,
            http_version=f"{version.major}.{version.minor}",
            keep_alive=not (message.should_close or message.upgrade),
            connection_id=self._number,
            connection_index=index,
            generation=arrival.generation,
            raw_head=arrival.raw_head,
            accepted_ns=self._accepted_ns,
            head_ns=arrival.head_ns,
            clock=self._clock,
        )

    def _answer_now(self, arrival: _Arrival, body: bytes) -> None:
        simulation = self._serving.simulation
        request = self._capture(arrival, body)
        decision = simulation.receive(request)
        if decision.immediate is not None and not self._paused and self.transport is not None:
            self._write_last(request, decision.immediate)
            if not self._paused:
                return
            decision = _SENT
        self._task = self._loop.create_task(self._work((request, decision)))

    # Actions out

    async def _work(self, first: tuple[CapturedRequest, Decision] | None = None) -> None:
        """Serve requests one after the other until none is waiting, *first* of all one already decided."""
        try:
            if first is not None:
                await self._carry_out(*first)
            while self._queue and not self._closing:
                arrival = self._queue.popleft()
                if self._serving.simulation.answers_early and await self._answer_early(arrival):
                    continue
                request = await self._read(arrival)
                if request is not None:
                    await self._carry_out(request, self._serving.simulation.receive(request))
            if self._broken is not None:
                self._refuse(*self._broken)
        except ConnectionError:
            # The client went away while it was being answered: noted on the request, nothing else to do.
            self._closing = True
        except BaseException:
            # A connection that nobody serves would let its client wait for ever.
            self._closing = True
            raise
        finally:
            self._task = None
            if self._closing and self.transport is not None:
                self.transport.close()

    async def _answer_early(self, arrival: _Arrival) -> bool:
        """Answer by the head alone if a route says so; then read what is left of the body, unless that is over."""
        self._reading = None
        request = self._capture(arrival, b"")
        if arrival.message.headers.get("Expect", "").lower() == "100-continue" and not arrival.payload.is_eof():
            # RFC 9110 10.1.1: the client may send the body now or not, so nothing after it could be found.
            request.keep_alive = False
        decision = self._serving.simulation.receive_head(request)
        if decision is None:
            self._index -= 1
            return False
        await self._carry_out(request, decision)
        if self._closing:
            await self._linger(arrival)
            return True
        try:
            self._serving.simulation.body_arrived(request, await self._body(arrival))
        except HttpProcessingError as error:
            self._report_malformed(request.raw_head or b"", _one_line(error))
            self._closing = True
        return True

    async def _linger(self, arrival: _Arrival) -> None:
        """Close the sending side, and drop what is still received until the client has closed too."""
        if arrival.payload.is_eof() or self.transport is None or self.transport.is_closing():
            return
        # RFC 9112 9.6: closing with bytes unread resets the connection, and the reset can overtake the answer.
        self._half_close()
        self._resume_transport_reading()
        await asyncio.sleep(LINGER_S)

    async def _read(self, arrival: _Arrival) -> CapturedRequest | None:
        """Return the request once its body is there, None if the body is broken (and refused)."""
        message = arrival.message
        # RFC 9110 10.1.1: an HTTP/1.0 client's expectation is ignored.
        expects = message.version >= HttpVersion11 and message.headers.get("Expect", "").lower() == "100-continue"
        if expects and not arrival.payload.is_eof():
            self.write(CONTINUE)
        self._reading = arrival
        try:
            body = await self._body(arrival)
        except HttpProcessingError as error:
            self._reading = None
            self._refuse(_start_of(arrival), error)
            return None
        self._reading = None
        return self._capture(arrival, body)

    async def _body(self, arrival: _Arrival) -> bytes:
        limit = self._serving.simulation.upload_bytes_per_s
        if limit is None:
            return await arrival.payload.read()
        # Slowly: what is not read fills the kernel's buffers until the client must wait.
        body = bytearray()
        size = max(1, limit // 20)
        while not arrival.payload.at_eof():
            piece = await arrival.payload.read(size)
            body += piece
            await wait_until(self._clock, self._clock.now_ns() + len(piece) * 1_000_000_000 // limit)
        return bytes(body)

    async def _carry_out(self, request: CapturedRequest, decision: Decision) -> None:
        simulation = self._serving.simulation
        try:
            actions = deque(decision.actions)
            while actions:
                action = actions.popleft()
                if isinstance(action, AskResponder):
                    actions.extendleft(reversed((await self._serving.users_code.ask(request, action)).actions))
                elif isinstance(action, SendBytes) and all(isinstance(left, Close | HalfClose) for left in actions):
                    self._write_last(request, action.data)
                    await self.drained()
                else:
                    await self._act(request, action)
            if request.answered_ns is None:
                simulation.answered(request)
        except (asyncio.CancelledError, ConnectionError):
            if request.answered_ns is None:
                simulation.aborted(request)
            raise

    async def _act(self, request: CapturedRequest, action: Action) -> None:
        if isinstance(action, SendBytes):
            self.write(action.data)
            await self.drained()
        elif isinstance(action, Wait):
            await wait_until(self._clock, self._clock.now_ns() + action.milliseconds * 1_000_000)
        elif isinstance(action, Pull):
            await self._serving.users_code.pull(request, action, self)
        elif isinstance(action, Hold):
            await self._serving.users_code.hold(action)
        elif isinstance(action, Close):
            self._closing = True
        elif isinstance(action, Reset):
            self.abort()
        elif isinstance(action, HalfClose):
            self._half_close()
            await self._loop.create_future()
        elif isinstance(action, Hang):
            # Until the client goes away or the server closes: both cancel this task.
            await self._loop.create_future()

    def _half_close(self) -> None:
        if self.transport is not None and self.transport.can_write_eof():
            self.transport.write_eof()

    def _write_last(self, request: CapturedRequest, data: bytes) -> None:
        """Write what ends an answer; it is answered if nothing of it is still in the buffer."""
        simulation = self._serving.simulation
        if len(data) <= SENT_AT_ONCE_BYTES:
            # Noted first: a client that has the answer must find it noted.
            simulation.answered(request)
            self.write(data)
            if self._paused:
                request.answered_ns = None
        else:
            self.write(data)
            if not self._paused:
                simulation.answered(request)

    async def drained(self) -> None:
        """Wait until the kernel has taken everything."""
        await self._drain_helper()

    def write(self, data: bytes) -> None:
        """Give bytes to the transport."""
        if self.transport is None:
            raise ConnectionResetError("the client went away")
        self.transport.write(data)

    # What is no HTTP

    def _not_parsed(self, error: HttpProcessingError, arrivals: list[_Arrival], *, in_body: bool) -> None:
        if in_body:
            assert self._payload is not None
            self._refusing = True
            self._payload.set_exception(error)
        elif not isinstance(self._parser, HttpRequestParserPy):
            # Once more, with aiohttp's slow parser: the fast one knows a fixed list of methods where RFC 9110
            # allows any token.
            unparsed, self._unparsed = self._unparsed, b""
            self._parser = self._make_parser(HttpRequestParserPy)
            self._feed(unparsed, arrivals)
        else:
            self._refuse_after(arrivals, error)

    def _refuse_after(self, arrivals: list[_Arrival], error: HttpProcessingError) -> None:
        self._refusing = True
        self._take(arrivals)
        if self._task is None:
            self._refuse(self._unparsed, error)
        else:
            # Earlier requests are still being answered; the refusal comes after them.
            self._broken = (self._unparsed, error)

    def _refuse(self, raw: bytes, error: HttpProcessingError) -> None:
        text = _one_line(error)
        self._report_malformed(raw, text)
        self._closing = True
        if self.transport is not None:
            self.transport.write(bad_request_bytes(text))
            self.transport.close()

    def _report_malformed(self, raw: bytes, error: str) -> None:
        self._unparsed = b""
        self._serving.simulation.receive_malformed(raw[:KEPT_MALFORMED_BYTES], error, self._number)


def _start_of(arrival: _Arrival) -> bytes:
    return f"{arrival.message.method} {arrival.message.path}".encode(errors="replace")


def _one_line(error: HttpProcessingError) -> str:
    return " ".join(str(error.message).split()) or type(error).__name__


class AiohttpServing:
    """A listener served on the shared loop."""

    def __init__(self, listener: socket.socket, simulation: Simulation) -> None:
        self.simulation = simulation
        self.loop = LOOP_THREAD.acquire()
        self._connections: set[_Connection] = set()
        self.users_code = UsersCode(self.loop, simulation)
        self._count = 0
        self._server: asyncio.Server | None = None
        self._closing_lock = threading.Lock()
        try:
            self._server = LOOP_THREAD.run(self._start(listener))
        except BaseException:
            listener.close()
            LOOP_THREAD.release()
            raise

    async def _start(self, listener: socket.socket) -> asyncio.Server:
        return await self.loop.create_server(lambda: _Connection(self), sock=listener, backlog=1024)

    def add(self, connection: _Connection) -> int:
        """Remember an open connection and return its number, from 1."""
        self._connections.add(connection)
        self._count += 1
        self.simulation.connection_opened(self._count)
        return self._count

    def remove(self, connection: _Connection, number: int) -> None:
        """Forget a connection that has ended."""
        self._connections.discard(connection)
        self.simulation.connection_closed(number)

    def drop_connections(self) -> None:
        """Close every open connection; the listener stays."""
        LOOP_THREAD.run(self._drop())

    async def _drop(self) -> None:
        for connection in list(self._connections):
            connection.drop()
        # A transport closes its descriptor in a later pass of the loop; what still has data to send is aborted.
        for _ in range(3):
            await asyncio.sleep(0)
        while self._connections:
            for connection in list(self._connections):
                connection.abort()
            await asyncio.sleep(0)

    def close(self) -> None:
        """Stop listening and close every connection; returns when all descriptors are closed."""
        LOOP_THREAD.refuse_own_thread()
        with self._closing_lock:
            # Whoever gets it closes it: a responder on a worker thread may close the server that the test closes too.
            server, self._server = self._server, None
        if server is None:
            return
        LOOP_THREAD.run(self._stop(server))
        LOOP_THREAD.release()

    async def _stop(self, server: asyncio.Server) -> None:
        server.close()
        await self._drop()
        await self.users_code.cancel()


class AiohttpEngine:
    """The engine that is always there."""

    name = "aiohttp"
    listens = True

    def serve(self, listener: socket.socket, simulation: Simulation) -> AiohttpServing:
        """Serve *listener* until the result is closed."""
        return AiohttpServing(listener, simulation)

    def hold(self) -> None:
        """Keep the loop's thread running until :meth:`release`."""
        LOOP_THREAD.acquire()

    def release(self) -> None:
        """Undo one :meth:`hold`."""
        LOOP_THREAD.release()


ENGINE = AiohttpEngine()
