"""
Draw results as SVG: one picture for each measurement, ``overview.svg`` of what people choose by, a page of them all.

Drawn from the JSON files, whichever run wrote them. Written by hand, because a plotting library would
weigh more than everything that is measured here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from bench.result import shown

WIDTH = 840
MARGIN = 24
LABELS = 336
ROW = 28
THICK = 16
#: Room right of the longest bar for its number.
VALUES = 92

COLOURS = {"ours": "#2563eb", "peer": "#a9b1bd", "baseline": "#d5dae1"}
#: What the overview shows: more would be a page, and that is ``README.md`` beside the pictures.
OVERVIEW = ("start_stop", "latency_in_process", "throughput", "in_process", "program_start", "plugin_tax")
INK, FAINT, LINE, MARK, MET, MISSED = "#1f2733", "#667080", "#e6e9ee", "#d9480f", "#2b8a3e", "#c92a2a"
FONT = "ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"


@dataclass(slots=True)
class Panel:
    """The drawing of one measurement: elements from its own top, and its height."""

    elements: list[str] = field(default_factory=list)
    height: float = 0.0

    def text(self, x: float, y: float, text: str, *, size: int = 13, fill: str = INK, style: str = "") -> None:
        self.elements.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" {style}>{escape(text)}</text>'
        )

    def box(self, x: float, y: float, width: float, fill: str) -> None:
        self.elements.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1.5):.1f}" height="{THICK}" rx="2" fill="{fill}"/>'
        )

    def upright(self, x: float, top: float, bottom: float, colour: str, *, dashed: bool = False) -> None:
        dashes = ' stroke-width="1.5" stroke-dasharray="4 3"' if dashed else ""
        self.elements.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}" stroke="{colour}"{dashes}/>'
        )


def draw_all(folder: Path, names: Sequence[str]) -> None:
    """Draw a picture for each ``<name>.json`` in *folder*, an overview, and a page of all, in the order of *names*."""
    results = {}
    for name in names:
        file = folder / f"{name}.json"
        if not file.exists():
            continue
        result = json.loads(file.read_text(encoding="utf-8"))
        if result["chart"] is not None:
            results[name] = result
            (folder / f"{name}.svg").write_text(_picture([_panel(result)], result), encoding="utf-8")
    if chosen := [results[name] for name in OVERVIEW if name in results]:
        # Results of several runs may stand beside each other.
        engines = " or ".join(sorted({result["engine"] for result in chosen}))
        picture = _picture([_panel(result) for result in chosen], {**chosen[-1], "engine": engines})
        (folder / "overview.svg").write_text(picture, encoding="utf-8")
    (folder / "README.md").write_text(_page(results), encoding="utf-8")


def _page(results: Mapping[str, dict[str, Any]]) -> str:
    parts = ["# What was measured\n", "Made by `make bench`; the figures are in the JSON files of the same names.\n"]
    for name, result in results.items():
        parts += [f"## {name}\n", f"{result['question']}\n", f"![{name}]({name}.svg)\n"]
        parts += [f"- {note}" for note in result["notes"]]
        if result["notes"]:
            parts.append("")
    return "\n".join(parts)


def _picture(panels: list[Panel], result: dict[str, Any]) -> str:
    y, body = 8.0, []
    for panel in panels:
        body.append(f'<g transform="translate(0 {y:.0f})">\n' + "\n".join(panel.elements) + "\n</g>")
        y += panel.height
    foot = Panel()
    foot.text(MARGIN, y + 14, _conditions(result), size=11, fill=FAINT)
    height = y + 30
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
        f'height="{height:.0f}" font-family="{FONT}">\n'
        # A background of its own: pages with a dark theme would show dark text on dark.
        f'<rect width="{WIDTH}" height="{height:.0f}" rx="8" fill="#ffffff"/>\n'
        + "\n".join([*body, *foot.elements])
        + "\n</svg>\n"
    )


def _conditions(result: dict[str, Any]) -> str:
    machine = result["machine"]
    parts = [
        machine["cpu"],
        f"{machine['cores']} cores",
        machine["os"],
        machine["python"],
        f"engine {result['engine']}",
    ]
    return " · ".join([*parts, *(["quick run"] if result["quick"] else [])])


def _panel(result: dict[str, Any]) -> Panel:
    chart, panel = result["chart"], Panel()
    by_name = {figure["name"]: figure for figure in result["figures"]}
    figures = [by_name[name] for name in chart["figures"]]
    # From left to right, so that no line runs through the label of a lower one.
    marks = sorted(chart["marks"], key=lambda mark: mark["value"])
    values = [figure["value"] for figure in figures] + [mark["value"] for mark in marks]
    position = _logarithmic(values) if chart["logarithmic"] else _linear(values)

    panel.text(MARGIN, 24, chart["title"], size=16, style='font-weight="600"')
    top = 40.0 + 15 * len(marks)
    bottom = top + ROW * len(figures)
    if chart["logarithmic"]:
        _decades(panel, values, position, top, bottom)
    panel.upright(LABELS, top, bottom, FAINT)
    for row, figure in enumerate(figures):
        _bar(panel, figure, top + ROW * row, position(figure["value"]))
    for line, mark in enumerate(marks):
        _mark(panel, mark, position(mark["value"]), top - 15 * (len(marks) - line) + 8, bottom)
    for row, figure in enumerate(figures):
        _number(panel, figure, top + ROW * row, position(figure["value"]))
    y = bottom + (34 if chart["logarithmic"] else 22)
    for bar in result["bars"]:
        _verdict(panel, bar, y)
        y += 18
    panel.height = y + 14
    return panel


def _linear(values: list[float]) -> Callable[[float], float]:
    largest = max([*values, 1e-9])
    room = WIDTH - MARGIN - VALUES - LABELS
    return lambda value: LABELS + room * max(value, 0.0) / largest


def _lowest_decade(values: list[float]) -> int:
    # A little below the smallest value, so that its bar can be seen.
    return math.floor(math.log10(min(value for value in values if value > 0)) - 0.15)


def _logarithmic(values: list[float]) -> Callable[[float], float]:
    low, high = _lowest_decade(values), math.log10(max(values))
    room = WIDTH - MARGIN - VALUES - LABELS
    return lambda value: LABELS + room * max(math.log10(value) - low, 0.0) / (high - low)


def _decades(panel: Panel, values: list[float], position: Callable[[float], float], top: float, bottom: float) -> None:
    """Draw the powers of ten: without them nobody sees that the scale is logarithmic."""
    for exponent in range(_lowest_decade(values), math.floor(math.log10(max(values))) + 1):
        x = position(10.0**exponent)
        panel.upright(x, top, bottom, LINE)
        panel.text(x, bottom + 14, f"{10.0**exponent:,g}", size=11, fill=FAINT, style='text-anchor="middle"')
    panel.text(WIDTH - MARGIN, 24, "logarithmic scale", size=11, fill=FAINT, style='text-anchor="end"')


def _bar(panel: Panel, figure: dict[str, Any], y: float, end: float) -> None:
    middle = y + ROW / 2
    weight = 'font-weight="600"' if figure["who"] == "ours" else ""
    panel.text(LABELS - 10, middle + 4.5, figure["name"], style=f'text-anchor="end" {weight}')
    panel.box(LABELS, middle - THICK / 2, end - LABELS, COLOURS[figure["who"]])


def _number(panel: Panel, figure: dict[str, Any], y: float, end: float) -> None:
    number, x, baseline = shown(figure["value"]), end + 7, y + ROW / 2 + 4.5
    weight = 'font-weight="600"' if figure["who"] == "ours" else ""
    # A white edge first: the line of a mark may run through the number.
    panel.text(x, baseline, number, style=f'{weight} stroke="#ffffff" stroke-width="5" stroke-linejoin="round"')
    panel.text(x, baseline, number, style=weight)


def _mark(panel: Panel, mark: dict[str, Any], x: float, y: float, bottom: float) -> None:
    panel.upright(x, y - 9, bottom, MARK, dashed=True)
    # The label stands on the side where there is room.
    left = x > (LABELS + WIDTH) / 2
    anchor = 'text-anchor="end"' if left else ""
    panel.text(x + (-5 if left else 5), y, mark["label"], size=12, fill=MARK, style=anchor)


def _verdict(panel: Panel, bar: dict[str, Any], y: float) -> None:
    sign, colour = {True: ("✓", MET), False: ("✗", MISSED), None: ("?", FAINT)}[bar["met"]]
    found = "not measured" if bar["value"] is None else f"found {shown(bar['value'])} {bar['unit']}".strip()
    panel.text(MARGIN, y, sign, fill=colour, style='font-weight="700"')
    panel.text(MARGIN + 18, y, f"{bar['claim']}: {found}", size=12, fill=FAINT)
