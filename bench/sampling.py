"""
Take samples in turns and say what is typical of them.

Other work on the machine makes a process slow for seconds at a time. Taking turns puts both sides
into the same seconds; medians of differences and ratios within a round forget the rest.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

SampleT = TypeVar("SampleT")


def in_turns(rounds: int, actions: Mapping[str, Callable[[], SampleT]]) -> dict[str, list[SampleT]]:
    """
    Call each of *actions* once per round and return what they returned, by name.

    Every second round goes backwards, so that no action always profits from what the one before it left in caches.
    """
    samples: dict[str, list[SampleT]] = {name: [] for name in actions}
    for number in range(rounds):
        for name in list(actions)[:: 1 if number % 2 == 0 else -1]:
            samples[name].append(actions[name]())
    return samples


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def mad(values: Sequence[float]) -> float:
    """Return the median distance from the median: a spread that outliers do not move."""
    middle = statistics.median(values)
    return statistics.median(abs(value - middle) for value in values)


def quantile(values: Iterable[float], share: float) -> float:
    """Return the value below which *share* (0 to 1) of *values* lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def confidence(values: Sequence[float]) -> tuple[float, float]:
    """
    Return bounds between which the true median lies with 95 % probability.

    By order statistics: the number of samples below the median is binomial, whatever their distribution.
    """
    ordered = sorted(values)
    count = len(ordered)
    cut = max(0, int((count - 1.96 * count**0.5) / 2))
    return ordered[cut], ordered[count - 1 - cut]


def differences(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return ours minus theirs, round by round."""
    return [mine - other for mine, other in zip(ours, theirs, strict=True)]


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Return the median of the ratios within each round."""
    return statistics.median(top / bottom for top, bottom in zip(numerators, denominators, strict=True))
