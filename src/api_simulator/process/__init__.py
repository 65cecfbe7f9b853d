"""
Fake command-line programs: real executables that play a script and record how they were called.

:class:`FakeProgram` stands in for any program; :mod:`api_simulator.claude` has a ready-made one on top of the same.
"""

from __future__ import annotations

from api_simulator.process._builder import Script
from api_simulator.process._calls import ProgramCall
from api_simulator.process._cut_points import CutPoint
from api_simulator.process._fake_program import FakeProgram, FakePrograms
from api_simulator.process._running import ProgramResult

__all__ = ["CutPoint", "FakeProgram", "FakePrograms", "ProgramCall", "ProgramResult", "Script"]
