"""
How long one request takes when test and server share a process, and so an interpreter lock.

The client is ``http.client`` with one connection. pytest-httpserver speaks HTTP/1.0 and closes it after each answer;
the client then connects again by itself, as users' clients do.
"""

from __future__ import annotations

from functools import partial

from bench import sampling, serve
from bench.load import Client
from bench.result import Bar, Chart, Figure, Mark, Result, Who

LIMIT = 0.5
KINDS = {serve.OURS: serve.open_ours, serve.HTTPSERVER: serve.open_httpserver}


def measure(*, quick: bool) -> Result:
    result = Result("latency_in_process", "How long does a request take with the server in the test's own process?")
    kinds = [serve.OURS, serve.HTTPSERVER] if serve.has_httpserver() else [serve.OURS]
    opened = {kind: KINDS[kind](1, "exact") for kind in kinds}
    clients = {kind: Client(opened[kind].port) for kind in kinds}
    count = 200 if quick else 500
    actions = {kind: partial(_block, clients[kind], count) for kind in kinds}
    sampling.in_turns(1, actions)
    blocks = sampling.in_turns(3 if quick else 15, actions)
    medians = {kind: [sampling.median(block) for block in blocks[kind]] for kind in kinds}
    for kind, name in ((serve.OURS, "api-simulator"), (serve.HTTPSERVER, serve.HTTPSERVER)):
        if kind in kinds:
            tails = [sampling.quantile(block, 0.99) for block in blocks[kind]]
            who: Who = "ours" if kind == serve.OURS else "peer"
            result.figures.append(Figure.of(f"{name}, p50", medians[kind], "ms", who))
            result.figures.append(Figure.of(f"{name}, p99", tails, "ms", who))
            result.ratios[f"{name}, p99 / p50"] = sampling.ratio(tails, medians[kind])
    found = None
    marks: tuple[Mark, ...] = ()
    if len(kinds) == 2:
        found = result.ratios["p50: ours / pytest-httpserver"] = sampling.ratio(*(medians[kind] for kind in kinds))
        marks = (Mark(LIMIT * sampling.median(medians[serve.HTTPSERVER]), "half of their p50"),)
    result.bars.append(Bar("p50 is at most half of pytest-httpserver's", found, "of theirs", at_most=LIMIT))
    drawn = tuple(figure.name for figure in result.figures)
    result.chart = Chart("A request within the test's process, ms (less is better)", drawn, marks)
    return result


def _block(client: Client, count: int) -> list[float]:
    return [client.get(serve.path_of(0)) for _ in range(count)]
