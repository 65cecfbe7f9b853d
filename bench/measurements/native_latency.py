"""
A request within the test's process, on each engine: alone, and while a thread of the test keeps the interpreter busy.

The client is ``http.client``; the constant-answer server, in a process of its own, is what that client can see at best.
The two are compared on one core: on several, the scheduler's choice whether client and server share one decides more
than either server (on the machine of the results 42 or 130 µs, the same for both, changing by the second).

Beside a busy thread there are two figures. The bar is for a client in another process: what it waits for is the server,
which must not need the interpreter that the busy thread holds. A client in the busy process waits for that interpreter
itself, up to ``sys.getswitchinterval()`` (5 ms) each time it comes back from the kernel, whoever answers: the constant
server, which has no interpreter, shows how much of its figure no server can better. So that one has no bar.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from api_simulator import MockHttpServer, ResponseSpec
from api_simulator._engines.base import engine_statuses
from bench import constant, peers, sampling, serve
from bench.load import Client
from bench.result import Bar, Chart, Figure, Mark, Result, Who

OF_CONSTANT = 1.2
TAIL_OF_AIOHTTP = 0.1
#: Requests of a client in the busy process: each takes at least a switch interval.
BESIDE = 100
NATIVE, AIOHTTP, CONSTANT = "native", "aiohttp", "constant answer in Rust"


def measure(*, quick: bool) -> Result:
    result = Result("native_latency", "How long does a request take in the test's process, by engine?")
    count, rounds = (100, 3) if quick else (400, 15)
    with contextlib.ExitStack() as stack:
        actions = {}
        ports = {}
        for engine in (NATIVE, AIOHTTP):
            if any(status.name == engine and status.available for status in engine_statuses()):
                server = stack.enter_context(MockHttpServer(engine=engine))
                server.register("GET", serve.path_of(0), ResponseSpec(200, serve.BODY))
                ports[engine] = server.port
                actions[engine] = partial(_block, Client(server.port), count)
        if constant.is_there():
            ports[CONSTANT] = stack.enter_context(constant.started())
            actions[CONSTANT] = partial(_block, Client(ports[CONSTANT]), count)
        others, notes = peers.available()
        result.notes += notes
        for peer in others:
            actions[peer.name] = partial(_peer_block, peer, Client(stack.enter_context(peers.started(peer))), count)
        sampling.in_turns(1, actions)
        quiet = sampling.in_turns(rounds, actions)
        on_one_core = _on_one_core(count, rounds)
        with _busy_thread():
            tails = sampling.in_turns(rounds, {name: partial(_tail_ms, port, count) for name, port in ports.items()})
            here = sampling.in_turns(
                rounds, {name: partial(_block, Client(port), BESIDE) for name, port in ports.items()}
            )
    medians = {name: [sampling.median(block) for block in blocks] for name, blocks in quiet.items()}
    for name, values in medians.items():
        result.figures.append(Figure.of(f"{name}, p50", values, "ms", _who(name)))
    for name, values in tails.items():
        result.figures.append(Figure.of(f"{name}, p99 beside a busy thread", values, "ms", _who(name)))
    for name, blocks in here.items():
        values = [sampling.quantile(block, 0.99) for block in blocks]
        result.figures.append(Figure.of(f"{name}, p99, client busy too", values, "ms", _who(name)))
    alone = {name: [sampling.median(block) for block in blocks] for name, blocks in on_one_core.items()}
    for name, values in alone.items():
        result.figures.append(Figure.of(f"{name}, p50 on one core", values, "ms", _who(name)))
    best = tail = None
    if {NATIVE, CONSTANT} <= set(alone):
        best = result.ratios["p50 on one core: native / constant"] = sampling.ratio(alone[NATIVE], alone[CONSTANT])
    if {NATIVE, AIOHTTP} <= set(tails):
        tail = result.ratios["p99 beside a busy thread: native / aiohttp"] = sampling.ratio(
            tails[NATIVE], tails[AIOHTTP]
        )
    result.bars += [
        Bar("p50 on one core is at most 1.2 times that of a constant answer", best, "times", at_most=OF_CONSTANT),
        Bar(
            "the server's p99 beside a busy thread is at most a tenth of aiohttp's",
            tail,
            "of aiohttp's",
            at_most=TAIL_OF_AIOHTTP,
        ),
    ]
    for peer in peers.PEERS:
        share = sampling.ratio(medians[NATIVE], medians[peer.name]) if {NATIVE, peer.name} <= set(medians) else None
        result.bars.append(Bar(f"p50 is at most that of {peer.name}", share, "times", at_most=1.0))
    if NATIVE in tails:
        result.notes.append(
            "the bar beside a busy thread is for the server: its client has an interpreter of its own; a client in the "
            "busy process waits for that interpreter itself, whichever server answers, as the constant one shows"
        )
    drawn = tuple(figure.name for figure in result.figures)
    mark = (Mark(OF_CONSTANT * sampling.median(alone[CONSTANT]), "1.2 times constant"),) if CONSTANT in alone else ()
    result.chart = Chart("A request within the test's process, ms (less is better)", drawn, mark, True)
    return result


def _on_one_core(count: int, rounds: int) -> dict[str, list[list[float]]]:
    """Return the requests of both, made where everything runs on one core; of neither, if that cannot be had."""
    if not constant.is_there() or not hasattr(os, "sched_setaffinity"):
        return {}
    if not any(status.name == NATIVE and status.available for status in engine_statuses()):
        return {}
    cores = os.sched_getaffinity(0)
    # Threads and processes are where the thread is that starts them.
    os.sched_setaffinity(0, {min(cores)})
    try:
        with MockHttpServer(engine=NATIVE) as server, constant.started() as port:
            server.register("GET", serve.path_of(0), ResponseSpec(200, serve.BODY))
            actions = {
                NATIVE: partial(_block, Client(server.port), count),
                CONSTANT: partial(_block, Client(port), count),
            }
            sampling.in_turns(1, actions)
            return sampling.in_turns(rounds, actions)
    finally:
        os.sched_setaffinity(0, cores)


def _who(name: str) -> Who:
    return "ours" if name in (NATIVE, AIOHTTP) else "baseline" if name == CONSTANT else "peer"


def _block(client: Client, count: int) -> list[float]:
    return [client.get(serve.path_of(0)) for _ in range(count)]


def _peer_block(peer: peers.Peer, client: Client, count: int) -> list[float]:
    return [client.post(peer.path, peer.body) if peer.body else client.get(peer.path) for _ in range(count)]


_CLIENT = """
import sys
from bench import sampling, serve
from bench.load import Client
client = Client(int(sys.argv[1]))
for _ in range(20):
    client.get(serve.path_of(0))  # connects, and warms up
print(sampling.quantile([client.get(serve.path_of(0)) for _ in range(int(sys.argv[2]))], 0.99))
"""


def _tail_ms(port: int, count: int) -> float:
    command = [sys.executable, "-c", _CLIENT, str(port), str(count)]
    root = Path(__file__).parents[2]
    return float(subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout)


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
