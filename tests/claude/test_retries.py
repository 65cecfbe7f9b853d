"""Retry records: names and delays as tables."""

import json

import pytest

from api_simulator.claude._retries import retry_lines
from api_simulator.claude._seeded import seeded_fraction, seeded_uuid
from api_simulator.claude.records import retry_category, retry_delay_ms


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (429, "rate_limit"),
        (529, "overloaded"),
        (500, "server_error"),
        (503, "server_error"),
        (599, "server_error"),
        (408, "server_error"),
        (409, "server_error"),
        (401, "authentication_failed"),
        (None, "unknown"),
        (418, "unknown"),
    ],
)
def test_each_status_has_its_name(status: int | None, name: str):
    assert retry_category(status) == name


@pytest.mark.parametrize(
    ("attempt", "lowest"),
    [(1, 500), (2, 1000), (3, 2000), (4, 4000), (5, 8000), (6, 16000), (7, 32000), (8, 32000), (100_000, 32000)],
)
def test_the_delay_doubles_up_to_its_cap(attempt: int, lowest: int):
    assert retry_delay_ms(attempt, 0.0) == lowest
    assert retry_delay_ms(attempt, 0.999999) == pytest.approx(lowest * 1.25, abs=1)


def test_jitter_differs_from_attempt_to_attempt():
    lines = retry_lines(seed=0, place=0, status=529, attempts=200, session_id="s")
    jitters = [json.loads(line)["retry_delay_ms"] / 32000 for line in lines[6:]]

    assert min(jitters) >= 1
    assert max(jitters) <= 1.25
    assert max(jitters) - min(jitters) > 0.2


def test_seeded_values_are_the_same_everywhere():
    """Written down: a change of these numbers changes every user's recorded output."""
    assert seeded_uuid(0, "session") == "93022838-d563-4bd5-a2d3-899ac845fdc0"
    assert seeded_uuid(1, "session") != seeded_uuid(0, "session")
    assert 0 <= seeded_fraction(0, "x") < 1
