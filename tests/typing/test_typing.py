"""The public API has the types its users see, by mypy's word."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import api_simulator

ROOT = Path(__file__).parents[2]


def environment():
    """Return an environment in which mypy finds the package that the suite runs with."""
    folder = Path(api_simulator.__file__).parents[1]
    # mypy refuses a MYPYPATH inside site-packages, where it looks by itself.
    return {**os.environ, "MYPYPATH": ""} if folder.name == "site-packages" else {**os.environ, "MYPYPATH": str(folder)}


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed: make check runs it")
@pytest.mark.timeout(180)
def test_typed_use_of_the_public_api_has_the_types_it_asserts(tmp_path):
    """Right uses have the types they assert, wrong ones get the errors they name: mypy has nothing to add."""
    options = ["--strict", "--warn-unused-ignores", "--follow-imports=silent", f"--cache-dir={tmp_path}"]

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=", *options, "usage.py"],
        cwd=Path(__file__).parent,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout.strip(), done.returncode) == ("Success: no issues found in 1 source file", 0)


def test_the_package_says_that_it_is_typed():
    """Without the marker of PEP 561 a type checker takes everything of it for Any."""
    assert (Path(api_simulator.__file__).parent / "py.typed").is_file()
