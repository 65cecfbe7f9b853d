"""
Which requests a route answers: method, path and conditions, read from what a user wrote.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any
from urllib.parse import parse_qsl

from api_simulator._core.conditions import Condition, Mismatch
from api_simulator._core.differences import text_distance
from api_simulator._core.messages import CapturedRequest
from api_simulator._core.paths import PathPattern, regex_path, template_path
from api_simulator._core.values import dataclass
from api_simulator.errors import RouteError

_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def parse_path(path: object) -> tuple[PathPattern, tuple[Condition, ...]]:
    """
    Read a path as a user registers it: text, a compiled expression, or what ``glob()`` made.

    ``{name}`` in text stands for one segment, ``{name:int}`` for a typed one; ``{{`` and ``}}`` are
    literal braces. A query becomes a condition that it be exactly this one.

    Raises:
        RouteError: If it does not start with ``/`` (or is ``*``), or a parameter has no proper name.
    """
    if isinstance(path, PathPattern):
        return path, ()
    if hasattr(path, "fullmatch") and isinstance(getattr(path, "pattern", None), str):
        return regex_path(path), ()  # type: ignore[arg-type]  # re.Pattern, or one that limits its time
    if not isinstance(path, str):
        raise RouteError(f"path: expected text that starts with '/', an expression or glob(), got {path!r}")
    if not path.startswith("/") and "://" in path:
        raise RouteError(f"path: {path!r} is a whole URL; register only its path, for example '/v1/messages'")
    if not path.startswith("/") and path != "*":
        raise RouteError(f"path: {path!r} does not start with '/'; did you mean {'/' + path!r}?")
    if "#" in path:
        raise RouteError(f"path: {path!r} has a fragment, which clients never send; remove '#' and what follows")
    raw_path, has_query, query = path.partition("?")
    conditions: tuple[Condition, ...] = ()
    if has_query:
        # Here: with what it stands on it is a tenth of the core, and few routes name a query.
        from api_simulator._core.named_conditions import QueryIs

        conditions = (QueryIs(tuple(parse_qsl(query, keep_blank_values=True))),)
    return template_path(raw_path, path), conditions


def parse_method(method: object) -> str:
    """Return *method* in upper case (``"*"`` for any), or raise :class:`RouteError`."""
    if not isinstance(method, str) or not _METHOD.fullmatch(method):
        raise RouteError(f"method: expected an HTTP method such as 'GET', or '*' for any, got {method!r}")
    return method.upper()


@dataclass(frozen=True, slots=True)
class RequestPattern:
    """Which requests a route answers: method (``*`` for any), path and conditions."""

    method: str
    path: PathPattern
    conditions: tuple[Condition, ...] = field(default=(), compare=False)
    # Their order does not matter for whether two patterns mean the same requests.
    members: frozenset[Condition] = field(init=False, repr=False, default=frozenset())

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", frozenset(self.conditions))

    def accepts_method(self, method: str) -> bool:
        """Return whether a request of that method is meant; HEAD is answered by GET (RFC 9110, section 9.3.2)."""
        return self.method in (method, "*") or (method == "HEAD" and self.method == "GET")

    @property
    def needs_body(self) -> bool:
        """Whether a condition can only be judged when the body is there."""
        return any(condition.needs_body for condition in self.conditions)

    def match(self, request: CapturedRequest) -> Mapping[str, Any] | None:
        """Return the path's parameters if path and conditions match, else None."""
        params = self.path.match(request.path)
        if params is None or not self.conditions:
            return params
        return params if all(condition.holds(request) for condition in self.conditions) else None

    def explain(self, request: CapturedRequest) -> list[Mismatch]:
        """Return everything in which the request misses the pattern, an empty list if it matches."""
        misses = []
        if not self.accepts_method(request.method):
            misses.append(Mismatch("method", 0.5, (f"method: expected {self.method}, found {request.method}",)))
        if (miss := self._explain_path(request.path)) is not None:
            misses.append(miss)
        misses += [miss for condition in self.conditions if (miss := _explained(condition, request)) is not None]
        return misses

    def _explain_path(self, path: str) -> Mismatch | None:
        try:
            if self.path.match(path) is not None:
                return None
        except Exception as error:  # noqa: BLE001  # an expression took too long: that is the explanation
            return Mismatch("path", 1.0, (f"path: {self.path.text} raised {type(error).__name__}: {error}",))
        # A template may look like the path, to the letter, and still mean another.
        distance = max(text_distance(self.path.text, path), 0.01)
        return Mismatch("path", distance, (f"path: expected {self.path.text}, found {path}",))

    def __str__(self) -> str:
        conditions = f" with {' and '.join(map(str, self.conditions))}" if self.conditions else ""
        return f"{self.method} {self.path.text}{conditions}"


def _explained(condition: Condition, request: CapturedRequest) -> Mismatch | None:
    try:
        return condition.explain(request)
    except Exception as error:  # noqa: BLE001  # a report on a request must not fail for a condition of another route
        return Mismatch("condition", 1.0, (f"{condition} raised {type(error).__name__}: {error}",))
