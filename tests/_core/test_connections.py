"""Counts of connections, against a model that remembers everything."""

from hypothesis import given
from hypothesis import strategies as st

from api_simulator._core.connections import ConnectionLog, ConnectionStats


def test_a_new_log_is_empty():
    assert ConnectionLog().stats() == ConnectionStats(opened=0, open=0, requests=0, reused=0)


def test_the_first_request_of_a_connection_does_not_re_use_it():
    log = ConnectionLog()
    log.opened(1)

    for index in range(3):
        log.used(index)

    assert log.stats() == ConnectionStats(opened=1, open=1, requests=3, reused=2)


def test_closing_twice_counts_once():
    log = ConnectionLog()
    log.opened(1)
    log.opened(2)

    log.closed(1)
    log.closed(1)

    assert log.stats().open == 1


@given(st.lists(st.tuples(st.sampled_from(["use", "close", "open", "reset"]), st.integers(0, 5)), max_size=60))
def test_counts_agree_with_a_model(steps):
    """Connections are opened in order and used or closed while they are open, as engines do."""
    log = ConnectionLog()
    uses: dict[int, int] = {}
    opened = requests = reused = 0
    for number, (step, choice) in enumerate(steps):
        if step == "open":
            log.opened(number)
            uses[number] = 0
            opened += 1
        elif step == "reset":
            log.reset()
            opened = requests = reused = 0
        elif uses:
            chosen = list(uses)[choice % len(uses)]
            if step == "close":
                log.closed(chosen)
                del uses[chosen]
            else:
                log.used(uses[chosen])
                requests += 1
                reused += uses[chosen] > 0
                uses[chosen] += 1

    assert log.stats() == ConnectionStats(opened, len(uses), requests, reused)
