"""
A raw connection to the engine without a socket: bytes in, bytes out, at the place where a client's parser sits.

Requests are taken apart here, by h11, since this engine gets them whole from its clients; what comes back
are the bytes, pauses and ends that those clients' own parsers get to see.
"""

from __future__ import annotations

import re
import socket
import time
from collections import deque
from typing import Any

import h11

from api_simulator._engines._inprocess._connections import Pool
from api_simulator._engines._inprocess._exchange import Ending, Exchange, Pause
from api_simulator._engines._inprocess._serving import InProcessServing
from api_simulator._engines._inprocess._sleeper import Bell
from api_simulator.http import MockHttpServer


def connect(server: MockHttpServer, patience_s: float) -> Any:
    """Return a raw connection to *server*: a socket, or what stands for one where there is none."""
    if server.engine == "inprocess":
        return InProcessSocket(server._in_process(), patience_s)
    return socket.create_connection((server.host, server.port), patience_s)


class InProcessSocket:
    """What the wires of these tests ask of a socket."""

    def __init__(self, serving: InProcessServing, patience_s: float) -> None:
        self._serving = serving
        self._patience_s = patience_s
        self._pool = Pool(serving)
        # Of as many as there may be: never None.
        self._connection = serving.connect()
        self._parser = h11.Connection(h11.SERVER)
        self._head: Any = None
        self._body = b""
        self._waiting: deque[tuple[Any, bytes]] = deque()
        self._exchange: Exchange | None = None
        self._received = bytearray()
        self._all_sent = False
        self._ending: Ending | None = None

    def sendall(self, data: bytes) -> None:
        # Clients of this engine send no bytes beyond ASCII in a target: they percent-encode them.
        line, end, rest = data.partition(b"\r\n")
        if b" HTTP/" in line:
            data = re.sub(rb"[\x80-\xff]", lambda found: b"%%%02X" % found[0][0], line) + end + rest
        self._parser.receive_data(data)
        while (event := self._parser.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Request):
                self._head, self._body = event, b""
            elif isinstance(event, h11.Data):
                self._body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self._waiting.append((self._head, self._body))
                rest = self._parser.trailing_data[0]
                self._parser = h11.Connection(h11.SERVER)
                if rest:
                    self._parser.receive_data(rest)
        # A server on a socket does at once what it can; this one is asked, so that it does too.
        self._advance()

    def _begin(self, head: Any, body: bytes) -> Exchange:
        serving = self._serving
        headers = head.headers.raw_items()
        keep_alive = not any(name.lower() == b"connection" and b"close" in value.lower() for name, value in headers)
        request = (self._connection, head.method.decode().upper(), head.target.decode(), headers, body)
        if serving.reads_slowly(self._connection):
            return serving.begin_arriving(*request, keep_alive=keep_alive)
        captured = serving.captured(*request, keep_alive=keep_alive)
        return serving.begin(captured, serving.simulation.receive(captured), captured.received_ns)

    def recv(self, size: int) -> bytes:
        bell = Bell()
        deadline = time.monotonic() + self._patience_s
        while not self._received and self._ending is None:
            if self._exchange is not None:
                self._exchange.ring = bell.ring
            paused = self._advance()
            if paused is None:
                continue
            assert time.monotonic() < deadline, f"nothing came for {self._patience_s:g} s"
            limit_ns = time.monotonic_ns() + 1_000_000_000
            until_ns = limit_ns if paused.until_ns is None else min(limit_ns, paused.until_ns)
            self._serving.sleeper.block(bell, until_ns)
            bell.silence()
        if not self._received and self._ending is Ending.RESET:
            raise ConnectionResetError
        data = bytes(self._received[:size])
        del self._received[:size]
        return data

    def _advance(self) -> Pause | None:
        """Take what is there; return the pause if there is nothing."""
        if self._exchange is None and self._waiting and self._ending is None:
            self._exchange = self._begin(*self._waiting.popleft())
        if self._exchange is None or self._ending is not None:
            if self._all_sent and self._ending is None:
                self._end(Ending.CLOSED)
                return None
            return Pause(None)
        got = self._exchange.step()
        if isinstance(got, Ending):
            self._end(got)
        elif isinstance(got, bytes):
            self._received += got
        elif self._exchange.is_over:
            self._exchange.finish()
            self._exchange = None
            return self._advance()
        else:
            return got
        return None

    def _end(self, ending: Ending) -> None:
        self._ending = ending
        self._pool.end(self._connection)

    def is_silent(self) -> bool:
        """Return whether there is nothing to read now, not even the end."""
        return not self._received and self._ending is None and self._advance() is not None

    def close(self) -> None:
        if self._exchange is not None:
            self._exchange.finish()
        if self._ending is None:
            self._end(Ending.CLOSED)

    def shutdown(self, how: int) -> None:
        """Say that all is sent: the server ends the connection when it has answered that."""
        self._all_sent = True
