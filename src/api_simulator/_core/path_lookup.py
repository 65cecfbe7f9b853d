"""
Which routes a path can belong to at all, found by looking up instead of trying.

Only what is left after the looking up is matched, one route after the other: usually the one that answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from api_simulator._core.paths import PathPattern

if TYPE_CHECKING:
    from api_simulator._core.mounted import MountedRoute

Bucket = list["MountedRoute"]


class PathLookup:
    """
    Buckets of routes, by the most that their path patterns fix.

    A literal path is its own bucket. A template such as ``/users/{id}/posts`` fixes the number of segments
    and some of them: all templates that fix the same places are one dictionary, so that ten thousand
    of them cost one look-up. What is left (``**``, ``{rest:path}``, expressions) has at most a first segment.
    """

    def __init__(self) -> None:
        self._literal: dict[str, Bucket] = {}
        # By number of segments, then by which of them are fixed, then by what these are.
        self._by_segments: dict[int, dict[tuple[int, ...], dict[tuple[str, ...], Bucket]]] = {}
        self._by_first_segment: dict[str, Bucket] = {}
        self._anywhere: Bucket = []

    def bucket(self, path: PathPattern) -> Bucket:
        """Return the bucket for routes of this pattern."""
        if path.literal is not None:
            return self._literal.setdefault(path.literal, [])
        if path.segments is not None:
            places = tuple(place for place, segment in enumerate(path.segments) if segment is not None)
            by_places = self._by_segments.setdefault(len(path.segments), {}).setdefault(places, {})
            return by_places.setdefault(_fixed(path.segments, places), [])
        if path.first_segment is not None:
            return self._by_first_segment.setdefault(path.first_segment, [])
        return self._anywhere

    def buckets(self, path: str) -> list[Bucket]:
        """Return every bucket that has a route which may match *path*."""
        literal = self._literal.get(path)
        found = [] if literal is None else [literal]
        if self._by_segments:
            segments = path.split("/")
            for places, by_places in self._by_segments.get(len(segments), {}).items():
                bucket = by_places.get(_fixed(segments, places))
                if bucket is not None:
                    found.append(bucket)
        if self._by_first_segment:
            first = self._by_first_segment.get(path[1:].partition("/")[0])
            if first is not None:
                found.append(first)
        if self._anywhere:
            found.append(self._anywhere)
        return found


def _fixed(segments: list[str] | tuple[str | None, ...], places: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(segments[place] or "" for place in places)
