"""
How conformance tests ask a server: whole requests by a client, or bytes as they are.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from api_simulator.http import MockHttpServer
from tests.conformance.in_process import connect
from tests.libraries import either as httpx

#: Longer than any machine takes for what must happen; reached only when a claim is false.
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Call:
    """A request to be sent: method, target, and what ``httpx.Client.request`` takes besides."""

    method: str
    target: str
    options: dict[str, Any] = field(default_factory=dict)


def get(target: str = "/", **options: Any) -> Call:
    return Call("GET", target, options)


def post(target: str = "/", **options: Any) -> Call:
    return Call("POST", target, options)


def ask(server: MockHttpServer, *calls: Call | str) -> list[httpx.Response]:
    """Send *calls* (a target alone is a GET) one after the other on one connection, and return the answers."""
    # The environment stays out of it: a developer's proxy is not what is tested.
    with httpx.Client(base_url=server.url, trust_env=False, timeout=PATIENCE_S) as client:
        whole = [get(call) if isinstance(call, str) else call for call in calls]
        return [client.request(call.method, call.target, **call.options) for call in whole]


def statuses(server: MockHttpServer, *calls: Call | str) -> list[int]:
    """Send *calls* and return the statuses of the answers."""
    return [answer.status_code for answer in ask(server, *calls)]


def texts(server: MockHttpServer, *calls: Call | str) -> list[str]:
    """Send *calls* and return the bodies of the answers."""
    return [answer.text for answer in ask(server, *calls)]


def matched(server: MockHttpServer, *calls: Call | str) -> list[bool]:
    """Send *calls* and say of each whether a route answered it."""
    found = statuses(server, *calls)
    assert set(found) <= {200, 404}, found
    return [status == 200 for status in found]


class Wire:
    """A raw connection: what is sent and received is what is on the wire."""

    def __init__(self, server: MockHttpServer) -> None:
        self.socket = connect(server, PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def end_sending(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def read_until(self, end: bytes) -> bytes:
        """Read until the bytes received end with *end*."""
        data = b""
        while not data.endswith(end):
            piece = self.socket.recv(65536)
            assert piece, f"the server closed the connection after {data!r}"
            data += piece
        return data

    def read_to_end(self) -> bytes:
        """Read until the server ends the connection, in order or not."""
        data = b""
        with suppress(ConnectionResetError):
            while piece := self.socket.recv(65536):
                data += piece
        return data


def send_raw(server: MockHttpServer, data: bytes) -> bytes:
    """Send *data* on a connection of its own, say that it is all, and return everything that comes back."""
    with Wire(server) as wire:
        # A server that has seen enough may have closed, or reset, before all of it is sent.
        with suppress(OSError):
            wire.send(data)
            wire.end_sending()
        return wire.read_to_end()
