"""
What is fuzzed: functions that take any bytes and raise only if a promise is broken.

Imported under atheris, which instruments what they import; the ordinary suite runs each on a few inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from api_simulator._core.body_conditions import BodyText, JsonBody
from api_simulator._core.nearest import registration_line
from api_simulator._core.paths import glob_path
from api_simulator._core.patterns import RequestPattern, parse_path
from api_simulator._core.text_matchers import Contains
from api_simulator.errors import RouteError
from api_simulator.http import MockHttpServer
from tests._core.captured import captured
from tests.conformance.inputs import GOOD, check_bytes

if TYPE_CHECKING:
    from api_simulator._core.paths import PathPattern

#: Parts the pieces of one input from each other: packets, or the texts of a matcher's input.
SEPARATOR = b"\xfe\xfd"
#: The one that all inputs go to, once it is needed.
servers: list[MockHttpServer] = []


def server(data: bytes) -> None:
    """Send *data* in packets: it is captured or malformed, and the server lives on."""
    if not servers:
        servers.append(MockHttpServer(engine="aiohttp", strict=False).start())
    pieces = [piece for piece in data.split(SEPARATOR) if piece]
    if pieces:
        check_bytes(servers[0], pieces)


def matchers(data: bytes) -> None:
    """Read patterns from *data* and match them: what a pattern says of its paths is true, and reports can be made."""
    texts = [piece.decode("utf-8", "replace") for piece in data.split(SEPARATOR)]
    pattern_text, path, body = [*texts, "", "", ""][:3]
    request = captured("POST", f"/{path}".replace("#", ""), body=body.encode())
    conditions = (BodyText(Contains(pattern_text)), JsonBody({"a": pattern_text}, partial=True))
    for pattern in _patterns(pattern_text):
        params = pattern.match(request.path)
        if params is not None and pattern.segments is not None:
            found = request.path.split("/")
            assert len(found) == len(pattern.segments), (pattern_text, request.path)
            assert all(said in (None, segment) for said, segment in zip(pattern.segments, found, strict=True))
        whole = RequestPattern("POST", pattern, conditions)
        assert (whole.match(request) is not None) == (not whole.explain(request)), (pattern_text, path, body)
    assert "register" in registration_line(request)


def _patterns(text: str) -> list[PathPattern]:
    # Parameters side by side are tried in every combination, as groups of an expression are: nobody writes so many.
    if text.count("{") > 4:
        return []
    readers: list[Callable[[Any], PathPattern]] = [lambda given: parse_path(given)[0], glob_path]
    found = []
    for read in readers:
        # Anything else that is raised is a finding.
        with suppress(RouteError):
            found.append(read(text))
    return found


TARGETS: dict[str, Callable[[bytes], None]] = {"server": server, "matchers": matchers}

#: Where a fuzzer begins: it finds a request's grammar by itself, but in hours.
SEEDS = {
    "server": [*GOOD, SEPARATOR.join(GOOD[:3]), GOOD[-1][:20] + SEPARATOR + GOOD[-1][20:]],
    "matchers": [
        SEPARATOR.join(parts)
        for parts in (
            (b"/users/{id:int}/posts", b"users/7/posts", b'{"a": 1}'),
            (b"/static/**/[a-c]*.js", b"static/x/y/b.js", b"text"),
            (b"/a{{b}}/{rest:path}?c=d", b"a%7Bb%7D/x/y?c=d", b"[1]"),
        )
    ],
}
