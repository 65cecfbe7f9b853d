"""
Which paths a route means: a literal one, a template, a regular expression or a glob.

A pattern compiles to an expression over the decoded path (``%2F`` kept), and says what every path that it
means has in common, so that it need not be tried for others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest
from typing import Any, Protocol
from uuid import UUID

from api_simulator._core.messages import decode_path
from api_simulator.errors import RouteError

_TEMPLATE_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[^{}]+|[{}]")
_GLOB_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[[!^]?\]?[^\]/]*\]")

NO_PARAMS: Mapping[str, Any] = {}

#: What a template's parameter may be: its expression and what its text is turned into.
PARAMETER_TYPES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "str": (r"[^/]+", str),
    "int": (r"-?[0-9]+", int),
    "float": (r"-?[0-9]+(?:\.[0-9]+)?", float),
    "uuid": (r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", UUID),
    "path": (r"(?s:.+)", str),
}


class CompiledRegex(Protocol):
    """A compiled expression: one of ``re``, or one that limits its own time."""

    @property
    def pattern(self) -> str:
        """The expression as written."""
        ...

    @property
    def flags(self) -> int:
        """What else it was compiled with."""
        ...

    def fullmatch(self, string: str, /) -> re.Match[str] | None:
        """Match the whole of *string*."""
        ...


@dataclass(frozen=True)
class PathPattern:
    """
    Paths that a route answers.

    Attributes:
        text: As it is shown and compared.

        literal: The decoded path, if only one is meant.

        first_segment: The first segment, if every path that matches begins with it.

        segments: What is between the slashes, None where anything may be, if every path that matches has so many.

        regex: What a path must match from beginning to end, if it is not literal.

        converters: What the text of each parameter is turned into.

        reading: How the text is read: two patterns of one text are the same only if this is the same too.
    """

    text: str
    literal: str | None = None
    first_segment: str | None = field(default=None, compare=False)
    regex: CompiledRegex | None = field(default=None, compare=False)
    converters: Mapping[str, Callable[[str], Any]] = field(default_factory=dict, compare=False)
    reading: str = "template"
    segments: tuple[str | None, ...] | None = field(default=None, compare=False)

    def match(self, path: str) -> Mapping[str, Any] | None:
        """Return the path's parameters, an empty mapping if it has none, None if it does not match."""
        if self.regex is None:
            return NO_PARAMS if path == self.literal else None
        found = self.regex.fullmatch(path)
        if found is None:
            return None
        named = found.groupdict()
        for name, convert in self.converters.items():
            named[name] = convert(named[name])
        return named

    @cached_property
    def reversed_text(self) -> str:
        """The text backwards, for comparing ends."""
        return self.text[::-1]


def literal_path(path: str) -> PathPattern:
    """Return the pattern of exactly this path."""
    decoded = decode_path(path)
    return PathPattern(decoded, decoded)


def template_path(raw_path: str, shown: str) -> PathPattern:
    """
    Read a template: ``/users/{id}``, ``/users/{id:int}``, ``/files/{rest:path}``; ``{{`` is a literal brace.

    Raises:
        RouteError: If a brace stands alone, or a parameter has no proper name or type, or comes twice.
    """
    if "{" not in raw_path and "}" not in raw_path:
        return literal_path(raw_path)
    literals, parameters = [""], []
    for token in _TEMPLATE_TOKEN.finditer(raw_path):
        if token.group(1) is not None:
            parameters.append(token.group(1))
            literals.append("")
        elif token.group() in ("{", "}"):
            raise RouteError(f"path: {shown!r} has a single brace; write {{{{ or }}}} for a literal one")
        else:
            literals[-1] += token.group()[0] if token.group() in ("{{", "}}") else token.group()
    if not parameters:
        return literal_path(literals[0])
    expression = text = ""
    converters: dict[str, Callable[[str], Any]] = {}
    for literal, parameter in zip_longest(map(decode_path, literals), parameters):
        expression += re.escape(literal)
        # Doubled again: a literal brace must not read, and compare, like a parameter.
        text += literal.replace("{", "{{").replace("}", "}}")
        if parameter is not None:
            name, kind = _parameter(parameter, shown, converters)
            parameter_expression, converters[name] = PARAMETER_TYPES[kind]
            expression += f"(?P<{name}>{parameter_expression})"
            text += f"{{{parameter}}}"
    conversions = {name: convert for name, convert in converters.items() if convert is not str}
    spans = any(parameter.endswith(":path") for parameter in parameters)
    segments = None if spans else _segments(literals)
    return PathPattern(
        text, None, _first_literal_segment(text, "{"), re.compile(expression), conversions, segments=segments
    )


def _segments(literals: list[str]) -> tuple[str | None, ...]:
    """Return the segments of a path whose literals have something within one segment between them."""
    pieces = "\0".join(map(decode_path, literals)).split("/")
    return tuple(None if "\0" in piece else piece for piece in pieces)


