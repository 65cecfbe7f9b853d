"""
What a request must look like, and how far a request is from it.

One mechanism serves matching and diagnosis: every condition answers *does it hold?* quickly, and
*how far off is it, and why?* when somebody asks. The second is never asked on the fast path.

A :class:`RequestPattern` is a method, a path and any number of conditions. Conditions compare equal
when they ask for the same thing, so that registering the same pattern again can replace a route.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from api_simulator._core.bodies import encode_json
from api_simulator._core.differences import brief, json_differences, json_equal, shortened, text_distance
from api_simulator._core.messages import CapturedRequest, decode_path
from api_simulator.errors import BodyError, RouteError

_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PARAMETER = re.compile(r"\{([^{}]*)\}")

NO_PARAMS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Mismatch:
    """
    How a request misses one condition.

    Attributes:
        part: What differs: ``method``, ``path``, ``query``, ``header``, ``body`` or ``predicate``.

        distance: From just above 0.0 (nearly) to 1.0 (nothing in common).

        differences: Lines for a person, most telling first.
    """

    part: str
    distance: float
    differences: tuple[str, ...]


class Condition(ABC):
    """Something that must hold for a request besides its method and path; ``a & b`` asks for both."""

    __slots__ = ()

    @abstractmethod
    def holds(self, request: CapturedRequest) -> bool:
        """Return whether the request fulfils the condition."""

    @abstractmethod
    def explain(self, request: CapturedRequest) -> Mismatch | None:
        """Return how the request misses the condition, None if it does not."""

    def __and__(self, other: Condition) -> AllOf:
        return AllOf((*flattened(self), *flattened(other)))


@dataclass(frozen=True, slots=True)
class AllOf(Condition):
    """Holds when each of its conditions holds."""

    conditions: tuple[Condition, ...]

    def holds(self, request: CapturedRequest) -> bool:
        """Return whether all conditions hold."""
        return all(condition.holds(request) for condition in self.conditions)

    def explain(self, request: CapturedRequest) -> Mismatch | None:
        """Return what the missed conditions say, with the mean of all distances."""
        misses = [miss for condition in self.conditions if (miss := condition.explain(request)) is not None]
        if not misses:
            return None
        return Mismatch(
            " and ".join(dict.fromkeys(miss.part for miss in misses)),
            sum(miss.distance for miss in misses) / len(self.conditions),
            tuple(line for miss in misses for line in miss.differences),
        )

    def __str__(self) -> str:
        return " and ".join(map(str, self.conditions))


def flattened(condition: Condition) -> tuple[Condition, ...]:
    """Return the conditions that *condition* is made of."""
    return condition.conditions if isinstance(condition, AllOf) else (condition,)


@dataclass(frozen=True, slots=True)
class QueryIs(Condition):
    """The query has these parameters; with *exact*, no others and no repeated ones beyond these."""

    parameters: tuple[tuple[str, str], ...]
    exact: bool = False

    def holds(self, request: CapturedRequest) -> bool:
        """Return whether the parameters are there."""
        query = request.query
        wanted = self._wanted()
        if self.exact and set(query) != set(wanted):
            return False
        return all(
            query.getall(name) == values if self.exact else set(values) <= set(query.getall(name))
            for name, values in wanted.items()
        )

    def explain(self, request: CapturedRequest) -> Mismatch | None:
        """Name the parameters that are missing, different or too many."""
        if self.holds(request):
            return None
        query = request.query
        lines = []
        for name, values in self._wanted().items():
            found = query.getall(name)
            if found != values:
                lines.append(f"query {name!r}: expected {_values(values)}, {_found(found)}")
        if self.exact:
            extra = [name for name in query if name not in self._wanted()]
            lines += [f"query {name!r}: unexpected, found {_values(query.getall(name))}" for name in extra]
        return Mismatch("query", len(lines) / (len(self._wanted()) + len(query) + 1), tuple(lines))

    def __str__(self) -> str:
        shown = "&".join(f"{name}={value}" for name, value in self.parameters)
        return f"query {'exactly ' if self.exact else ''}{shown}"

    def _wanted(self) -> dict[str, list[str]]:
        wanted: dict[str, list[str]] = {}
        for name, value in self.parameters:
            wanted.setdefault(name, []).append(value)
        return wanted


@dataclass(frozen=True, slots=True)
class HeaderIs(Condition):
    """A header field has this value; without a value it only has to be there."""

    name: str
    value: str | None = None

    def holds(self, request: CapturedRequest) -> bool:
        """Return whether the field is there with that value, joined or in one of its lines."""
        headers = request.headers
        if self.name not in headers:
            return False
        return self.value is None or self.value in (headers[self.name], *headers.getall(self.name))

    def explain(self, request: CapturedRequest) -> Mismatch | None:
        """Say what the field has instead."""
        if self.holds(request):
            return None
        found = request.headers.getall(self.name)
        expected = "any value" if self.value is None else repr(self.value)
        distance = text_distance(self.value or "", found[0]) if found else 1.0
        return Mismatch("header", distance, (f"header {self.name!r}: expected {expected}, {_found(found)}",))

    def __str__(self) -> str:
        return f"header {self.name}" if self.value is None else f"header {self.name}: {brief(self.value, 40)}"


@dataclass(frozen=True, slots=True)
class JsonBody(Condition):
    """
    The body is this JSON value; with *partial*, objects may have more keys than named.

    Compared by value: the order of keys and white space do not matter.
    """

    value: Any = field(hash=False, compare=False)
    partial: bool = False
    # Canonical text, so that conditions can be compared and hashed though dicts cannot.
    canonical: bytes = field(init=False, repr=False, default=b"")

    def __post_init__(self) -> None:
        object.__setattr__(self, "canonical", encode_json(_sorted(self.value)))

    def holds(self, request: CapturedRequest) -> bool:
        """Return whether the body is that value."""
        found = request.json
        if found is None:
            return self.value is None and request.text.strip() == "null"
        return json_equal(self.value, found, partial=self.partial)

    def explain(self, request: CapturedRequest) -> Mismatch | None:
        """List the places that differ, or say why the body is no JSON."""
        if self.holds(request):
            return None
        if not request.raw_body:
            return Mismatch("body", 1.0, (f"body: expected JSON {brief(self.value)}, found none",))
        try:
            body = request.body
        except BodyError as error:
            return Mismatch("body", 1.0, (f"body: {error}",))
        if request.json is None:
            shown = repr(body[:60])
            return Mismatch("body", 1.0, (f"body: expected JSON {brief(self.value)}, found {shown} (not JSON)",))
        lines = json_differences(self.value, request.json, partial=self.partial)
        distance = len(lines) / (len(lines) + _leaves(self.value) + 1)
        return Mismatch("body", distance, tuple(f"body {line}" for line in shortened(lines)))

    def __str__(self) -> str:
        return f"body {'including ' if self.partial else ''}{brief(self.value, 40)}"


@dataclass(frozen=True, slots=True)
class Predicate(Condition):
    """A function of the user's says yes. It runs on the server's thread and must not block."""

    function: Callable[[CapturedRequest], object]

    def holds(self, request: CapturedRequest) -> bool:
        """Return whether the function's answer is true."""
        return bool(self.function(request))

    def explain(self, request: CapturedRequest) -> Mismatch | None:
        """Name the function that said no."""
        try:
            if self.holds(request):
                return None
            said = "said no"
        except Exception as error:  # noqa: BLE001  # the user's own code: its failure is the explanation
            said = f"raised {type(error).__name__}: {error}"
        return Mismatch("predicate", 0.5, (f"{self} {said}",))

    def __str__(self) -> str:
        return f"predicate {getattr(self.function, '__qualname__', repr(self.function))}"


