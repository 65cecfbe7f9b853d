"""
When something goes wrong: on the k-th call, during an outage, or with a seeded probability.

A trouble says *when*; what then happens is an answer like any other.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from api_simulator._core.faults import AnyFault
from api_simulator._core.specs import ResponseSpec
from api_simulator._core.values import dataclass
from api_simulator.errors import RouteError


@dataclass(frozen=True, slots=True)
class Trouble:
    """
    An answer that takes the place of the proper one under a condition.

    Attributes:
        answer: What is answered then.

        calls: Numbers of calls, from 1, at which it happens; None for any.

        window_ns: From when to when it happens, counted from *start_ns*; None for always.

        probability: With which probability it happens, where the others allow it.

        start_ns: The stamp that the window counts from.
    """

    answer: ResponseSpec
    calls: frozenset[int] | None
    window_ns: tuple[int, int] | None
    probability: float
    start_ns: int

    def strikes(self, call: int, now_ns: int, random: Random) -> bool:
        """Return whether it happens to call number *call* (from 1) at *now_ns*."""
        if self.calls is not None and call not in self.calls:
            return False
        if self.window_ns is not None and not (self.window_ns[0] <= now_ns - self.start_ns < self.window_ns[1]):
            return False
        return self.probability >= 1 or random.random() < self.probability


def make_trouble(
    answer: ResponseSpec | AnyFault | str,
    *,
    on: int | Iterable[int] | None,
    between_s: tuple[float, float] | None,
    probability: float,
    now_ns: int,
) -> Trouble:
    """
    Read what a user said about what goes wrong, a fault or a whole answer, and when.

    Raises:
        RouteError: If a call number, a window or a probability makes no sense.
    """
    spec = answer if isinstance(answer, ResponseSpec) else ResponseSpec(fault=answer)
    calls = None
    if on is not None:
        try:
            numbers = [on] if isinstance(on, int) else list(on)
        except TypeError:
            raise RouteError(f"fault: on= takes numbers of calls, from 1; got {on!r}") from None
        for number in numbers:
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise RouteError(f"fault: on= takes numbers of calls, from 1; got {number!r}")
        calls = frozenset(numbers)
    window_ns = None
    if between_s is not None:
        try:
            start_s, end_s = between_s
            window_ns = (round(start_s * 1e9), round(end_s * 1e9))
        except (TypeError, ValueError, OverflowError):
            raise RouteError(f"fault: between_s is (from, to) in seconds, got {between_s!r}") from None
        if not 0 <= window_ns[0] < window_ns[1]:
            raise RouteError(f"fault: between_s is (from, to) in seconds with 0 <= from < to, got {between_s!r}")
    if isinstance(probability, bool) or not isinstance(probability, int | float) or not 0 <= probability <= 1:
        raise RouteError(f"fault: probability is a number from 0 to 1, got {probability!r}")
    return Trouble(spec, calls, window_ns, probability, now_ns)
