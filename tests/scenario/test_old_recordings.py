"""Recordings of every version of the format are played: one folder of each, never changed once it is released."""

from pathlib import Path

import pytest

from api_simulator.scenario import ScenarioPlayer, read_scenario
from api_simulator.scenario.models import FORMAT

SCENARIOS = Path(__file__).parents[1] / "data" / "scenarios"
VERSIONS = sorted(SCENARIOS.glob("v*"))


def test_there_is_a_recording_of_every_version():
    assert [folder.name for folder in VERSIONS] == [f"v{number}" for number in range(1, FORMAT + 1)]


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
def test_it_is_read(folder):
    scenario = read_scenario(folder)

    assert [(step.kind, step.step_name) for step in scenario.step_sequence] == [
        *(("program", "plan"), ("summary", "tests"), ("mcp_call", "search"), ("program", "plan"))
    ]
    assert scenario.recipe == "every kind of step"


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)
def test_it_is_played(folder, tmp_path):
    with ScenarioPlayer(folder, tmp_path / "out", tmp_path / "sh") as player:
        first, second = (player.take_step("plan")[0].run(cwd=tmp_path) for _ in range(2))
        call = player.mcp_calls.take("search", {"query": "x", "token": "any"})

    assert (first.stdout_bytes, first.stderr_bytes, first.returncode) == (b"hello\n\xff\0\n", b"careful\n", 3)
    assert (second.stdout, second.returncode) == (
        "key [redacted:parameter:1]\n".replace("parameter", "anthropic-key"),
        0,
    )
    assert (tmp_path / "plan.md").read_text() == "# Plan\n"
    assert call.result == {"hits": [1, 2]}
