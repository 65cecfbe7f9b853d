"""The template of a third-party service works as a package of its own, installed beside this one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TEMPLATE = Path(__file__).parents[2] / "examples" / "service_template"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Install the template from a copy, offline, into a folder of its own; return a runner that has it on its path."""
    pytest.importorskip("hatchling", reason="hatchling is not installed, so the template cannot be built offline")
    folder = tmp_path_factory.mktemp("template")
    shutil.copytree(TEMPLATE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps", "--no-index"]
    subprocess.run(
        [*command, "--disable-pip-version-check", "--target", str(folder / "site"), str(folder / "source")],
        check=True,
        capture_output=True,
        timeout=50,
    )

    def run(*arguments):
        environment = {**os.environ, "PYTHONPATH": str(folder / "site")}
        command, folders = [sys.executable, *arguments], {"cwd": folder / "source", "env": environment}
        return subprocess.run(command, **folders, capture_output=True, text=True, timeout=50)

    return run


def test_its_own_suite_passes(installed):
    """Conformance, and the fixture that finds it by its entry point."""
    done = installed("-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "tests")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_the_command_serves_it_and_has_its_subcommand(installed):
    served = installed(
        "-m", "api_simulator.cli", "serve", "weather", "--set", "weather.free_calls=3", "--check", "--json"
    )
    codes = installed("-m", "api_simulator.cli", "weather-codes", "--only", "rain", "--json")
    listed = installed("-m", "api_simulator.cli", "--help")

    assert json.loads(served.stdout)["services"] == ["weather"]
    assert json.loads(codes.stdout) == {"ok": True, "codes": {"rain": 61}}
    assert "weather-codes" in listed.stdout


def test_importing_the_plugin_imports_no_service(installed):
    """What a plug-in offers costs nothing until it is used."""
    program = (
        "import sys; from api_simulator.services import service_names; print(service_names());"
        "sys.exit('weather_service.service' in sys.modules)"
    )

    done = installed("-c", program)

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['anthropic', 'claude_quota', 'weather']"
