"""What the tests of virtual time share: a clock, a server in its time, and how long the machine really took."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from api_simulator._core import real_time
from api_simulator.http import MockHttpServer
from api_simulator.virtual_time import VirtualClock

#: A virtual hour must not cost more than a hundredth of itself: 36 s, which no machine is too busy for.
SHARE = 100


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    """A clock of its own, not the plugin's: what it refuses is for the test to judge."""
    with VirtualClock() as running:
        yield running


@pytest.fixture
def server(clock: VirtualClock) -> Iterator[MockHttpServer]:
    with MockHttpServer() as running:
        yield running


@contextmanager
def costs_little(clock: VirtualClock) -> Iterator[None]:
    """Check that the real time a block takes is less than a hundredth of the virtual."""
    virtual_s, real_s = clock.elapsed, real_time.monotonic_s()
    yield
    assert (real_time.monotonic_s() - real_s) * SHARE < clock.elapsed - virtual_s


def story_of(run: Callable[[VirtualClock, MockHttpServer], object]) -> list[object]:
    """Return everything that can be told about a run in virtual time, counted from its start."""
    with VirtualClock() as clock, MockHttpServer(seed=1) as server:
        with costs_little(clock):
            result = run(clock, server)
        start_ns = clock.now_ns() - round(clock.elapsed * 1e9)
        stamps = [
            (request.received_ns - start_ns, None if request.answered_ns is None else request.answered_ns - start_ns)
            for request in server.get_requests()
        ]
        return [result, clock.elapsed, stamps, clock.sleeps]
