"""The timeline: one order for events of several sources, and its text."""

import re

import pytest

from api_simulator._core.timeline import TimelineEvent, merge, render, render_timeline


class Source:
    """Something with events."""

    def __init__(self, name, *stamps):
        self.events = [TimelineEvent(stamp, name, f"at {stamp}") for stamp in stamps]

    def timeline(self):
        return self.events


def test_events_of_all_sources_come_in_the_order_of_their_stamps():
    merged = merge([Source("http", 30, 10), Source("claude", 20, 10)])

    assert [(event.at_ns, event.source) for event in merged] == [
        (10, "claude"),
        (10, "http"),
        (20, "claude"),
        (30, "http"),
    ]


def test_events_before_the_start_are_left_out():
    assert [event.at_ns for event in merge([Source("a", 1, 2, 3)], since_ns=2)] == [2, 3]


def test_a_line_has_seconds_since_the_start_source_and_text():
    events = [TimelineEvent(1_000_000_000, "http", "in"), TimelineEvent(2_250_000_000, "claude", "out")]

    assert render(events) == "   +0.000 s  http    in\n   +1.250 s  claude  out"
    assert render(events, start_ns=0).startswith("   +1.000 s  http    in\n")


def test_an_event_before_the_start_has_a_negative_time():
    assert render([TimelineEvent(0, "http", "in")], start_ns=500_000_000) == "   -0.500 s  http  in"


def test_nothing_happened_is_said():
    assert render([]) == "(nothing happened)"


@pytest.mark.parametrize(("events", "limit"), [(10, 4), (10, 5), (11, 10), (300, 200), (3, 1), (3, 2)])
def test_a_long_timeline_keeps_beginning_and_end_within_the_limit(events, limit):
    """At most *limit* lines, the one that counts what is left out among them; no event is unaccounted for."""
    lines = render(Source("a", *range(events)).events, limit=limit).splitlines()

    [left_out] = [int(number) for line in lines for number in re.findall(r"\.\.\. (\d+) more", line)]
    assert len(lines) <= limit
    assert len(lines) - 1 + left_out == events
    if limit > 2:
        assert lines[0].endswith("at 0")
        assert lines[-1].endswith(f"at {events - 1}")


@pytest.mark.parametrize("events", [1, 199, 200])
def test_a_timeline_within_the_limit_is_whole(events):
    assert len(render(Source("a", *range(events)).events).splitlines()) == events


def test_render_timeline_writes_several_sources_as_one_text():
    text = render_timeline(Source("http", 2_000_000_000), Source("claude", 1_000_000_000))

    assert text == "   +0.000 s  claude  at 1000000000\n   +1.000 s  http    at 2000000000"
