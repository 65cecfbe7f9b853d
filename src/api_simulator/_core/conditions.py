"""
What a request must have besides its method and path, and how far a request is from it.

One mechanism serves matching and diagnosis: every condition answers *does it hold?* quickly, and
*how far off is it, and why?* when somebody asks. The second is never asked on the fast path.
Conditions compare equal when they ask for the same thing; they join by ``&``, ``|`` and ``~``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import field

from api_simulator._core.messages import CapturedRequest
from api_simulator._core.values import dataclass


@dataclass(frozen=True, slots=True)
class Mismatch:
    """
    How a request misses one condition.

    Attributes:
        part: What differs: ``method``, ``path``, ``query``, ``header``, ``cookie``, ``body`` or ``predicate``.

        distance: From just above 0.0 (nearly) to 1.0 (nothing in common).

        differences: Lines for a person, most telling first.
    """

    part: str
    distance: float
    differences: tuple[str, ...]


class Condition(ABC):
    """
    Something that must hold for a request.

    ``a & b`` asks for both, ``a | b`` for either, ``~a`` for the contrary.
    """

    __slots__ = ()

    @abstractmethod
    def holds(self, request: CapturedRequest) -> bool:
        """Return whether the request fulfils the condition."""

    @abstractmethod
    def explain(self, request: CapturedRequest) -> Mismatch | None:
        """Return how the request misses the condition, None if it does not."""

    @property
    def needs_body(self) -> bool:
        """Whether the body must have been read before it can be asked."""
        return False

    def __and__(self, other: Condition) -> Condition:
        return AllOf((*flattened(self), *flattened(_checked(other))))

    def __or__(self, other: Condition) -> Condition:
        return AnyOf((*_alternatives(self), *_alternatives(_checked(other))))

    def __invert__(self) -> Condition:
        return self.condition if isinstance(self, Not) else Not(self)


def _checked(condition: object) -> Condition:
    if not isinstance(condition, Condition):
        raise TypeError(
            f"a condition joins with conditions only, not with {condition!r}; make a function one by where(...)"
        )
    return condition


def flattened(condition: Condition) -> tuple[Condition, ...]:
    """Return the conditions that must all hold for *condition* to hold."""
    return condition.conditions if isinstance(condition, AllOf) else (condition,)


def _alternatives(condition: Condition) -> tuple[Condition, ...]:
    return condition.conditions if isinstance(condition, AnyOf) else (condition,)


@dataclass(frozen=True, slots=True)
class AllOf(Condition):
    """Holds when each of its conditions holds."""

    conditions: tuple[Condition, ...] = field(compare=False)
    # Their order does not matter.
    members: frozenset[Condition] = field(init=False, repr=False, default=frozenset())

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", frozenset(self.conditions))

    def holds(self, request: CapturedRequest) -> bool:
        """Return whether all conditions hold."""
        return all(condition.holds(request) for condition in self.conditions)

    def explain(self, request: CapturedRequest) -> Mismatch | None:
        """Return what the missed conditions say, with the mean of all distances."""
        misses = [miss for condition in self.conditions if (miss := condition.explain(request)) is not None]
        if not misses:
            return None
        return Mismatch(
            " and ".join(dict.fromkeys(miss.part for miss in misses)),
            sum(miss.distance for miss in misses) / len(self.conditions),
            tuple(line for miss in misses for line in miss.differences),
        )

    @property
    def needs_body(self) -> bool:
        """Whether one of them needs the body."""
        return any(condition.needs_body for condition in self.conditions)

    def __str__(self) -> str:
        return " and ".join(map(str, self.conditions))


@dataclass(frozen=True, slots=True)
class AnyOf(Condition):
    """Holds when one of its conditions holds."""

    conditions: tuple[Condition, ...] = field(compare=False)
    # Their order does not matter.
    members: frozenset[Condition] = field(init=False, repr=False, default=frozenset())

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", frozenset(self.conditions))

    def holds(self, request: CapturedRequest) -> bool:
        """Return whether one condition holds."""
        return any(condition.holds(request) for condition in self.conditions)

    def explain(self, request: CapturedRequest) -> Mismatch | None:
        """Return what all of them say; the distance is that of the nearest."""
        misses = []
        for condition in self.conditions:
            miss = condition.explain(request)
            if miss is None:
                return None
            misses.append(miss)
        lines = [f"either {line}" for miss in misses for line in miss.differences]
        nearest = min(misses, key=lambda miss: miss.distance)
        return Mismatch(nearest.part, nearest.distance, tuple(lines))

    @property
    def needs_body(self) -> bool:
        """Whether one of them needs the body."""
        return any(condition.needs_body for condition in self.conditions)

    def __str__(self) -> str:
        return f"({' or '.join(map(str, self.conditions))})"


@dataclass(frozen=True, slots=True)
class Not(Condition):
    """Holds when its condition does not."""

    condition: Condition

    def holds(self, request: CapturedRequest) -> bool:
        """Return whether the condition does not hold."""
        return not self.condition.holds(request)

    def explain(self, request: CapturedRequest) -> Mismatch | None:
        """Name the condition that holds though it should not."""
        if self.holds(request):
            return None
        return Mismatch("condition", 0.5, (f"expected not: {self.condition}",))

    @property
    def needs_body(self) -> bool:
        """Whether the condition needs the body."""
        return self.condition.needs_body

    def __str__(self) -> str:
        return f"not {self.condition}"


@dataclass(frozen=True, slots=True)
class Predicate(Condition):
    """A function of the user's says yes. It runs on the server's thread and must not block."""

    function: Callable[[CapturedRequest], object]

    @property
    def needs_body(self) -> bool:
        """Whatever it looks at may be the body."""
        return True

    def holds(self, request: CapturedRequest) -> bool:
        """Return whether the function's answer is true."""
        return bool(self.function(request))

    def explain(self, request: CapturedRequest) -> Mismatch | None:
        """Name the function that said no."""
        try:
            if self.holds(request):
                return None
            said = "said no"
        except Exception as error:  # noqa: BLE001  # the user's own code: its failure is the explanation
            said = f"raised {type(error).__name__}: {error}"
        return Mismatch("predicate", 0.5, (f"{self} {said}",))

    def __str__(self) -> str:
        return f"predicate {getattr(self.function, '__qualname__', repr(self.function))}"
