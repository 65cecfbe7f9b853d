"""
The routes of a server in their order of precedence.

The table knows who comes first and nothing of answers.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Any

from api_simulator._core.clock import SYSTEM_CLOCK, Clock
from api_simulator._core.messages import CapturedRequest
from api_simulator._core.mounted import MountedRoute
from api_simulator._core.path_index import PathIndex
from api_simulator._core.path_lookup import PathLookup
from api_simulator._core.patterns import RequestPattern
from api_simulator._core.routes import Route
from api_simulator._core.specs import ResponseSpec

if TYPE_CHECKING:
    from api_simulator._core.journal import Journal

#: What ends the program or a task is never taken for a failure of the user's function.
NOT_OURS = (KeyboardInterrupt, SystemExit, GeneratorExit)


class BrokenConditionError(Exception):
    """A condition of a route raised: the user's predicate, or an expression that took too long."""

    def __init__(self, mounted: MountedRoute, error: BaseException) -> None:
        super().__init__(f"a condition of {mounted.route} raised {type(error).__name__}: {error}")
        self.mounted = mounted


class RouteTable:
    """
    Mounted routes by precedence: higher priority first, then the one registered last; an equal pattern replaces.

    Routes are looked up by their paths as far as that goes; what is left is tried one after the other.

    Attributes:
        advice: Returns the lines that say what to do about a request that matched nothing, None for a test's own.
    """

    def __init__(self) -> None:
        self._lookup = PathLookup()
        self._by_pattern: dict[RequestPattern, MountedRoute] = {}
        self._order = 0
        self._index: PathIndex | None = None
        self.advice: Callable[[CapturedRequest], Sequence[str]] | None = None

    def mount(self, route: Route, journal: Journal, clock: Clock = SYSTEM_CLOCK) -> MountedRoute:
        """Add *route*, in place of one with an equal pattern."""
        replaced = self.with_pattern(route.pattern)
        if replaced is not None:
            self.unmount(replaced)
        self._order += 1
        self._index = None
        mounted = MountedRoute(route, self._order, journal, clock)
        self._by_pattern[route.pattern] = mounted
        insort(self._lookup.bucket(route.pattern.path), mounted, key=_precedence)
        return mounted

    def with_pattern(self, pattern: RequestPattern) -> MountedRoute | None:
        """Return the route of that pattern, which another one of the same would replace."""
        return self._by_pattern.get(pattern)

    def find(self, request: CapturedRequest) -> tuple[MountedRoute, Mapping[str, Any]] | None:
        """
        Return the route for *request* with its path parameters, None if none matches.

        A HEAD is answered by a GET route only if no HEAD or ``*`` route matches it.
        """
        found = self._first(request, request.method)
        if found is None and request.method == "HEAD":
            found = self._first(request, "GET")
        return found

    def _first(self, request: CapturedRequest, method: str) -> tuple[MountedRoute, Mapping[str, Any]] | None:
        for mounted in self._candidates(request.path):
            pattern = mounted.route.pattern
            if pattern.method == method or pattern.method == "*":
                try:
                    params = pattern.match(request)
                except NOT_OURS:
                    raise
                except BaseException as error:
                    # pytest.fail() and pytest.skip() are no Exception, and as much the test's business as any.
                    raise BrokenConditionError(mounted, error) from error
                if params is not None:
                    return mounted, params
        return None

    def _candidates(self, path: str) -> Iterable[MountedRoute]:
        buckets = self._lookup.buckets(path)
        if len(buckets) == 1:
            return reversed(buckets[0])
        return merge(*map(reversed, buckets), key=_precedence, reverse=True)

    def find_plain(self, method: str, path: str) -> MountedRoute | None:
        """
        Return the route that answers every request of that method and path, whatever else is in it.

        None if that depends on the rest of the request, or if no route with this literal path does.
        """
        for name in (method, "GET") if method == "HEAD" else (method,):
            for mounted in self._candidates(path):
                pattern = mounted.route.pattern
                if pattern.method not in (name, "*") or not _may_match(pattern, path):
                    continue
                return mounted if pattern.path.literal is not None and not pattern.conditions else None
        return None

    def find_early(self, request: CapturedRequest) -> MountedRoute | None:
        """Return the route that answers *request* by its head alone, None if the body must be read first."""
        for mounted in self._candidates(request.path):
            pattern = mounted.route.pattern
            if not pattern.accepts_method(request.method) or pattern.path.match(request.path) is None:
                continue
            if pattern.needs_body:
                # Whether this one takes precedence is known only when the body is there.
                return None
            try:
                matches = pattern.match(request) is not None
            except NOT_OURS:
                raise
            except BaseException:  # noqa: BLE001  # told when the whole request is decided about, and it raises again
                return None
            if matches:
                answer = mounted.next_answer
                return mounted if isinstance(answer, ResponseSpec) and answer.early else None
        return None

    def unmount(self, mounted: MountedRoute) -> None:
        """Forget one route; one that is not (or no longer) here changes nothing."""
        if self._by_pattern.get(mounted.route.pattern) is mounted:
            del self._by_pattern[mounted.route.pattern]
            self._lookup.bucket(mounted.route.pattern.path).remove(mounted)
            self._index = None

    def similar(self, path: str, count: int) -> list[MountedRoute]:
        """Return at most *count* routes by age: all if there are not more, else those most like *path*."""
        if len(self) <= count:
            return list(self)
        if self._index is None:
            self._index = PathIndex(self._by_pattern.values())
        # A template that means this very path need not look like it.
        half = count // 2
        likely = [*islice(self._candidates(path), half), *self._index.similar(path, half)]
        return sorted({mounted.order: mounted for mounted in likely}.values(), key=_age)

    def clear(self) -> None:
        """Forget all routes."""
        self._index = None
        self._lookup = PathLookup()
        self._by_pattern.clear()

    def __iter__(self) -> Iterator[MountedRoute]:
        return iter(sorted(self._by_pattern.values(), key=_age))

    def __len__(self) -> int:
        return len(self._by_pattern)


def _may_match(pattern: RequestPattern, path: str) -> bool:
    try:
        return pattern.path.match(path) is not None
    except Exception:  # noqa: BLE001  # an expression took too long: told to the request that meets it
        return True


def _age(mounted: MountedRoute) -> int:
    return mounted.order


def _precedence(mounted: MountedRoute) -> tuple[int, int]:
    return mounted.route.priority, mounted.order
