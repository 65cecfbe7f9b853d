"""The arithmetic of virtual time."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_simulator._core.virtual import VirtualTime

START_NS = 5_000_000_000_000_001


@pytest.fixture
def moves():
    return []


@pytest.fixture
def virtual(moves):
    return VirtualTime(START_NS, 1_700_000_000_900_000_000, moves.append)


def test_it_starts_at_whole_seconds(virtual):
    """Two runs count in the same floats, and dates of HTTP, which have whole seconds, are exact."""
    assert virtual.now_ns() == 5_000_001_000_000_000
    assert virtual.epoch_s(virtual.now_ns()) == 1_700_000_000


def test_it_only_goes_forwards_and_tells_by_how_much(virtual, moves):
    start_ns = virtual.now_ns()

    for step_ns in (5, 3, 5, 9):
        virtual.move_to(start_ns + step_ns)

    assert (virtual.elapsed_ns, moves) == (9, [5, 4])
    assert virtual.epoch_s(start_ns + 1_500_000_000) == 1_700_000_001.5


@pytest.mark.parametrize(
    ("seconds", "elapsed_ns"),
    [
        (60.0, 60_000_000_000),
        (0.10000000009, 100_000_000),
        (0.09999999998, 100_000_000),
        (0.1234567894, 123_456_790),
        (0.0000005, 500),
    ],
)
def test_an_idle_loop_passes_what_was_asked_for(virtual, seconds, elapsed_ns):
    """The noise of floats is taken away; what is finer than that is rounded up, so that the timer is due."""
    virtual.pass_idle(seconds)

    assert virtual.elapsed_ns == elapsed_ns


@given(st.floats(0, 100_000), st.integers(0, 10**16))
def test_a_loop_gets_to_every_timer_in_a_few_steps(seconds, start_ns):
    """Whatever the timer and however long the machine has been up, and at the time that was asked for."""
    virtual = VirtualTime(start_ns, 0, lambda _: None)
    due_s = virtual.reading_s() + seconds

    steps = 0
    while (left_s := due_s - virtual.reading_s()) > 0:
        virtual.pass_idle(left_s)
        steps += 1

    assert steps <= 3
    assert abs(virtual.elapsed_ns - seconds * 1e9) <= 10


@pytest.mark.parametrize("start_ns", [0, START_NS, 10**17])
def test_the_last_bit_of_a_float_is_no_time_but_is_seen(moves, start_ns):
    """A loop whose timer is due by less than a float can say gets there, and nobody has waited."""
    virtual = VirtualTime(start_ns, 0, moves.append)
    due_s = math.nextafter(virtual.reading_s(), math.inf)

    while (left_s := due_s - virtual.reading_s()) > 0:
        virtual.pass_idle(left_s)

    assert (virtual.elapsed_ns, virtual.reading_s() >= due_s) == (0, True)
