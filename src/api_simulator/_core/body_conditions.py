"""
Conditions on a request's body: as text, as bytes, as JSON, or as some library judges it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import field
from typing import Any

from api_simulator._core.bodies import encode_json
from api_simulator._core.conditions import Condition, Mismatch
from api_simulator._core.differences import brief, json_differences, json_equal, shortened
from api_simulator._core.messages import CapturedRequest
from api_simulator._core.text_matchers import TextMatcher
from api_simulator._core.values import dataclass
from api_simulator.errors import BodyError


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


def _leaves(value: Any) -> int:
    if isinstance(value, dict):
        return sum(_leaves(item) for item in value.values()) or 1
    if isinstance(value, list | tuple):
        return sum(_leaves(item) for item in value) or 1
    return 1
