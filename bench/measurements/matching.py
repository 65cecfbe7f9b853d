"""
What a request costs among many routes that mean more than one path: templates, and expressions.

The one asked for is the last that is tried: where routes are tried one after the other, that is the dearest.
"""

from __future__ import annotations

import contextlib
from functools import partial

from bench import sampling, serve
from bench.load import Client
from bench.result import Bar, Chart, Figure, Mark, Result, Who

COUNTS = (1, 100, 10_000)
LIMIT = 1.2
#: pytest-httpserver takes a fifth of a second for a request among so many.
THEIR_MOST = 10_000


def measure(*, quick: bool) -> Result:
    counts = COUNTS[:2] if quick else COUNTS
    result = Result("matching", "What does a request cost among many routes whose paths are patterns?")
    asked: dict[str, tuple[str, int, serve.Form]] = {
        **{_ours(count, "templates"): (serve.OURS, count, "template") for count in counts},
        **{_ours(count, "expressions"): (serve.OURS, count, "regex") for count in counts},
    }
    if serve.has_httpserver():
        asked |= {_theirs(count): (serve.HTTPSERVER, count, "regex") for count in counts if count <= THEIR_MOST}
    with contextlib.ExitStack() as stack:
        actions = {}
        for name, (kind, count, form) in asked.items():
            served = stack.enter_context(serve.started(kind, count, form=form))
            # Ours tries the newest first, pytest-httpserver the oldest.
            last = 0 if kind == serve.OURS else count - 1
            calls = 20 if count > 1_000 and form == "regex" else 200
            actions[name] = partial(_median_ms, Client(served.port), serve.path_of(last, form), calls)
        sampling.in_turns(1, actions)
        medians = sampling.in_turns(3 if quick else 12, actions)
    for name, samples in medians.items():
        who: Who = "ours" if asked[name][0] == serve.OURS else "peer"
        result.figures.append(Figure.of(name, samples, "ms, p50", who))
    most, one = _ours(counts[-1], "templates"), _ours(1, "templates")
    ratio = result.ratios[f"p50: {most} / {one}"] = sampling.ratio(medians[most], medians[one])
    expressions = _ours(counts[-1], "expressions")
    result.ratios[f"p50: {expressions} / {one}"] = sampling.ratio(medians[expressions], medians[one])
    if serve.has_httpserver():
        theirs = _theirs(counts[-1])
        result.ratios[f"p50: {expressions} / {theirs}"] = sampling.ratio(medians[expressions], medians[theirs])
    else:
        result.notes.append("pytest-httpserver is not installed")
    result.bars.append(
        Bar(f"p50 among {counts[-1]:,} templates is within 1.2 times that of one", ratio, "times", at_most=LIMIT)
    )
    mark = Mark(LIMIT * sampling.median(medians[one]), "1.2 times 1 template")
    title = "A request by number of patterns, p50 in ms (less is better)"
    result.chart = Chart(title, tuple(asked), (mark,), logarithmic=True)
    return result


def _ours(count: int, what: str) -> str:
    return f"{count:,} {what}"


def _theirs(count: int) -> str:
    return f"pytest-httpserver, {count:,} expressions"


def _median_ms(client: Client, path: str, calls: int) -> float:
    return sampling.median(client.get(path) for _ in range(calls))
