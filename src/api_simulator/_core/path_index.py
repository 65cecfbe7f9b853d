"""
Which of very many routes have a path like a given one, without looking at each.

Two sorted lists, one of the paths and one of the paths read backwards: neighbours in the first share the
longest beginnings with what is looked up, neighbours in the second the longest ends.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from operator import itemgetter

from api_simulator._core.mounted import MountedRoute

_Entry = tuple[str, int, MountedRoute]


class PathIndex:
    """
    The paths of *routes* as they are now.

    Made when the first request matches none of many routes and kept until one is added: sorting 100,000
    paths takes some hundredths of a second, which registering them one by one should not pay for.
    """

    def __init__(self, routes: Iterable[MountedRoute]) -> None:
        routes = list(routes)
        # The order of registration parts equal paths, because routes themselves have no order.
        self._forward = sorted((route.route.pattern.path.text, route.order, route) for route in routes)
        self._backward = sorted((route.route.pattern.path.reversed_text, route.order, route) for route in routes)

    def similar(self, path: str, count: int) -> list[MountedRoute]:
        """Return at most *count* routes: half of them begin like *path*, half end like it."""
        near = _neighbours(self._forward, path, count // 2) + _neighbours(self._backward, path[::-1], count // 2)
        return list({route.order: route for _, _, route in near}.values())


def _neighbours(entries: list[_Entry], text: str, count: int) -> list[_Entry]:
    at = bisect_left(entries, text, key=itemgetter(0))
    # Near an end of the list the window is moved, not cut.
    start = max(min(at - count // 2, len(entries) - count), 0)
    return entries[start : start + count]
