"""
The virtual clock of a test: it runs in the test's phases, and stands while pytest and its plugins work.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from api_simulator._plugin.session import state_of
from api_simulator.errors import VirtualTimeError

if TYPE_CHECKING:
    from api_simulator.virtual_time import VirtualClock

FIXTURE = "virtual_clock"


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Give the test the fixture if its marker asks for it; let pytest's report have the machine's time."""
    __tracebackhide__ = True
    names = getattr(item, "fixturenames", None)
    if state_of(item).marked.get("virtual_time") and names is not None and FIXTURE not in names:
        # Behind the others: what is wider than a test is set up in real time.
        names.append(FIXTURE)
    with _clock_running(item):
        return (yield)


# Innermost, as the two others: capturing, logging and time limits are none of the test's time.
@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Let the test run in its clock's time; fail it if the clock could not go on, whatever became of that error."""
    __tracebackhide__ = True
    with _clock_running(item):
        try:
            return (yield)
        finally:
            clock = state_of(item).clock
            error = sys.exception()
            if clock is not None and clock.failure is not None and not isinstance(error, VirtualTimeError):
                # Retries catch what they can, and trio calls everything its own bug.
                raise VirtualTimeError(clock.failure)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Let fixtures end in the clock's time, up to its own end."""
    __tracebackhide__ = True
    with _clock_running(item):
        return (yield)


@contextmanager
def _clock_running(item: pytest.Item) -> Iterator[None]:
    clock = state_of(item).clock
    if clock is not None:
        clock.resume()
    try:
        yield
    finally:
        # One that the phase has made stands from here on too; and what a monkeypatch has put back is given back.
        clock = state_of(item).clock
        if clock is not None:
            clock.suspend()


def start_clock(item: pytest.Item) -> VirtualClock:
    """Start the clock of a test."""
    from api_simulator.virtual_time import VirtualClock

    clock = state_of(item).clock = VirtualClock().start()
    return clock
