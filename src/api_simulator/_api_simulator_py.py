"""
Names of the former extension module, for code that still imports them. New code does not.
"""

from __future__ import annotations

from api_simulator.claude import FakeClaudeCLI as PyFakeClaudeCLI
from api_simulator.claude import SessionResult as PySessionResult
from api_simulator.http import MockHttpServer as PyMockServer
from api_simulator.http import MockResponseSpec as PyResponseSpec

__all__ = ["PyFakeClaudeCLI", "PyMockServer", "PyResponseSpec", "PySessionResult"]