def _values(values: list[str]) -> str:
    return repr(values[0]) if len(values) == 1 else repr(values)


def _found(values: list[str]) -> str:
    return f"found {_values(values)}" if values else "missing"


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _sorted(item) for key, item in sorted(value.items(), key=lambda pair: str(pair[0]))}
    if isinstance(value, list | tuple):
        return [_sorted(item) for item in value]
    return value


def _leaves(value: Any) -> int:
    if isinstance(value, dict):
        return sum(_leaves(item) for item in value.values()) or 1
    if isinstance(value, list | tuple):
        return sum(_leaves(item) for item in value) or 1
    return 1


@dataclass(frozen=True, slots=True)
class PathPattern:
    """
    A literal path or a template such as ``/users/{id}``.

    Attributes:
        text: The decoded path (``%2F`` kept) as it is compared and shown.

        regex: What a template compiles to; None for a literal path.
    """

    text: str
    regex: re.Pattern[str] | None = field(default=None, compare=False)

    def match(self, path: str) -> Mapping[str, str] | None:
        """Return the template's parameters, an empty mapping for a literal path, None if it does not match."""
        if self.regex is None:
            return NO_PARAMS if path == self.text else None
        found = self.regex.fullmatch(path)
        return found.groupdict() if found else None


def parse_path(path: object) -> tuple[PathPattern, tuple[Condition, ...]]:
    """
    Read a path as a user registers it.

    ``{name}`` stands for one segment (anything but ``/``); ``{{`` and ``}}`` are literal braces. A
    query becomes a condition that it be exactly this one.

    Raises:
        RouteError: If it does not start with ``/`` (or is ``*``), or a parameter has no proper name.
    """
    if not isinstance(path, str):
        raise RouteError(f"path: expected text that starts with '/', got {path!r}")
    if "://" in path.split("?", 1)[0]:
        raise RouteError(f"path: {path!r} is a whole URL; register only its path, for example '/v1/messages'")
    if not path.startswith("/") and path != "*":
        raise RouteError(f"path: {path!r} does not start with '/'; did you mean {'/' + path!r}?")
    if "#" in path:
        raise RouteError(f"path: {path!r} has a fragment, which clients never send; remove '#' and what follows")
    raw_path, has_query, query = path.partition("?")
    conditions: tuple[Condition, ...] = ()
    if has_query:
        conditions = (QueryIs(tuple(parse_qsl(query, keep_blank_values=True)), exact=True),)
    return _path_pattern(raw_path, path), conditions


