"""
Record real runs of programs and calls of MCP tools once, and replay them for ever.

A scenario is a folder: ``scenario.json`` and a cassette for each run. :mod:`api_simulator.claude` has functions that
make recorders, players and builders. Importing this starts nothing and registers nothing.
"""

from __future__ import annotations

from api_simulator._core.secrets import RedactionRule
from api_simulator.scenario._builder import ScenarioBuilder
from api_simulator.scenario._capture import RunningStep
from api_simulator.scenario._mcp_calls import McpCalls
from api_simulator.scenario._program_step import StepResult
from api_simulator.scenario._recorder import ScenarioRecorder
from api_simulator.scenario._replay import RecordedProgram, ScenarioPlayer, StepMeta
from api_simulator.scenario._scenario import Cassette, Scenario, Step, read_scenario

__all__ = [
    "Cassette",
    "McpCalls",
    "RecordedProgram",
    "RedactionRule",
    "RunningStep",
    "Scenario",
    "ScenarioBuilder",
    "ScenarioPlayer",
    "ScenarioRecorder",
    "Step",
    "StepMeta",
    "StepResult",
    "read_scenario",
]
