"""
Build the native part with cargo and put it into the wheel, or beside the sources for an editable install.

``API_SIMULATOR_NATIVE`` says how much it matters: ``auto`` (the default) builds a pure wheel where cargo is
missing or fails, ``require`` fails then, ``off`` does not try. What a pure build left out, and why, is written
into the package: ``api-simulator doctor`` shows it. ``python hatch_build.py`` builds in place (``make native``).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
VARIABLE = "API_SIMULATOR_NATIVE"
NOTE = "api_simulator/_engines/_native/build.txt"


def artefacts() -> dict[str, str]:
    """Return what cargo builds and a wheel takes: the file's name under ``target/release``, its place in the wheel."""
    if sys.platform == "win32":
        library = "api_simulator_native.dll"
    else:
        library = f"libapi_simulator_native.{'dylib' if sys.platform == 'darwin' else 'so'}"
    return {library: f"api_simulator/_engines/_native/{library}"}


def stand_in() -> dict[Path, str]:
    """Build the player of fake programs where there is one; its script says what it skips."""
    if not sys.platform.startswith("linux"):
        return {}
    built = ROOT / "crates" / "target" / "wheel" / "stand-in"
    done = subprocess.run(
        ["sh", "tools/build_stand_in.sh", str(built)], cwd=ROOT, capture_output=True, timeout=900, check=False
    )
    return {built: "api_simulator/_native_bin/stand-in"} if done.returncode == 0 and built.is_file() else {}


class BuildError(Exception):
    """Cargo is not there, or did not build."""


def build() -> dict[Path, str]:
    """Build everything; return the built files with their places in the wheel, or raise :class:`BuildError`."""
    cargo = shutil.which("cargo")
    if cargo is None:
        raise BuildError("cargo is not on PATH")
    # No network: the workspace has no dependencies.
    command = [cargo, "build", "--release", "--locked", "--offline", "--package", "api-simulator-capi"]
    try:
        done = subprocess.run(command, cwd=ROOT / "crates", capture_output=True, text=True, timeout=900, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"cargo does not run: {error}") from error
    if done.returncode:
        raise BuildError(f"cargo build failed: {' '.join(done.stderr.split())[-500:]}")
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "crates" / "target") / "release"
    built = {target / name: place for name, place in artefacts().items()}
    if missing := [str(path) for path in built if not path.is_file()]:
        raise BuildError(f"cargo built no {', '.join(missing)}")
    return {**built, **stand_in()}


def attempt() -> tuple[dict[Path, str], str]:
    """Return what was built as :data:`VARIABLE` wants, and why nothing was."""
    mode = os.environ.get(VARIABLE) or "auto"
    if mode not in ("auto", "require", "off"):
        raise SystemExit(f"{VARIABLE}: expected auto, require or off, got {mode!r}")
    if mode == "off":
        return {}, f"built with {VARIABLE}=off"
    try:
        return build(), ""
    except BuildError as error:
        if mode == "require":
            raise SystemExit(f"{VARIABLE}=require: {error}") from error
        return {}, f"built without the native part: {error}"


def put_in_place(built: dict[Path, str], reason: str) -> None:
    """Put what was built beside the sources, or the reason why nothing was."""
    for source, place in built.items():
        target = ROOT / "src" / place
        target.parent.mkdir(exist_ok=True)
        copy = target.with_name(f"{target.name}.new")
        shutil.copy2(source, copy)
        # Replaced, not written over: a process that has it loaded keeps the old one.
        copy.replace(target)
    note = ROOT / "src" / NOTE
    if built:
        note.unlink(missing_ok=True)
    else:
        for place in artefacts().values():
            (ROOT / "src" / place).unlink(missing_ok=True)
        note.write_text(f"{reason}\n", encoding="utf-8")


class NativeBuildHook(BuildHookInterface[Any]):
    """Adds the native part to wheels, which then are of a platform and of no Python version."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build before the wheel is put together."""
        built, reason = attempt()
        if reason:
            self.app.display_warning(f"api-simulator: pure Python ({reason})")
        if version == "editable":
            put_in_place(built, reason)
            return
        if built:
            build_data["pure_python"] = False
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["tag"] = f"py3-none-{platform}"
            build_data["force_include"].update({str(source): place for source, place in built.items()})
        else:
            self._note = tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8")  # noqa: SIM115  # lives as long as the build
            self._note.write(f"{reason}\n")
            self._note.flush()
            build_data["force_include"][self._note.name] = NOTE


if __name__ == "__main__":
    found, why_not = attempt()
    put_in_place(found, why_not)
    print(why_not or f"native: {', '.join(path.name for path in found)}")
