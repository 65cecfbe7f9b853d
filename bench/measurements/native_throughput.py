"""
Requests per second of a server process under wrk with one, 32 and 256 connections, by engine and beside peers.
"""

from __future__ import annotations

import contextlib
from functools import partial

from bench import constant, peers, sampling, serve
from bench.load import has_wrk, wrk
from bench.result import Bar, Chart, Figure, Result, Who

CONNECTIONS = (1, 32, 256)
OF_CONSTANT = 0.9
TIMES_HTTPSERVER = 10.0
NATIVE, CONSTANT = "native", "constant answer in Rust"


def measure(*, quick: bool) -> Result:
    result = Result("native_throughput", "How many requests per second does the native engine answer to wrk?")
    seconds, rounds = (1, 2) if quick else (3, 5)
    rates: dict[int, dict[str, list[float]]] = {}
    if not has_wrk():
        result.notes.append("not measured: there is no wrk on PATH (a Debian package of that name)")
    else:
        others, notes = peers.available()
        result.notes += notes
        with contextlib.ExitStack() as stack:
            ports = {NATIVE: stack.enter_context(serve.started(serve.OURS, 1, {"API_SIMULATOR_ENGINE": "native"})).port}
            ports[serve.AIOHTTP] = stack.enter_context(serve.started(serve.AIOHTTP)).port
            if serve.has_httpserver():
                ports[serve.HTTPSERVER] = stack.enter_context(serve.started(serve.HTTPSERVER)).port
            if constant.is_there():
                ports[CONSTANT] = stack.enter_context(constant.started())
            loads = {}
            for peer in others:
                port = stack.enter_context(peers.started(peer))
                loads[peer.name] = partial(_peer_rate, peer, port, seconds)
                # Theirs are compiled while they run; what they do cold would flatter ours.
                _peer_rate(peer, port, 1 if quick else 10)
            for connections in CONNECTIONS:
                actions = {
                    name: partial(_rate, port, seconds, connections)
                    for name, port in ports.items()
                    # One connection after the other is all that it can do.
                    if name != serve.HTTPSERVER or connections == 32
                }
                if connections == 32:
                    # What all can do without refusing connections, and enough to compare.
                    actions |= loads
                rates[connections] = sampling.in_turns(rounds, actions)
    for connections, by_name in rates.items():
        for name, values in by_name.items():
            who: Who = "ours" if name == NATIVE else "baseline" if name == CONSTANT else "peer"
            result.figures.append(Figure.of(f"{name}, {connections} connections", values, "requests/s", who))
    for connections in CONNECTIONS:
        found = rates.get(connections, {})
        share = sampling.ratio(found[NATIVE], found[CONSTANT]) if CONSTANT in found else None
        claim = f"at least 0.9 times a constant answer, {connections} connections"
        result.bars.append(Bar(claim, share, "times", at_least=OF_CONSTANT))
    found = rates.get(32, {})
    times = sampling.ratio(found[NATIVE], found[serve.HTTPSERVER]) if serve.HTTPSERVER in found else None
    result.bars.append(Bar("at least 10 times pytest-httpserver", times, "times", at_least=TIMES_HTTPSERVER))
    above = sampling.ratio(found[NATIVE], found[serve.AIOHTTP]) if serve.AIOHTTP in found else None
    result.bars.append(Bar("more than bare aiohttp", above, "times", at_least=1.0))
    for peer in peers.PEERS:
        above = sampling.ratio(found[NATIVE], found[peer.name]) if peer.name in found else None
        result.bars.append(Bar(f"more than {peer.name}", above, "times", at_least=1.0))
    drawn = tuple(figure.name for figure in result.figures)
    result.chart = Chart("Requests per second, own process (more is better)", drawn) if drawn else None
    return result


def _rate(port: int, seconds: int, connections: int) -> float:
    return wrk(port, serve.path_of(0), seconds, connections=connections).requests_per_s


def _peer_rate(peer: peers.Peer, port: int, seconds: int) -> float:
    run = wrk(port, peer.path, seconds, body=peer.body)
    if run.failed:
        raise RuntimeError(f"{peer.name}: {run.failed} answers were not 2xx or 3xx")
    return run.requests_per_s
