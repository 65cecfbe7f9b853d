"""
Run the tests of all engines on the installed package: ``python -m tests.installed [pytest's arguments]``.

For wheels: a package that lies in a source tree, or has no native engine of its own, is refused, so that what is
tested is what users get. Of the sources it needs this folder, ``pyproject.toml`` and the header of the C ABI.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import api_simulator
from api_simulator._engines._native import _library


def problem() -> str | None:
    """Return why the tests would say nothing of an installed wheel, None if they do."""
    package = Path(api_simulator.__file__).resolve().parent
    installed = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
    if package.parent not in installed:
        return f"api_simulator comes from {package}, which is not installed: run this where no source tree is found"
    if (found := _library.problem()) is not None:
        return f"the native engine is absent: {found}"
    if not _library.library_path().resolve().is_relative_to(package):
        return f"{_library.PATH_VARIABLE} names {_library.library_path()}, which is not of the wheel: unset it"
    return None


def main(arguments: list[str]) -> int:
    if (found := problem()) is not None:
        sys.exit(found)
    print(f"package: {api_simulator.__file__}\nlibrary: {_library.library_path()}", flush=True)
    # A process of its own: pytest wants to load the plugin before anybody else does.
    options = ["-n", "4", "--dist", "worksteal", "--require-engine", "native"]
    command = [sys.executable, "-m", "pytest", *options, "tests/conformance", "tests/_engines", *arguments]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
