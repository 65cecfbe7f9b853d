"""
``api-simulator scan PATH...``: fail on anything that looks like a secret; for recordings, and as a pre-commit hook.

Exit status 0 if nothing was found, 1 if something was, or could not be read. Names file, line and kind, never the
secret itself. Besides known shapes and names, the values of this environment's secret variables are looked for.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from api_simulator import plugins
from api_simulator._core.redaction import Redaction
from api_simulator.cli._outcome import Outcome, counted
from api_simulator.errors import OptionError

#: What version control keeps is not what is published from the folder.
_PASSED_OVER = {".git", ".hg", ".svn", "__pycache__"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("paths", metavar="PATH", nargs="+", help="files and folders")


def run(options: argparse.Namespace) -> Outcome:
    """Look through the files."""
    redaction = Redaction(rules=plugins.redaction_rules())
    redaction.declare_environment(os.environ)
    findings: list[dict[str, Any]] = []
    unreadable, count = [], 0
    for path in options.paths:
        if not Path(path).exists():
            raise OptionError(f"scan: {path} does not exist")
        for file in _files(Path(path)):
            count += 1
            try:
                findings += _findings(file, redaction)
            except OSError as error:
                unreadable.append(f"{file}: cannot be read: {error.strerror}")
    lines = [f"{each['file']}:{each['line']}: {each['kind']}" for each in findings]
    text = "\n".join([*lines, *unreadable, f"{counted(count, 'file')}, {counted(len(findings), 'finding')}"])
    value = {"files": count, "findings": findings, "unreadable": unreadable}
    return Outcome(not findings and not unreadable, text, value)


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir() and not path.is_symlink():
        for inner in sorted(path.iterdir()):
            if inner.name not in _PASSED_OVER:
                yield from _files(inner)


def _findings(file: Path, redaction: Redaction) -> list[dict[str, Any]]:
    content = file.read_bytes()
    found = {(content.count(b"\n", 0, at) + 1, kind) for at, kind in redaction.find(content)}
    return [{"file": str(file), "line": line, "kind": kind} for line, kind in sorted(found)]
