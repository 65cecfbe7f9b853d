"""
The file that the code under test starts: a few lines that load the player's bytecode.

Compiling the player at every invocation would cost more than starting the interpreter, so a stage
holds it ready, marshalled by the same interpreter that will load it. Where there is a native stand-in
(``_stand_in.py``), that is what is started, and these lines are what it hands over to.
"""

from __future__ import annotations

import marshal
import os
import sys
from functools import cache
from importlib.abc import InspectLoader
from importlib.machinery import PathFinder
from pathlib import Path
from types import CodeType

from api_simulator._core import real_time
from api_simulator.errors import UnsupportedPlatformError

# Linux before 5.1 cuts the first line at 127 bytes, and a cut name starts another program or none.
_MAX_SHEBANG = 127

# Not simply the file as the interpreter's argument: it would look first whether that is a zip archive, and a SIGINT
# that comes just then is printed and forgotten. No spaces: macOS splits the line at each, Linux at the first only.
_READ_FIRST_ARGUMENT = "exec(open(__import__('sys').argv[1]).read())"

# In the order in which they are run, in one namespace.
_PLAYER = (
    "api_simulator.process._player_script",
    "api_simulator.process._player_call",
    "api_simulator.process._player_stdin",
    "api_simulator.process._player_leash",
    "api_simulator.process._player",
)

# From fork to exec is a fraction of a millisecond; whoever holds the file longer than this does it on purpose.
_MAX_WAIT_S = 2.0


def launcher(folder: str, interpreter: str, *, is_handed_over: bool = False) -> dict[str, bytes]:
    """
    Return the files that start the player of the stage in *folder*: name to content.

    ``launcher`` is the executable; ``launcher.py`` is there only where the first line of a script
    cannot name the interpreter. If the process *is_handed_over*, the name by which it was called comes as an
    argument before the others.
    """
    if not interpreter:
        raise UnsupportedPlatformError("this interpreter does not know its own path (sys.executable is empty)")
    shebang = f"#!{interpreter} -SIc{_READ_FIRST_ARGUMENT}\n"
    own = int(is_handed_over)
    if _fits_first_line(interpreter):
        return {"launcher": os.fsencode(shebang + _start(folder, f"sys.argv[{1 + own}:]"))}
    # `exec` keeps it one process.
    program = f"{_quoted(interpreter)} -SIc {_quoted(_READ_FIRST_ARGUMENT)} {_quoted(folder + '/launcher.py')}"
    shell = f'#!/bin/sh\nexec {program} "$0" "$@"\n'
    return {"launcher": os.fsencode(shell), "launcher.py": os.fsencode(_start(folder, f"sys.argv[{2 + own}:]"))}


def _fits_first_line(interpreter: str) -> bool:
    shebang = f"#!{interpreter} -SIc{_READ_FIRST_ARGUMENT}\n"
    return len(os.fsencode(shebang)) <= _MAX_SHEBANG and not any(character.isspace() for character in interpreter)


def playing_interpreter() -> str:
    """
    Return the path of the interpreter that plays.

    That of the environment, or the one it was made from where only that one can stand in a script's first
    line: the player needs the standard library alone, and a shell in between would add to its environment.
    """
    base: str = getattr(sys, "_base_executable", "")
    return base if base and not _fits_first_line(sys.executable) and _fits_first_line(base) else sys.executable


def _start(folder: str, argv: str) -> str:
    # ASCII only, whatever the folder is called: no encoding to declare.
    return (
        "import _signal, marshal, sys\n"
        # First of all: the interpreter answers SIGINT with a traceback, which no other program does.
        "_signal.signal(_signal.SIGINT, _signal.SIG_DFL)\n"
        f"with open({folder + '/player'!a}, 'rb') as file:\n"
        "    player, extension = marshal.load(file)\n"
        "space = {'__name__': 'player'}\n"
        "for part in player:\n"
        "    exec(part, space)\n"
        f"space['main']({os.fsencode(folder)!a}, {argv}, extension)\n"
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def write_executable(place: Path, content: bytes) -> None:
    """
    Write a program that can be started at once.

    Linux refuses to start a file that is open for writing (ETXTBSY). Another thread's fork may have inherited
    the descriptor that wrote it, and holds it until its exec.
    """
    place.write_bytes(content)
    place.chmod(0o700)
    deadline = real_time.monotonic_s() + _MAX_WAIT_S
    while _is_open_for_writing(place) and real_time.monotonic_s() < deadline:
        real_time.sleep(0.0002)


def _is_open_for_writing(place: Path) -> bool:
    if sys.platform != "linux":
        return False
    import fcntl

    fd = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # The kernel grants a read lease only while nobody has the file open for writing. There is no event for it.
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False  # a file system without leases: nothing can be known
    finally:
        os.close(fd)
    return False


@cache
def player_bytecode(extension: tuple[str, ...]) -> bytes:
    """Return the player, and the extension made of the modules of these names, as the launcher loads them."""
    return marshal.dumps((tuple(map(_code, _PLAYER)), tuple(map(_code, extension))))


@cache
def steps_bytecode() -> bytes:
    """Return the rarer steps, as the player loads them."""
    return marshal.dumps(_code("api_simulator.process._player_steps"))


def _code(module: str) -> CodeType:
    # Not importlib.util.find_spec: under pytest it finds the hook that rewrites assertions, which has no get_code.
    parent = sys.modules[module.rpartition(".")[0]]
    spec = PathFinder.find_spec(module, parent.__path__)
    assert spec is not None
    assert isinstance(spec.loader, InspectLoader)
    code = spec.loader.get_code(module)
    assert code is not None
    return code
