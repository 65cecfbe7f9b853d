"""
Routes: what the user said (:class:`Route`), what became of it (:class:`MountedRoute`), and the table.

The table knows the order of precedence and nothing of answers. Literal paths are looked up, so that
their number does not matter; only templates are tried one after the other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from api_simulator._core.messages import CapturedRequest
from api_simulator._core.patterns import RequestPattern
from api_simulator._core.specs import ResponseSpec
from api_simulator._core.verify import Expectation
from api_simulator.errors import RouteError, VerificationError

if TYPE_CHECKING:
    from api_simulator._core.journal import Journal

Responder: TypeAlias = Callable[[CapturedRequest], Any] | Callable[[CapturedRequest], Awaitable[Any]]
Answer: TypeAlias = ResponseSpec | Responder
SequenceEnd: TypeAlias = Literal["repeat", "cycle", "error"]


@dataclass(frozen=True, slots=True)
class Answers:
    """
    What successive requests get.

    Attributes:
        items: At least one.

        then: What comes when all are used up: ``repeat`` the last, ``cycle`` from the first, or ``error``.
    """

    items: tuple[Answer, ...]
    then: SequenceEnd = "repeat"

    def __post_init__(self) -> None:
        if not self.items:
            raise RouteError("responses: an empty sequence answers nothing; give at least one ResponseSpec")
        if self.then not in get_args(SequenceEnd):
            raise RouteError(f"then: expected 'repeat', 'cycle' or 'error', got {self.then!r}")

    def at(self, index: int) -> Answer | None:
        """Return the answer to the request number *index* (from 0), None when they are used up."""
        if index < len(self.items):
            return self.items[index]
        if self.then == "error":
            return None
        return self.items[index % len(self.items)] if self.then == "cycle" else self.items[-1]


@dataclass(frozen=True, slots=True)
class Route:
    """What the user registered: which requests, what answers, and where that was written."""

    pattern: RequestPattern
    answers: Answers
    source: str = ""

    def __str__(self) -> str:
        return str(self.pattern)


class MountedRoute:
    """
    A route on a server: how often it was called, and what is expected of it.

    Returned by ``register`` and ``register_sequence``.

    Attributes:
        route: What was registered.
    """

    __slots__ = ("_calls", "_expectation", "_journal", "order", "route")

    def __init__(self, route: Route, order: int, journal: Journal) -> None:
        self.route = route
        self.order = order
        self._calls = 0
        self._expectation: Expectation | None = None
        self._journal = journal

    @property
    def call_count(self) -> int:
        """How many requests it answered; exact even when the journal has dropped some."""
        self._journal.drain()
        return self._calls

    @property
    def requests(self) -> list[CapturedRequest]:
        """
        The requests it answered, in order.

        Raises:
            JournalOverflowError: If the journal's bound has dropped some of them.
        """
        return self._journal.select(lambda request: request.route is self, self._calls, f"route {self.route}")

    @property
    def expectation(self) -> Expectation | None:
        """What :meth:`expect` asked for."""
        return self._expectation

    def expect(
        self, times: int | None = None, *, at_least: int | None = None, at_most: int | None = None
    ) -> MountedRoute:
        """
        Ask that the route be called this often by the end of the test, or of the server's ``with`` block.

        Args:
            times: Exactly so often; not together with the others.

            at_least: So often or more.

            at_most: So often or less.

        Raises:
            RouteError: If no number is given, or the numbers contradict each other.
        """
        self._expectation = Expectation.between(times, at_least, at_most)
        return self

    def assert_called(self, times: int | None = None) -> None:
        """
        Check the number of calls now.

        Args:
            times: Exactly so often; once or more by default.

        Raises:
            VerificationError: If that is not so; the message lists the requests it answered.
        """
        wanted = Expectation(1, None) if times is None else Expectation.between(times, None, None)
        if not wanted.allows(self.call_count):
            raise VerificationError(self.complaint(wanted))

    def assert_not_called(self) -> None:
        """Check that no request was answered by this route so far."""
        self.assert_called(times=0)

    def complaint(self, wanted: Expectation) -> str:
        """Return what a failed check of the call count says."""
        registered = f" (registered at {self.route.source})" if self.route.source else ""
        return f"{self.route}: expected {wanted}, found {self._calls}{registered}"

    def take_answer(self) -> Answer | None:
        """Count a call and return its answer, None when the sequence is used up."""
        answer = self.route.answers.at(self._calls)
        self._calls += 1
        return answer

    def __repr__(self) -> str:
        return f"<MountedRoute {self.route}, {self._calls} calls>"


class RouteTable:
    """Mounted routes by precedence: the one registered last wins, the same pattern again replaces."""

    def __init__(self) -> None:
        self._literal: dict[str, list[MountedRoute]] = {}
        self._templates: list[MountedRoute] = []
        self._by_pattern: dict[RequestPattern, MountedRoute] = {}
        self._order = 0

    def mount(self, route: Route, journal: Journal) -> MountedRoute:
        """Add *route*, in place of one with an equal pattern."""
        replaced = self._by_pattern.pop(route.pattern, None)
        if replaced is not None:
            self._bucket(replaced.route).remove(replaced)
        self._order += 1
        mounted = MountedRoute(route, self._order, journal)
        self._by_pattern[route.pattern] = mounted
        self._bucket(route).append(mounted)
        return mounted

    def _bucket(self, route: Route) -> list[MountedRoute]:
        if not route.pattern.is_exact:
            return self._templates
        return self._literal.setdefault(route.pattern.path.text, [])

    def find(self, request: CapturedRequest) -> tuple[MountedRoute, Mapping[str, str]] | None:
        """
        Return the route for *request* with its path parameters, None if none matches.

        A HEAD is answered by a GET route only if no HEAD or ``*`` route matches it.
        """
        found = self._first(request, request.method)
        if found is None and request.method == "HEAD":
            found = self._first(request, "GET")
        return found

    def _first(self, request: CapturedRequest, method: str) -> tuple[MountedRoute, Mapping[str, str]] | None:
        for mounted in self._candidates(request.path):
            pattern = mounted.route.pattern
            if pattern.method == method or pattern.method == "*":
                params = pattern.match(request)
                if params is not None:
                    return mounted, params
        return None

    def _candidates(self, path: str) -> Sequence[MountedRoute]:
        literal = self._literal.get(path, ())
        if not self._templates:
            return literal[::-1]
        return sorted((*literal, *self._templates), key=lambda mounted: -mounted.order)

    def clear(self) -> None:
        """Forget all routes."""
        self._literal.clear()
        self._templates.clear()
        self._by_pattern.clear()

    def __iter__(self) -> Iterator[MountedRoute]:
        return iter(sorted(self._by_pattern.values(), key=lambda mounted: mounted.order))

    def __len__(self) -> int:
        return len(self._by_pattern)
