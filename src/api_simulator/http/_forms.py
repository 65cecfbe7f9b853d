"""
The forms in which routes may be written, read into the core's values.

Beside today's ``register(method, path, ResponseSpec(...))`` there is the older keyword form
``register(method, path, json=..., status=..., delay_seconds=..., headers=...)``; both are fixed.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import Any, Final

from api_simulator._core.conditions import Condition, flattened
from api_simulator._core.paths import PathPattern
from api_simulator._core.patterns import RequestPattern, parse_method, parse_path
from api_simulator._core.routes import Answer
from api_simulator._core.specs import ResponseSpec
from api_simulator.errors import RouteError, SpecError


class _Unset:
    """Tells an argument that was left out from ``None``."""

    def __repr__(self) -> str:
        return "<not given>"


UNSET: Final = _Unset()
_OLDER_KEYS = ("json", "status", "delay_seconds", "headers")


def request_pattern(method: str, path: str | re.Pattern[str] | PathPattern, when: Condition | None) -> RequestPattern:
    """Return the pattern of a registration, or raise :class:`RouteError`."""
    if isinstance(method, str) and isinstance(path, str) and method.startswith("/") and path[:1] not in ("/", "*"):
        raise RouteError(f"register: method {method!r} and path {path!r} are swapped; give the method first")
    if isinstance(path, re.Pattern):
        # Here: conditions are much to load, and most paths are text.
        from api_simulator.http._conditions import path_regex

        path = path_regex(path)
    path_pattern, conditions = parse_path(path)
    if when is not None:
        if not isinstance(when, Condition):
            raise RouteError(f"when: expected a condition such as json_body({{...}}) or where(function), got {when!r}")
        conditions = (*conditions, *flattened(when))
    return RequestPattern(parse_method(method), path_pattern, conditions)


def single_answer(spec: object, older: Mapping[str, Any]) -> Answer:
    """Return the answer of ``register``: a spec or responder, or the older keywords."""
    given = {key: value for key, value in older.items() if value is not UNSET}
    if spec is None:
        if not given:
            raise RouteError("spec: nothing to answer with; pass ResponseSpec(...) or a function of the request")
        return spec_from_keywords(given)
    if given:
        raise RouteError(f"register: give either a spec or the keywords {', '.join(given)}, not both")
    return answer(spec, "spec")


def answer(value: object, where: str) -> Answer:
    """Return *value* as an answer: a spec, a responder, or a dict of the older form."""
    if isinstance(value, ResponseSpec):
        return value
    if isinstance(value, Mapping):
        return _from_mapping(value, where)
    if callable(value) and not isinstance(value, type):
        return _checked_responder(value, where)
    hint = f"; pass ResponseSpec(status={value})" if isinstance(value, int) else ""
    raise RouteError(f"{where}: expected a ResponseSpec or a function of the request, got {value!r}{hint}")


def _from_mapping(value: Mapping[Any, Any], where: str) -> ResponseSpec:
    unknown = [key for key in value if key not in _OLDER_KEYS]
    if unknown:
        raise RouteError(
            f"{where}: unknown key {unknown[0]!r}; a response as a dict has {', '.join(_OLDER_KEYS)}. "
            "If it is meant as the body: ResponseSpec(body={...})"
        )
    return spec_from_keywords(value)


def spec_from_keywords(given: Mapping[str, Any]) -> ResponseSpec:
    """Return the spec that the older keywords describe; ``delay_seconds`` is rounded up to milliseconds."""
    return ResponseSpec(
        given.get("status", 200), given.get("json"), given.get("headers"), _milliseconds(given.get("delay_seconds", 0))
    )


def _milliseconds(delay_seconds: object) -> int:
    if isinstance(delay_seconds, bool) or not isinstance(delay_seconds, int | float):
        raise SpecError(f"delay_seconds: expected a number of seconds, got {delay_seconds!r}")
    if not (math.isfinite(delay_seconds) and delay_seconds >= 0):
        raise SpecError(f"delay_seconds: expected 0 or more seconds, got {delay_seconds!r}")
    # 2.007 s is 2007.0000000000002 ms in binary floating point: the nanosecond is cut before rounding up.
    return math.ceil(round(delay_seconds * 1000, 6))


def _checked_responder(responder: Any, where: str) -> Answer:
    try:
        signature = inspect.signature(responder)
    except (TypeError, ValueError):
        return responder  # type: ignore[no-any-return]  # a callable of C code has no signature to check
    try:
        signature.bind(object())
    except TypeError:
        raise RouteError(f"{where}: a responder takes one argument, the captured request; got {responder!r}") from None
    return responder  # type: ignore[no-any-return]  # checked to take the request; what it returns is checked per call


_PACKAGE = str(Path(__file__).parent.parent) + os.sep


#: What registers routes in place of a program: a file of routes, a service that is served.
_REGISTERED_BY: ContextVar[str] = ContextVar("registered_by", default="")


@contextlib.contextmanager
def registered_by(place: str) -> Iterator[None]:
    """Let routes that are registered in the block say that *place* did it: no line of a program did."""
    token = _REGISTERED_BY.set(place)
    try:
        yield
    finally:
        _REGISTERED_BY.reset(token)


def calling_line() -> str:
    """Return ``file:line`` of the nearest caller outside this package, relative to the current folder if below it."""
    if place := _REGISTERED_BY.get():
        return place
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    if frame is None:
        return ""
    return f"{_shown(frame.f_code.co_filename)}:{frame.f_lineno}"


_shown_names: dict[str, str] = {}


def _shown(filename: str) -> str:
    shown = _shown_names.get(filename)
    if shown is None:
        try:
            shown = str(Path(filename).relative_to(Path.cwd()))
        except (ValueError, OSError):
            shown = filename
        _shown_names[filename] = shown
    return shown
