"""
How long something takes: a fixed time, or one drawn from a distribution.

Draws come from a generator that the caller seeds by server, route and call, so that the same seed
gives the same delays whatever the order in which concurrent requests arrive.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from random import Random
from typing import TypeAlias

from api_simulator._core.values import dataclass
from api_simulator.errors import SpecError

# Beyond some sigma a draw is too large for a float, and the request that gets it would find that out.
_MAX_SIGMA = 10


class Delay(ABC):
    """A duration that may differ from request to request."""

    __slots__ = ()

    @abstractmethod
    def sample_ms(self, random: Random) -> int:
        """Return one duration in whole milliseconds, 0 or more."""


@dataclass(frozen=True, slots=True)
class Uniform(Delay):
    """Any duration from *low_ms* to *high_ms*, all equally likely."""

    low_ms: float
    high_ms: float

    def __post_init__(self) -> None:
        _check("uniform", low_ms=self.low_ms, high_ms=self.high_ms)
        if self.low_ms > self.high_ms:
            raise SpecError(f"uniform: low_ms={self.low_ms} is more than high_ms={self.high_ms}")

    def sample_ms(self, random: Random) -> int:
        """Draw one."""
        return round(random.uniform(self.low_ms, self.high_ms))


@dataclass(frozen=True, slots=True)
class Normal(Delay):
    """Durations around *mean_ms*; a draw below zero counts as zero."""

    mean_ms: float
    deviation_ms: float

    def __post_init__(self) -> None:
        _check("normal", mean_ms=self.mean_ms, deviation_ms=self.deviation_ms)

    def sample_ms(self, random: Random) -> int:
        """Draw one."""
        return max(0, round(random.gauss(self.mean_ms, self.deviation_ms)))


@dataclass(frozen=True, slots=True)
class LogNormal(Delay):
    """
    Durations with a long tail, as real services have: half of them below *median_ms*.

    *sigma* is the standard deviation of the logarithm: 0.1 is narrow, 1.0 has a p99 of ten medians.
    """

    median_ms: float
    sigma: float

    def __post_init__(self) -> None:
        _check("log_normal", median_ms=self.median_ms, sigma=self.sigma)
        if self.median_ms == 0:
            raise SpecError("log_normal: median_ms must be more than 0")
        if self.sigma > _MAX_SIGMA:
            raise SpecError(f"log_normal: sigma={self.sigma} is more than {_MAX_SIGMA}; 1.0 is a long tail already")

    def sample_ms(self, random: Random) -> int:
        """Draw one."""
        return round(random.lognormvariate(math.log(self.median_ms), self.sigma))


DelayInput: TypeAlias = int | Delay


def checked_delay(delay: object, name: str = "delay_ms") -> DelayInput:
    """Return *delay* if it is whole milliseconds or a distribution, or raise :class:`SpecError` naming *name*."""
    if isinstance(delay, Delay):
        return delay
    if isinstance(delay, bool) or not isinstance(delay, int):
        raise SpecError(f"{name}: expected whole milliseconds (int) or a distribution, got {delay!r}")
    if delay < 0:
        raise SpecError(f"{name}: expected 0 or more milliseconds, got {delay}")
    return delay


def sampled_ms(delay: DelayInput, random: Random) -> int:
    """Return whole milliseconds: *delay* itself, or a draw from it."""
    return delay.sample_ms(random) if isinstance(delay, Delay) else delay


def _check(name: str, **values: object) -> None:
    for parameter, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            raise SpecError(f"{name}: {parameter} is a number, 0 or more; got {value!r}")
