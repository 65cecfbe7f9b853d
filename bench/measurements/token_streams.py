"""
How many tokens a second a fake Messages API streams, to 1, 100 and 1,000 clients at once, and how even its pace is.
"""

from __future__ import annotations

import contextlib
from functools import partial

from bench import peers, sampling, serve
from bench.result import Bar, Chart, Figure, Result, Who
from bench.streams import stream_many

#: Clients at once, and tokens for each.
LOADS = {1: 5_000, 100: 200, 1_000: 50}
RATE = 50
PACED_TOKENS = 100
#: The promise: most tokens arrive within a tick of where they belong.
PACE_ERROR_MS = 5.0
OURS, PEER = "api-simulator", "aimock"


def words(count: int) -> str:
    """Return a text of so many tokens, as large as aimock's chunks, so that those are as many."""
    return " word" * count


def measure(*, quick: bool) -> Result:
    result = Result("token_streams", "How many tokens a second are streamed to 1, 100 and 1,000 clients?")
    with contextlib.ExitStack() as stack:
        ports = {OURS: stack.enter_context(serve.started(serve.ANTHROPIC)).port}
        texts = {f"say {count}": words(count) for count in LOADS.values()}
        peer = peers.aimock(texts)
        if (absent := peer.missing()) is None:
            ports[PEER] = stack.enter_context(peers.started(peer))
        else:
            result.notes.append(f"not measured: {PEER} ({absent})")
        for clients, tokens in LOADS.items():
            _throughput(result, ports, clients, tokens, rounds=2 if quick else 5)
    for clients in (1, 100):
        _pace(result, clients, tokens=20 if quick else PACED_TOKENS)
    drawn = tuple(figure.name for figure in result.figures if figure.unit == "tokens/s")
    result.chart = Chart("Tokens streamed per second (more is better)", drawn, logarithmic=True)
    return result


def _throughput(result: Result, ports: dict[str, int], clients: int, tokens: int, *, rounds: int) -> None:
    def once(port: int) -> float:
        run = stream_many(port, clients, f"say {tokens}")
        if run.tokens != clients * tokens:
            raise RuntimeError(f"{run.tokens} tokens arrived of {clients * tokens}")
        return run.tokens_per_s

    samples = sampling.in_turns(rounds, {name: partial(once, port) for name, port in ports.items()})
    for name, found in samples.items():
        who: Who = "ours" if name == OURS else "peer"
        result.figures.append(Figure.of(f"{name}, {clients:,} clients", found, "tokens/s", who))
    ratio = sampling.ratio(samples[OURS], samples[PEER]) if PEER in samples else None
    if ratio is not None:
        result.ratios[f"{clients:,} clients: ours / aimock"] = ratio
    result.bars.append(Bar(f"at least as many as aimock to {clients:,} clients", ratio, "times", at_least=1.0))


def _pace(result: Result, clients: int, *, tokens: int) -> None:
    with contextlib.ExitStack() as stack:
        ports = {OURS: stack.enter_context(serve.started(serve.ANTHROPIC, RATE)).port}
        peer = peers.aimock({f"say {tokens}": words(tokens)}, latency_ms=1000 // RATE)
        if peer.missing() is None:
            ports[PEER] = stack.enter_context(peers.started(peer))
        for name, port in ports.items():
            late = stream_many(port, clients, f"say {tokens}").lateness_ms(1 / RATE)
            for share, label in ((0.5, "median"), (0.99, "p99")):
                value = sampling.quantile(late, share)
                title = f"{name}: {label} distance of a token from its place, {clients} clients at {RATE}/s"
                result.figures.append(Figure(title, value, "ms", "ours" if name == OURS else "peer", samples=len(late)))
                if name == OURS and share == 0.5:
                    claim = f"half of the tokens of {clients} streams arrive within 5 ms of their places"
                    result.bars.append(Bar(claim, value, "ms", at_most=PACE_ERROR_MS))
