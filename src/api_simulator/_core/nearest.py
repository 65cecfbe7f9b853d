"""
Which routes came nearest to a request that none of them matched, and what would have matched it.
"""

from __future__ import annotations

import heapq
import re

from api_simulator._core.bodies import encode_json
from api_simulator._core.conditions import Mismatch
from api_simulator._core.messages import CapturedRequest, decode_path
from api_simulator._core.mounted import MountedRoute
from api_simulator._core.patterns import RequestPattern
from api_simulator._core.table import RouteTable
from api_simulator._core.verify import NearMiss
from api_simulator.errors import SpecError

#: Full comparisons cost; beyond this many routes only those with the most similar paths are compared.
MAX_COMPARED_ROUTES = 100
NEAREST = 3

#: What a message about an unmatched request offers: once, for one test, for all.
RELAXATIONS = (
    "server.expect_unmatched(1), @pytest.mark.api_simulator(strict=False), or ini api_simulator_strict = false"
)

# A path that differs makes a route a bad guess more surely than anything else.
_WEIGHTS = {"path": 3.0}
# Beyond this distance a route has nothing to do with the request, and naming it misleads; the nearest is always named.
_TOO_FAR = 0.6
_LONGEST_JSON = 200
_SPECIAL_IN_PATH = re.compile(r"[?#\x00-\x1f\x7f]")
_SPECIAL_OR_PERCENT = re.compile(r"[?#\x00-\x1f\x7f]|%(?!2F)")


def nearest_routes(table: RouteTable, request: CapturedRequest, limit: int = NEAREST) -> list[NearMiss]:
    """Return at most *limit* routes that came nearest to matching *request*, the nearest first."""
    misses = heapq.nsmallest(
        limit,
        (_near_miss(mounted, request) for mounted in table.similar(request.path, MAX_COMPARED_ROUTES)),
        key=lambda miss: miss.distance,
    )
    return [miss for place, miss in enumerate(misses) if place == 0 or miss.distance <= _TOO_FAR]


def registration_line(request: CapturedRequest) -> str:
    """Return the line of Python that would register a route for *request*."""
    arguments = [_quoted(request.method), _quoted(registered_path(request.path)), "MockResponseSpec(...)"]
    if has_short_json(request):
        arguments.append(f"when=json_body({request.json!r})")
    return f".register({', '.join(arguments)})"


def registered_path(path: str) -> str:
    """Return the text that registers exactly the decoded *path*: what has a meaning of its own there is escaped."""
    special = _SPECIAL_IN_PATH if decode_path(path) == path else _SPECIAL_OR_PERCENT
    encoded = special.sub(lambda found: f"%{ord(found.group()):02X}", path)
    return encoded.replace("{", "{{").replace("}", "}}")


def has_short_json(request: CapturedRequest) -> bool:
    """Return whether the body is JSON of which a condition can be written in a line."""
    if len(request.raw_body) > _LONGEST_JSON:
        return False
    try:
        encode_json(request.json)
    except SpecError:
        # NaN and lone surrogates come through lenient parsers; no condition can be made of them.
        return False
    return request.is_json


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _near_miss(mounted: MountedRoute, request: CapturedRequest) -> NearMiss:
    pattern = mounted.route.pattern
    misses = pattern.explain(request)
    return NearMiss(
        route=str(mounted.route),
        source=mounted.route.source,
        distance=_distance(pattern, misses),
        parts=tuple(dict.fromkeys(miss.part for miss in misses)),
        differences=tuple(line for miss in misses for line in miss.differences),
    )


def _distance(pattern: RequestPattern, misses: list[Mismatch]) -> float:
    total = sum(_WEIGHTS.get(part, 1.0) for part in ("method", "path")) + len(pattern.conditions)
    return sum(miss.distance * _WEIGHTS.get(miss.part, 1.0) for miss in misses) / total
