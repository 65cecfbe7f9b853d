"""
The native stand-in: an executable that plays plain scripts before an interpreter would have started.

It is built from ``crates/stand-in`` and lies in the package. A stage copies it and writes behind its end where
the stage is; what it does not play it hands over to the Python player (``_executable.py``), in the same process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from api_simulator.errors import OptionError, UnsupportedPlatformError

ENVIRONMENT_VARIABLE = "API_SIMULATOR_STAND_IN"
_CHOICES = ("auto", "off", "require")

#: Where a build puts it: ``make native`` in a source tree, the build of a wheel in an installed one.
PLACE = Path(__file__).parents[1] / "_native_bin" / "stand-in"

#: What it says when it is started without a stage. The number is that of the agreement between the two sides, so
#: that one which an older version left behind is not used.
_INTRODUCTION = (69, b"api-simulator-stand-in 1\n")

#: Ends the file of one that has a stage; ``place.rs`` reads it.
_MARK = b"\napi-simulator-stage 1\n"

#: It answers within a millisecond. A file that is another program may do anything.
_PROBE_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class StandInStatus:
    """
    Whether fake programs can be played natively here.

    Attributes:
        path: The executable, None if there is none that works.

        detail: What was looked at, and what it was.
    """

    path: Path | None
    detail: str


def status() -> StandInStatus:
    """Look for the stand-in and try it; a place is tried once in a process."""
    return _tried(PLACE)


@cache
def _tried(place: Path) -> StandInStatus:
    if sys.platform != "linux":
        return StandInStatus(None, f"made for Linux only, this is {sys.platform}")
    if not place.exists():
        return StandInStatus(
            None, f"{place} does not exist; install a wheel for this platform, or run `make native` in a source tree"
        )
    # Tried, not looked at: that covers a truncated file, another processor, another C library, an older version.
    try:
        done = subprocess.run(
            [place], stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return StandInStatus(None, f"{place} cannot be used on this machine ({os.uname().machine}): {error}")
    if (done.returncode, done.stdout) != _INTRODUCTION:
        said = f"exit {done.returncode}, output {done.stdout[:100]!r}"
        return StandInStatus(None, f"{place} is not the stand-in of this version ({said}); build or install it again")
    return StandInStatus(place, str(place))


def wish() -> str:
    """
    Return what ``API_SIMULATOR_STAND_IN`` asks for: ``auto``, ``off`` or ``require``.

    Raises:
        OptionError: If it is none of them.
    """
    given = os.environ.get(ENVIRONMENT_VARIABLE) or "auto"
    if given not in _CHOICES:
        raise OptionError(f"{ENVIRONMENT_VARIABLE}: expected one of {', '.join(_CHOICES)}, got {given!r}")
    return given


def chosen() -> Path | None:
    """
    Return the stand-in that new stages use, None if Python plays everything.

    Raises:
        OptionError: If ``API_SIMULATOR_STAND_IN`` has a value that does not exist.

        UnsupportedPlatformError: If it is ``require`` and there is none that works.
    """
    wanted = wish()
    if wanted == "off":
        return None
    found = status()
    if found.path is None and wanted == "require":
        raise UnsupportedPlatformError(
            f"{ENVIRONMENT_VARIABLE}=require, but the native stand-in is absent: {found.detail}"
        )
    return found.path


def executable(stand_in: Path, folder: str, launcher: str) -> bytes:
    """
    Return the stand-in as the executable of the stage in *folder*; *launcher* plays what it does not play.

    A copy, not a link: a link would be the installed file itself, with its permissions, its path in place of the
    stage's, and open to whoever writes to the fake program.
    """
    places = os.fsencode(folder) + b"\0" + os.fsencode(launcher)
    return b"".join([_content(stand_in), places, len(places).to_bytes(8, "big"), _MARK])


@cache
def _content(stand_in: Path) -> bytes:
    return stand_in.read_bytes()
