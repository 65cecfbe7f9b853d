"""
How long ``close()`` of the native engine takes with connections open: idle ones, and ones in the middle of a request.
"""

from __future__ import annotations

import contextlib
import socket
import time

from api_simulator import MockHttpServer
from api_simulator._engines.base import engine_statuses
from bench import sampling
from bench.result import Bar, Chart, Figure, Mark, Result

BUDGET_MS = 10.0
OPEN = (0, 2, 200)
IDLE = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
MIDDLES = (
    b"GET /a HTTP/1.1\r\nHo",
    b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf",
    b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n",
)


def measure(*, quick: bool) -> Result:
    result = Result("native_stop", "How long does it take to stop a native server with open connections?")
    rounds = 5 if quick else 50
    is_there = any(status.name == "native" and status.available for status in engine_statuses())
    if not is_there:
        result.notes.append("not measured: the native engine is absent (api-simulator doctor says why)")
    for count in OPEN:
        median_ms = None
        if is_there:
            samples = [_stop_ms(count) for _ in range(rounds)]
            median_ms = sampling.median(samples)
            result.figures.append(Figure.of(f"{count} connections", samples, "ms"))
            result.figures.append(Figure(f"{count} connections, worst", max(samples), "ms", samples=rounds))
        result.bars.append(Bar(f"at most 10 ms, {count} connections open", median_ms, "ms", at_most=BUDGET_MS))
    drawn = tuple(figure.name for figure in result.figures)
    result.chart = Chart("Stop, ms (less is better)", drawn, (Mark(BUDGET_MS, "10 ms"),)) if drawn else None
    return result


def _stop_ms(count: int) -> float:
    """Return what closing takes with half of *count* connections idle and half inside a request."""
    with contextlib.ExitStack() as stack:
        # Another server, so that the last one's end does not end the engine too.
        stack.enter_context(MockHttpServer(engine="native"))
        server = stack.enter_context(MockHttpServer(engine="native", strict=False))
        server.any("/a").text("a")
        server.get("/hang").hang()
        for number in range(count):
            client = stack.enter_context(socket.create_connection((server.host, server.port), timeout=30))
            client.sendall(IDLE if number % 2 else MIDDLES[number // 2 % len(MIDDLES)])
            if number % 2:
                client.recv(65536)
        server.wait_until(lambda: server.connections.open == count, timeout_s=30)
        begin = time.perf_counter()
        server.close()
        return (time.perf_counter() - begin) * 1000
