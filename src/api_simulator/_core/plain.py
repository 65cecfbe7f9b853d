"""
Plain answers: those that an engine may give again and again without asking the core.

A request is plain if method and literal path alone decide which route answers it, and that route's
answers are finite lists of bytes and pauses which depend on nothing but the form of the request. The
core compiles them; an engine that has a fast path looks them up and tells the core what it did.
"""

from __future__ import annotations

from functools import cache
from random import Random
from typing import TYPE_CHECKING, NamedTuple, Protocol

from api_simulator._core.actions import Action, Close, HalfClose, Hang, Reset, SendBytes, Wait
from api_simulator._core.messages import CapturedRequest
from api_simulator._core.plan import plan
from api_simulator._core.routes import Route
from api_simulator._core.specs import ResponseSpec
from api_simulator._core.streams import Chunks
from api_simulator._core.wire import closes_connection, response_bytes

if TYPE_CHECKING:
    from api_simulator._core.mounted import MountedRoute

#: What needs nobody but the engine to carry it out.
FINITE = (SendBytes, Wait, Close, HalfClose, Reset, Hang)
#: Answers with more bytes are made when they are asked for: copies of them would fill the memory.
MAX_PLAIN_BYTES = 4 * 1024 * 1024


class Form(NamedTuple):
    """What of a request changes the bytes of a plain answer."""

    head_only: bool = False
    keep_alive: bool = True
    http_10: bool = False


class FastPath(Protocol):
    """What an engine with a fast path is told, always with the simulation's lock held."""

    def mounted(self, mounted: MountedRoute) -> None:
        """Take in a route that was registered: it may come before others."""
        ...

    def changed(self, mounted: MountedRoute) -> None:
        """Ask the core about the requests of this route from now on."""
        ...

    def unmounted(self, mounted: MountedRoute) -> None:
        """Forget a route that answers nothing any more; its counters stay readable."""
        ...

    def suspend(self) -> None:
        """Ask the core about every request until the next reset."""
        ...

    def reset(self, generation: int) -> None:
        """Forget everything; what arrives from now on belongs to *generation*."""
        ...

    def intake_changed(self) -> None:
        """Look again at how connections and bodies are to be read."""
        ...


def is_finite(actions: tuple[Action, ...]) -> bool:
    """Return whether an engine can carry out *actions* by itself."""
    return all(isinstance(action, FINITE) for action in actions)


def form_of(request: CapturedRequest) -> Form:
    """Return the form of *request*."""
    return Form(request.method == "HEAD", request.keep_alive, request.http_version == "1.0")


def plain_actions(spec: ResponseSpec, request: CapturedRequest) -> tuple[Action, ...]:
    """Return what is to be done for an answer whose bytes are always the same."""
    actions: list[Action] = []
    if spec.delay_ms:
        actions.append(Wait(spec.delay_ms))  # type: ignore[arg-type]  # a plain answer has a fixed delay
    actions.append(SendBytes(response_bytes(spec, request)))
    if closes_connection(spec, request):
        actions.append(Close())
    return tuple(actions)


def plain_answers(route: Route, form: Form) -> list[tuple[Action, ...]] | None:
    """Return what is to be done for each answer of *route* to requests of that form, None if one is not plain."""
    answers = []
    total = 0
    for spec in route.answers.items:
        actions = _plain_actions(spec, form) if isinstance(spec, ResponseSpec) else None
        if actions is None:
            return None
        total += sum(len(action.data) for action in actions if isinstance(action, SendBytes))
        if total > MAX_PLAIN_BYTES:
            return None
        answers.append(actions)
    return answers


def _plain_actions(spec: ResponseSpec, form: Form) -> tuple[Action, ...] | None:
    if spec.is_plain:
        return plain_actions(spec, _stand_in(form))
    # What is drawn by chance, or depends on another field of the request, is decided each time.
    if spec.uses_chance or spec.gzip or not (spec.stream is None or isinstance(spec.stream, Chunks)):
        return None
    if len(spec.content) > MAX_PLAIN_BYTES:
        return None
    actions = plan(spec, _stand_in(form), _UNUSED)
    return actions if is_finite(actions) else None


@cache
def _stand_in(form: Form) -> CapturedRequest:
    """Return a request of that form: what else is in it does not matter to a plain answer."""
    method, version = "HEAD" if form.head_only else "GET", "1.0" if form.http_10 else "1.1"
    return CapturedRequest(method, "/", http_version=version, keep_alive=form.keep_alive)


# Never drawn from: what draws is not plain.
_UNUSED = Random(0)
