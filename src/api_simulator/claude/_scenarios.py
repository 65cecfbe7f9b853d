"""
The functions that make recorders, players and builders of scenarios.

Real functions, so that they can be replaced in a test like any other attribute; what they need is imported
when they are called.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api_simulator._core.secrets import RedactionRule
    from api_simulator.scenario import ScenarioBuilder, ScenarioPlayer, ScenarioRecorder


def make_scenario_recorder(
    output_dir: str | os.PathLike[str],
    recipe_name: str,
    *,
    redact: bool = True,
    secrets: Iterable[str | bytes] = (),
    redaction_rules: Iterable[RedactionRule] = (),
    append: bool = False,
) -> ScenarioRecorder:
    """
    Return a recorder that writes a scenario into *output_dir*.

    Arguments and errors are those of :class:`api_simulator.scenario.ScenarioRecorder`.
    """
    from api_simulator.scenario import ScenarioRecorder

    return ScenarioRecorder(
        output_dir, recipe_name, redact=redact, secrets=secrets, redaction_rules=redaction_rules, append=append
    )


def make_scenario_player(
    scenario_dir: str | os.PathLike[str],
    output_dir: str | os.PathLike[str],
    *,
    binary_path: str | os.PathLike[str],
    time_factor: float = 0.0,
    session_log_dir: str | os.PathLike[str] | None = None,
) -> ScenarioPlayer:
    """
    Return a player of the scenario in *scenario_dir*; its fake program is at *binary_path*.

    Arguments and errors are those of :class:`api_simulator.scenario.ScenarioPlayer`.
    """
    from api_simulator.scenario import ScenarioPlayer

    return ScenarioPlayer(
        scenario_dir, output_dir, binary_path, time_factor=time_factor, session_log_dir=session_log_dir
    )


def make_scenario_builder(recipe_name: str) -> ScenarioBuilder:
    """Return a builder of a scenario that nobody recorded: :class:`api_simulator.scenario.ScenarioBuilder`."""
    from api_simulator.scenario import ScenarioBuilder

    return ScenarioBuilder(recipe_name)
