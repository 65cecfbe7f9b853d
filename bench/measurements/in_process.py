"""
What a call costs without a socket, beside the client's own ``MockTransport`` and the libraries that patch a client.

One process, one client each, in turns. respx tries its routes one after the other, so it is asked for the last.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from api_simulator.http import MockHttpServer
from bench import sampling
from bench.result import Bar, Chart, Figure, Mark, Result, Who

LIMIT = 1.2
FLAT_LIMIT = 1.2
MANY = 10_000
URL = "https://api.example.com/items/{}"
BODY = {"id": 1, "name": "x"}


def measure(*, quick: bool) -> Result:
    result = Result("in_process", "What does a call cost when no socket is between client and server?")
    calls, rounds = (100, 5) if quick else (300, 25)
    with contextlib.ExitStack() as stack:
        asked = dict(_asked(stack))
        _check_answers(asked)
        actions = {name: _blocks(get, calls) for name, (get, _) in asked.items()}
        sampling.in_turns(2, actions)
        samples = sampling.in_turns(rounds, actions)
    for name, (_, who) in asked.items():
        result.figures.append(Figure.of(name, samples[name], "µs", who))
    found = {}
    for library in ("httpx2", "httpx"):
        ours, theirs = samples.get(f"{library}: ours, 1 route"), samples.get(f"{library}: its MockTransport")
        many = samples.get(f"{library}: ours, {MANY:,} routes")
        if ours and theirs and many:
            found[library] = result.ratios[f"{library}: ours / its MockTransport"] = sampling.ratio(ours, theirs)
            flat = result.ratios[f"{library}: {MANY:,} routes / 1 route"] = sampling.ratio(many, ours)
            result.bars.append(Bar(f"{library}: {MANY:,} routes cost what one does", flat, "times", at_most=FLAT_LIMIT))
        result.bars.append(
            Bar(
                f"{library}: a call is at most {LIMIT} times its own MockTransport's",
                found.get(library),
                "times",
                at_most=LIMIT,
            )
        )
    mark = Mark(LIMIT * sampling.median(samples["httpx2: its MockTransport"]), "1.2 times httpx2's MockTransport")
    result.chart = Chart("A call without a socket, µs (less is better)", tuple(asked), (mark,))
    return result


def _check_answers(asked: dict[str, tuple[Callable[[], Any], Who]]) -> None:
    """Refuse to compare answers that differ: their fields are read by the client, and their bytes too."""
    for library in ("httpx2", "httpx"):
        told = {}
        for name, (get, who) in asked.items():
            if name.startswith(f"{library}: ") and who != "peer":
                answer = get()
                told[name] = (answer.status_code, sorted(answer.headers.items()), answer.json())
        assert len(set(map(repr, told.values()))) == 1, told


def _blocks(get: Callable[[], Any], calls: int) -> Callable[[], float]:
    def block() -> float:
        started = time.perf_counter()
        for _ in range(calls):
            get()
        return (time.perf_counter() - started) / calls * 1e6

    return block


def _asked(stack: contextlib.ExitStack) -> Iterator[tuple[str, tuple[Callable[[], Any], Who]]]:
    import httpx
    import httpx2

    few, lots = (_server(stack, count) for count in (1, MANY))
    for library in (httpx2, httpx):
        name = library.__name__

        def client(transport: Any, library: Any = library) -> Any:
            return stack.enter_context(library.Client(transport=transport, trust_env=False))

        mock = client(library.MockTransport(lambda _, library=library: library.Response(200, json=BODY)))
        yield f"{name}: its MockTransport", (_get(mock, 0), "baseline")
        yield f"{name}: ours, 1 route", (_get(client(few.transport()), 0), "ours")
        yield f"{name}: ours, {MANY:,} routes", (_get(client(lots.transport()), MANY // 2), "ours")
    # Through their routers, without their patches: more than one of those in a process would be in each other's way.
    with contextlib.suppress(ModuleNotFoundError):
        import respx

        for count in (1, 100):
            router = respx.MockRouter(assert_all_called=False)
            for number in range(count):
                router.get(URL.format(number)).respond(json=BODY)
            transport = httpx.MockTransport(router.handler)
            got = stack.enter_context(httpx.Client(transport=transport, trust_env=False))
            yield f"httpx: respx, {count} {'route' if count == 1 else 'routes'}", (_get(got, count - 1), "peer")
    with contextlib.suppress(ModuleNotFoundError):
        from pytest_httpx import HTTPXMock
        from pytest_httpx._options import _HTTPXMockOptions

        mocked = HTTPXMock(_HTTPXMockOptions(can_send_already_matched_responses=True))
        mocked.add_response(url=URL.format(0), json=BODY)
        real = httpx.HTTPTransport()
        transport = httpx.MockTransport(lambda request: mocked._handle_request(real, request))
        got = stack.enter_context(httpx.Client(transport=transport, trust_env=False))
        yield "httpx: pytest-httpx, 1 route", (_get(got, 0), "peer")


def _server(stack: contextlib.ExitStack, count: int) -> MockHttpServer:
    server = stack.enter_context(MockHttpServer())
    for number in range(count):
        server.get(f"/items/{number}").json(BODY)
    return server


def _get(client: Any, number: int) -> Callable[[], Any]:
    url = URL.format(number)
    return lambda: client.get(url)
