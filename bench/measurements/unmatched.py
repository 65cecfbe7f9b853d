"""
What it costs to explain a request that no route matches: the nearest routes are looked for among all, and the
explanation is kept for the test's report.
"""

from __future__ import annotations

from functools import partial

from bench import sampling, serve
from bench.load import Client, Pipeline, forever, get_bytes
from bench.result import Chart, Figure, Result

JOURNAL_ENTRIES = 10_000


def measure(*, quick: bool) -> Result:
    many = 10_000 if quick else 100_000
    result = Result("unmatched", "How long does the answer to a request take that no route matches?")
    with serve.started(serve.OURS) as few_routes, serve.started(serve.OURS, many) as many_routes:
        few, lots = Client(few_routes.port), Client(many_routes.port)
        actions = {
            "1 route, matched": partial(_blocks_median, few, serve.path_of(0), 200, 200),
            "1 route, unmatched": partial(_blocks_median, few, "/itme/0", 404, 200),
            f"{many:,} routes, unmatched": partial(_blocks_median, lots, "/itme/0", 404, 3),
        }
        sampling.in_turns(1, actions)
        samples = sampling.in_turns(3 if quick else 9, actions)
        kept_bytes = _kept_bytes(few_routes, 2_000 if quick else 10_000)
    for name, values in samples.items():
        result.figures.append(Figure.of(name, values, "ms", "baseline" if name.endswith(" matched") else "ours"))
    result.figures.append(Figure("1 route, bytes kept per unmatched request", kept_bytes, "bytes"))
    matched, unmatched, among_many = samples.values()
    result.ratios["1 route: unmatched / matched"] = sampling.ratio(unmatched, matched)
    result.ratios[f"unmatched: {many:,} routes / 1 route"] = sampling.ratio(among_many, unmatched)
    result.chart = Chart("A request that no route matches, ms (less is better)", tuple(samples), logarithmic=True)
    return result


def _kept_bytes(served: serve.Served, count: int) -> float:
    """Return by how much the process grows with each unmatched request when the journal is full."""
    pipe, requests = Pipeline(served.port), forever([get_bytes("/itme/0")])
    pipe.send(requests, JOURNAL_ENTRIES)
    before = served.memory_bytes
    pipe.send(requests, count)
    return (served.memory_bytes - before) / count


def _blocks_median(client: Client, path: str, status: int, count: int) -> float:
    return sampling.median(client.get(path, status=status) for _ in range(count))
