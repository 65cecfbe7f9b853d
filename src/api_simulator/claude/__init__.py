"""
A stand-in for the ``claude`` program.

``FakeClaudeCLI`` is a real executable that prints scripted messages and records how it was called.
"""

from __future__ import annotations

from api_simulator.claude._fake_cli import FakeClaudeCLI, SessionResult
from api_simulator.claude._scenarios import make_scenario_builder, make_scenario_player, make_scenario_recorder
from api_simulator.claude._session_plan import Prompt
from api_simulator.claude._turns import Turn
from api_simulator.claude.records import Records

#: The older name.
ClaudeCLI = FakeClaudeCLI

__all__ = [
    "ClaudeCLI",
    "FakeClaudeCLI",
    "Prompt",
    "Records",
    "SessionResult",
    "Turn",
    "make_scenario_builder",
    "make_scenario_player",
    "make_scenario_recorder",
]
