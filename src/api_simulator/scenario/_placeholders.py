"""
Compare what is given with what was recorded, where the recording has placeholders in place of secrets.

A placeholder fits any text; one that comes twice fits the same text twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api_simulator._core.redaction import PLACEHOLDER

_TEXT_PLACEHOLDER = re.compile(PLACEHOLDER.pattern.decode())


def has_placeholder(data: bytes) -> bool:
    """Return whether a secret was replaced in *data*."""
    return PLACEHOLDER.search(data) is not None


def highest_placeholder(folder: Path) -> int:
    """Return the highest number of a placeholder in the files of *folder*, 0 if it has none."""
    numbers = [0]
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            with file.open("rb") as lines:
                numbers += [
                    int(match[0].strip(b"]").split(b":")[2]) for line in lines for match in PLACEHOLDER.finditer(line)
                ]
    return max(numbers)


def as_patterns(arguments: list[bytes]) -> list[bytes]:
    """Return arguments as regular expressions that are to be joined by zero bytes and matched as one."""
    groups: dict[bytes, bytes] = {}

    def group(placeholder: bytes) -> bytes:
        if placeholder in groups:
            return b"(?P=%s)" % groups[placeholder]
        groups[placeholder] = b"s%d" % len(groups)
        return rb"(?P<%s>[^\0]+)" % groups[placeholder]

    patterns = []
    for argument in arguments:
        pattern, at = b"", 0
        for match in PLACEHOLDER.finditer(argument):
            pattern += re.escape(argument[at : match.start()]) + group(match[0])
            at = match.end()
        patterns.append(pattern + re.escape(argument[at:]))
    return patterns


def same_value(recorded: Any, given: Any) -> bool:
    """Return whether a JSON value is the recorded one; a placeholder in a text fits any text."""
    if isinstance(recorded, str) and isinstance(given, str):
        if recorded == given:
            return True
        parts = _TEXT_PLACEHOLDER.split(recorded)
        return len(parts) > 1 and re.fullmatch(".+".join(map(re.escape, parts)), given, re.DOTALL) is not None
    if isinstance(recorded, Mapping) and isinstance(given, Mapping):
        return recorded.keys() == given.keys() and all(same_value(recorded[key], given[key]) for key in recorded)
    if isinstance(recorded, list | tuple) and isinstance(given, list | tuple):
        return len(recorded) == len(given) and all(map(same_value, recorded, given))
    # JSON tells true from 1, Python does not.
    return isinstance(recorded, bool) == isinstance(given, bool) and bool(recorded == given)
