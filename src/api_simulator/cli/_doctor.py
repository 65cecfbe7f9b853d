"""
``api-simulator doctor``: what works in this environment, what does not, and why.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Mapping
from importlib import metadata

from api_simulator import __version__, plugins
from api_simulator._engines.base import engine_statuses, open_engine
from api_simulator.cli._outcome import Outcome
from api_simulator.errors import ApiSimulatorError
from api_simulator.process import _stand_in

#: Distributions that make a feature available, with the extra that installs them.
_OPTIONAL = {"httpx2": "httpx2", "httpx": "httpx", "respx": "httpx", "fastmcp": "mcp", "PyYAML": "yaml"}


def run(_options: argparse.Namespace) -> Outcome:
    """Look at engines, optional packages, the pytest entry point, the stand-in and the temporary folder."""
    problems: list[str] = []
    engines = {
        status.name: f"{'available' if status.available else 'absent'}: {status.detail}" for status in engine_statuses()
    }
    try:
        chosen = open_engine().name
    except ApiSimulatorError as error:
        chosen = "none"
        problems.append(str(error))
    packages = {name: _version(name) or f"not installed (extra {extra!r})" for name, extra in _OPTIONAL.items()}
    if not _plugin_registered():
        problems.append(
            "pytest does not load the plugin: no distribution registers the entry point pytest11 'api_simulator'; "
            "install the package (its source folder on the path is not enough)"
        )
    services = _services(problems)
    programs = "yes" if os.name == "posix" else f"no: fake programs need a POSIX system, this is {sys.platform}"
    try:
        stand_in = _stand_in_text()
    except ApiSimulatorError as error:
        stand_in = "none"
        problems.append(str(error))
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        problems.append(f"there is no temporary folder that can be written to, where fake programs live: {error}")
    value = {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "engine": chosen,
        "engines": engines,
        "packages": packages,
        "fake_programs": programs,
        "services": services,
        "stand_in": stand_in,
        "problems": problems,
    }
    return Outcome(not problems, _text(value), value)


def _services(problems: list[str]) -> str:
    """Return the names of the fake services, and add what is wrong with plug-ins to *problems*."""
    from api_simulator.services import service_class, service_names

    names = []
    try:
        names = service_names()
        for name in names:
            service_class(name)
    except ApiSimulatorError as error:
        problems.append(str(error))
    problems += plugins.failures()
    return ", ".join(names) or "none"


def _stand_in_text() -> str:
    """Say which player plays plain scripts, and why; raises if the native one is required and absent."""
    if _stand_in.wish() == "off":
        return f"not used: {_stand_in.ENVIRONMENT_VARIABLE}=off, Python plays all scripts"
    if _stand_in.chosen() is None:
        return f"absent, Python plays all scripts: {_stand_in.status().detail}"
    return f"plays plain scripts: {_stand_in.status().detail}"


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _plugin_registered() -> bool:
    return any(point.value == "api_simulator.pytest_plugin" for point in metadata.entry_points(group="pytest11"))


def _text(value: Mapping[str, object]) -> str:
    lines = []
    for name, shown in value.items():
        if isinstance(shown, dict):
            width = max(map(len, shown), default=0)
            lines += [f"{name}:", *(f"  {key:<{width}} {detail}" for key, detail in shown.items())]
        elif isinstance(shown, list):
            lines += [f"{name}: {'none' if not shown else ''}".rstrip(), *(f"  {problem}" for problem in shown)]
        else:
            lines.append(f"{name}: {shown}")
    return "\n".join(lines)
