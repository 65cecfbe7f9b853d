"""
What ten minutes of outage cost in virtual time, beside the same requests without any waiting.

The same client, routes and retries twice, in turns: once they wait for ten minutes by the virtual clock, once for
no time at all. What is left between the two is what the clock itself takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx2
import tenacity

from api_simulator.http import MockHttpServer, MockResponseSpec
from api_simulator.virtual_time import VirtualClock
from bench import sampling
from bench.result import Bar, Chart, Figure, Result

OUTAGE_S = 600
#: A clock is started, and its watcher: no more than a few requests' worth, whatever the machine.
LIMIT = 3
URL = "https://api.example.com/quota"


def measure(*, quick: bool) -> Result:
    result = Result("virtual_time", "What does an outage of ten minutes cost in virtual time?")
    names = ("waiting for ten virtual minutes", "the same requests without waiting")
    actions: dict[str, Callable[[], float]] = {names[0]: _waiting, names[1]: _without}
    sampling.in_turns(2, actions)
    samples = sampling.in_turns(5 if quick else 25, actions)
    for name in names:
        result.figures.append(Figure.of(name, samples[name], "ms", "ours" if name == names[0] else "baseline"))
    found = sampling.ratio(samples[names[0]], samples[names[1]])
    result.ratios["ten virtual minutes / no waiting"] = found
    result.bars.append(
        Bar(f"ten minutes of outage cost at most {LIMIT} times their requests", found, "times", at_most=LIMIT)
    )
    result.chart = Chart("A scripted outage of ten minutes, ms (less is better)", names)
    return result


def _waiting() -> float:
    started = time.perf_counter()
    with VirtualClock() as clock:
        calls = _retried(tenacity.wait_exponential(max=120), server_fails_for_s=OUTAGE_S)
        assert clock.elapsed >= OUTAGE_S
    assert calls == CALLS
    return (time.perf_counter() - started) * 1e3


def _without() -> float:
    started = time.perf_counter()
    calls = _retried(tenacity.wait_none(), fails=CALLS - 1)
    assert calls == CALLS
    return (time.perf_counter() - started) * 1e3


#: Of a back-off of 1, 2, 4 ... 64, 120 s, until ten minutes are over.
CALLS = 12


def _retried(wait: tenacity.wait.wait_base, *, server_fails_for_s: float = 0, fails: int = 0) -> int:
    """Ask until the answer is good, and return how often that was."""
    # The engine that virtual time has on any machine, for both.
    with MockHttpServer(engine="aiohttp") as server:
        route = server.get("/quota").json({"left": 5})
        if fails:
            route.fail(times=fails, status=503)
        else:
            route.fault(MockResponseSpec(503), between_s=(0, server_fails_for_s))
        with httpx2.Client(transport=server.transport(), trust_env=False) as client:
            for attempt in tenacity.Retrying(wait=wait):
                with attempt:
                    client.get(URL).raise_for_status()
        return server.request_count()
