"""
What a request must have besides its method and path, and how far a request is from it.

One mechanism serves matching and diagnosis: every condition answers *does it hold?* quickly, and
*how far off is it, and why?* when somebody asks. The second is never asked on the fast path.
Conditions compare equal when they ask for the same thing; they join by ``&``, ``|`` and ``~``.
"""

from __future__ import annotations

import base64
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qsl

from api_simulator._core.bodies import encode_json
from api_simulator._core.differences import brief, json_differences, json_equal, shortened, text_distance
from api_simulator._core.messages import CapturedRequest, MultiView
from api_simulator.errors import BodyError


@dataclass(frozen=True, slots=True)
class Mismatch:
    """
    How a request misses one condition.

    Attributes:
        part: What differs: ``method``, ``path``, ``query``, ``header``, ``cookie``, ``body`` or ``predicate``.

        distance: From just above 0.0 (nearly) to 1.0 (nothing in common).

        differences: Lines for a person, most telling first.
    """

    part: str
    distance: float
    differences: tuple[str, ...]


class Condition(ABC):
    """
    Something that must hold for a request.

    ``a & b`` asks for both, ``a | b`` for either, ``~a`` for the contrary.
    """

    __slots__ = ()

    @abstractmethod
    def holds(self, request: CapturedRequest) -> bool:
        """Return whether the request fulfils the condition."""

    @abstractmethod
    def explain(self, request: CapturedRequest) -> Mismatch | None:
        """Return how the request misses the condition, None if it does not."""

    @property
    def needs_body(self) -> bool:
        """Whether the body must have been read before it can be asked."""
        return False

    def __and__(self, other: Condition) -> Condition:
        return AllOf((*flattened(self), *flattened(_checked(other))))

    def __or__(self, other: Condition) -> Condition:
        return AnyOf((*_alternatives(self), *_alternatives(_checked(other))))

    def __invert__(self) -> Condition:
        return self.condition if isinstance(self, Not) else Not(self)


def _checked(condition: object) -> Condition:
    if not isinstance(condition, Condition):
        raise TypeError(f"a condition joins with conditions only, not with {condition!r}")
    return condition


def flattened(condition: Condition) -> tuple[Condition, ...]:
    """Return the conditions that must all hold for *condition* to hold."""
    return condition.conditions if isinstance(condition, AllOf) else (condition,)


def _alternatives(condition: Condition) -> tuple[Condition, ...]:
    return condition.conditions if isinstance(condition, AnyOf) else (condition,)


@dataclass(frozen=True, slots=True)
class AllOf(Condition):
    """Holds when each of its conditions holds."""

    conditions: tuple[Condition, ...] = field(compare=False)
    # Their order does not matter.
    members: frozenset[Condition] = field(init=False, repr=False, default=frozenset())

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", frozenset(self.conditions))

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

    @property
    def needs_body(self) -> bool:
        """Whether one of them needs the body."""
        return any(condition.needs_body for condition in self.conditions)

    def __str__(self) -> str:
        return " and ".join(map(str, self.conditions))


@dataclass(frozen=True, slots=True)
class AnyOf(Condition):
    """Holds when one of its conditions holds."""

    conditions: tuple[Condition, ...] = field(compare=False)
    # Their order does not matter.
    members: frozenset[Condition] = field(init=False, repr=False, default=frozenset())

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", frozenset(self.conditions))

    def holds(self, request: CapturedRequest) -> bool:
        """Return whether one condition holds."""
        return any(condition.holds(request) for condition in self.conditions)

    def explain(self, request: CapturedRequest) -> Mismatch | None:
        """Return what all of them say; the distance is that of the nearest."""
        misses = []
        for condition in self.conditions:
            miss = condition.explain(request)
            if miss is None:
                return None
            misses.append(miss)
        lines = [f"either {line}" for miss in misses for line in miss.differences]
        nearest = min(misses, key=lambda miss: miss.distance)
        return Mismatch(nearest.part, nearest.distance, tuple(lines))

    @property
    def needs_body(self) -> bool:
        """Whether one of them needs the body."""
        return any(condition.needs_body for condition in self.conditions)

    def __str__(self) -> str:
        return f"({' or '.join(map(str, self.conditions))})"


@dataclass(frozen=True, slots=True)
class Not(Condition):
    """Holds when its condition does not."""

    condition: Condition

    def holds(self, request: CapturedRequest) -> bool:
        """Return whether the condition does not hold."""
        return not self.condition.holds(request)

    def explain(self, request: CapturedRequest) -> Mismatch | None:
        """Name the condition that holds though it should not."""
        if self.holds(request):
            return None
        return Mismatch("condition", 0.5, (f"expected not: {self.condition}",))

    @property
    def needs_body(self) -> bool:
        """Whether the condition needs the body."""
        return self.condition.needs_body

    def __str__(self) -> str:
        return f"not {self.condition}"


