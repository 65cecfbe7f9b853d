"""
Real fakes for tests: HTTP servers on real ports, programs on PATH, on one timeline.

The public names are loaded on first use, so that the pytest plugin costs nothing until a test asks
for a fixture. See ``api_simulator.http`` and ``api_simulator.claude``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from api_simulator._core.timeline import render_timeline
    from api_simulator.claude import FakeClaudeCLI, SessionResult
    from api_simulator.errors import ApiSimulatorError
    from api_simulator.http import CapturedRequest, MockHttpServer, MockResponseSpec, ResponseSpec

__version__ = "0.1.0"

_HOMES = {
    "ApiSimulatorError": "api_simulator.errors",
    "CapturedRequest": "api_simulator.http",
    "FakeClaudeCLI": "api_simulator.claude",
    "MockHttpServer": "api_simulator.http",
    "MockResponseSpec": "api_simulator.http",
    "ResponseSpec": "api_simulator.http",
    "SessionResult": "api_simulator.claude",
    "render_timeline": "api_simulator._core.timeline",
}

__all__ = [
    "ApiSimulatorError",
    "CapturedRequest",
    "FakeClaudeCLI",
    "MockHttpServer",
    "MockResponseSpec",
    "ResponseSpec",
    "SessionResult",
    "__version__",
    "render_timeline",
]


def __getattr__(name: str) -> Any:
    """Import the module that has *name* and return it from there."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'api_simulator' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    """List the public names too that are not loaded yet."""
    return sorted({*globals(), *__all__})
