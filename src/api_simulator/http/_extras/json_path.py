"""JSONPath (RFC 9535), by the library python-jsonpath: it follows the RFC and has no dependencies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api_simulator._core.body_conditions import CheckedBody, no_json
from api_simulator._core.conditions import Condition
from api_simulator._core.differences import brief, json_equal
from api_simulator._core.messages import CapturedRequest
from api_simulator.errors import RouteError
from api_simulator.http._extras import library


def json_path_condition(path: str, wanted: Any, *, any_value: bool) -> Condition:
    """Ask that *path* find something (*any_value*), or that one of what it finds equal *wanted*."""
    jsonpath = library("jsonpath", extra="jsonpath", purpose="json_path()")
    try:
        compiled = jsonpath.compile(path)
    except jsonpath.JSONPathError as error:
        raise RouteError(f"json_path: {path!r} is no JSONPath: {error}") from None

    def check(request: CapturedRequest) -> Iterator[str]:
        problem = no_json(request, "JSON")
        if problem is not None:
            yield problem.differences[0].removeprefix("body: ")
            return
        found = compiled.findall(request.json)
        if not found:
            yield f"{path}: found nothing"
        elif not any_value and not any(json_equal(wanted, value) for value in found):
            yield f"{path}: expected {brief(wanted)}, found {', '.join(brief(value, 40) for value in found[:5])}"

    name = f"body {path}" if any_value else f"body {path}={brief(wanted, 40)}"
    return CheckedBody(name, ("json_path", path, any_value, brief(wanted, 10_000)), check)
