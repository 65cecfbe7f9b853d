"""
The constant-answer server in Rust, in a process of its own: what a server with that threading can do at best.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

CRATES = Path(__file__).parent.parent / "crates"


def is_there() -> bool:
    """Return whether it can be built here."""
    return shutil.which("cargo") is not None


@contextlib.contextmanager
def started() -> Iterator[int]:
    """Build it, run it while the block lasts, and give its port."""
    build = ["cargo", "build", "--release", "--offline", "--locked", "--quiet", "--example", "constant"]
    subprocess.run(build, cwd=CRATES, check=True)
    program = CRATES / "target" / "release" / "examples" / "constant"
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.stdin.close()
