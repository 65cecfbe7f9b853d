"""The fake usage endpoint: windows that fill and reset, its errors, its times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from api_simulator.errors import OptionError
from tests.libraries import either as httpx

FIELDS = {"Authorization": "Bearer t", "anthropic-beta": "oauth-2025-04-20"}


@pytest.fixture
def quota(fake_service):
    return fake_service("claude_quota")


def usage(quota, **fields):
    return httpx.get(f"{quota.url}/api/oauth/usage", headers={**FIELDS, **fields})


def test_it_begins_with_two_empty_windows(quota):
    said = usage(quota).json()

    assert {name: window["utilization"] for name, window in said.items()} == {"five_hour": 0, "seven_day": 0}
    five_hours = datetime.fromisoformat(said["five_hour"]["resets_at"]) - datetime.now(UTC)
    assert timedelta(hours=4, minutes=58) < five_hours <= timedelta(hours=5)


def test_a_window_fills_on_the_clock_and_stays_full(quota):
    quota.set_window("five_hour", 50, resets_in_s=5 * 3600, fills_per_hour=20)

    quota.advance(3600)
    later = usage(quota).json()["five_hour"]["utilization"]
    quota.advance(3 * 3600)
    full = usage(quota).json()["five_hour"]["utilization"]

    assert 70 <= later < 71
    assert full == 100


def test_a_window_resets_on_the_clock_and_the_next_one_begins(quota):
    quota.set_window("five_hour", 99, resets_in_s=60)
    before = datetime.fromisoformat(usage(quota).json()["five_hour"]["resets_at"])

    quota.advance(61)
    after = usage(quota).json()["five_hour"]

    assert after["utilization"] == 0
    assert datetime.fromisoformat(after["resets_at"]) - before == timedelta(hours=5)


def test_windows_that_passed_unseen_are_counted(quota):
    quota.set_window("seven_day", 10, resets_in_s=3600)
    before = datetime.fromisoformat(usage(quota).json()["seven_day"]["resets_at"])

    quota.advance(3600 + 15 * 24 * 3600)

    after = datetime.fromisoformat(usage(quota).json()["seven_day"]["resets_at"])
    assert after - before == timedelta(days=21)


def test_a_window_of_unknown_length_has_none_after_it(quota):
    quota.set_window("promotion", 30, resets_in_s=10)

    quota.advance(11)

    assert usage(quota).json()["promotion"] == {"utilization": 0, "resets_at": None}


def test_null_and_what_nobody_expects(quota):
    quota.set_window("five_hour", None)
    quota.set_field("seven_day_opus", None)
    quota.set_field("iguana", [1])
    quota.remove("seven_day")

    said = usage(quota).json()

    assert said == {"five_hour": {"utilization": None, "resets_at": None}, "seven_day_opus": None, "iguana": [1]}


def test_work_fills_every_window(quota):
    quota.set_window("five_hour", 95, resets_in_s=60)
    quota.use(10)

    assert [window["utilization"] for window in usage(quota).json().values()] == [100, 10]
    assert quota.windows["seven_day"].utilization == 10


@pytest.mark.parametrize(
    ("settings", "ending"),
    [({"time_format": "Z"}, "Z"), ({}, "+00:00"), ({"offset_minutes": -210}, "-03:30")],
)
def test_times_end_as_asked(fake_service, settings, ending):
    quota = fake_service("claude_quota", **settings)

    assert usage(quota).json()["five_hour"]["resets_at"].endswith(ending)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, "authentication_error"), (429, "rate_limit_error"), (503, "api_error")]
)
def test_errors_have_the_documented_shape_and_pass(quota, status, kind):
    quota.fail_next(status, retry_after_s=17, times=2)

    answers = [usage(quota) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert answers[0].headers["retry-after"] == "17"
    body = answers[0].json()
    assert (body["type"], body["error"]["type"]) == ("error", kind)
    assert body["error"]["message"]


@pytest.mark.parametrize(
    "fields",
    [{"Authorization": ""}, {"Authorization": "Basic dDp0"}, {"Authorization": "Bearer old"}, {"anthropic-beta": "x"}],
)
def test_who_asks_wrongly_is_refused(fake_service, fields):
    quota = fake_service("claude_quota", tokens=("t",))

    answer = usage(quota, **fields)

    assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")


@pytest.mark.api_simulator(strict=False)
def test_other_methods_and_paths(quota):
    assert httpx.post(f"{quota.url}/api/oauth/usage").status_code == 405
    assert httpx.get(f"{quota.url}/api/oauth/profile").json()["error"]["type"] == "not_found_error"


@pytest.mark.parametrize(
    ("say", "complaint"),
    [
        (lambda quota: quota.set_window("five_hour", 101), "utilization is a number from 0 to 100, got 101"),
        (lambda quota: quota.set_window("five_hour", "5"), "utilization is a number"),
        (lambda quota: quota.set_window("x", 5, period_s=0), "period_s is a number of 1 or more, got 0"),
        (lambda quota: quota.use(-1), "percent is a number of 0 or more"),
        (lambda quota: quota.remove("six_hour"), "there is no window 'six_hour'; there are five_hour, seven_day"),
        (lambda quota: quota.fail_next(418), "there is no 418"),
        (lambda quota: quota.fail_next(429, times=0), "times: expected a whole number"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_is_said(quota, say, complaint):
    with pytest.raises(OptionError, match=complaint):
        say(quota)
