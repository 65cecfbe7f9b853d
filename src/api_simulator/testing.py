"""
Checks that third parties run over what they make: services for the plug-in group, servers that must stay alive.
"""

from __future__ import annotations

from api_simulator._testing.liveness import LivenessProbe
from api_simulator._testing.services import ServiceReport, run_service_conformance

__all__ = ["LivenessProbe", "ServiceReport", "run_service_conformance"]
