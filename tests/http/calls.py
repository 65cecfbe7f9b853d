"""Requests over real sockets, with nothing but the standard library between the test and the wire."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api_simulator.http import MockHttpServer

#: Longer than anything here takes; a server that hangs fails the test with the client's own error.
TIMEOUT_S = 10


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Connection:
    """One connection that is kept until it is closed."""

    def __init__(self, server: MockHttpServer) -> None:
        self.raw = http.client.HTTPConnection(server.host, server.port, timeout=TIMEOUT_S)

    def call(self, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a request and read its answer; a *body* that is neither bytes nor None is sent as JSON."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        self.raw.request(method, target, data, dict(headers or {}))
        answer = self.raw.getresponse()
        return Answer(answer.status, answer.reason, answer.getheaders(), answer.read())

    def close(self) -> None:
        """Close it."""
        self.raw.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def call(
    server: MockHttpServer, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """Send one request on a connection of its own."""
    with Connection(server) as connection:
        return connection.call(method, target, body, headers)


def get(server: MockHttpServer, target: str) -> Answer:
    """Send one GET on a connection of its own."""
    return call(server, "GET", target)


def talk(server: MockHttpServer, data: bytes) -> bytes:
    """Send bytes and return everything that comes back until the server closes the connection."""
    with socket.create_connection((server.host, server.port), timeout=TIMEOUT_S) as wire:
        wire.sendall(data)
        received = b""
        while piece := wire.recv(65536):
            received += piece
        return received
