"""
One order for everything that happened: requests, answers and program runs.

Reports, the demo and pictures draw from here. Stamps are nanoseconds of the machine's monotonic
clock, which every process of a machine shares, so that a fake program's events fall into place
between the requests that it caused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, order=True)
class TimelineEvent:
    """
    Something that happened, as one line of a report.

    Attributes:
        at_ns: When, in nanoseconds of the monotonic clock.

        source: Who says so: a server's or a program's name, for instance ``http`` or ``claude``.

        text: What happened, in one line.
    """

    at_ns: int
    source: str
    text: str


class TimelineSource(Protocol):
    """Something whose events belong on the timeline."""

    def timeline(self) -> list[TimelineEvent]:
        """Return what happened since the source was opened or reset, in any order."""
        ...


def merge(sources: Iterable[TimelineSource], *, since_ns: int = 0) -> list[TimelineEvent]:
    """Return the events of all *sources* from *since_ns* on, in the order in which they happened."""
    return sorted(event for source in sources for event in source.timeline() if event.at_ns >= since_ns)


def render(events: Iterable[TimelineEvent], *, start_ns: int | None = None, limit: int = 200) -> str:
    """
    Write *events* as text, a line each: seconds since the start, source, what happened.

    Args:
        events: In order, as :func:`merge` gives them.

        start_ns: What to count from; the first event's stamp by default.

        limit: At most this many lines; the middle is left out, because causes stand at the
            beginning and failures at the end.
    """
    listed = list(events)
    if not listed:
        return "(nothing happened)"
    start = listed[0].at_ns if start_ns is None else start_ns
    width = max(len(event.source) for event in listed)
    lines = [f"{(event.at_ns - start) / 1e9:+9.3f} s  {event.source:<{width}}  {event.text}" for event in listed]
    if len(lines) > limit:
        left_out = len(lines) - limit + 1
        before = limit // 2
        lines[before : before + left_out] = [f"            ... {left_out} more ..."]
    return "\n".join(lines)


def render_timeline(*sources: TimelineSource, start_ns: int | None = None) -> str:
    """
    Write what happened at these servers and fake programs as one text, in order.

    Args:
        sources: Anything with a ``timeline()``: ``MockHttpServer``, ``FakeClaudeCLI``.

        start_ns: What to count from, by ``time.monotonic_ns()``; the first event by default.
    """
    return render(merge(sources), start_ns=start_ns)
