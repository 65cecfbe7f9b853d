"""When something goes wrong: calls, stretches of time, probabilities, and all of them together."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_simulator._core.specs import ResponseSpec
from api_simulator._core.troubles import make_trouble
from api_simulator.errors import RouteError

SECOND = 1_000_000_000
ANSWER = ResponseSpec(503)


def trouble(*, on=None, between_s=None, probability=1.0, now_ns=0):
    return make_trouble(ANSWER, on=on, between_s=between_s, probability=probability, now_ns=now_ns)


def test_without_a_condition_it_always_happens():
    assert all(trouble().strikes(call, call * SECOND, Random(0)) for call in range(1, 10))


@pytest.mark.parametrize(
    ("on", "calls"), [(1, {1}), ([2, 4], {2, 4}), (range(1, 4), {1, 2, 3}), ((n for n in (5,)), {5}), ([], set())]
)
def test_it_happens_at_the_calls_named(on, calls):
    made = trouble(on=on)

    assert {call for call in range(1, 7) if made.strikes(call, 0, Random(0))} == calls


@given(st.integers(0, 10**18), st.floats(0, 1000), st.floats(0.001, 1000), st.integers(0, 3000 * SECOND))
def test_it_happens_from_the_first_moment_to_before_the_last(start_ns, from_s, length_s, after_ns):
    made = trouble(between_s=(from_s, from_s + length_s), now_ns=start_ns)

    inside = round(from_s * 1e9) <= after_ns < round((from_s + length_s) * 1e9)

    assert made.strikes(1, start_ns + after_ns, Random(0)) == inside


@pytest.mark.parametrize(("probability", "expected"), [(0, 0), (0.25, 2500), (1, 10_000)])
def test_it_happens_as_often_as_its_probability_says(probability, expected):
    random = Random(3)

    struck = sum(trouble(probability=probability).strikes(1, 0, random) for _ in range(10_000))

    assert struck == pytest.approx(expected, abs=200)


def test_all_conditions_must_hold():
    made = trouble(on=2, between_s=(1, 2))

    assert [made.strikes(call, second * SECOND, Random(0)) for call in (1, 2) for second in (0, 1, 2)] == [
        *(False, False, False),
        *(False, True, False),
    ]


def test_a_certain_one_draws_nothing():
    """So that adding it changes no other draw of the call."""
    random = Random(5)

    trouble(on=1).strikes(1, 0, random)

    assert random.getstate() == Random(5).getstate()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"on": 0}, "on= takes numbers of calls, from 1; got 0"),
        ({"on": [1, -2]}, "on= takes numbers of calls, from 1; got -2"),
        ({"on": True}, "on= takes numbers of calls, from 1; got True"),
        ({"on": "2"}, "on= takes numbers of calls, from 1; got '2'"),
        ({"on": 1.5}, "on= takes numbers of calls, from 1; got 1.5"),
        ({"between_s": 3}, "between_s is (from, to) in seconds, got 3"),
        ({"between_s": (1, 2, 3)}, "between_s is (from, to) in seconds, got (1, 2, 3)"),
        ({"between_s": (1, math.inf)}, "between_s is (from, to) in seconds, got (1, inf)"),
        ({"between_s": (2, 1)}, "with 0 <= from < to, got (2, 1)"),
        ({"between_s": (-1, 1)}, "with 0 <= from < to, got (-1, 1)"),
        ({"probability": 1.1}, "probability is a number from 0 to 1, got 1.1"),
        ({"probability": math.nan}, "probability is a number from 0 to 1, got nan"),
        ({"probability": True}, "probability is a number from 0 to 1, got True"),
        ({"probability": "0.5"}, "probability is a number from 0 to 1, got '0.5'"),
    ],
    ids=repr,
)
def test_conditions_that_make_no_sense_are_refused(options, complaint):
    with pytest.raises(RouteError) as raised:
        trouble(**options)

    assert complaint in str(raised.value)
