"""How an engine is chosen, and what is said when that fails."""

import pytest

from api_simulator._engines.base import bind_listener, checked_engine_name, engine_statuses, open_engine
from api_simulator.errors import EngineUnavailableError, OptionError


def test_auto_takes_an_engine_that_is_installed():
    assert open_engine("auto").name in {status.name for status in engine_statuses() if status.available}


def test_unknown_engine_is_refused_with_the_names_there_are():
    with pytest.raises(OptionError, match=r"engine: expected one of auto, native, aiohttp, inprocess, got 'netty'"):
        checked_engine_name("netty")


def test_environment_chooses_when_nothing_else_does(monkeypatch):
    monkeypatch.setenv("API_SIMULATOR_ENGINE", "aiohttp")
    assert open_engine().name == "aiohttp"

    monkeypatch.setenv("API_SIMULATOR_ENGINE", "netty")
    with pytest.raises(OptionError, match="API_SIMULATOR_ENGINE: expected one of"):
        open_engine()


def test_empty_environment_variable_means_auto(monkeypatch):
    monkeypatch.setenv("API_SIMULATOR_ENGINE", "")

    assert open_engine().name == open_engine("auto").name


@pytest.mark.skipif(
    any(status.name == "native" and status.available for status in engine_statuses()), reason="native is installed"
)
def test_engine_that_is_not_installed_says_what_was_looked_at():
    with pytest.raises(
        EngineUnavailableError, match=r"'native' is not available: .*_engines\._native.*engine='aiohttp'"
    ):
        open_engine("native")


def test_listener_that_cannot_be_bound_leaves_no_socket():
    with bind_listener("127.0.0.1", 0) as taken, pytest.raises(OSError, match="in use"):
        bind_listener("127.0.0.1", taken.getsockname()[1])
