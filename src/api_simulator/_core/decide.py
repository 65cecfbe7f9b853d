"""
Decide what happens to a request: the one place that says so.

Knows the order of routes, limits, the end of a sequence, and what an unmatched request gets. Pure: it
reads no socket and sleeps nowhere; engines carry out the actions it returns.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random

from api_simulator._core.actions import Action, AskResponder, Hold, Reset, SendBytes
from api_simulator._core.faults import FAULTS_WITHOUT_STATUS
from api_simulator._core.limits import RouteLimit, admit
from api_simulator._core.messages import CapturedRequest
from api_simulator._core.mounted import MountedRoute
from api_simulator._core.nearest import RELAXATIONS, nearest_routes, registration_line
from api_simulator._core.plain import plain_actions
from api_simulator._core.plan import plan
from api_simulator._core.routes import Answer
from api_simulator._core.specs import ResponseSpec
from api_simulator._core.streams import EventStream
from api_simulator._core.table import NOT_OURS, BrokenConditionError, RouteTable
from api_simulator._core.troubles import Trouble
from api_simulator._core.values import dataclass
from api_simulator._core.verify import Problem


@dataclass(frozen=True, slots=True)
class Decision:
    """
    What an engine has to do for one request.

    Attributes:
        actions: In order.

        immediate: The bytes to send when sending them is all there is to do, else None: the fast path.
    """

    actions: tuple[Action, ...]
    immediate: bytes | None = None


ABANDON = Decision((Reset(),))


def decide(
    table: RouteTable,
    request: CapturedRequest,
    *,
    seed: str = "",
    common: Sequence[Trouble] = (),
    limits: Sequence[RouteLimit] = (),
    counted: bool = True,
) -> tuple[Decision, Problem | None]:
    """
    Decide what *request* gets, counting the call on its route.

    Sets ``route``, ``path_params``, ``answer`` and ``status`` of the request.

    Args:
        table: The server's routes.

        request: What arrived.

        seed: Of everything random.

        common: Troubles of the whole server.

        limits: Rates of requests; a refused request uses up nothing of its route.

        counted: Whether the request counts as a call of its route.

    Returns:
        The decision, and what is wrong with the request, if anything is.
    """
    try:
        found = table.find(request)
    except BrokenConditionError as error:
        return refuse(request, 500, _broken_condition(request, error))
    if found is None:
        return refuse(request, 404, unmatched(table, request))
    mounted, request.path_params = found
    request.route = mounted
    if limits and counted:
        try:
            refusal = admit(limits, request)
        except NOT_OURS:
            raise
        except BaseException as error:  # noqa: BLE001  # the key is the user's function, and pytest.fail() may be in it
            text = f"{_subject(request)}: the key of a rate limit raised {type(error).__name__}: {error}"
            return refuse(request, 500, Problem("predicate", request, text))
        if refusal is not None:
            return decision_for(refusal, request, Random(seed))
    turn = mounted.take_turn(seed, common, counted=counted)
    if turn.answer is None:
        return refuse(request, 500, _exhausted(mounted, request))
    request.random = turn.random
    decision, problem = decision_for(turn.answer, request, turn.random)
    if turn.gate is not None:
        decision = Decision((Hold(turn.gate), *decision.actions))
    return decision, problem


def decision_for(answer: Answer, request: CapturedRequest, random: Random) -> tuple[Decision, Problem | None]:
    """Return what is to be done to give *answer* to *request*, and what is wrong with that, if anything is."""
    if not isinstance(answer, ResponseSpec):
        return Decision((AskResponder(answer),)), None
    if request.limit_fields:
        answer = answer.with_headers(request.limit_fields)
    request.answer = answer
    request.status = answer.status if answer.fault not in FAULTS_WITHOUT_STATUS else None
    if not answer.is_plain:
        return _planned(answer, request, random)
    # Beside the bytes, and by the same of the request: what is to be done with them is always the same, too.
    key = ("decision", request.method == "HEAD", request.keep_alive, request.http_version == "1.0")
    decision: Decision | None = answer.wire_cache.get(key)
    if decision is None:
        decision = answer.wire_cache[key] = _plain_decision(answer, request)
    return decision, None


def _plain_decision(answer: ResponseSpec, request: CapturedRequest) -> Decision:
    actions = plain_actions(answer, request)
    immediate = actions[0].data if len(actions) == 1 and isinstance(actions[0], SendBytes) else None
    return Decision(actions, immediate)


def _planned(spec: ResponseSpec, request: CapturedRequest, random: Random) -> tuple[Decision, Problem | None]:
    first_event = 0
    if isinstance(spec.stream, EventStream):
        try:
            first_event = _resumed(spec.stream, request)
        except LookupError as error:
            text = f"{_subject(request)}: {error.args[0]}"
            return refuse(request, 400, Problem("resume", request, text))
    return Decision(plan(spec, request, random, first_event=first_event)), None


def _resumed(stream: EventStream, request: CapturedRequest) -> int:
    """Return the first event to send, checking that a client can have been left where it wants to go on."""
    given = request.headers.get("last-event-id")
    route = request.route
    if given is not None and stream.resume:
        if given not in stream.ids:
            known = ", ".join(map(repr, stream.ids)) or "none"
            raise LookupError(f"Last-Event-ID is {given!r}, but no event has that id (there are: {known})")
        if route is not None and not route.may_resume_after(given):
            raise LookupError(
                f"Last-Event-ID is {given!r}, but no client was left at that event: others were sent after it"
            )
    first = stream.start_for(given)
    if route is not None and request.method != "HEAD":
        last = len(stream.events) if stream.cut_after is None else first + stream.cut_after
        route.note_stream(request, tuple(event.id for event in stream.events[first:last] if event.id is not None))
    return first


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
    spec = ResponseSpec(status, body, {"Content-Type": "application/json"})
    return decision_for(spec, request, Random(0))[0], problem


def unmatched(table: RouteTable, request: CapturedRequest) -> Problem:
    """Explain that no route matched, naming those that came nearest and the line that would register one."""
    nearest = tuple(nearest_routes(table, request))
    lines = [f"{_subject(request)} matched no route."]
    for place, near in enumerate(nearest):
        registered = f"; registered at {near.source}" if near.source else ""
        rank = "nearest" if place == 0 else "then"
        lines.append(f"  {rank}: {near.route} (differs in {' and '.join(near.parts)}{registered})")
        lines += [f"    {difference}" for difference in near.differences]
    if not nearest:
        lines.append("  no route is registered on this server.")
    advice = table.advice or in_python
    lines += [f"  {line}" for line in advice(request)]
    return Problem("unmatched", request, "\n".join(lines), nearest)


def in_python(request: CapturedRequest) -> list[str]:
    """Return what a test can do about an unmatched *request*."""
    return [f"add one with {registration_line(request)}", f"or allow it: {RELAXATIONS}"]


def _exhausted(mounted: MountedRoute, request: CapturedRequest) -> Problem:
    count = len(mounted.route.answers.items)
    text = (
        f"{_subject(request)}: the sequence of {mounted.route} is used up: it has {count} answers and then='error'"
        f"{f' (registered at {mounted.route.source})' if mounted.route.source else ''}.\n"
        "  add answers, or choose then='repeat' or then='cycle'"
    )
    return Problem("exhausted", request, text)


def _broken_condition(request: CapturedRequest, error: BrokenConditionError) -> Problem:
    source = error.mounted.route.source
    text = f"{_subject(request)}: {error}{f' (registered at {source})' if source else ''}"
    return Problem("predicate", request, text)


def _subject(request: CapturedRequest) -> str:
    return f"{request.method} {request.raw_target}"
