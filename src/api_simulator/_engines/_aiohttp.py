"""
The reference engine: aiohttp's HTTP parser on an asyncio loop, wire bytes from the core.

Only aiohttp's request parser is used, not its web server: answers come ready-made from the core, and
a fault must be able to send what no web framework would. A request whose answer is nothing but
bytes is answered inside ``data_received``; everything else runs in one task per connection.
"""

from __future__ import annotations

import asyncio
import inspect
import socket
import struct
from collections import deque
from typing import TypeAlias

from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpProcessingError, HttpRequestParser, HttpVersion11, RawRequestMessage
from aiohttp.http_parser import HttpRequestParserPy

from api_simulator._core.actions import AskResponder, Close, Reset, SendBytes, Wait
from api_simulator._core.decide import Decision
from api_simulator._core.messages import CapturedRequest
from api_simulator._core.simulation import Simulation
from api_simulator._core.wire import CONTINUE, bad_request_bytes
from api_simulator._engines._loop import LOOP_THREAD

#: A request line or a header field may be this long; more is answered with 400.
MAX_LINE_BYTES = 64 * 1024
MAX_HEADERS = 1_000
#: Buffered bytes of one body before the connection stops reading for a moment.
BODY_BUFFER_BYTES = 1024 * 1024
#: An answer of this size fits into the kernel's buffer, unless the client has stopped reading.
SENT_AT_ONCE_BYTES = 64 * 1024
KEPT_MALFORMED_BYTES = 64 * 1024

# RFC 9293 3.10.7: with a linger time of zero, close() aborts the connection by RST instead of FIN.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

# What is left to do when an immediate answer is written but not all of it is sent: wait until it is.
_SENT = Decision((SendBytes(b""),))

Message: TypeAlias = tuple[RawRequestMessage, StreamReader]


