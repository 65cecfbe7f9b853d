"""
Say why a program cannot be started, and what is nearest to what was asked for.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from api_simulator.errors import ProgramStartError


def check_program(program: str, cwd: str | None, env: Mapping[str, str]) -> None:
    """
    Look for a program as starting it would.

    Args:
        program: A name, looked for in the PATH of *env*, or a path, relative to *cwd*.

        cwd: Its working folder, None for this process's.

        env: Its environment.

    Raises:
        ProgramStartError: If it cannot be started.
    """
    work = Path(cwd or ".")
    if not work.is_dir():
        raise ProgramStartError(
            f"{program!r} cannot be started in {str(work)!r}, which is no folder; make it, or give another cwd"
        )
    folders = [work / program] if os.sep in program else [work / entry / program for entry in os.get_exec_path(env)]
    there = [place for place in folders if place.is_file()]
    if any(os.access(place, os.X_OK) for place in there):
        return
    if there:
        raise ProgramStartError(
            f"{program!r} cannot be started: {there[0]} is not executable; "
            f"chmod +x it, or give the interpreter before it"
        )
    if os.sep in program:
        looked, cure = f"  looked for {folders[0].absolute()}\n", "give the path of a program that is there"
        near = nearest(folders[0].name, [folders[0].parent])
    else:
        looked = f"  looked in PATH: {os.pathsep.join(os.get_exec_path(env))}\n"
        cure = 'install it, give its whole path, or another PATH (from Python: env={"PATH": ...})'
        near = nearest(program, [place.parent for place in folders])
    text = f"{program!r} does not exist, nothing was started.\n{looked}"
    raise ProgramStartError(text + (f"  nearest: {near}\n" if near else "") + f"  {cure}")


def nearest(name: str, folders: Iterable[Path]) -> str | None:
    """Return the program in *folders* whose name is most like *name*, None if none is like it."""
    places: dict[str, Path] = {}
    for folder in folders:
        try:
            for place in folder.iterdir():
                places.setdefault(place.name, place)
        except OSError:
            continue  # PATH may name what is not there, or not ours to read
    for like in difflib.get_close_matches(name, places, n=5, cutoff=0.6):
        if places[like].is_file() and os.access(places[like], os.X_OK):
            return str(places[like])
    return None


def start_error(program: str, error: OSError) -> ProgramStartError:
    """Return the error for a program that is there, and that the operating system refuses to start."""
    return ProgramStartError(
        f"{program!r} cannot be started: {error.strerror}; a script begins with a line such as #!/bin/sh, whose "
        "program must exist, and a binary is one for this machine"
    )
