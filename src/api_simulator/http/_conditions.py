"""
The words for what a request must have besides its method and path: ``when=json_body({...}) & header(...)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from api_simulator._core.messages import CapturedRequest
from api_simulator._core.patterns import Condition, HeaderIs, JsonBody, Predicate, QueryIs
from api_simulator.errors import RouteError


def query(parameters: Mapping[str, str | list[str]] | Iterable[tuple[str, str]], *, exact: bool = False) -> Condition:
    """
    Ask for these query parameters.

    Args:
        parameters: Names with the value, or the list of values, that each must have; or pairs.

        exact: Whether other parameters, and more values of these, are refused.

    Raises:
        RouteError: If a name or value is not text.
    """
    pairs: list[tuple[str, str]] = []
    for name, value in parameters.items() if isinstance(parameters, Mapping) else parameters:
        pairs += [(name, item) for item in value] if isinstance(value, list) else [(name, value)]
    for pair in pairs:
        if not all(isinstance(part, str) for part in pair):
            raise RouteError(f"query: names and values are text, as on the wire; got {pair!r}")
    return QueryIs(tuple(pairs), exact)


def header(name: str, value: str | None = None) -> Condition:
    """
    Ask for a header field, with any value or with this one.

    Args:
        name: In any case.

        value: The whole value, compared exactly; None for any.
    """
    if not isinstance(name, str) or not isinstance(value, str | None):
        raise RouteError(f"header: name and value are text, got {name!r} and {value!r}")
    return HeaderIs(name.lower(), value)


def json_body(value: Any, *, partial: bool = False) -> Condition:
    """
    Ask for a JSON body that equals *value*; order of keys and white space do not matter.

    Args:
        value: Any JSON value.

        partial: Whether objects in the body may have keys that *value* does not name.

    Raises:
        SpecError: If JSON cannot hold *value*; the message has the path to the part that does not fit.
    """
    return JsonBody(value, partial)


def where(predicate: Callable[[CapturedRequest], object]) -> Condition:
    """
    Ask that *predicate* say yes to the captured request.

    It runs on the server's thread and must neither block nor wait for the test. If it raises, the
    request is answered with 500 and the test fails with what was raised.
    """
    if not callable(predicate):
        raise RouteError(f"where: expected a function of the captured request, got {predicate!r}")
    return Predicate(predicate)