def _path_pattern(raw_path: str, shown: str) -> PathPattern:
    if "{" not in raw_path and "}" not in raw_path:
        return PathPattern(decode_path(raw_path))
    expression, text, names = "", "", set()
    protected = raw_path.replace("{{", "\0").replace("}}", "\1")
    for index, piece in enumerate(_PARAMETER.split(protected)):
        if index % 2:
            if not piece.isidentifier() or piece in names:
                problem = "is used twice" if piece in names else "is no name"
                raise RouteError(f"path: {shown!r}: parameter {{{piece}}} {problem}; write {{{{ for a literal brace")
            names.add(piece)
            expression += f"(?P<{piece}>[^/]+)"
            text += f"{{{piece}}}"
        else:
            if "{" in piece or "}" in piece:
                raise RouteError(f"path: {shown!r} has a single brace; write {{{{ or }}}} for a literal one")
            literal = decode_path(piece.replace("\0", "{").replace("\1", "}"))
            expression += re.escape(literal)
            text += literal
    return PathPattern(text, re.compile(expression) if names else None)


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
    conditions: tuple[Condition, ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether only method and literal path are compared, so that a lookup table can hold it."""
        return self.path.regex is None

    def accepts_method(self, method: str) -> bool:
        """Return whether a request of that method is meant; HEAD is answered by GET (RFC 9110, section 9.3.2)."""
        return self.method in (method, "*") or (method == "HEAD" and self.method == "GET")

    def match(self, request: CapturedRequest) -> Mapping[str, str] | None:
        """Return the path's parameters if the request matches, else None."""
        if not self.accepts_method(request.method):
            return None
        params = self.path.match(request.path)
        if params is None or not all(condition.holds(request) for condition in self.conditions):
            return None
        return params

    def explain(self, request: CapturedRequest) -> list[Mismatch]:
        """Return everything in which the request misses the pattern, an empty list if it matches."""
        misses = []
        if not self.accepts_method(request.method):
            misses.append(Mismatch("method", 0.5, (f"method: expected {self.method}, found {request.method}",)))
        if self.path.match(request.path) is None:
            distance = text_distance(self.path.text, request.path)
            misses.append(Mismatch("path", distance, (f"path: expected {self.path.text}, found {request.path}",)))
        misses += [miss for condition in self.conditions if (miss := condition.explain(request)) is not None]
        return misses

    def __str__(self) -> str:
        conditions = f" with {' and '.join(map(str, self.conditions))}" if self.conditions else ""
        return f"{self.method} {self.path.text}{conditions}"
