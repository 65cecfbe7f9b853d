"""The exact limits of assertions about time, over made-up stamps."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_simulator._core.paths import literal_path
from api_simulator._core.patterns import RequestPattern
from api_simulator._core.routes import Answers, Route
from api_simulator._core.specs import ResponseSpec
from api_simulator._core.timing import TimingChecks, described, max_in_flight
from api_simulator.errors import RouteError, VerificationError
from tests._core.captured import captured

START_NS = 5_000_000_000


class Checks(TimingChecks):
    """The checks over given requests."""

    def __init__(self, requests):
        self.route = Route(RequestPattern("GET", literal_path("/")), Answers((ResponseSpec(),)))
        self._requests = requests

    @property
    def requests(self):
        return self._requests


class FixedClock:
    """A clock whose stamps count from the beginning of 2024."""

    def now_ns(self):
        return START_NS

    def epoch_s(self, monotonic_ns):
        return datetime(2024, 1, 1, tzinfo=UTC).timestamp() + monotonic_ns / 1e9


def at(received_s, answered_s=None, *, aborted_s=None, retry_after=None, status=503):
    """Return a request that came and ended at these seconds."""
    request = captured(clock=FixedClock())
    request.received_ns = START_NS + round(received_s * 1e9)
    ended_s = received_s if answered_s is None and aborted_s is None else answered_s
    request.answered_ns = None if ended_s is None else START_NS + round(ended_s * 1e9)
    request.aborted_ns = None if aborted_s is None else START_NS + round(aborted_s * 1e9)
    request.status = status
    request.answer = ResponseSpec(status, headers=None if retry_after is None else {"Retry-After": retry_after})
    return request


def numbered(*requests):
    for number, request in enumerate(requests, start=1):
        request.number = number
    return list(requests)


def passes(check, *arguments, **options):
    try:
        check(*arguments, **options)
    except VerificationError:
        return False
    return True


@pytest.mark.parametrize(
    ("wait_s", "wanted_s", "jitter", "slack_s", "is_fine"),
    [
        (1.0, 1.0, 0, 0, True),
        (0.999, 1.0, 0, 0, True),
        (0.997, 1.0, 0, 0, False),
        (1.001, 1.0, 0, 0, False),
        (1.5, 1.0, 0, 0.5, True),
        (1.6, 1.0, 0, 0.5, False),
        (0.9, 1.0, 0.1, 0, True),
        (0.89, 1.0, 0.1, 0, False),
        (1.1, 1.0, 0.1, 0.001, True),
        (1.6, 1.0, 0.1, 0.5, True),
        (1.61, 1.0, 0.1, 0.5, False),
        (0.0, 0.0, 0, 0, True),
    ],
)
def test_a_wait_may_be_late_by_the_slack_and_off_by_the_jitter(wait_s, wanted_s, jitter, slack_s, is_fine):
    checks = Checks(numbered(at(0, 2), at(2 + wait_s)))

    assert passes(checks.assert_backoff, [wanted_s], jitter=jitter, slack_s=slack_s) == is_fine


def test_a_wait_counts_from_the_answer_or_the_moment_the_client_gave_up():
    checks = Checks(numbered(at(0, 2), at(3, aborted_s=5), at(7, 8), at(8)))

    checks.assert_backoff([1, 2, 0], slack_s=0.001)


@pytest.mark.parametrize(
    ("count", "waits", "message"),
    [
        (0, [1], "expected 2 requests, found 0"),
        (1, [1], "expected 2 requests, found 1"),
        (3, [0], "expected 2 requests, found 3"),
    ],
)
def test_another_number_of_requests_is_named(count, waits, message):
    with pytest.raises(VerificationError, match=message):
        Checks(numbered(*(at(0) for _ in range(count)))).assert_backoff(waits)


def test_every_wrong_wait_is_named_and_all_requests_are_listed():
    with pytest.raises(VerificationError) as caught:
        Checks(numbered(at(0), at(1), at(2), at(3, status=200))).assert_backoff([1, 5, 7], jitter=0.2)

    assert str(caught.value).splitlines() == [
        "GET /: back-off is not as expected",
        "  wait 2: expected 5 s ± 20%, found 1.000 s",
        "  wait 3: expected 7 s ± 20%, found 1.000 s",
        "  #1    +0.000 s  GET / -> 503",
        "  #2    +1.000 s  GET / -> 503",
        "  #3    +2.000 s  GET / -> 503",
        "  #4    +3.000 s  GET / -> 200",
    ]


# 2024-01-01 00:00:05 is when the stamps below begin; the answer ends one second later.
@pytest.mark.parametrize(
    ("retry_after", "wanted_s"),
    [
        ("2", 2),
        ("0", 0),
        ("Mon, 01 Jan 2024 00:00:10 GMT", 4),
        ("Mon, 01 Jan 2024 00:00:00 GMT", 0),
        # RFC 9110 5.6.7: the two obsolete forms are to be understood too; both mean UTC.
        ("Monday, 01-Jan-24 00:00:10 GMT", 4),
        ("Mon Jan  1 00:00:10 2024", 4),
    ],
)
def test_retry_after_is_read_in_every_form(monkeypatch, retry_after, wanted_s):
    """Wherever the test runs: a date without zone is not one of the machine's own zone."""
    monkeypatch.setenv("TZ", "Pacific/Auckland")

    def honoured(wait_s):
        checks = Checks(numbered(at(0, 1, retry_after=retry_after), at(1 + wait_s)))
        return passes(checks.assert_honours_retry_after, slack_s=0.5)

    assert [honoured(wait_s) for wait_s in (wanted_s, wanted_s + 0.4, wanted_s + 0.6)] == [True, True, False]
    if wanted_s:
        assert not honoured(wanted_s - 0.1)