# Text


class TextMatcher(ABC):
    """What a text must be: equal to another, containing it, or matching an expression."""

    __slots__ = ()

    @abstractmethod
    def matches(self, text: str) -> bool:
        """Return whether *text* is as asked for."""

    def distance(self, text: str) -> float:  # noqa: ARG002  # a matcher that cannot tell says the same of every text
        """Return how far *text* is from it, above 0.0 to 1.0."""
        return 0.5


@dataclass(frozen=True, slots=True)
class Equals(TextMatcher):
    """Exactly this text."""

    text: str

    def matches(self, text: str) -> bool:
        """Return whether it is the same text."""
        return text == self.text

    def distance(self, text: str) -> float:
        """Compare the beginnings."""
        return text_distance(self.text, text)

    def __str__(self) -> str:
        return brief(self.text)


@dataclass(frozen=True, slots=True)
class Contains(TextMatcher):
    """A text with this part somewhere in it."""

    part: str

    def matches(self, text: str) -> bool:
        """Return whether the part is there."""
        return self.part in text

    def __str__(self) -> str:
        return f"text containing {brief(self.part)}"


class Searches(Protocol):
    """A compiled expression: one of ``re``, or one that limits its own time."""

    @property
    def pattern(self) -> str:
        """The expression as written."""
        ...

    @property
    def flags(self) -> int:
        """What else it was compiled with."""
        ...

    def search(self, string: str, /) -> re.Match[str] | None:
        """Look for the expression anywhere in *string*."""
        ...


@dataclass(frozen=True, slots=True)
class Matches(TextMatcher):
    """A text in which this expression is found."""

    regex: Searches = field(compare=False)
    pattern: str = field(init=False, repr=False, default="")
    flags: int = field(init=False, repr=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", self.regex.pattern)
        object.__setattr__(self, "flags", int(self.regex.flags))

    def matches(self, text: str) -> bool:
        """Return whether the expression is found."""
        return self.regex.search(text) is not None

    def __str__(self) -> str:
        return f"a match of /{self.pattern}/"


@dataclass(frozen=True, slots=True)
class Anything(TextMatcher):
    """Any text: it only has to be there."""

    def matches(self, text: str) -> bool:  # noqa: ARG002  # any text
        """Return True."""
        return True

    def __str__(self) -> str:
        return "any value"


@dataclass(frozen=True, slots=True)
class BearerToken(TextMatcher):
    """Credentials of the scheme bearer (RFC 6750, section 2.1) whose token matches."""

    token: TextMatcher

    def matches(self, text: str) -> bool:
        """Return whether the scheme is bearer, in any case, and the token as asked for."""
        scheme, _, token = text.partition(" ")
        token = token.strip(" ")
        return scheme.lower() == "bearer" and token != "" and self.token.matches(token)

    def __str__(self) -> str:
        return "a bearer token" if isinstance(self.token, Anything) else f"a bearer token, {self.token}"


# Names with values: query, headers, cookies, form


class NamedValue(Condition):
    """A name must be there with a value that matches, or must not be there."""

    __slots__ = ()

    part: str = ""
    name: str
    matcher: TextMatcher | None

    @abstractmethod
    def values(self, request: CapturedRequest) -> list[str]:
        """Return the values that the request has under the name."""

    def shown(self, request: CapturedRequest) -> list[str]:
        """Return the values as a report shows them: as they were sent."""
        return self.values(request)

    def holds(self, request: CapturedRequest) -> bool:
        """Return whether one value matches, or none is there if none is asked for."""
        found = self.values(request)
        if self.matcher is None:
            return not found
        return any(self.matcher.matches(value) for value in found)

    def explain(self, request: CapturedRequest) -> Mismatch | None:
        """Say what is there instead."""
        if self.holds(request):
            return None
        found = self.values(request)
        expected = "none" if self.matcher is None else str(self.matcher)
        nearest = min((self.matcher.distance(value) for value in found), default=1.0) if self.matcher else 0.5
        line = f"{self.part} {self.name!r}: expected {expected}, {_found(self.shown(request))}"
        return Mismatch(self.part, max(nearest, 0.01), (line,))

    def __str__(self) -> str:
        if self.matcher is None:
            return f"no {self.part} {self.name}"
        return f"{self.part} {self.name}" + ("" if isinstance(self.matcher, Anything) else f": {self.matcher}")


@dataclass(frozen=True, slots=True)
class HeaderHas(NamedValue):
    """A header field; its lines count apart and joined."""

    name: str
    matcher: TextMatcher | None
    part = "header"

    def values(self, request: CapturedRequest) -> list[str]:
        """Return the field's lines, and all of them joined if there are several."""
        lines = request.headers.getall(self.name)
        return [*lines, ", ".join(lines)] if len(lines) > 1 else lines

    def shown(self, request: CapturedRequest) -> list[str]:
        """Return the field's lines alone: nobody sent the joined form."""
        return request.headers.getall(self.name)


@dataclass(frozen=True, slots=True)
class CookieHas(NamedValue):
    """A cookie of the request."""

    name: str
    matcher: TextMatcher | None
    part = "cookie"

    def values(self, request: CapturedRequest) -> list[str]:
        """Return the cookie's values."""
        return request.cookies.getall(self.name)


@dataclass(frozen=True, slots=True)
class QueryHas(NamedValue):
    """A query parameter."""

    name: str
    matcher: TextMatcher | None
    part = "query"

    def values(self, request: CapturedRequest) -> list[str]:
        """Return the parameter's values."""
        return request.query.getall(self.name)


@dataclass(frozen=True, slots=True)
class FormHas(NamedValue):
    """A field of an URL-encoded form."""

    name: str
    matcher: TextMatcher | None
    part = "body"

    @property
    def needs_body(self) -> bool:
        """The form is the body."""
        return True

    def values(self, request: CapturedRequest) -> list[str]:
        """Return the field's values; none if the body is no form."""
        if not request.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded"):
            return []
        try:
            pairs = parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True)
        except (BodyError, ValueError):
            return []
        return MultiView(pairs).getall(self.name)


