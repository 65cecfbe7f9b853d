"""
How punctual events are while a thousand clients are sent some at the same time.

Every stream sends an event each fifth of a second. What is measured is where the k-th event arrives, counted from the
first of its stream, against where it was due: an error that adds up over a stream shows.
"""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

from bench import sampling, serve
from bench.load import get_bytes
from bench.result import Bar, Chart, Figure, Mark, Result

#: Against bare aiohttp in the same run, which sleeps between events; both are at the mercy of one event loop.
LIMIT = 1.25


def measure(*, quick: bool) -> Result:
    counts = (1, 100) if quick else (1, 100, 1_000)
    result = Result("stream_pacing", f"How late are events while up to {counts[-1]:,} streams run at the same time?")
    late: dict[tuple[str, int], float] = {}
    for kind, who in ((serve.OURS, "ours"), (serve.AIOHTTP, "baseline")):
        with serve.started(kind) as served:
            for count in counts:
                errors = [asyncio.run(_errors_ms(served.port, count)) for _ in range(1 if quick else 3)]
                p99s = [sampling.quantile(map(abs, run), 0.99) for run in errors]
                late[kind, count] = sampling.median(p99s)
                name = f"{kind}, {count:,} stream{'s' if count > 1 else ''}"
                result.figures.append(Figure.of(name, p99s, "ms, p99", "ours" if who == "ours" else "baseline"))
                early = min(min(run) for run in errors)
                if kind == serve.OURS:
                    result.figures.append(Figure(f"{name}: earliest against the first", early, "ms"))
    most = counts[-1]
    ratio = result.ratios[f"p99 error at {most:,} streams: ours / bare aiohttp"] = (
        late[serve.OURS, most] / late[serve.AIOHTTP, most]
    )
    result.bars.append(
        Bar(f"p99 error at {most:,} streams is within 1.25 times that of bare aiohttp", ratio, "times", at_most=LIMIT)
    )
    drawn = tuple(figure.name for figure in result.figures if "earliest" not in figure.name)
    mark = Mark(LIMIT * late[serve.AIOHTTP, most], "1.25 times bare aiohttp")
    result.chart = Chart("Error of an event's time, p99 in ms (less is better)", drawn, (mark,), logarithmic=True)
    return result


async def _errors_ms(port: int, streams: int) -> list[float]:
    """Return for each event of each stream, but the first of it, by how many milliseconds it came late."""
    arrivals = await asyncio.gather(*(_arrivals(port, number / streams) for number in range(streams)))
    errors = []
    for times in arrivals:
        assert all(earlier <= later for earlier, later in pairwise(times))
        errors += [(at - times[0]) * 1000 - serve.EVERY_MS * number for number, at in enumerate(times) if number]
    return errors


async def _arrivals(port: int, start_after_s: float) -> list[float]:
    # Spread over a second: clients that all begin in one instant would measure how fast connections are made.
    await asyncio.sleep(start_after_s)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(get_bytes("/events"))
    times: list[float] = []
    while len(times) < serve.EVENTS:
        line = await reader.readline()
        if not line:
            raise RuntimeError(f"the stream ended after {len(times)} of {serve.EVENTS} events")
        if line.startswith(b"data:"):
            times.append(time.perf_counter())
    writer.close()
    return times
