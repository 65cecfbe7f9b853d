"""
Fake command-line programs: real executables that play a script and record how they were called.

This is the toolkit; :mod:`api_simulator.claude` has a ready-made program on top of it.
"""

from __future__ import annotations

from api_simulator.process._calls import ProgramCall
from api_simulator.process._running import ProgramResult

__all__ = ["ProgramCall", "ProgramResult"]
