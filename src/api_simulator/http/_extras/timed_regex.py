"""
Regular expressions that give up: by the library regex, whose matching frees the GIL and takes a timeout.

An expression of ``re`` that backtracks for ever holds the server's thread, and the GIL with it;
nothing can stop it. With the extra ``regex`` a user's expression has a second, and then the request
is answered with an error that names the route.
"""

from __future__ import annotations

import importlib
import re
from types import ModuleType
from typing import Any

from api_simulator.errors import PatternTimeoutError, RouteError

TIMEOUT_S = 1.0


def compiled(pattern: str | re.Pattern[str]) -> Any:
    """
    Return *pattern* compiled: with a time limit if the library is there, by ``re`` if not.

    Raises:
        RouteError: If it is no regular expression.
    """
    text, flags = (pattern.pattern, pattern.flags) if isinstance(pattern, re.Pattern) else (pattern, 0)
    if not isinstance(text, str):
        raise RouteError(f"regex: expected a regular expression over text, got {pattern!r}")
    try:
        plain = re.compile(text, flags)
    except re.error as error:
        raise RouteError(f"regex: {text!r} is no regular expression: {error}") from None
    try:
        regex = importlib.import_module("regex")
    except ModuleNotFoundError:
        return plain
    return _Timed(regex.compile(text, _flags(plain, regex)))


def _flags(plain: re.Pattern[str], regex: ModuleType) -> int:
    # The two libraries number some flags alike, but not all: these are those that change what matches.
    names = ("IGNORECASE", "MULTILINE", "DOTALL", "VERBOSE", "ASCII")
    return sum(int(getattr(regex, name)) for name in names if plain.flags & getattr(re, name))


class _Timed:
    """A compiled expression of the library, with the timeout in each call."""

    __slots__ = ("_regex",)

    def __init__(self, compiled_regex: Any) -> None:
        self._regex = compiled_regex

    @property
    def pattern(self) -> str:
        """The expression as written."""
        return str(self._regex.pattern)

    @property
    def flags(self) -> int:
        """What else it was compiled with."""
        return int(self._regex.flags)

    def fullmatch(self, string: str, /) -> Any:
        """Match the whole of *string* within the time limit."""
        return self._within(self._regex.fullmatch, string)

    def search(self, string: str, /) -> Any:
        """Look for the expression in *string* within the time limit."""
        return self._within(self._regex.search, string)

    def _within(self, match: Any, string: str) -> Any:
        try:
            return match(string, timeout=TIMEOUT_S)
        except TimeoutError:
            raise PatternTimeoutError(
                f"the regular expression {self.pattern!r} took more than {TIMEOUT_S:g} s "
                f"on {len(string)} characters; rewrite it without nested repetition"
            ) from None
