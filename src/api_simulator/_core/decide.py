"""
Decide what happens to a request: the one place that says so.

Knows the order of routes, the end of a sequence, what an unmatched request gets, and which routes
came nearest. Pure: it reads no socket and sleeps nowhere; engines carry out the actions it returns.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable
from dataclasses import dataclass

from api_simulator._core.actions import Action, AskResponder, Close, Reset, SendBytes, Wait
from api_simulator._core.messages import CapturedRequest
from api_simulator._core.patterns import Mismatch, RequestPattern
from api_simulator._core.routes import Answer, MountedRoute, RouteTable
from api_simulator._core.specs import ResponseSpec
from api_simulator._core.verify import NearMiss, Problem
from api_simulator._core.wire import closes_connection, response_bytes

#: Full comparisons cost; beyond this many routes only the most similar paths are compared.
MAX_COMPARED_ROUTES = 100
NEAREST = 3

#: What a message about an unmatched request offers: once, for one test, for all.
RELAXATIONS = (
    "server.expect_unmatched(1), @pytest.mark.api_simulator(strict=False), or ini api_simulator_strict = false"
)

# A path that differs makes a route a bad guess more surely than anything else.
_WEIGHTS = {"path": 3.0}


@dataclass(frozen=True, slots=True)
class Decision:
    """
    What an engine has to do for one request.

    Attributes:
        actions: In order.

        immediate: The bytes to send when sending them is all there is to do, else None: the fast path.

        status: The status of the answer, None if it is not known yet or there is no answer.
    """

    actions: tuple[Action, ...]
    immediate: bytes | None = None
    status: int | None = None


ABANDON = Decision((Reset(),))


def decide(table: RouteTable, request: CapturedRequest) -> tuple[Decision, Problem | None]:
    """
    Decide what *request* gets, counting the call on its route.

    Sets ``route``, ``path_params`` and ``status`` of the request.

    Returns:
        The decision, and what is wrong with the request, if anything is.
    """
    try:
        found = table.find(request)
    except Exception as error:  # noqa: BLE001  # a predicate is the user's: the test is told
        text = f"{_subject(request)}: a predicate raised {type(error).__name__}: {error}"
        return refuse(request, 500, Problem("predicate", request, text))
    if found is None:
        return refuse(request, 404, unmatched(table, request))
    mounted, request.path_params = found
    request.route = mounted
    answer = mounted.take_answer()
    if answer is None:
        return refuse(request, 500, _exhausted(mounted, request))
    return decision_for(answer, request), None


def decision_for(answer: Answer, request: CapturedRequest) -> Decision:
    """Return what is to be done to give *answer* to *request*."""
    if not isinstance(answer, ResponseSpec):
        return Decision((AskResponder(answer),))
    data = response_bytes(answer, request)
    request.status = answer.status
    closes = closes_connection(answer, request)
    if not closes and not answer.delay_ms:
        return Decision((SendBytes(data),), data, answer.status)
    actions: list[Action] = [Wait(answer.delay_ms)] if answer.delay_ms else []
    actions.append(SendBytes(data))
    if closes:
        actions.append(Close())
    return Decision(tuple(actions), None, answer.status)


def refuse(request: CapturedRequest, status: int, problem: Problem) -> tuple[Decision, Problem]:
    """Return the answer to a request that has no proper one, with the explanation as its JSON body."""
    error: dict[str, object] = {"type": f"api_simulator.{problem.kind}", "message": problem.text.splitlines()[0]}
    if problem.kind == "unmatched":
        error["nearest"] = [
            {"route": near.route, "registered_at": near.source, "differences": list(near.differences)}
            for near in problem.nearest
        ]
    error["explanation"] = problem.text.splitlines()
    # ASCII: a target may hold characters that UTF-8 cannot.
    body = json.dumps({"error": error}).encode("ascii")
    return decision_for(ResponseSpec(status, body, {"Content-Type": "application/json"}), request), problem


def unmatched(table: RouteTable, request: CapturedRequest) -> Problem:
    """Explain that no route matched, naming those that came nearest."""
    nearest = tuple(nearest_routes(table, request))
    lines = [f"{_subject(request)} matched no route."]
    for near in nearest[:1]:
        registered = f"; registered at {near.source}" if near.source else ""
        lines.append(f"  nearest: {near.route} (differs in {' and '.join(near.parts)}{registered})")
        lines += [f"    {difference}" for difference in near.differences]
    if not nearest:
        lines.append("  no route is registered on this server.")
    lines.append(f'  add one with .register("{request.method}", "{request.path}", ...)')
    lines.append(f"  or allow it: {RELAXATIONS}")
    return Problem("unmatched", request, "\n".join(lines), nearest)


def _exhausted(mounted: MountedRoute, request: CapturedRequest) -> Problem:
    count = len(mounted.route.answers.items)
    text = (
        f"{_subject(request)}: the sequence of {mounted.route} is used up: it has {count} answers and then='error'"
        f"{f' (registered at {mounted.route.source})' if mounted.route.source else ''}.\n"
        "  add answers, or choose then='repeat' or then='cycle'"
    )
    return Problem("exhausted", request, text)


def _subject(request: CapturedRequest) -> str:
    return f"{request.method} {request.raw_target}"


def nearest_routes(table: RouteTable, request: CapturedRequest, limit: int = NEAREST) -> list[NearMiss]:
    """Return at most *limit* routes that came nearest to matching *request*, the nearest first."""
    routes: Iterable[MountedRoute] = table
    if len(table) > MAX_COMPARED_ROUTES:
        routes = heapq.nlargest(MAX_COMPARED_ROUTES, table, key=lambda mounted: _likeness(mounted, request.path))
    misses = [_near_miss(mounted, request) for mounted in routes]
    return heapq.nsmallest(limit, misses, key=lambda miss: miss.distance)


def _likeness(mounted: MountedRoute, path: str) -> int:
    """Return how many characters two paths share at their ends: rough, and quick enough for 100,000 routes."""
    text = mounted.route.pattern.path.text
    return _common_prefix(text, path) + _common_prefix(text[::-1], path[::-1])


def _common_prefix(left: str, right: str) -> int:
    for index, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return index
    return min(len(left), len(right))


def _near_miss(mounted: MountedRoute, request: CapturedRequest) -> NearMiss:
    pattern = mounted.route.pattern
    misses = pattern.explain(request)
    return NearMiss(
        route=str(mounted.route),
        source=mounted.route.source,
        distance=_distance(pattern, misses),
        parts=tuple(dict.fromkeys(miss.part for miss in misses)),
        differences=tuple(line for miss in misses for line in miss.differences),
    )


def _distance(pattern: RequestPattern, misses: list[Mismatch]) -> float:
    total = sum(_WEIGHTS.get(part, 1.0) for part in ("method", "path")) + len(pattern.conditions)
    return sum(miss.distance * _WEIGHTS.get(miss.part, 1.0) for miss in misses) / total
