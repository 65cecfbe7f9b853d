"""Stages that are closed when their test is over, and the players that play on them."""

import sys
from collections.abc import Callable, Iterable, Iterator

import pytest

from api_simulator.process import _stand_in
from api_simulator.process._stage import Stage
from api_simulator.process.script import DEFAULT_SETTINGS, Settings, Step, encode

MakeStage = Callable[..., Stage]

PLAYERS = ("python", "stand-in")


def need_stand_in(config: pytest.Config) -> None:
    """Skip where the stand-in is not built; one that is built has to work, and ``--require-engine native`` wants it."""
    found = _stand_in.status()
    is_required = sys.platform == "linux" and "native" in config.getoption("--require-engine", default=[])
    if found.path is None and (is_required or _stand_in.PLACE.exists()):
        pytest.fail(f"the native stand-in is required: {found.detail}", pytrace=False)
    if found.path is None:
        pytest.skip(f"the native stand-in is absent: {found.detail}")


@pytest.fixture(params=PLAYERS)
def player(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What plays in this test and in the processes it starts; modules ask for it with ``usefixtures``."""
    name: str = request.param
    if name == "stand-in":
        need_stand_in(request.config)
    monkeypatch.setenv(_stand_in.ENVIRONMENT_VARIABLE, "require" if name == "stand-in" else "off")
    return name


@pytest.fixture
def native_stage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, make_stage: MakeStage) -> Stage:
    """A stage whose executable is the stand-in."""
    need_stand_in(request.config)
    monkeypatch.setenv(_stand_in.ENVIRONMENT_VARIABLE, "require")
    return make_stage()


@pytest.fixture
def make_stage() -> Iterator[MakeStage]:
    """Make a stage that plays the given steps."""
    stages: list[Stage] = []

    def make(
        steps: Iterable[Step] = (), settings: Settings = DEFAULT_SETTINGS, *, interpreter: str | None = None
    ) -> Stage:
        stage = Stage("tool", interpreter=interpreter)
        stages.append(stage)
        stage.write_script(encode(steps, settings))
        return stage

    yield make
    for stage in stages:
        stage.close()
