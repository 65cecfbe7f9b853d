"""
What a measurement says: figures, ratios, bars with their verdict, and how it is drawn.

Written as JSON and read back from it: the picture is made of what the file says, so the two cannot differ.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from bench import sampling

Who = Literal["ours", "peer", "baseline"]


@dataclass(frozen=True, slots=True)
class Figure:
    """
    One measured number.

    Attributes:
        name: What was measured, as it is shown.

        value: The median of the samples.

        spread: Their median distance from it.

        who: Whose it is; decides the colour.
    """

    name: str
    value: float
    unit: str
    who: Who = "ours"
    spread: float = 0.0
    samples: int = 1

    @classmethod
    def of(cls, name: str, samples: Sequence[float], unit: str, who: Who = "ours") -> Figure:
        """Return the figure that *samples* add up to."""
        return cls(name, sampling.median(samples), unit, who, sampling.mad(samples), len(samples))


@dataclass(frozen=True, slots=True)
class Bar:
    """
    A promise about a number.

    Attributes:
        claim: The promise as a sentence.

        value: What was found; None if it could not be measured here, which is not the same as met.
    """

    claim: str
    value: float | None
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the promise is kept, None if nobody knows."""
        if self.value is None:
            return None
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a bar lies in a picture, in the picture's unit."""

    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """
    How a measurement is drawn.

    Attributes:
        title: What is compared and which direction is good.

        figures: Names of the figures to draw, from top to bottom, all of one unit.

        marks: The bars to beat.

        logarithmic: For values that are hundreds of times apart; the picture says so.
    """

    title: str
    figures: tuple[str, ...]
    marks: tuple[Mark, ...] = ()
    logarithmic: bool = False


@dataclass(slots=True)
class Result:
    """Everything one measurement found."""

    measurement: str
    question: str
    figures: list[Figure] = field(default_factory=list)
    ratios: dict[str, float] = field(default_factory=dict)
    bars: list[Bar] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    chart: Chart | None = None

    def to_json(self, conditions: dict[str, Any]) -> dict[str, Any]:
        """Return the result with the *conditions* it was measured under, as plain values."""
        data = asdict(self)
        for bar, written in zip(self.bars, data["bars"], strict=True):
            written["met"] = bar.met
        return {**conditions, **_rounded(data)}

    def text(self) -> str:
        """Return the result for a terminal."""
        lines = [f"{self.measurement}: {self.question}"]
        width = max((len(figure.name) for figure in self.figures), default=0)
        for figure in self.figures:
            spread = f" ± {shown(figure.spread)}" if figure.spread else ""
            lines.append(f"  {figure.name:<{width}}  {shown(figure.value)}{spread} {figure.unit}")
        lines += [f"  {name}: {shown(value)}" for name, value in self.ratios.items()]
        lines += [f"  {verdict(bar)}: {bar.claim} (found {_found(bar)})" for bar in self.bars]
        return "\n".join(lines + [f"  note: {note}" for note in self.notes])


def verdict(bar: Bar) -> str:
    return {True: "met", False: "MISSED", None: "NOT MEASURED"}[bar.met]


def _found(bar: Bar) -> str:
    return "nothing" if bar.value is None else f"{shown(bar.value)} {bar.unit}".strip()


def shown(value: float) -> str:
    """Return *value* with three digits that count, large numbers with thousands separated."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:#.3g}" if value else "0"


def _rounded(value: Any) -> Any:
    # More digits than the measurement has would make every run a large change in the repository.
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value


def write(folder: Path, result: Result, conditions: dict[str, Any]) -> None:
    """Write the result as ``<measurement>.json`` into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result.to_json(conditions), indent=2, ensure_ascii=False)
    (folder / f"{result.measurement}.json").write_text(text + "\n", encoding="utf-8")
