"""The quota guard does what its rules say, against the fake usage endpoint."""

import subprocess
import sys
from pathlib import Path

import pytest

from api_simulator.http import ResponseSpec
from examples.quota_guard import UNKNOWN_RESET_S, QuotaGuard

SCRIPT = Path(__file__).parents[2] / "examples" / "quota_guard.py"


@pytest.fixture
def quota(fake_service):
    return fake_service("claude_quota", tokens=("t-1",))


@pytest.fixture
def guard(quota):
    guard = QuotaGuard(quota.url, "t-1", timeout_s=20)
    yield guard
    guard.close()


def test_work_begins_while_every_window_has_room(quota, guard):
    quota.set_window("five_hour", 40, resets_in_s=3600)
    quota.set_window("seven_day", 12.5, resets_in_s=86400)

    verdict = guard.check()

    assert (verdict.go, verdict.reason) == (True, "five_hour is 40 % full")
    assert len(quota.requests) == 1


@pytest.mark.parametrize("worst", ["five_hour", "seven_day", "seven_day_opus", "a_window_nobody_documented"])
def test_the_fullest_window_governs(quota, guard, worst):
    quota.set_window("five_hour", 10, resets_in_s=3600)
    quota.set_window("seven_day", 20, resets_in_s=86400)
    quota.set_window(worst, 95, resets_in_s=600)

    verdict = guard.check()

    assert (verdict.go, verdict.reason) == (False, f"{worst} is 95 % full")
    assert 0 < verdict.wait_s <= 600


def test_above_the_threshold_it_looks_twice(quota, guard):
    """The first answer may be stale: a window that resets between two looks holds nothing back."""
    quota.set_window("five_hour", 99, resets_in_s=60)
    quota.slow_next(1)

    assert not guard.check().go
    assert len(quota.requests) == 2

    quota.advance(61)
    assert guard.check().go
    assert len(quota.requests) == 3


def test_a_second_answer_below_the_threshold_lets_work_begin(quota, guard):
    stale, fresh = ({"five_hour": {"utilization": percent, "resets_at": None}} for percent in (99, 1))
    quota.server.register_sequence("GET", "/api/oauth/usage", [ResponseSpec(body=stale), ResponseSpec(body=fresh)])

    assert guard.check().go
    assert quota.server.request_count(path="/api/oauth/usage") == 2


def test_an_unknown_reset_holds_back_for_a_default_time(quota, guard):
    quota.set_window("five_hour", 100, resets_in_s=None)

    assert guard.check().wait_s == UNKNOWN_RESET_S


@pytest.mark.parametrize(
    ("time_format", "offset_minutes"), [("Z", 0), ("offset", 0), ("offset", 330), ("offset", -480)]
)
def test_times_with_z_and_with_an_offset_mean_the_same(fake_service, time_format, offset_minutes):
    quota = fake_service("claude_quota", time_format=time_format, offset_minutes=offset_minutes)
    quota.set_window("five_hour", 100, resets_in_s=600)
    guard = QuotaGuard(quota.url, "any", timeout_s=20)

    verdict = guard.check()
    guard.close()

    assert 500 < verdict.wait_s <= 600


@pytest.mark.parametrize("status", [429, 503, 500])
def test_an_endpoint_in_trouble_stops_no_work(quota, guard, status):
    quota.set_window("five_hour", 100, resets_in_s=600)
    quota.fail_next(status, retry_after_s=30)

    verdict = guard.check()

    assert (verdict.go, verdict.reason) == (True, f"unknown: status {status}")
    assert len(quota.requests) == 1


def test_no_answer_in_time_stops_no_work(quota):
    quota.set_window("five_hour", 100, resets_in_s=600)
    quota.slow_next(60_000)
    guard = QuotaGuard(quota.url, "t-1", timeout_s=0.2)

    verdict = guard.check()
    guard.close()

    assert (verdict.go, verdict.reason) == (True, "unknown: no answer in time")


def test_null_windows_are_no_reason_to_stop(quota, guard):
    quota.set_window("five_hour", None)
    quota.set_window("seven_day", None)
    quota.set_field("seven_day_oauth_apps", None)

    assert guard.check().reason == "unknown: no window says how full it is"


def test_a_refused_token_is_told(quota):
    guard = QuotaGuard(quota.url, "expired", timeout_s=20)

    verdict = guard.check()
    guard.close()

    assert (verdict.go, verdict.reason) == (False, "the token is not accepted: log in again")


@pytest.mark.parametrize(("percent", "status", "word"), [(50, 0, "go"), (95, 1, "hold for")])
def test_the_program_says_it_and_ends_with_it(quota, percent, status, word):
    quota.set_window("five_hour", percent, resets_in_s=600)

    done = subprocess.run(
        [sys.executable, SCRIPT, quota.url], env={"QUOTA_TOKEN": "t-1"}, capture_output=True, text=True, timeout=50
    )

    assert done.returncode == status, done.stderr
    assert done.stdout.startswith(word)