class _Connection(BaseProtocol):
    """One client connection: bytes in, requests to the simulation, actions out."""

    __slots__ = (
        "_broken",
        "_closing",
        "_index",
        "_number",
        "_payload",
        "_queue",
        "_serving",
        "_task",
        "_unparsed",
    )

    def __init__(self, serving: AiohttpServing) -> None:
        super().__init__(serving.loop)
        self._parser: HttpRequestParser = self._make_parser(HttpRequestParser)
        self._serving = serving
        self._number = 0
        self._index = 0
        self._queue: deque[Message] = deque()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        # The body being received last, and what came after the requests that are still being answered.
        self._payload: StreamReader | None = None
        self._broken: tuple[bytes, HttpProcessingError] | None = None
        # What was fed since the last message began: shown when it turns out to be no HTTP, or fed to another parser.
        self._unparsed = b""

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
        self._number = self._serving.add(self)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        try:
            messages, upgraded, _ = self._parser.feed_data(data)
        except HttpProcessingError as error:
            self._not_parsed(data, error)
            return
        if messages:
            self._unparsed = b""
            self._take(messages)
        elif self._task is None and len(self._unparsed) < KEPT_MALFORMED_BYTES:
            self._unparsed += data
        if upgraded:
            # An upgrade (or CONNECT) is answered like any request, but bytes after it are no HTTP.
            self._closing = True
            if self._task is None and self.transport is not None:
                self.transport.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._serving.remove(self)
        self._closing = True
        if self._task is not None:
            self._task.cancel()
        elif self._unparsed:
            self._report_malformed(self._unparsed, "the connection ended inside a request")

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

    def _take(self, messages: list[Message]) -> None:
        for message, payload in messages:
            if self._task is None and payload.is_eof():
                self._answer_now(message, payload.read_nowait(-1))
            else:
                self._payload = payload
                self._queue.append((message, payload))
                if self._task is None:
                    self._task = self._loop.create_task(self._work())

    def _capture(self, message: RawRequestMessage, body: bytes, generation: int) -> CapturedRequest:
        index = self._index
        self._index += 1
        version = message.version
        return CapturedRequest(
            message.method,
            message.path if message.path.isascii() else _without_surrogates(message.path),
            raw_headers=message.raw_headers,
            raw_body=body,
            http_version=f"{version.major}.{version.minor}",
            keep_alive=not (message.should_close or message.upgrade),
            connection_id=self._number,
            connection_index=index,
            generation=generation,
        )

    def _answer_now(self, message: RawRequestMessage, body: bytes) -> None:
        simulation = self._serving.simulation
        request = self._capture(message, body, simulation.generation)
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
                request = await self._read(*self._queue.popleft())
                if request is not None:
                    await self._carry_out(request, self._serving.simulation.receive(request))
            if self._broken is not None:
                self._refuse(*self._broken)
        except ConnectionError:
            # The client went away while it was being answered: noted on the request, nothing else to do.
            self._closing = True
        finally:
            self._task = None
            if self._closing and self.transport is not None:
                self.transport.close()

    async def _read(self, message: RawRequestMessage, payload: StreamReader) -> CapturedRequest | None:
        """Return the request once its body is there, None if the body is broken (and refused)."""
        generation = self._serving.simulation.generation
        # RFC 9110 10.1.1: an HTTP/1.0 client's expectation is ignored.
        expects = message.version >= HttpVersion11 and message.headers.get("Expect", "").lower() == "100-continue"
        if expects and not payload.is_eof():
            self._write(CONTINUE)
        start = f"{message.method} {message.path}".encode(errors="replace")
        try:
            body = await payload.read()
        except HttpProcessingError as error:
            self._refuse(start, error)
            return None
        except asyncio.CancelledError:
            self._report_malformed(start, "the client went away inside the body")
            raise
        return self._capture(message, body, generation)

    async def _carry_out(self, request: CapturedRequest, decision: Decision) -> None:
        simulation = self._serving.simulation
        try:
            actions = deque(decision.actions)
            while actions:
                action = actions.popleft()
                if isinstance(action, AskResponder):
                    actions.extendleft(reversed((await self._ask(request, action)).actions))
                elif isinstance(action, SendBytes) and all(isinstance(left, Close) for left in actions):
                    self._write_last(request, action.data)
                    await self._drain_helper()
                else:
                    await self._act(action)
            if request.answered_ns is None:
                simulation.answered(request)
        except (asyncio.CancelledError, ConnectionError):
            if request.answered_ns is None:
                simulation.aborted(request)
            raise

    async def _act(self, action: SendBytes | Wait | Close | Reset) -> None:
        if isinstance(action, SendBytes):
            self._write(action.data)
            await self._drain_helper()
        elif isinstance(action, Wait):
            await self._wait(action.milliseconds)
        elif isinstance(action, Close):
            self._closing = True
        else:
            self.abort()

    async def _wait(self, milliseconds: int) -> None:
        # asyncio may wake up to one tick of its clock early; a delay is never short.
        end = self._loop.time() + milliseconds / 1000
        while (left := end - self._loop.time()) > 0:  # noqa: ASYNC110  # it is time that is waited for
            await asyncio.sleep(left)

    async def _ask(self, request: CapturedRequest, action: AskResponder) -> Decision:
        simulation = self._serving.simulation
        try:
            if inspect.iscoroutinefunction(action.responder):
                answer = await action.responder(request)
            else:
                answer = await self._loop.run_in_executor(LOOP_THREAD.workers(), action.responder, request)
                if inspect.isawaitable(answer):
                    answer = await answer
        except Exception as error:  # noqa: BLE001  # the user's own code: the test is told, the server lives on
            return simulation.responder_failed(request, error)
        return simulation.responder_answered(request, answer)

    def _write_last(self, request: CapturedRequest, data: bytes) -> None:
        """Write what ends an answer; it is answered if nothing of it is still in the buffer."""
        simulation = self._serving.simulation
        if len(data) <= SENT_AT_ONCE_BYTES:
            # Noted first: a client that has the answer must find it noted.
            simulation.answered(request)
            self._write(data)
            if self._paused:
                request.answered_ns = None
        else:
            self._write(data)
            if not self._paused:
                simulation.answered(request)

    def _write(self, data: bytes) -> None:
        if self.transport is None:
            raise ConnectionResetError("the client went away")
        self.transport.write(data)

    # What is no HTTP

    def _not_parsed(self, data: bytes, error: HttpProcessingError) -> None:
        if self._task is None and not isinstance(self._parser, HttpRequestParserPy):
            # Once more, line by line and with aiohttp's slow parser: the fast one knows a fixed list of
            # methods where RFC 9110 allows any token, and forgets good requests that came before the bad one.
            unparsed, self._unparsed = self._unparsed + data, b""
            self._parser = self._make_parser(HttpRequestParserPy)
            for line in unparsed.splitlines(keepends=True):
                self.data_received(line)
        elif self._task is None:
            self._refuse(self._unparsed + data, error)
        elif self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(error)
        else:
            # Earlier requests are still being answered; the refusal comes after them.
            self._broken = self._broken or (data, error)

    def _refuse(self, raw: bytes, error: HttpProcessingError) -> None:
        text = " ".join(str(error.message).split()) or type(error).__name__
        self._report_malformed(raw, text)
        self._closing = True
        if self.transport is not None:
            self.transport.write(bad_request_bytes(text))
            self.transport.close()

    def _report_malformed(self, raw: bytes, error: str) -> None:
        self._unparsed = b""
        self._serving.simulation.receive_malformed(raw[:KEPT_MALFORMED_BYTES], error, self._number)


def _without_surrogates(target: str) -> str:
    """Percent-encode the bytes of a target that are not UTF-8; the parser hands them over as lone surrogates."""
    return "".join(f"%{ord(char) - 0xDC00:02X}" if "\udc80" <= char <= "\udcff" else char for char in target)


class AiohttpServing:
    """A listener served on the shared loop."""

    def __init__(self, listener: socket.socket, simulation: Simulation) -> None:
        self.simulation = simulation
        self.loop = LOOP_THREAD.acquire()
        self._connections: set[_Connection] = set()
        self._count = 0
        self._server: asyncio.Server | None = None
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
        return self._count

    def remove(self, connection: _Connection) -> None:
        """Forget a connection that has ended."""
        self._connections.discard(connection)

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
        server, self._server = self._server, None
        if server is None:
            return
        LOOP_THREAD.run(self._stop(server))
        LOOP_THREAD.release()

    async def _stop(self, server: asyncio.Server) -> None:
        server.close()
        await self._drop()


class AiohttpEngine:
    """The engine that is always there."""

    name = "aiohttp"

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
