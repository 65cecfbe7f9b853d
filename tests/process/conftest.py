"""Stages that are closed when their test is over."""

from collections.abc import Callable, Iterable, Iterator

import pytest

from api_simulator.process._stage import Stage
from api_simulator.process.script import DEFAULT_SETTINGS, Settings, Step, encode

MakeStage = Callable[..., Stage]


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
