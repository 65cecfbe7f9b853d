"""
Conditions on what a request has under a name: query parameters, header fields, cookies, form fields, credentials.
"""

from __future__ import annotations

import base64
from abc import abstractmethod
from dataclasses import field
from urllib.parse import parse_qsl

from api_simulator._core.conditions import Condition, Mismatch
from api_simulator._core.messages import CapturedRequest, MultiView
from api_simulator._core.text_matchers import Anything, TextMatcher
from api_simulator._core.values import dataclass
from api_simulator.errors import BodyError


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


def _values(values: list[str]) -> str:
    return repr(values[0]) if len(values) == 1 else repr(values)


def _found(values: list[str]) -> str:
    return f"found {_values(values)}" if values else "missing"
