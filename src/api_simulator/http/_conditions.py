"""
The words for what a request must have: ``when=json_body({...}) & header("x-key") & ~query("debug")``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from api_simulator._core.body_conditions import BodyBytes, BodyText, JsonBody
from api_simulator._core.conditions import AllOf, Condition, Predicate
from api_simulator._core.messages import CapturedRequest
from api_simulator._core.named_conditions import BasicAuth, CookieHas, FormHas, HeaderHas, NamedValue, QueryHas, QueryIs
from api_simulator._core.paths import PathPattern, glob_path
from api_simulator._core.text_matchers import Anything, BearerToken, Contains, Equals, Matches, TextMatcher
from api_simulator.errors import RouteError


class _Absent:
    """Says that something must not be there."""

    def __repr__(self) -> str:
        return "ABSENT"


#: For ``header("x-debug", ABSENT)``: the field must not be there. The same for query, cookie and form.
ABSENT: Final = _Absent()

#: What a value may be: text (equal), an expression (found in it), ABSENT, or None (any value).
ValueInput: TypeAlias = str | re.Pattern[str] | TextMatcher | _Absent | None


def _matcher(value: object, where: str) -> TextMatcher | None:
    if value is None:
        return Anything()
    if value is ABSENT:
        return None
    if isinstance(value, TextMatcher):
        return value
    if isinstance(value, str):
        return Equals(value)
    if isinstance(value, re.Pattern):
        return regex(value)
    raise RouteError(f"{where}: a value is text, an expression, contains(), ABSENT or None (any); got {value!r}")


def contains(part: str) -> TextMatcher:
    """Match text that has *part* somewhere in it."""
    if not isinstance(part, str):
        raise RouteError(f"contains: expected text, got {part!r}")
    return Contains(part)


def regex(pattern: str | re.Pattern[str]) -> Matches:
    """
    Match text in which *pattern* is found; use ``^`` and ``$`` for the whole text.

    With the extra ``regex`` a match that takes more than a second ends in an error; without it an
    expression that backtracks for ever stops the server, and Python offers no way to prevent that.
    """
    from api_simulator.http._extras.timed_regex import compiled

    return Matches(compiled(pattern))


def path_regex(pattern: str | re.Pattern[str]) -> PathPattern:
    """Mean the paths that *pattern* matches as a whole; its named groups become ``path_params``."""
    from api_simulator._core.paths import regex_path
    from api_simulator.http._extras.timed_regex import compiled

    return regex_path(compiled(pattern))


def glob(pattern: str) -> PathPattern:
    """Mean the paths of a glob: ``*`` within a segment, ``**`` across segments, ``?`` one character, ``[a-z]``."""
    return glob_path(pattern)


def _named(kind: Callable[[str, TextMatcher | None], NamedValue], word: str, name: str, value: ValueInput) -> Condition:
    if not isinstance(name, str) or not name:
        raise RouteError(f"{word}: a name is text that is not empty, got {name!r}")
    return kind(name, _matcher(value, word))


def header(name: str, value: ValueInput = None) -> Condition:
    """Ask for a header field (name in any case), with any value or one that matches *value*."""
    return _named(HeaderHas, "header", name.lower() if isinstance(name, str) else name, value)


def cookie(name: str, value: ValueInput = None) -> Condition:
    """Ask for a cookie, with any value or one that matches *value*."""
    return _named(CookieHas, "cookie", name, value)


def query(
    parameters: str | Mapping[str, ValueInput | list[str]] | Iterable[tuple[str, str]],
    value: ValueInput = None,
    *,
    exact: bool = False,
) -> Condition:
    """
    Ask for query parameters.

    Args:
        parameters: A name; or names with the value that each must have (a list asks for each of its
            values); or pairs.

        value: For a single name: as for :func:`header`.

        exact: Whether other parameters, and more values of these, are refused.

    Raises:
        RouteError: If a name or value is of no use.
    """
    if isinstance(parameters, str):
        if exact:
            raise RouteError("query: exact=True needs all parameters, as a mapping or pairs")
        return _named(QueryHas, "query", parameters, value)
    pairs: list[tuple[str, Any]] = []
    for name, wanted in parameters.items() if isinstance(parameters, Mapping) else parameters:
        pairs += [(name, item) for item in _listed("query", name, wanted)]
    if exact:
        for pair in pairs:
            if not all(isinstance(part, str) for part in pair):
                raise RouteError(f"query: with exact=True names and values are text, as on the wire; got {pair!r}")
        return QueryIs(tuple(pairs))
    if not pairs:
        raise RouteError("query: no parameter is named; for an empty query give exact=True")
    conditions = tuple(_named(QueryHas, "query", name, wanted) for name, wanted in pairs)
    return conditions[0] if len(conditions) == 1 else AllOf(conditions)


def _listed(word: str, name: object, value: Any) -> list[Any]:
    if value == []:
        raise RouteError(f"{word}: {name!r} has an empty list, which asks for nothing; say ABSENT, or None (any)")
    return value if isinstance(value, list) else [value]


def body(content: str | bytes | re.Pattern[str] | TextMatcher) -> Condition:
    """
    Ask for a body.

    Args:
        content: Bytes or text that it must equal, ``contains("part")``, or a regular expression that must be
            found in it. Content codings are undone first.
    """
    if isinstance(content, bytes):
        return BodyBytes(content)
    matcher = _matcher(content, "body")
    if matcher is None or content is None:
        raise RouteError(f"body: expected bytes, text, contains() or an expression, got {content!r}")
    return BodyText(matcher)


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


_ANY_VALUE: Final = object()


def json_path(path: str, value: Any = _ANY_VALUE) -> Condition:
    """
    Ask that a JSONPath (RFC 9535) find something in the body, or find *value*.

    Raises:
        RouteError: If *path* is no JSONPath.

        MissingExtraError: Without the extra ``jsonpath``.
    """
    from api_simulator.http._extras.json_path import json_path_condition

    any_value = value is _ANY_VALUE
    return json_path_condition(path, None if any_value else value, any_value=any_value)


def json_schema(schema: Mapping[str, Any]) -> Condition:
    """
    Ask for a JSON body that *schema* accepts.

    Raises:
        RouteError: If the schema itself is wrong.

        MissingExtraError: Without the extra ``jsonschema``.
    """
    from api_simulator.http._extras.json_schema import json_schema_condition

    return json_schema_condition(schema)


def form(fields: Mapping[str, ValueInput | list[str]]) -> Condition:
    """Ask for fields of an URL-encoded form; values as for :func:`header`, a list asks for each of its values."""
    if not fields:
        raise RouteError("form: no field is named; give at least one, as form({'name': 'Ada'})")
    pairs = [(name, item) for name, value in fields.items() for item in _listed("form", name, value)]
    conditions = tuple(_named(FormHas, "form", name, value) for name, value in pairs)
    return conditions[0] if len(conditions) == 1 else AllOf(conditions)


def multipart(
    fields: Mapping[str, str | bytes | None] | None = None, files: Mapping[str, str | bytes | None] | None = None
) -> Condition:
    """
    Ask for parts of a multipart form.

    Args:
        fields: Plain fields with their content; None for any.

        files: Files (parts with a file name) with their content; None for any.

    Raises:
        MissingExtraError: Without the extra ``multipart``.
    """
    from api_simulator.http._extras.multipart import multipart_condition

    if not fields and not files:
        raise RouteError("multipart: no field or file is named; give at least one, as multipart({'name': 'Ada'})")
    for name, content in (*(fields or {}).items(), *(files or {}).items()):
        if content is not None and not isinstance(content, str | bytes):
            raise RouteError(f"multipart: {name!r} is text, bytes or None (any), got {content!r}")
    return multipart_condition(fields or {}, files or {})


def basic_auth(user: str, password: str) -> Condition:
    """Ask for HTTP basic authentication with this user and password."""
    if not isinstance(user, str) or not isinstance(password, str) or ":" in user:
        raise RouteError("basic_auth: user and password are text, and the user has no colon")
    return BasicAuth(user, password)


def bearer(token: str | re.Pattern[str] | None = None) -> Condition:
    """Ask for a bearer token: any, this one, or one in which an expression is found."""
    matcher = _matcher(token, "bearer")
    if matcher is None:
        raise RouteError("bearer: for a request without credentials ask header('authorization', ABSENT)")
    return HeaderHas("authorization", BearerToken(matcher))


def where(predicate: Callable[[CapturedRequest], object]) -> Condition:
    """
    Ask that *predicate* say yes to the captured request.

    It runs on the server's thread and must neither block nor wait for the test. If it raises, the
    request is answered with 500 and the test fails with what was raised.
    """
    if not callable(predicate):
        raise RouteError(f"where: expected a function of the captured request, got {predicate!r}")
    if inspect.iscoroutinefunction(predicate):
        raise RouteError(f"where: {predicate!r} is a coroutine function, whose answer nobody awaits; use a plain one")
    return Predicate(predicate)
