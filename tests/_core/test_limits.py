"""Rate limits against models that count the slow way; and that waiting as told is always enough."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_simulator._core.limits import FixedWindow, Passage, RateLimiter, TokenBucket
from api_simulator.errors import RouteError

SECOND = 1_000_000_000

counts = st.integers(1, 20)
windows_ns = st.integers(1, 100 * SECOND)
#: Times between requests, in shares of the window: many inside it, some beyond.
gaps = st.lists(st.fractions(0, 3, max_denominator=50), max_size=40)


def stamps(gaps, window_ns):
    """Return increasing times, beginning at some moment other than zero."""
    now_ns = 12_345
    for gap in gaps:
        now_ns += int(gap * window_ns)
        yield now_ns


class WindowModel:
    """Remembers every request that passed, and counts those since the window's begin."""

    def __init__(self, count, window_ns):
        self.count, self.window_ns = count, window_ns
        self.begin, self.passed = None, []

    def take(self, now_ns):
        if self.begin is None or now_ns >= self.begin + self.window_ns:
            self.begin = now_ns
        in_window = [stamp for stamp in self.passed if stamp >= self.begin]
        if len(in_window) < self.count:
            self.passed.append(now_ns)
            return True
        return False


class BucketModel:
    """Fractions of tokens, nothing rounded."""

    def __init__(self, count, window_ns):
        self.count, self.per_ns = count, Fraction(count, window_ns)
        self.tokens, self.seen_ns = Fraction(count), None

    def take(self, now_ns):
        if self.seen_ns is not None:
            self.tokens = min(Fraction(self.count), self.tokens + (now_ns - self.seen_ns) * self.per_ns)
        self.seen_ns = now_ns
        if self.tokens >= 1:
            self.tokens -= 1
            return True
        return False


@pytest.mark.parametrize(("kind", "model"), [(FixedWindow, WindowModel), (TokenBucket, BucketModel)])
@given(count=counts, window_ns=windows_ns, gaps=gaps)
def test_a_limit_lets_through_whom_its_model_does(kind, model, count, window_ns, gaps):
    limit, expected = kind(count, window_ns), model(count, window_ns)

    for now_ns in stamps(gaps, window_ns):
        assert limit.take(now_ns).allowed == expected.take(now_ns)


@pytest.mark.parametrize("kind", [FixedWindow, TokenBucket])
@given(count=counts, window_ns=windows_ns, gaps=gaps)
def test_who_waits_as_told_passes_and_a_nanosecond_earlier_does_not(kind, count, window_ns, gaps):
    limit = kind(count, window_ns)
    now_ns = 0
    for now_ns in stamps(gaps, window_ns):
        limit.take(now_ns)
    while (refused := limit.take(now_ns)).allowed:
        pass

    early = limit.take(now_ns + refused.retry_ns - 1)
    on_time = limit.take(now_ns + refused.retry_ns)

    assert refused.retry_ns >= 1
    assert (early.allowed, on_time.allowed) == (refused.retry_ns == 0, True)


@pytest.mark.parametrize("kind", [FixedWindow, TokenBucket])
@given(count=counts, window_ns=windows_ns, gaps=gaps)
def test_what_is_said_to_remain_does(kind, count, window_ns, gaps):
    """So many more pass at the same moment, and not one more."""
    limit = kind(count, window_ns)
    now_ns = 0
    for now_ns in stamps(gaps, window_ns):
        limit.take(now_ns)
    passage = limit.take(now_ns)

    further = [limit.take(now_ns).allowed for _ in range(passage.remaining + 1)]

    assert further == [True] * passage.remaining + [False]


@pytest.mark.parametrize("kind", [FixedWindow, TokenBucket])
@given(count=counts, window_ns=windows_ns, gaps=gaps)
def test_when_it_is_said_to_be_whole_it_is(kind, count, window_ns, gaps):
    limit = kind(count, window_ns)
    now_ns = 0
    for now_ns in stamps(gaps, window_ns):
        limit.take(now_ns)
    passage = limit.take(now_ns)

    assert 0 < passage.reset_ns <= window_ns
    assert limit.take(now_ns + passage.reset_ns).remaining == count - 1


def test_a_bucket_lets_a_burst_through_and_then_one_at_a_time():
    bucket = TokenBucket(3, 3 * SECOND)

    burst = [bucket.take(0).allowed for _ in range(4)]
    later = [bucket.take(second * SECOND).allowed for second in (1, 1, 2, 2)]

    assert burst == [True, True, True, False]
    assert later == [True, False, True, False]


def test_a_window_lets_twice_as_many_through_around_its_end():
    """As real fixed windows do, and as clients that count by themselves do not expect."""
    window = FixedWindow(2, SECOND)

    allowed = [window.take(now_ns).allowed for now_ns in (0, SECOND - 1, SECOND - 1, SECOND, SECOND, SECOND)]

    assert allowed == [True, True, False, True, True, False]


@given(st.integers(0, 2 * 10**9), st.integers(1, 10**13), st.integers(1, 10**13))
def test_the_fields_never_ask_to_wait_too_little(epoch_s, reset_ns, retry_ns):
    fields = dict(Passage(False, 5, 0, reset_ns, retry_ns).headers(epoch_s))

    assert int(fields["Retry-After"]) * SECOND >= retry_ns
    assert int(fields["Retry-After"]) >= 1
    assert int(fields["X-RateLimit-Reset"]) >= epoch_s + math.floor(reset_ns / SECOND)


def test_the_fields_of_one_that_passed():
    assert Passage(True, 5, 4, SECOND // 2).headers(100.0) == [
        ("X-RateLimit-Limit", "5"),
        ("X-RateLimit-Remaining", "4"),
        ("X-RateLimit-Reset", "101"),
    ]


def test_keys_are_counted_apart():
    limiter = RateLimiter(1, 1)

    assert [limiter.take(key, 0).allowed for key in ("a", "b", "a", "b", "c")] == [True, True, False, False, True]


@pytest.mark.parametrize("algorithm", ["fixed_window", "token_bucket"])
def test_the_shortest_window_is_a_nanosecond(algorithm):
    limiter = RateLimiter(1, 1e-12, algorithm)

    assert [limiter.take("", now_ns).allowed for now_ns in (0, 0, 1)] == [True, False, True]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((0, 1), "expected a whole number of requests, 1 or more, got 0"),
        ((1.5, 1), "expected a whole number of requests, 1 or more, got 1.5"),
        ((True, 1), "expected a whole number of requests, 1 or more, got True"),
        ((1, 0), "per_s is a number of seconds above 0, got 0"),
        ((1, -1), "per_s is a number of seconds above 0, got -1"),
        ((1, math.inf), "per_s is a number of seconds above 0, got inf"),
        ((1, "1"), "per_s is a number of seconds above 0, got '1'"),
        ((1, 1, "leaky"), "expected algorithm fixed_window or token_bucket, got 'leaky'"),
    ],
    ids=repr,
)
def test_limits_that_make_no_sense_are_refused(arguments, complaint):
    with pytest.raises(RouteError) as raised:
        RateLimiter(*arguments)

    assert complaint in str(raised.value)
