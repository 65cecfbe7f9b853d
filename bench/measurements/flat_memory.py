"""
Whether a server that runs for long grows: the journal keeps the last ten thousand requests and exact counts.
"""

from __future__ import annotations

from bench import serve
from bench.load import Client, Pipeline, forever, post_bytes
from bench.result import Bar, Chart, Figure, Mark, Result

LIMIT = 1.05
BODY = b'{"user": 4711, "event": "opened"}'
KEPT = 10_000


def measure(*, quick: bool) -> Result:
    full, end = (30_000, 90_000) if quick else (100_000, 1_000_000)
    result = Result("flat_memory", f"Does memory grow between {full:,} and {end:,} captured requests?")
    with serve.started(serve.OURS) as served:
        pipe = Pipeline(served.port)
        requests = forever([post_bytes("/events", BODY)])
        sizes: dict[int, float] = {}
        sent = 0
        for goal in (100, KEPT, full, end):
            pipe.send(requests, goal - sent)
            sent = goal
            sizes[goal] = served.memory_bytes / 2**20
    for count, size in sizes.items():
        result.figures.append(Figure(f"after {count:,} requests", size, "MiB"))
    per_request = (sizes[KEPT] - sizes[100]) * 2**20 / (KEPT - 100)
    result.figures.append(Figure("per request kept in the journal", per_request, "bytes"))
    growth = result.ratios[f"after {end:,} / after {full:,}"] = sizes[end] / sizes[full]
    result.bars.append(
        Bar(f"{end:,} requests take at most 1.05 times the memory of {full:,}", growth, "times", at_most=LIMIT)
    )
    drawn = tuple(f"after {count:,} requests" for count in sizes)
    mark = Mark(LIMIT * sizes[full], f"1.05 times {full:,}")
    if serve.has_httpserver():
        result.figures.append(
            Figure("pytest-httpserver, per request (no bound)", _their_bytes(quick=quick), "bytes", "peer")
        )
    result.chart = Chart("Memory of the server process, MiB (less is better)", drawn, (mark,))
    return result


def _their_bytes(*, quick: bool) -> float:
    """Return by how many bytes pytest-httpserver grows with each request."""
    count = 1_000 if quick else 5_000
    with serve.started(serve.HTTPSERVER) as served:
        client = Client(served.port)
        for _ in range(500):
            client.get(serve.path_of(0))
        before = served.memory_bytes
        for _ in range(count):
            client.get(serve.path_of(0))
        return (served.memory_bytes - before) / count
