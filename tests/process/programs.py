"""What tests of fake programs start them with."""

import subprocess
from typing import Any


def start(*command: Any, **options: Any) -> "subprocess.CompletedProcess[bytes]":
    """Run a command to its end, without input unless some is given."""
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(command, capture_output=True, timeout=30, **options)


def opened(*command: Any, **options: Any) -> "subprocess.Popen[bytes]":
    """Start a command with pipes."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process: subprocess.Popen[bytes] = subprocess.Popen(command, **pipes | options)
    return process


def line_of(process: "subprocess.Popen[bytes]") -> bytes:
    """Return the next line of the process's output."""
    assert process.stdout is not None
    return process.stdout.readline()
