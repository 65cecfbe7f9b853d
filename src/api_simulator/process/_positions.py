"""
Where the parts of a JSON text are: for messages about a file that is well-formed and says something wrong.
"""

from __future__ import annotations

import json
import re

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+')


def lines_of(text: str) -> dict[str, int]:
    """
    Return the line of each part of a JSON text by its path, for instance ``steps[3].wait.ms``; the whole has none.

    Args:
        text: Well-formed JSON.
    """
    found: dict[str, int] = {}
    # Each open array or object: its path, and the next index or the last key.
    open_: list[tuple[str, int | str]] = []
    line, counted = 1, 0
    is_key = False
    for token in _TOKEN.finditer(text):
        line += text.count("\n", counted, token.start())
        counted = token.start()
        word = token.group()
        if word in ",:":
            if word == "," and open_:
                path, at = open_[-1]
                is_key = isinstance(at, str)
                open_[-1] = (path, at + 1 if isinstance(at, int) else at)
            continue
        if word in "]}":
            open_.pop()
            is_key = False
            continue
        if is_key:
            open_[-1] = (open_[-1][0], json.loads(word))
            is_key = False
            found[_here(open_)] = line
            continue
        here = _here(open_)
        found.setdefault(here, line)
        if word in "[{":
            open_.append((here, 0 if word == "[" else ""))
            is_key = word == "{"
    found.pop("", None)
    return found


def _here(open_: list[tuple[str, int | str]]) -> str:
    if not open_:
        return ""
    path, at = open_[-1]
    if isinstance(at, int):
        return f"{path}[{at}]"
    return f"{path}.{at}" if path else at
