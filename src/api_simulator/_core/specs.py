"""
What a user says about an answer, checked when it is said.

A value of this module that exists can be put on the wire: every refusal happens at the call that
gave the bad input, where the traceback points at the line to mend.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, TypeAlias

from api_simulator._core.bodies import encode_body
from api_simulator.errors import SpecError

HeaderPairs: TypeAlias = tuple[tuple[str, str], ...]
HeaderInput: TypeAlias = Mapping[str, str | int] | Iterable[tuple[str, str | int]]

# RFC 9110 5.6.2: a field name is a token.
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# RFC 9110 5.5: CR, LF and NUL end or break a field; they are the tools of header injection.
_FORBIDDEN_IN_VALUE = re.compile(r"[\r\n\0]")
# RFC 9110 6.4.1: these answers have no content.
BODYLESS_STATUSES = frozenset({204, 304})
_FRAMING_HEADERS = frozenset({"content-length", "transfer-encoding"})


class ResponseSpec:
    """
    One answer of the server: status, body, headers and the delay before it.

    Frozen and reusable: the same spec may be registered on several routes and servers.

    Args:
        status: 200–999. A final 1xx would make clients wait for ever, so it is refused.

        body: ``dict``, ``list`` or another JSON value → JSON; ``str`` → UTF-8 text; ``bytes`` as they
            are; ``None`` → no body. JSON ``null`` is ``body="null"`` with a content type of your own.

        headers: Pairs of name and value, in the order and case to send, names may repeat; or a
            mapping. ``Content-Type`` overrides the one of the body. No ``Server`` or ``Date`` is added.

        delay_ms: Whole milliseconds from the end of the request to the first byte of the answer;
            never short.

        reason: The reason phrase; the standard one of *status* by default, empty if it has none.

    Raises:
        SpecError: If something cannot be sent as described.
    """

    __slots__ = ("body", "content", "content_type", "delay_ms", "headers", "reason", "status", "wire_cache")

    def __init__(
        self,
        status: int = 200,
        body: Any = None,
        headers: HeaderInput | None = None,
        delay_ms: int = 0,
        *,
        reason: str | None = None,
    ) -> None:
        self.status = _checked_status(status)
        self.headers = checked_headers(headers)
        self.delay_ms = _checked_delay(delay_ms)
        self.reason = _standard_reason(self.status) if reason is None else _checked_reason(reason)
        # Encoded here: a mistake is reported where it is made, and a later change of the dict changes nothing.
        self.content, self.content_type = encode_body(body)
        self.body = body
        # Filled by wire.py, which is the only one to know what an answer looks like as bytes.
        self.wire_cache: dict[object, bytes] = {}
        if self.status in BODYLESS_STATUSES and body is not None:
            raise SpecError(f"body: a {self.status} answer has none (RFC 9110, section 6.4.1); leave body out")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ResponseSpec) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[object, ...]:
        return (self.status, self.content, self.content_type, self.headers, self.delay_ms, self.reason)

    def __repr__(self) -> str:
        parts = [f"status={self.status}"]
        if self.body is not None:
            shown = repr(self.body)
            parts.append(f"body={shown if len(shown) <= 60 else shown[:57] + '...'}")
        if self.headers:
            parts.append(f"headers={list(self.headers)!r}")
        if self.delay_ms:
            parts.append(f"delay_ms={self.delay_ms}")
        return f"ResponseSpec({', '.join(parts)})"


def checked_headers(headers: HeaderInput | None) -> HeaderPairs:
    """Return *headers* as pairs of text, or raise :class:`SpecError` naming the field and what is wrong with it."""
    if headers is None:
        return ()
    if isinstance(headers, str | bytes):
        raise SpecError(f"headers: expected pairs of name and value or a mapping, got {headers!r}")
    try:
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    except TypeError:
        raise SpecError(f"headers: expected pairs of name and value or a mapping, got {headers!r}") from None
    return tuple(_checked_header(pair) for pair in pairs)


def _checked_header(pair: object) -> tuple[str, str]:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise SpecError(f"headers: expected pairs of name and value, got {pair!r}")
    name, value = pair
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(name, str) or not isinstance(value, str):
        raise SpecError(f"headers: name and value are text (str), got {pair!r}")
    if not _TOKEN.fullmatch(name):
        raise SpecError(f"headers: {name!r} is no field name; letters, digits and !#$%&'*+-.^_`|~ are allowed")
    found = _FORBIDDEN_IN_VALUE.search(value)
    if found:
        raise SpecError(f"headers: the value of {name!r} has {found.group()!r} at character {found.start()}; remove it")
    if name.lower() in _FRAMING_HEADERS:
        raise SpecError(f"headers: {name!r} is set by the server; to send a wrong one, use a fault")
    return name, value


def _checked_status(status: object) -> int:
    if isinstance(status, bool) or not isinstance(status, int):
        raise SpecError(f"status: expected a whole number from 200 to 999, got {status!r}")
    if not 200 <= status <= 999:
        hint = "; a client waits for the final answer after a 1xx" if 100 <= status < 200 else ""
        raise SpecError(f"status: expected a whole number from 200 to 999, got {status}{hint}")
    return int(status)


def _checked_delay(delay_ms: object) -> int:
    if isinstance(delay_ms, bool) or not isinstance(delay_ms, int):
        raise SpecError(f"delay_ms: expected whole milliseconds (int), got {delay_ms!r}")
    if delay_ms < 0:
        raise SpecError(f"delay_ms: expected 0 or more milliseconds, got {delay_ms}")
    return delay_ms


def _checked_reason(reason: object) -> str:
    if not isinstance(reason, str) or _FORBIDDEN_IN_VALUE.search(reason):
        raise SpecError(f"reason: expected text without line ends, got {reason!r}")
    return reason


def _standard_reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
