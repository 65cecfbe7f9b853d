"""The targets take what a fuzzer begins with, and any bytes; whether they find mistakes is seen by making one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_simulator._core.paths import PathPattern
from tests.fuzz.targets import SEEDS, SEPARATOR, TARGETS, matchers, servers


@pytest.fixture(autouse=True)
def _no_server_is_left():
    yield
    while servers:
        servers.pop().close()


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_takes_its_seeds(name):
    for seed in SEEDS[name]:
        TARGETS[name](seed)


@given(st.lists(st.binary(max_size=30), max_size=4))
def test_matchers_take_any_bytes(pieces):
    matchers(SEPARATOR.join(pieces))


def test_a_pattern_that_says_something_untrue_of_its_paths_is_found(monkeypatch):
    monkeypatch.setattr(PathPattern, "match", lambda pattern, path: {})

    with pytest.raises(AssertionError):
        matchers(SEPARATOR.join([b"/a/{b}", b"other", b""]))
