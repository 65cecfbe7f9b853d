"""
A stand-in for the ``codex`` program.

``FakeCodexCLI`` is a real executable whose script says what the agent does; ``codex exec`` shows it as events or as
text, and writes session files that it goes on with.
"""

from __future__ import annotations

from api_simulator.codex._fake_cli import FakeCodexCLI
from api_simulator.codex._script import CodexScript
from api_simulator.codex._steps import TokenUsage

__all__ = ["CodexScript", "FakeCodexCLI", "TokenUsage"]
