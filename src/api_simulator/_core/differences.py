"""
Say how two values differ, the way a person would want to read it.

Used by patterns to explain why a request did not match. JSON values are compared by structure and
each difference names its path.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from api_simulator._core.messages import CapturedRequest

#: A report is read by people: beyond this many differences the rest is counted, not shown.
MAX_DIFFERENCES = 12
#: Of texts that differ, however little.
LEAST_DISTANCE = 0.01


def json_differences(expected: Any, found: Any, *, partial: bool = False) -> list[str]:
    """
    List how *found* differs from *expected*, a line for each place.

    Args:
        expected: The JSON value asked for.

        found: The JSON value received.

        partial: Whether objects may have keys that *expected* does not name. Arrays must still have
            the same length, and numbers compare by value (1 equals 1.0), but never equal ``true``.

    Returns:
        Lines like ``$.user.name: expected "ann", found "bob"``; empty when the values agree.
    """
    return list(_walk(expected, found, "$", partial=partial))


def json_equal(expected: Any, found: Any, *, partial: bool = False) -> bool:
    """Return whether :func:`json_differences` would be empty, without writing any of it."""
    return next(_walk(expected, found, "$", partial=partial), None) is None


def _walk(expected: Any, found: Any, path: str, *, partial: bool) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(found, dict):
        for key, value in expected.items():
            if key in found:
                yield from _walk(value, found[key], _child(path, key), partial=partial)
            else:
                yield f"{_child(path, key)}: expected {brief(value)}, missing"
        if not partial:
            for key in found.keys() - expected.keys():
                yield f"{_child(path, key)}: unexpected, found {brief(found[key])}"
    elif isinstance(expected, list | tuple) and isinstance(found, list | tuple):
        if len(expected) != len(found):
            yield f"{path}: expected {len(expected)} items, found {len(found)}"
        for index, (left, right) in enumerate(zip(expected, found, strict=False)):
            yield from _walk(left, right, f"{path}[{index}]", partial=partial)
    elif isinstance(expected, bool) != isinstance(found, bool) or expected != found:
        yield f"{path}: expected {brief(expected)}, found {brief(found)}"


def _child(path: str, key: Any) -> str:
    return f"{path}.{key}" if isinstance(key, str) and key.isidentifier() else f"{path}[{json.dumps(key)}]"


def request_differences(left: object, right: object) -> list[str]:
    """
    List how two captured requests differ, or a captured request and a mapping of some of its keys.

    Two requests are never equal, being two events; what is listed is what differs in their content.
    """
    if not isinstance(left, Mapping) or not isinstance(right, Mapping):
        return ["a captured request equals no value of another kind; compare one of its parts"]
    if all(isinstance(side, CapturedRequest) for side in (left, right)):
        names: tuple[str, ...] = ("method", "path", "query_string", "headers", "body")
        lines = ["two captured requests are two events, whatever they hold; compare their parts"]
    else:
        # One side is the user's dict: only what it names is compared.
        names = tuple(right if isinstance(left, CapturedRequest) else left)
        lines = ["a captured request is no dict; compare one of its parts"]
    for name in names:
        mine, theirs = left.get(name), right.get(name)
        if isinstance(mine, Mapping) or isinstance(theirs, Mapping):
            mine, theirs = dict(mine or {}), dict(theirs or {})
        lines += [f"{name} {line}" for line in _walk(theirs, mine, "", partial=False)]
    return shortened(lines)


def brief(value: Any, limit: int = 80) -> str:
    """Return *value* as short JSON text, or its repr where JSON cannot hold it."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def shortened(lines: list[str]) -> list[str]:
    """Return at most :data:`MAX_DIFFERENCES` of *lines* and a line that counts the rest."""
    if len(lines) <= MAX_DIFFERENCES:
        return lines
    return [*lines[:MAX_DIFFERENCES], f"... and {len(lines) - MAX_DIFFERENCES} more differences"]


def text_distance(expected: str, found: str) -> float:
    """Return how far two texts are apart: 0.0 (equal) to 1.0 (nothing in common)."""
    if expected == found:
        return 0.0
    from difflib import SequenceMatcher  # only for a request that went wrong

    # Two long texts cost quadratic time; their beginnings tell enough for a ranking.
    ratio = SequenceMatcher(None, expected[:200], found[:200], autojunk=False).ratio()
    return max(1.0 - ratio, LEAST_DISTANCE)
