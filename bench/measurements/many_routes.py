"""
Whether the number of registered routes matters to a request that one of them answers.

Asked twice: for the same route every time, which tells of the table, and for a thousand of them, which also tells what
it costs that their answers no longer lie in the processor's caches.
"""

from __future__ import annotations

import contextlib
from functools import partial

from bench import sampling, serve
from bench.load import Client, Pipeline, forever, get_bytes
from bench.result import Bar, Chart, Figure, Mark, Result, Who

LIMIT = 1.2
PATHS = 1_000
# glibc serves large blocks by mmap until the process has freed one, which registering many routes does and
# registering one does not; asyncio allocates such a block for each read. Both sides get one limit, or one route
# would look slower than many.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(32 * 2**20)}


def measure(*, quick: bool) -> Result:
    many = 10_000 if quick else 100_000
    result = Result("many_routes", f"Do {many:,} exact routes slow down a request that one of them answers?")
    one, same, spread = "1 route", f"{many:,} routes, one of them", f"{many:,} routes, {PATHS:,} of them"
    with contextlib.ExitStack() as stack:
        few, lots = (stack.enter_context(serve.started(serve.OURS, count, ALLOCATOR)) for count in (1, many))
        route_bytes = (lots.memory_bytes - few.memory_bytes) / many
        spread_paths = [serve.path_of(number) for number in range(0, many, many // PATHS)]
        asked = {one: (few, [serve.path_of(0)]), same: (lots, [serve.path_of(many // 2)]), spread: (lots, spread_paths)}
        latency = {name: partial(_median_ms, Client(server.port), paths) for name, (server, paths) in asked.items()}
        speed = {
            name: partial(Pipeline(server.port).send, forever([get_bytes(path) for path in paths]), 5_000)
            for name, (server, paths) in asked.items()
        }
        sampling.in_turns(2, {**latency, **speed})
        rounds = 4 if quick else 20
        medians, rates = sampling.in_turns(rounds, latency), sampling.in_turns(rounds, speed)
        registration_s = lots.registration_s
    for name in asked:
        result.figures.append(Figure.of(f"{name}", medians[name], "ms, p50", _who(name)))
    for name in asked:
        result.figures.append(Figure.of(f"{name}, pipelined", rates[name], "requests/s", _who(name)))
    result.figures.append(Figure(f"registering {many:,} routes", registration_s, "s"))
    result.figures.append(Figure("registering one of them", registration_s / many * 1e6, "µs"))
    result.figures.append(Figure("memory of one of them", route_bytes, "bytes"))
    for name in (same, spread):
        result.ratios[f"p50: {name} / {one}"] = sampling.ratio(medians[name], medians[one])
        result.ratios[f"time per pipelined request: {name} / {one}"] = sampling.ratio(rates[one], rates[name])
    p50, load = result.ratios[f"p50: {spread} / {one}"], result.ratios[f"time per pipelined request: {same} / {one}"]
    result.bars += [
        Bar(
            f"p50 over {PATHS:,} of {many:,} routes is within 1.2 times that of one route", p50, "times", at_most=LIMIT
        ),
        Bar("pipelined, asking for one route among them, is within 1.2 times", load, "times", at_most=LIMIT),
    ]
    mark = Mark(LIMIT * sampling.median(medians[one]), "1.2 times 1 route")
    result.chart = Chart("A request by number of routes, p50 in ms (less is better)", tuple(asked), (mark,))
    return result


def _who(name: str) -> Who:
    return "baseline" if name == "1 route" else "ours"


def _median_ms(client: Client, paths: list[str]) -> float:
    return sampling.median(client.get(paths[index % len(paths)]) for index in range(500))
