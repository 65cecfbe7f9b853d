"""
How routes, faults and limits are put on a server: the half of the public server that says what it does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from typing import Any

from api_simulator._core.conditions import Condition
from api_simulator._core.faults import AnyFault
from api_simulator._core.limits import Algorithm, RateLimiter
from api_simulator._core.messages import CapturedRequest
from api_simulator._core.mounted import MountedRoute
from api_simulator._core.paths import PathPattern
from api_simulator._core.routes import Answer, Answers, Responder, Route, SequenceEnd
from api_simulator._core.simulation import Simulation
from api_simulator._core.specs import HeaderInput, ResponseSpec
from api_simulator._core.troubles import make_trouble
from api_simulator.errors import OptionError, RouteError
from api_simulator.http._builder import PendingRoute, ShortForms
from api_simulator.http._forms import UNSET, answer, calling_line, request_pattern, single_answer


class Registration(ShortForms):
    """Registers on the simulation of the class that it is mixed into."""

    simulation: Simulation

    def register(
        self,
        method: str,
        path: str | re.Pattern[str] | PathPattern,
        spec: ResponseSpec | Responder | None = None,
        *,
        when: Condition | None = None,
        priority: int = 0,
        json: Any = UNSET,
        status: Any = UNSET,
        delay_seconds: Any = UNSET,
        headers: HeaderInput | Any = UNSET,
    ) -> MountedRoute:
        """
        Answer every request to *path* with *spec*.

        The route registered last wins among those that match; the same pattern again replaces its
        route. Works at any time and from any thread.

        Args:
            method: An HTTP method in any case, or ``"*"`` for all. GET answers HEAD too.

            path: Starts with ``/``; ``{name}`` stands for one segment, ``{name:int}`` for a typed one (str, int,
                float, uuid, path); ``?a=1`` asks for exactly that query. Or a compiled expression, or ``glob(...)``.

            spec: A :class:`ResponseSpec`, or a function (plain or async) from the captured request to one.

            when: Further conditions, such as ``query(...)``, ``header(...)``, ``json_body(...)``, joined by
                ``&``, ``|`` and ``~``.

            priority: The route with the higher one wins, whenever it was registered.

            json: Older form: the JSON body.

            status: Older form: the status.

            delay_seconds: Older form: seconds before the answer.

            headers: Older form: the headers.

        Raises:
            RouteError: If method, path, spec or condition cannot be registered.

            SpecError: If the older keywords describe something that cannot be sent.
        """
        older = {"json": json, "status": status, "delay_seconds": delay_seconds, "headers": headers}
        pattern = request_pattern(method, path, when)
        answers = Answers((single_answer(spec, older),))
        return self.simulation.mount(Route(pattern, answers, calling_line(), _checked_priority(priority)))

    def register_sequence(
        self,
        method: str,
        path: str | re.Pattern[str] | PathPattern,
        specs: Iterable[ResponseSpec | Responder | dict[str, Any]] | None = None,
        *,
        when: Condition | None = None,
        then: SequenceEnd = "repeat",
        priority: int = 0,
        responses: Iterable[dict[str, Any]] | None = None,
    ) -> MountedRoute:
        """
        Answer successive requests to *path* with successive *specs*.

        Args:
            method: As for :meth:`register`.

            path: As for :meth:`register`.

            specs: At least one; specs, responders, or dicts of the older form.

            when: As for :meth:`register`.

            then: What comes when they are used up: ``"repeat"`` the last, as a server that has settled
                does; ``"cycle"`` from the first; ``"error"`` answers 500 and fails the test.

            priority: As for :meth:`register`.

            responses: Older form of *specs*: dicts with ``json``, ``status``, ``delay_seconds``, ``headers``.

        Raises:
            RouteError: If there is no spec, or method, path, condition or ``then`` cannot be used.

            SpecError: If a dict describes something that cannot be sent.
        """
        pattern = request_pattern(method, path, when)
        if (specs is None) == (responses is None):
            raise RouteError("register_sequence: give the responses once, as specs or as responses=")
        given = specs if specs is not None else responses
        if isinstance(given, ResponseSpec | str | bytes | dict) or not isinstance(given, Iterable):
            raise RouteError(f"specs: expected a list of ResponseSpec, got {given!r}")
        items = tuple(answer(item, f"specs[{index}]") for index, item in enumerate(given))
        route = Route(pattern, Answers(items, then), calling_line(), _checked_priority(priority))
        return self.simulation.mount(route)

    def route(self, method: str, path: str | re.Pattern[str] | PathPattern, *, priority: int = 0) -> PendingRoute:
        """
        Begin a route in the short form: ``server.get("/u/1").json({"id": 1})``.

        The verb that says what is answered registers it; a route that is begun and never answered fails the test.
        """
        pattern = request_pattern(method, path, None)
        source, priority = calling_line(), _checked_priority(priority)

        def register(
            pending: PendingRoute, answers: tuple[Answer, ...], then: SequenceEnd, when: Condition | None
        ) -> MountedRoute:
            whole = pattern if when is None else request_pattern(method, path, when)
            mounted = self.simulation.mount(Route(whole, Answers(answers, then), source, priority))
            self.simulation.pending.pop(pending, None)
            return mounted

        pending = PendingRoute(register, str(pattern))
        self.simulation.pending[pending] = f"{pattern} (at {source})"
        return pending

    # What goes wrong

    def fault(
        self,
        fault: AnyFault | str | ResponseSpec,
        *,
        on: int | Iterable[int] | None = None,
        between_s: tuple[float, float] | None = None,
        probability: float = 1.0,
    ) -> None:
        """
        Let something go wrong on every route; as :meth:`MountedRoute.fault`, calls counted per route.

        Args:
            fault: A fault, its name, or a whole answer.

            on: At these calls of a route, counted from 1.

            between_s: In an outage from so many seconds after this call to so many.

            probability: With this probability, drawn from the server's seed.
        """
        now_ns = self.simulation.clock.now_ns()
        self.simulation.add_trouble(
            make_trouble(fault, on=on, between_s=between_s, probability=probability, now_ns=now_ns)
        )

    def rate_limit(
        self,
        n: int,
        per_s: float,
        *,
        algorithm: Algorithm = "fixed_window",
        routes: Collection[MountedRoute] | None = None,
        key: Callable[[CapturedRequest], str] | None = None,
        refusal: ResponseSpec | None = None,
    ) -> None:
        """
        Answer 429 to requests beyond a rate, with ``Retry-After`` and ``X-RateLimit-*``, as real services do.

        Args:
            n: Requests per window, or the bucket's size.

            per_s: The window in seconds, or the time in which an empty bucket fills.

            algorithm: ``fixed_window`` or ``token_bucket``.

            routes: Limit these together; all matched requests by default.

            key: Count apart for each of its values, for instance ``lambda r: r.headers.get("authorization", "")``.

            refusal: What is answered beyond the rate, instead of a 429 with a short JSON body.
        """
        limiter = RateLimiter(n, per_s, algorithm)
        answer = refusal if refusal is not None else ResponseSpec(429, {"error": "rate limit exceeded"})
        self.simulation.add_limit(limiter, routes, key if key is not None else _one_key, answer)

    def slow_accept(self, delay_ms: int) -> None:
        """Read nothing from a new connection for so many milliseconds: a server that is busy accepting."""
        self.simulation.slow_accept(_checked_number("slow_accept", delay_ms, least=0))

    def throttle_uploads(self, bytes_per_s: int) -> None:
        """Read request bodies no faster than so many bytes a second."""
        self.simulation.throttle_uploads(_checked_number("throttle_uploads", bytes_per_s, least=1))


def _one_key(_request: CapturedRequest) -> str:
    return ""


def _checked_number(name: str, value: object, *, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise OptionError(f"{name}: expected a whole number, {least} or more, got {value!r}")
    return value


def _checked_priority(priority: object) -> int:
    if isinstance(priority, bool) or not isinstance(priority, int):
        raise RouteError(f"priority: expected a whole number, higher wins, got {priority!r}")
    return priority
