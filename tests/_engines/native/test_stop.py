"""The end of a native server that many connections are still open to."""

import contextlib
import socket

import psutil
import pytest

from api_simulator.http import MockHttpServer, ResponseSpec
from tests._engines.native import needs_native
from tests.conformance.raw import call

pytestmark = needs_native

#: Each is in the middle of something when the server ends.
MIDDLES = [
    b"GET /a HTTP/1.1\r\nHo",
    b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf",
    b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /late HTTP/1.1\r\nHost: x\r\n\r\n",
]
IDLE = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


def connect(server, stack, data):
    client = stack.enter_context(socket.create_connection((server.host, server.port), timeout=30))
    client.sendall(data)
    return client


@pytest.mark.timeout(120)
def test_a_server_ends_with_two_hundred_open_connections_and_leaves_no_thread():
    """A hundred idle connections and a hundred in the middle of a request are ended, each with its thread."""
    process = psutil.Process()
    with MockHttpServer(engine="native", strict=False) as holder, contextlib.ExitStack() as stack:
        holder.get("/").text("x")
        call(holder)
        before = process.num_threads()
        server = stack.enter_context(MockHttpServer(engine="native", strict=False))
        server.any("/a").text("a")
        server.get("/hang").hang()
        server.register("GET", "/late", ResponseSpec(delay_ms=600_000))
        clients = [connect(server, stack, IDLE) for _ in range(100)]
        for client in clients:
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        clients += [connect(server, stack, MIDDLES[number % len(MIDDLES)]) for number in range(100)]
        server.wait_until(lambda: server.connections.open == 200, timeout_s=30)
        server.wait_for_requests(140, timeout_s=30)

        server.close()

        # A thread counts as ended when its connection is closed; the system takes it away a moment later.
        holder.wait_until(lambda: process.num_threads() <= before, timeout_s=30)
        for client in clients:
            # Its end, or a reset where the server had not read everything.
            with contextlib.suppress(ConnectionError):
                assert client.recv(65536) == b""
