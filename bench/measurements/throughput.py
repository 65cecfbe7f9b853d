"""
How many requests per second a server in its own process answers under wrk.

Bare aiohttp looks at no request and remembers none: the distance to it is the price of matching and journal.
"""

from __future__ import annotations

import contextlib
from functools import partial

from bench import sampling, serve
from bench.load import WrkRun, has_wrk, wrk
from bench.result import Bar, Chart, Figure, Mark, Result, Who

TIMES_HTTPSERVER = 5.0
OF_AIOHTTP = 0.6
SHOWN: dict[str, tuple[str, Who]] = {
    serve.OURS: ("api-simulator", "ours"),
    serve.HTTPSERVER: (serve.HTTPSERVER, "peer"),
    serve.AIOHTTP: ("bare aiohttp, nothing recorded", "baseline"),
}


def measure(*, quick: bool) -> Result:
    result = Result("throughput", "How many requests per second does a server process answer to wrk -c32 -t2?")
    kinds = [serve.OURS, serve.AIOHTTP, *([serve.HTTPSERVER] if serve.has_httpserver() else [])]
    rates: dict[str, list[float]] = {}
    failed = None
    if has_wrk():
        runs = _runs(kinds, rounds=2 if quick else 7, seconds=1 if quick else 3)
        rates = {kind: [run.requests_per_s for run in runs[kind]] for kind in kinds}
        failed = float(sum(run.failed + run.socket_errors for run in runs[serve.OURS]))
        result.notes += [
            f"{SHOWN[kind][0]}: {run_failed} answers not 2xx or 3xx, {run_errors} socket errors"
            for kind in kinds
            for run_failed, run_errors in [
                (sum(r.failed for r in runs[kind]), sum(r.socket_errors for r in runs[kind]))
            ]
        ]
    else:
        result.notes.append("not measured: there is no wrk on PATH (a Debian package of that name)")
    for kind, samples in rates.items():
        result.figures.append(Figure.of(SHOWN[kind][0], samples, "requests/s", SHOWN[kind][1]))
    _judge(result, rates)
    result.bars.append(Bar("no failed answer and no socket error", failed, "", at_most=0))
    return result


def _runs(kinds: list[str], *, rounds: int, seconds: int) -> dict[str, list[WrkRun]]:
    with contextlib.ExitStack() as stack:
        ports = {kind: stack.enter_context(serve.started(kind)).port for kind in kinds}
        actions = {kind: partial(wrk, ports[kind], serve.path_of(0), seconds) for kind in kinds}
        for kind in kinds:
            wrk(ports[kind], serve.path_of(0), 1)  # warms up; also fills the journal to its bound
        return sampling.in_turns(rounds, actions)


def _judge(result: Result, rates: dict[str, list[float]]) -> None:
    found: dict[str, float | None] = {}
    for peer in (serve.HTTPSERVER, serve.AIOHTTP):
        found[peer] = sampling.ratio(rates[serve.OURS], rates[peer]) if {peer, serve.OURS} <= set(rates) else None
    result.ratios = {f"ours / {peer}": value for peer, value in found.items() if value is not None}
    times, share = found[serve.HTTPSERVER], found[serve.AIOHTTP]
    result.bars += [
        Bar("at least 5 times as many as pytest-httpserver", times, "times", at_least=TIMES_HTTPSERVER),
        Bar("at least 60 % of bare aiohttp", share, "of bare aiohttp", at_least=OF_AIOHTTP),
    ]
    marks = []
    if serve.HTTPSERVER in rates:
        marks.append(Mark(TIMES_HTTPSERVER * sampling.median(rates[serve.HTTPSERVER]), "5 times pytest-httpserver"))
    if serve.AIOHTTP in rates:
        marks.append(Mark(OF_AIOHTTP * sampling.median(rates[serve.AIOHTTP]), "60 % of bare aiohttp"))
    drawn = tuple(SHOWN[kind][0] for kind in rates)
    result.chart = Chart("Requests per second, own process (more is better)", drawn, tuple(marks)) if drawn else None
