"""
What it costs to give a test a server of its own.

Ours as the fixture does it (the engine's thread runs for the whole session) and bare, with a thread per server.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable

from api_simulator import MockHttpServer
from api_simulator._engines.base import open_engine
from bench import sampling, serve
from bench.result import Bar, Chart, Figure, Mark, Result

BUDGET_MS = 2.0
HELD = "api-simulator, as the fixture"
BARE = "api-simulator, bare with block"


def measure(*, quick: bool) -> Result:
    result = Result("start_stop", "How long do start and stop of a server take, once its package is imported?")
    blocks = 5 if quick else 30
    samples: dict[str, list[float]] = {HELD: [], BARE: []}
    engine = open_engine()
    _timed(_bare)  # the first one imports the engine
    for _ in range(blocks):
        samples[BARE] += [_timed(_bare) for _ in range(20)]
        engine.hold()
        samples[HELD] += [_timed(_as_fixture) for _ in range(20)]
        engine.release()
    for name, values in samples.items():
        result.figures.append(Figure.of(name, values, "ms"))
        result.figures.append(Figure(f"{name}, p99", sampling.quantile(values, 0.99), "ms"))
        median_ms = sampling.median(values)
        result.bars.append(Bar(f"{name}: at most 2 ms (median)", median_ms, "ms", at_most=BUDGET_MS))
    if serve.has_httpserver():
        theirs = [_timed(_httpserver) for _ in range(3 if quick else 15)]
        result.figures.append(Figure.of(serve.HTTPSERVER, theirs, "ms", "peer"))
        for name, values in samples.items():
            result.ratios[f"{serve.HTTPSERVER} / {name}"] = sampling.median(theirs) / sampling.median(values)
        result.notes.append("pytest-httpserver starts one server per session and clears it between tests")
    drawn = tuple(figure.name for figure in result.figures if not figure.name.endswith("p99"))
    result.chart = Chart("Start and stop of a server, ms (less is better)", drawn, (Mark(BUDGET_MS, "2 ms"),), True)
    return result


def _timed(action: Callable[[], None]) -> float:
    begin = time.perf_counter()
    action()
    return (time.perf_counter() - begin) * 1000


def _bare() -> None:
    with MockHttpServer():
        pass


def _as_fixture() -> None:
    server = MockHttpServer().start()
    server.retire(lambda _: None)
    server.close()


def _httpserver() -> None:
    server = importlib.import_module("pytest_httpserver").HTTPServer(port=0)
    server.start()
    server.stop()