@dataclass(frozen=True, slots=True)
class QueryIs(Condition):
    """The query has exactly these parameters and values; the order of different names does not matter."""

    parameters: tuple[tuple[str, str], ...] = field(compare=False)
    # The values of each name in their order; the order of the names does not matter.
    by_name: tuple[tuple[str, tuple[str, ...]], ...] = field(init=False, repr=False, default=())

    def __post_init__(self) -> None:
        wanted = self._wanted()
        object.__setattr__(self, "by_name", tuple((name, tuple(wanted.getall(name))) for name in sorted(wanted)))

    def holds(self, request: CapturedRequest) -> bool:
        """Return whether names and values are the same."""
        query, wanted = request.query, self._wanted()
        return set(query) == set(wanted) and all(query.getall(name) == wanted.getall(name) for name in wanted)

    def explain(self, request: CapturedRequest) -> Mismatch | None:
        """Name the parameters that are missing, different or too many."""
        if self.holds(request):
            return None
        query, wanted = request.query, self._wanted()
        lines = [
            f"query {name!r}: expected {_values(wanted.getall(name))}, {_found(query.getall(name))}"
            for name in wanted
            if query.getall(name) != wanted.getall(name)
        ]
        extra = [name for name in query if name not in wanted]
        lines += [f"query {name!r}: unexpected, found {_values(query.getall(name))}" for name in extra]
        return Mismatch("query", len(lines) / (len(wanted) + len(query) + 1), tuple(lines))

    def _wanted(self) -> MultiView:
        return MultiView(self.parameters)

    def __str__(self) -> str:
        return f"query exactly {'&'.join(f'{name}={value}' for name, value in self.parameters) or 'empty'}"


@dataclass(frozen=True, slots=True)
class BasicAuth(Condition):
    """HTTP basic authentication with this user and password (RFC 7617)."""

    user: str
    password: str

    def holds(self, request: CapturedRequest) -> bool:
        """Return whether the credentials are these."""
        return self._given(request) == f"{self.user}:{self.password}"

    def explain(self, request: CapturedRequest) -> Mismatch | None:
        """Say what is wrong without repeating a password."""
        if self.holds(request):
            return None
        given = self._given(request)
        expected = f"basic credentials of {self.user!r}"
        if given is None:
            scheme = request.headers.get("authorization", "").partition(" ")[0]
            found = f"found scheme {scheme!r}" if scheme else "missing"
            return Mismatch("header", 1.0, (f"header 'authorization': expected {expected}, {found}",))
        user = given.partition(":")[0]
        found = "another password" if user == self.user else f"user {user!r}"
        return Mismatch("header", 0.3, (f"header 'authorization': expected {expected}, found {found}",))

    @staticmethod
    def _given(request: CapturedRequest) -> str | None:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            return base64.b64decode(encoded.strip(), validate=True).decode()
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"basic credentials of {self.user}"


# Bodies


