"""
Whether a fake service that runs for long grows: ten minutes at 500 requests a second, half of them streams.
"""

from __future__ import annotations

import asyncio
import time

from bench import serve
from bench.result import Bar, Chart, Figure, Mark, Result
from bench.streams import request_bytes

RATE = 500
LIMIT = 1.05
_CONNECTIONS = 50


def measure(*, quick: bool) -> Result:
    # After the warm-up the journal is full: it keeps ten thousand requests.
    warm_s, end_s = (25, 35) if quick else (60, 600)
    result = Result("service_soak", f"Does a fake service grow from {warm_s} s to {end_s} s at {RATE} requests/s?")
    with serve.started(serve.ANTHROPIC) as served:
        sent = asyncio.run(_load(served.port, warm_s))
        before = served.memory_bytes / 2**20
        begin = time.perf_counter()
        sent += asyncio.run(_load(served.port, end_s - warm_s))
        took_s = time.perf_counter() - begin
        after = served.memory_bytes / 2**20
    rate = (sent - RATE * warm_s) / took_s
    names = (f"after {warm_s} s", f"after {end_s} s")
    result.figures += [
        Figure(names[0], before, "MiB"),
        Figure(names[1], after, "MiB"),
        Figure("requests sent", float(sent), "requests"),
        Figure("rate reached", rate, "requests/s"),
    ]
    growth = result.ratios[f"{names[1]} / {names[0]}"] = after / before
    result.bars += [
        Bar("memory stays within 1.05 times", growth, "times", at_most=LIMIT),
        Bar("the rate was reached", rate, "requests/s", at_least=RATE * 0.95),
    ]
    mark = Mark(LIMIT * before, "1.05 times the first")
    result.chart = Chart("Memory of a fake service under load, MiB (less is better)", names, (mark,))
    return result


async def _load(port: int, seconds: float) -> int:
    """Send *RATE* requests a second over kept connections for so long, and return how many were answered."""
    share = int(RATE * seconds) // _CONNECTIONS
    answered = await asyncio.gather(*(_connection(port, number, share, seconds) for number in range(_CONNECTIONS)))
    return sum(answered)


async def _connection(port: int, number: int, count: int, seconds: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    loop = asyncio.get_running_loop()
    start = loop.time() + number * seconds / count / _CONNECTIONS
    for place in range(count):
        due = start + place * seconds / count
        await asyncio.sleep(max(0.0, due - loop.time()))
        stream = place % 2 == 0
        writer.write(request_bytes(f"say 10 {number} {place}", stream=stream))
        # A stream ends with the last chunk, a whole answer has a length.
        head = await reader.readuntil(b"\r\n\r\n")
        if stream:
            await reader.readuntil(b"\r\n0\r\n\r\n")
        else:
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
    writer.close()
    return count
