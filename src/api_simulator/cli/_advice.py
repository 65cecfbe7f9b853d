"""
What a server of routes says to a request that none of them matched: the entry to add, in the language of its file.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from api_simulator._core.messages import CapturedRequest
from api_simulator._core.nearest import has_short_json, registered_path, registration_line

_Advice = Callable[[CapturedRequest], list[str]]
_ANSWER = {"status": 200, "json": {}}


def advice_for(file: Path | None) -> _Advice:
    """Return what to say where *file* is served, None for services alone."""
    if file is None:
        return lambda request: [
            "write one into a file and serve it with --file, for instance in JSON:",
            f"  {_quoted({'routes': [_entry(request)]})}",
        ]
    write = _WRITERS[file.suffix]
    return lambda request: [f"add one to {file}:", *(f"  {line}" for line in write(request))]


def _quoted(value: object) -> str:
    # As it is: the other languages know JSON's escapes, but not its pairs of them for one character.
    return json.dumps(value, ensure_ascii=False)


def _entry(request: CapturedRequest) -> dict[str, Any]:
    entry: dict[str, Any] = {"method": request.method, "path": registered_path(request.path)}
    if has_short_json(request) and isinstance(request.json, dict) and request.json:
        entry["json"] = request.json
    return {**entry, "answer": _ANSWER}


def _in_json(request: CapturedRequest) -> list[str]:
    return [_quoted(_entry(request))]


def _in_yaml(request: CapturedRequest) -> list[str]:
    # JSON is YAML's flow style.
    lines = [f"{name}: {_quoted(value)}" for name, value in _entry(request).items()]
    return [f"{'  ' if place else '- '}{line}" for place, line in enumerate(lines)]


def _in_toml(request: CapturedRequest) -> list[str]:
    # Without the body: TOML writes objects in its own way, and has no null.
    texts = {"method": request.method, "path": registered_path(request.path)}
    lines = [f"{name} = {_quoted(text)}" for name, text in texts.items()]
    return ["[[routes]]", *lines, "answer = { status = 200, json = {} }"]


def _in_python(request: CapturedRequest) -> list[str]:
    return [f"server{registration_line(request)}"]


_WRITERS: dict[str, Callable[[CapturedRequest], list[str]]] = {
    ".json": _in_json,
    ".yaml": _in_yaml,
    ".yml": _in_yaml,
    ".toml": _in_toml,
    ".py": _in_python,
}
