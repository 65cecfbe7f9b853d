"""
The native engine at its edges: many routes, many captured requests, many delays at once, a first server, a reset.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import resource
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from api_simulator import MockHttpServer, ResponseSpec
from bench import sampling, serve
from bench.load import Client, Pipeline, forever, get_bytes
from bench.result import Bar, Chart, Figure, Result

ENGINE = "native"


def measure(*, quick: bool) -> Result:
    result = Result("native_scale", "Does the native engine stay as quick and small with much to do?")
    _registration(result, 500 if quick else 5_000, 3 if quick else 15)
    _many_routes(result, 5_000 if quick else 100_000, 4 if quick else 20)
    _captured(result, 50_000 if quick else 1_000_000)
    _reset(result, 20_000 if quick else 100_000, 3 if quick else 9)
    _delays(result, 500 if quick else 5_000)
    _first_server(result, 3 if quick else 15)
    drawn = tuple(figure.name for figure in result.figures if figure.unit == "ms")
    result.chart = Chart("The native engine at its edges, ms (less is better)", drawn, (), True)
    return result


def _registration(result: Result, count: int, rounds: int) -> None:
    """What registering a plain route costs by engine; the native one makes its answer's bytes at once."""

    def each_us(engine: str) -> float:
        with MockHttpServer(engine=engine) as server:
            begin = time.perf_counter()
            for number in range(count):
                server.register("GET", serve.path_of(number), ResponseSpec(200, serve.BODY))
            return (time.perf_counter() - begin) / count * 1e6

    times = sampling.in_turns(rounds, {engine: partial(each_us, engine) for engine in (ENGINE, "aiohttp")})
    for engine, values in times.items():
        result.figures.append(Figure.of(f"registering a plain route, {engine}", values, "µs"))
    result.ratios["registering: native / aiohttp"] = sampling.ratio(times[ENGINE], times["aiohttp"])


def _many_routes(result: Result, many: int, rounds: int) -> None:
    few_and_lots = {}
    with contextlib.ExitStack() as stack:
        for count in (1, many):
            server = stack.enter_context(MockHttpServer(engine=ENGINE))
            for number in range(count):
                server.register("GET", serve.path_of(number), ResponseSpec(200, serve.BODY))
            client, path = Client(server.port), serve.path_of(count // 2)
            few_and_lots[count] = lambda client=client, path=path: sampling.median(client.get(path) for _ in range(500))
        medians = sampling.in_turns(rounds, {str(count): action for count, action in few_and_lots.items()})
    ratio = result.ratios[f"p50: {many:,} routes / 1"] = sampling.ratio(medians[str(many)], medians["1"])
    result.bars.append(Bar(f"{many:,} routes cost at most 1.1 times one", ratio, "times", at_most=1.1))


def _captured(result: Result, count: int) -> None:
    request = get_bytes(serve.path_of(0))
    request = request[:-2] + b"X-Fill: " + b"x" * (200 - len(request) - 10) + b"\r\n\r\n"
    assert len(request) == 200
    with MockHttpServer(engine=ENGINE, journal_entries=10_000_000, journal_body_bytes=2**40) as server:
        server.register("GET", serve.path_of(0), ResponseSpec(200, serve.BODY))
        pipe = Pipeline(server.port)
        pipe.send(forever([request]), 1_000)
        before = _memory()
        pipe.send(forever([request]), count)
        each = (_memory() - before) / count
        assert server.request_count() == count + 1_001
        # They lie in the library; leaving the block would make a million Python objects of them first.
        server.reset()
    result.figures.append(Figure(f"each of {count:,} captured requests of 200 bytes", each, "bytes"))
    result.bars.append(Bar("a captured request of 200 bytes takes at most 600", each, "bytes", at_most=600))


def _reset(result: Result, count: int, rounds: int) -> None:
    times = []
    with MockHttpServer(engine=ENGINE, journal_entries=1_000_000) as server:
        for _ in range(rounds):
            server.register("GET", serve.path_of(0), ResponseSpec(200, serve.BODY))
            pipe = Pipeline(server.port)
            pipe.send(forever([get_bytes(serve.path_of(0))]), count)
            begin = time.perf_counter()
            server.reset()
            times.append((time.perf_counter() - begin) * 1000)
            pipe.close()
    result.figures.append(Figure.of(f"reset with {count:,} captured", times, "ms"))
    result.bars.append(
        Bar(f"reset() with {count:,} captured takes at most 1 ms", sampling.median(times), "ms", at_most=1)
    )


def _delays(result: Result, count: int) -> None:
    """So many requests at once whose answers are due within one second; lateness by the server's own stamps."""
    _allow_descriptors(3 * count)
    chance = random.Random(0)
    with MockHttpServer(engine=ENGINE, journal_entries=2 * count) as server, contextlib.ExitStack() as stack:
        delays = [500 + chance.randrange(1000) for _ in range(count)]
        for delay_ms in set(delays):
            server.register("GET", f"/late/{delay_ms}", ResponseSpec(200, "x", delay_ms=delay_ms))
        selector = stack.enter_context(selectors.DefaultSelector())
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", server.port))) for _ in delays]
        for client, delay_ms in zip(clients, delays, strict=True):
            client.sendall(get_bytes(f"/late/{delay_ms}"))
            selector.register(client, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select(10):
                selector.unregister(key.fileobj)
        late = []
        for request in server.get_requests():
            assert request.answered_ns is not None
            due_ms = int(request.path.rpartition("/")[2])
            late.append((request.answered_ns - request.received_ns) / 1e6 - due_ms)
    p99 = sampling.quantile(late, 0.99)
    result.figures.append(Figure(f"{count:,} delays at once: how late, p99", p99, "ms"))
    result.bars += [
        Bar(f"{count:,} delays at once are late by at most 2 ms (p99)", p99, "ms", at_most=2),
        Bar("none is early", min(late), "ms", at_least=0),
    ]


def _allow_descriptors(count: int) -> None:
    """Raise the process's limit of open files, which is often 1,024, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        most = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


_FIRST = """
import os, time
def test_first_server():
    begin = time.perf_counter()
    from api_simulator.http import MockHttpServer
    server = MockHttpServer(engine=os.environ["ENGINE"]).start()
    print("first server:", (time.perf_counter() - begin) * 1000)
    server.close()
"""


def _first_server(result: Result, rounds: int) -> None:
    """In a real run of pytest with every plug-in there is, since pytest has a say in how modules are imported."""
    # Installed packages have their bytecode; a machine that writes none would measure the compiler.
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "test_first.py"]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "test_first.py").write_text(_FIRST, encoding="utf-8")

        def first(engine: str) -> float:
            environment = {**variables, "ENGINE": engine}
            done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
            return float(re.search(r"first server: ([\d.]+)", done.stdout).group(1))  # type: ignore[union-attr]

        engines = {engine: partial(first, engine) for engine in (ENGINE, "aiohttp")}
        sampling.in_turns(1, engines)  # writes the bytecode
        times = sampling.in_turns(rounds, engines)
    for engine, values in times.items():
        result.figures.append(Figure.of(f"first server in a run of pytest, with imports, {engine}", values, "ms"))
    ratio = result.ratios["first server: native / aiohttp"] = sampling.ratio(times[ENGINE], times["aiohttp"])
    result.bars += [
        Bar(
            "the first server, imports included, takes at most 30 ms", sampling.median(times[ENGINE]), "ms", at_most=30
        ),
        Bar("that is at most a quarter of the aiohttp engine's", ratio, "of aiohttp's", at_most=0.25),
    ]


def _memory() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)
