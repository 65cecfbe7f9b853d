"""Gates: who waits, who is let through, and how many."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_simulator._core.gates import Gate
from api_simulator.errors import RouteError, WaitTimeoutError


class Arrivals:
    """Requests that come to a gate, and which of them were let through, in order."""

    def __init__(self, gate):
        self.gate = gate
        self.through = []
        self.keys = {}

    def come(self, *names):
        for name in names:
            key = self.gate.enter(lambda name=name: self.through.append(name))
            if key is None:
                self.through.append(name)
            else:
                self.keys[name] = key


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def arrivals(gate):
    return Arrivals(gate)


def test_requests_wait_until_the_gate_is_opened(gate, arrivals):
    arrivals.come("a", "b")
    assert (arrivals.through, gate.waiting) == ([], 2)

    gate.release()

    assert (arrivals.through, gate.waiting) == (["a", "b"], 0)


def test_an_opened_gate_stays_open(gate, arrivals):
    gate.release()

    arrivals.come("a", "b")

    assert arrivals.through == ["a", "b"]


def test_so_many_are_let_through_longest_first(gate, arrivals):
    arrivals.come("a", "b", "c")

    gate.release(2)

    assert (arrivals.through, gate.waiting) == (["a", "b"], 1)


def test_what_nobody_used_is_for_those_to_come(gate, arrivals):
    arrivals.come("a")
    gate.release(3)

    arrivals.come("b", "c", "d")

    assert (arrivals.through, gate.waiting) == (["a", "b", "c"], 1)


@given(steps=st.lists(st.one_of(st.just("come"), st.integers(1, 3)), max_size=20))
def test_a_gate_agrees_with_a_counter(steps):
    """As many are through as came or were allowed, whichever is less; always the longest first."""
    gate = Gate()
    arrivals = Arrivals(gate)
    came = allowed = 0
    for step in steps:
        if step == "come":
            arrivals.come(came)
            came += 1
        else:
            gate.release(step)
            allowed += step

        assert arrivals.through == list(range(min(came, allowed)))
        assert gate.waiting == max(0, came - allowed)


def test_a_client_that_has_gone_away_waits_no_longer(gate, arrivals):
    arrivals.come("a", "b")

    gate.leave(arrivals.keys["a"])
    gate.release(1)

    assert (arrivals.through, gate.waiting) == (["b"], 0)


def test_leaving_twice_or_after_the_release_changes_nothing(gate, arrivals):
    arrivals.come("a")
    gate.release(1)

    gate.leave(arrivals.keys["a"])
    gate.leave(arrivals.keys["a"])
    arrivals.come("b")

    assert (arrivals.through, gate.waiting) == (["a"], 1)


def test_a_gate_opens_by_itself_when_enough_wait_and_closes_behind_them():
    gate = Gate(2)
    arrivals = Arrivals(gate)

    arrivals.come("a")
    assert arrivals.through == []
    arrivals.come("b", "c")
    assert (arrivals.through, gate.waiting) == (["a", "b"], 1)
    arrivals.come("d")
    assert arrivals.through == ["a", "b", "c", "d"]


def test_who_has_left_does_not_count_as_waiting():
    gate = Gate(2)
    arrivals = Arrivals(gate)

    arrivals.come("a")
    gate.leave(arrivals.keys["a"])
    arrivals.come("b")

    assert (arrivals.through, gate.waiting) == ([], 1)


def test_waiting_for_requests_ends_when_they_are_there(gate, arrivals):
    comers = [threading.Thread(target=arrivals.come, args=(name,)) for name in "abc"]
    for comer in comers:
        comer.start()

    gate.wait_for(3, timeout_s=30)

    assert gate.waiting == 3
    for comer in comers:
        comer.join()


def test_waiting_for_requests_in_vain_names_the_gate_and_says_how_many_came(arrivals):
    gate = Gate(name="gate of GET /a")
    Arrivals(gate).come("a")

    with pytest.raises(WaitTimeoutError, match="gate of GET /a: waited 0 s for 2 requests at the gate, 1 came"):
        gate.wait_for(2, timeout_s=0)


@pytest.mark.parametrize("number", [0, -1, True, 1.0, "2"])
def test_numbers_that_make_no_sense_are_refused(gate, number):
    with pytest.raises(RouteError, match="hold_until: expected a whole number of requests, 1 or more"):
        Gate(number)
    with pytest.raises(RouteError, match="release: expected a whole number of requests, 1 or more"):
        gate.release(number)


def test_many_threads_are_each_let_through_once(gate):
    arrivals = Arrivals(gate)
    threads = [threading.Thread(target=arrivals.come, args=(place,)) for place in range(50)]
    threads += [threading.Thread(target=gate.release, args=(1,)) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(arrivals.through) == list(range(50))
    assert gate.waiting == 0
