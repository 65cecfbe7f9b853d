"""
A request within the test's process, on each engine: alone, and while a thread of the test keeps the interpreter busy.

The client is ``http.client``; the constant-answer server, in a process of its own, is what that client can see at best.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from functools import partial

from api_simulator import MockHttpServer, ResponseSpec
from api_simulator._engines.base import engine_statuses
from bench import constant, sampling, serve
from bench.load import Client
from bench.result import Bar, Chart, Figure, Mark, Result, Who

OF_CONSTANT = 1.2
TAIL_OF_AIOHTTP = 0.1
NATIVE, AIOHTTP, CONSTANT = "native", "aiohttp", "constant answer in Rust"


def measure(*, quick: bool) -> Result:
    result = Result("native_latency", "How long does a request take in the test's process, by engine?")
    count, rounds = (100, 3) if quick else (400, 15)
    with contextlib.ExitStack() as stack:
        actions = {}
        for engine in (NATIVE, AIOHTTP):
            if any(status.name == engine and status.available for status in engine_statuses()):
                server = stack.enter_context(MockHttpServer(engine=engine))
                server.register("GET", serve.path_of(0), ResponseSpec(200, serve.BODY))
                actions[engine] = partial(_block, Client(server.port), count)
        if constant.is_there():
            actions[CONSTANT] = partial(_block, Client(stack.enter_context(constant.started())), count)
        sampling.in_turns(1, actions)
        quiet = sampling.in_turns(rounds, actions)
        with _busy_thread():
            busy = sampling.in_turns(rounds, {name: actions[name] for name in actions if name != CONSTANT})
    medians = {name: [sampling.median(block) for block in blocks] for name, blocks in quiet.items()}
    tails = {name: [sampling.quantile(block, 0.99) for block in blocks] for name, blocks in busy.items()}
    for name, values in medians.items():
        who: Who = "baseline" if name == CONSTANT else "ours"
        result.figures.append(Figure.of(f"{name}, p50", values, "ms", who))
    for name, values in tails.items():
        result.figures.append(Figure.of(f"{name}, p99 beside a busy thread", values, "ms"))
    best = tail = None
    if {NATIVE, CONSTANT} <= set(medians):
        best = result.ratios["p50: native / constant"] = sampling.ratio(medians[NATIVE], medians[CONSTANT])
    if {NATIVE, AIOHTTP} <= set(tails):
        tail = result.ratios["p99 beside a busy thread: native / aiohttp"] = sampling.ratio(
            tails[NATIVE], tails[AIOHTTP]
        )
        result.notes.append(
            "the client is Python too: it waits for the interpreter like the test, whatever the server is"
        )
    result.bars += [
        Bar("p50 is at most 1.2 times that of a constant answer", best, "times", at_most=OF_CONSTANT),
        Bar("p99 beside a busy thread is at most a tenth of aiohttp's", tail, "of aiohttp's", at_most=TAIL_OF_AIOHTTP),
    ]
    drawn = tuple(figure.name for figure in result.figures)
    mark = (
        (Mark(OF_CONSTANT * sampling.median(medians[CONSTANT]), "1.2 times constant"),) if CONSTANT in medians else ()
    )
    result.chart = Chart("A request within the test's process, ms (less is better)", drawn, mark, True)
    return result


def _block(client: Client, count: int) -> list[float]:
    return [client.get(serve.path_of(0)) for _ in range(count)]


@contextlib.contextmanager
def _busy_thread() -> Iterator[None]:
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            sum(range(1000))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
