"""
What a single text must be: a header's value, a query parameter, a body.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import field
from typing import Protocol

from api_simulator._core.differences import brief, text_distance
from api_simulator._core.values import dataclass


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
