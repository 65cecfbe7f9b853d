"""
The measurements by name, in the order in which they are run.

Each module has one function ``measure(*, quick)``. A new measurement is a module here and a name in :data:`NAMES`.
"""

from __future__ import annotations

import importlib

from bench.result import Result

NAMES = (
    "plugin_tax",
    "start_stop",
    "latency_in_process",
    "throughput",
    "many_routes",
    "matching",
    "stream_pacing",
    "in_process",
    "virtual_time",
    "flat_memory",
    "unmatched",
    "native_latency",
    "native_throughput",
    "native_scale",
    "token_streams",
    "native_stop",
    "program_start",
    "recording",
    "recorder_crashes",
)
#: Those that take many minutes: run only when they are asked for by name.
LONG = ("service_soak",)


def run(name: str, *, quick: bool) -> Result:
    """Run the measurement *name*; *quick* takes seconds and says little about small differences."""
    result: Result = importlib.import_module(f"bench.measurements.{name}").measure(quick=quick)
    return result