@dataclass(frozen=True, slots=True)
class BodyText(Condition):
    """The body as text matches."""

    matcher: TextMatcher

    @property
    def needs_body(self) -> bool:
        """It is about the body."""
        return True

    def holds(self, request: CapturedRequest) -> bool:
        """Return whether the text matches."""
        try:
            return self.matcher.matches(request.text)
        except BodyError:
            return False

    def explain(self, request: CapturedRequest) -> Mismatch | None:
        """Show the beginning of the body."""
        if self.holds(request):
            return None
        try:
            text = request.text
        except BodyError as error:
            return Mismatch("body", 1.0, (f"body: {error}",))
        found = f"found {brief(text)}" if text else "found none"
        return Mismatch("body", max(self.matcher.distance(text), 0.01), (f"body: expected {self.matcher}, {found}",))

    def __str__(self) -> str:
        return f"body {self.matcher}"


@dataclass(frozen=True, slots=True)
class BodyBytes(Condition):
    """The decoded body is exactly these bytes."""

    content: bytes

    @property
    def needs_body(self) -> bool:
        """It is about the body."""
        return True

    def holds(self, request: CapturedRequest) -> bool:
        """Return whether the bytes are the same."""
        try:
            return request.body == self.content
        except BodyError:
            return False

    def explain(self, request: CapturedRequest) -> Mismatch | None:
        """Show both beginnings and lengths."""
        if self.holds(request):
            return None
        try:
            found = request.body
        except BodyError as error:
            return Mismatch("body", 1.0, (f"body: {error}",))
        line = (
            f"body: expected {len(self.content)} bytes {self.content[:24]!r}, found {len(found)} bytes {found[:24]!r}"
        )
        return Mismatch("body", 0.5, (line,))

    def __str__(self) -> str:
        return f"body of {len(self.content)} bytes"


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
        # As it arrives: keys are text, tuples are lists, and a later change of the caller's dict changes nothing.
        value = json.loads(encode_json(self.value))
        object.__setattr__(self, "value", value)
        object.__setattr__(self, "canonical", json.dumps(value, sort_keys=True).encode())

    @property
    def needs_body(self) -> bool:
        """It is about the body."""
        return True

    def holds(self, request: CapturedRequest) -> bool:
        """Return whether the body is that value."""
        found = request.json
        if found is None:
            return self.value is None and request.is_json
        return json_equal(self.value, found, partial=self.partial)

    def explain(self, request: CapturedRequest) -> Mismatch | None:
        """List the places that differ, or say why the body is no JSON."""
        if self.holds(request):
            return None
        problem = no_json(request, f"JSON {brief(self.value)}")
        if problem is not None:
            return problem
        lines = json_differences(self.value, request.json, partial=self.partial)
        distance = len(lines) / (len(lines) + _leaves(self.value) + 1)
        return Mismatch("body", distance, tuple(f"body {line}" for line in shortened(lines)))

    def __str__(self) -> str:
        return f"body {'including ' if self.partial else ''}{brief(self.value, 40)}"


def no_json(request: CapturedRequest, expected: str) -> Mismatch | None:
    """Explain why the body is no JSON value, None if it is one."""
    if not request.raw_body:
        return Mismatch("body", 1.0, (f"body: expected {expected}, found none",))
    try:
        body = request.body
    except BodyError as error:
        return Mismatch("body", 1.0, (f"body: {error}",))
    if not request.is_json:
        return Mismatch("body", 1.0, (f"body: expected {expected}, found {body[:60]!r} (not JSON)",))
    return None


@dataclass(frozen=True, slots=True)
class CheckedBody(Condition):
    """
    A body that some library judges: JSONPath, JSON Schema, multipart.

    Attributes:
        name: What reports call the condition; equal names of equal *key* ask for the same thing.

        key: What tells two such conditions apart.

        check: Returns the lines in which a request differs, none if it is as asked for.
    """

    name: str
    key: object
    check: Callable[[CapturedRequest], Iterable[str]] = field(compare=False)

    @property
    def needs_body(self) -> bool:
        """It is about the body."""
        return True

    def holds(self, request: CapturedRequest) -> bool:
        """Return whether there is no difference."""
        return next(iter(self.check(request)), None) is None

    def explain(self, request: CapturedRequest) -> Mismatch | None:
        """Return the differences."""
        lines = [f"body {line}" for line in self.check(request)]
        if not lines:
            return None
        return Mismatch("body", len(lines) / (len(lines) + 2), tuple(shortened(lines)))

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Predicate(Condition):
    """A function of the user's says yes. It runs on the server's thread and must not block."""

    function: Callable[[CapturedRequest], object]

    @property
    def needs_body(self) -> bool:
        """Whatever it looks at may be the body."""
        return True

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


def _leaves(value: Any) -> int:
    if isinstance(value, dict):
        return sum(_leaves(item) for item in value.values()) or 1
    if isinstance(value, list | tuple):
        return sum(_leaves(item) for item in value) or 1
    return 1