@pytest.mark.parametrize("retry_after", ["soon", "1.5", "-1", "", "\u00b2", "Mon, 99 Jan 2024 00:00:10 GMT"])
def test_a_retry_after_that_is_none_is_nothing_to_check(retry_after):
    with pytest.raises(VerificationError, match="nothing to check"):
        Checks(numbered(at(0, retry_after=retry_after), at(1))).assert_honours_retry_after()


def test_answers_without_the_field_are_free():
    checks = Checks(numbered(at(0), at(0), at(0, retry_after="1"), at(1)))

    checks.assert_honours_retry_after()


def test_a_retry_after_that_nobody_followed_is_nothing_to_check():
    with pytest.raises(VerificationError, match="nothing to check"):
        Checks(numbered(at(0), at(1, retry_after="1"))).assert_honours_retry_after()


@pytest.mark.parametrize(("gap_s", "is_fine"), [(1.0, True), (0.999, True), (0.997, False), (2, True)])
def test_an_interval_is_from_request_to_request(gap_s, is_fine):
    checks = Checks(numbered(at(0, 0.9), at(gap_s), at(gap_s + 1)))

    assert passes(checks.assert_min_interval, 1.0) == is_fine


@given(
    stamps_ms=st.lists(st.integers(0, 5_000), max_size=20).map(sorted),
    most=st.integers(1, 5),
    window_ms=st.sampled_from([100, 1_000, 2_500]),
)
def test_a_rate_agrees_with_counting_every_window(stamps_ms, most, window_ms):
    """The model tries the window that begins with each request: a fuller one would begin with one of them."""
    checks = Checks(numbered(*(at(stamp / 1000) for stamp in stamps_ms)))
    worst = max((sum(first <= stamp < first + window_ms for stamp in stamps_ms) for first in stamps_ms), default=0)

    is_fine = passes(checks.assert_rate, max_per_s=most / (window_ms / 1000), window_s=window_ms / 1000)

    # The product of the two numbers may miss a whole one by a rounding error.
    assert is_fine == (worst <= most / (window_ms / 1000) * (window_ms / 1000))


def test_the_worst_stretch_is_named():
    with pytest.raises(VerificationError, match=r"3 requests within 1 s from #2 on, expected at most 2"):
        Checks(numbered(at(0), at(5), at(5.5), at(5.9), at(7))).assert_rate(max_per_s=2)


@pytest.mark.parametrize("numbers", [{"max_per_s": 0}, {"max_per_s": -1}, {"max_per_s": 1, "window_s": 0}])
def test_a_rate_of_nothing_is_refused(numbers):
    with pytest.raises(RouteError, match="expected numbers above 0"):
        Checks([]).assert_rate(**numbers)


@pytest.mark.parametrize("check", ["assert_min_interval", "assert_rate"])
def test_no_requests_break_no_rule(check):
    options = {"max_per_s": 1} if check == "assert_rate" else {"seconds": 1}

    getattr(Checks([]), check)(**options)


@given(spans=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 10)), max_size=12))
def test_requests_in_flight_agree_with_counting_at_every_instant(spans):
    requests = numbered(*(at(start, start + length) for start, length in spans))
    expected = max(
        (sum(start <= instant < start + length for start, length in spans) for instant in range(32)), default=0
    )

    assert max_in_flight(requests, START_NS + 100_000_000_000) == expected


def test_a_request_that_is_not_answered_yet_is_in_flight_until_now():
    running = at(0)
    running.answered_ns = None

    assert max_in_flight([running, at(5, 6)], START_NS + 9_000_000_000) == 2
    assert max_in_flight([running, at(5, 6)], START_NS + 4_000_000_000) == 1
    assert max_in_flight([], 0) == 0


def test_one_after_the_other_is_not_at_the_same_time():
    assert max_in_flight([at(0, 1), at(1, 2)], START_NS) == 1


def test_a_long_list_is_shortened_and_counted():
    lines = described(numbered(*(at(second) for second in range(30))))

    assert len(lines) == 21
    assert re.fullmatch(r"#1 +\+0\.000 s  GET / -> 503", lines[0])
    assert lines[-1] == "... and 10 more requests"


def test_a_request_without_answer_says_so():
    request = at(0)
    request.status = None

    assert described([request])[0].endswith("GET / -> no answer")