def _parameter(piece: str, shown: str, seen: Mapping[str, object]) -> tuple[str, str]:
    name, has_kind, kind = piece.partition(":")
    if not name.isidentifier() or name in seen:
        problem = "is used twice" if name in seen else "is no name"
        raise RouteError(f"path: {shown!r}: parameter {{{piece}}} {problem}; write {{{{ for a literal brace")
    if has_kind and kind not in PARAMETER_TYPES:
        known = ", ".join(PARAMETER_TYPES)
        raise RouteError(f"path: {shown!r}: parameter {{{piece}}} has an unknown type; there are {known}")
    return name, kind or "str"


def _first_literal_segment(text: str, special: str) -> str | None:
    """Return the first segment if nothing in it is special and another one follows."""
    segment, slash, _ = text[1:].partition("/")
    return segment if slash and not any(character in segment for character in special) else None


def regex_path(expression: CompiledRegex) -> PathPattern:
    """Return the pattern of the paths that *expression* matches from beginning to end; named groups are parameters."""
    return PathPattern(f"~{expression.pattern}", regex=expression, reading=f"regex with flags {int(expression.flags)}")


def glob_path(pattern: str) -> PathPattern:
    """
    Return the pattern of a glob.

    ``*`` stands for anything within a segment, ``**`` for anything across segments, ``?`` for one
    character, ``[a-z]`` for one of a class.

    Raises:
        RouteError: If it does not start with ``/`` or ``*``, or a class has a range that runs backwards.
    """
    if not isinstance(pattern, str) or not pattern.startswith(("/", "*")):
        raise RouteError(f"glob: expected text that starts with '/' or '*', got {pattern!r}")
    expression = _glob_expression(pattern)
    first = _first_literal_segment(pattern, "*?[") if pattern.startswith("/") else None
    try:
        compiled = re.compile(expression)
    except re.error as error:
        raise RouteError(f"glob: {pattern!r} has a class that means nothing: {error}") from None
    segments = None
    if pattern.startswith("/") and "**" not in pattern:
        segments = tuple(None if _GLOB_TOKEN.search(piece) else piece for piece in pattern.split("/"))
    return PathPattern(pattern, None, first, compiled, reading="glob", segments=segments)


def _glob_expression(pattern: str) -> str:
    """
    Return the expression of a glob, in a form that never tries the same thing twice.

    Stars side by side would make ``re`` try every way to share a path among them. Only the last of them has
    a choice: the first occurrence of what follows another star is as good as any later one, because the next
    star takes up the rest. So all but the last are atomic groups that end as early as they can.
    """
    runs, across = _runs(pattern)
    expression = ""
    for index, run in enumerate(runs):
        is_last = index == len(runs) - 1
        wildcard = "" if index == 0 else _ACROSS[across[index - 1]]
        if is_last or not wildcard:
            expression += wildcard + _run_expression(run, ends_path=is_last)
        else:
            expression += f"(?>{wildcard}?{_run_expression(run, ends_path=False)})"
    return expression


#: What crosses segments: any text, or whole segments.
_ACROSS = {"**": "(?s:.)*", "**/": "(?:[^/]*/)*"}


def _runs(pattern: str) -> tuple[list[list[str]], list[str]]:
    """Return the parts of a glob between what crosses segments, each as expressions between stars, and what crosses."""
    runs, across, position = [[""]], [], 0
    for token in _GLOB_TOKEN.finditer(pattern):
        runs[-1][-1] += re.escape(pattern[position : token.start()])
        position = token.end()
        text = token.group()
        if text == "**/" and pattern[token.start() - 1 : token.start()] in ("", "/"):
            across.append(text)
            runs.append([""])
        elif text in ("**", "**/"):
            # In the middle of a segment there are no whole segments to stand for.
            across.append("**")
            runs.append([text[2:]])
        elif text == "*":
            runs[-1].append("")
        else:
            runs[-1][-1] += "[^/]" if text == "?" else _glob_class(text)
    runs[-1][-1] += re.escape(pattern[position:])
    return runs, across


def _run_expression(run: list[str], *, ends_path: bool) -> str:
    first, *others = run
    expression = first
    for index, after in enumerate(others):
        has_choice = ends_path and index == len(others) - 1
        expression += f"[^/]*{after}" if has_choice else f"(?>[^/]*?{after})"
    return expression


def _glob_class(token: str) -> str:
    inside, negated = token[1:-1], token[1] in "!^"
    # A class of a glob knows ranges and nothing else: what is special in one of re is escaped. And it is about
    # characters of a segment, so it never means the slash.
    members = re.sub(r"[\\\[&~|]", r"\\\g<0>", inside[negated:]).replace("--", r"-\-")
    return f"(?!/)[{'^' if negated else ''}{members}]"
