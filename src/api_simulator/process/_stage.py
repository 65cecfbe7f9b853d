"""
The folder in which a fake program lives: executable, script, and what its invocations left.

::

    bin/NAME      what the code under test starts: the native stand-in or the Python player
    python/NAME   the Python player, where bin/NAME is the stand-in and may hand over to it
    player        the player's bytecode, loaded by the Python player
    player-steps  that of its rarer steps, loaded by the player when one of them comes
    script        what to play; replaced as a whole, so that an invocation always finds a complete one
    calls/        a file for each invocation
    counter       grows by one byte with each invocation: its size is the last one's number
    counts/       the same for parts of a script
    questions     a FIFO by which invocations ask this process, while somebody answers
    answers/      what was answered
    waiters/      a FIFO for each thread that waits for invocations
    leash         a FIFO that this process holds open; when it closes, running fakes exit
    lifetime      in place of the leash where a program is installed: the seconds that an invocation may live
    no-leash      in its place, in a stage that is to outlive this process
    data/         for the kind of program: transcripts, configuration

Nothing is registered for the interpreter's end, no thread is started: who makes a stage closes it. The
leash makes sure that no process outlives this one, however it ends. Only an installed program (:func:`installing`) has
no process to be held by: each of its invocations ends after a time instead.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path

from api_simulator.errors import UnsupportedPlatformError
from api_simulator.process import _stand_in
from api_simulator.process._calls import CallsFolder, ProgramCall
from api_simulator.process._executable import (
    launcher,
    player_bytecode,
    playing_interpreter,
    steps_bytecode,
    write_executable,
)

#: The folder for the next stage, and the seconds that its invocations may live.
_installed: ContextVar[tuple[Path, float] | None] = ContextVar("installed", default=None)


@contextlib.contextmanager
def installing(folder: Path, lifetime_s: float) -> Iterator[None]:
    """Let a stage that is made meanwhile stand in *folder*, without a leash: it outlives this process."""
    token = _installed.set((folder, lifetime_s))
    try:
        yield
    finally:
        _installed.reset(token)


class Stage:
    """
    A fake program's place on disk.

    Args:
        program: The executable's name.

        extension: The full name of the module that extends the player, or of several that share one namespace, in
            the order in which they are run; None if the script needs none.

        interpreter: The Python that plays the script, this process's by default.

        parent: The folder that it is made in, the one for temporary files by default.

        leash: Whether invocations end when it is closed, or this process has gone. A stage without one is
            nothing but files: it plays on after this process, and costs no descriptor.

    Attributes:
        folder: The place, readable by its owner only.

        executable: What to start.

    Raises:
        UnsupportedPlatformError: On Windows, and where the native stand-in is required and absent.
    """

    def __init__(
        self,
        program: str,
        *,
        extension: str | Sequence[str] | None = None,
        interpreter: str | None = None,
        parent: Path | None = None,
        leash: bool = True,
    ) -> None:
        if os.name != "posix":
            raise UnsupportedPlatformError(
                f"the fake {program!r} needs FIFOs, signals and executable scripts, which this operating system "
                f"({os.name}) does not have; skip the test here, or run it on Linux, macOS or in WSL"
            )
        self._installed = _installed.get()
        if self._installed is None:
            self.folder = Path(tempfile.mkdtemp(prefix="api-simulator-", dir=parent))
        else:
            self.folder = self._installed[0]
            self.folder.mkdir(mode=0o700, parents=True)
        self.executable = self.folder / "bin" / program
        self.calls_folder = CallsFolder(self.folder / "calls")
        self._owner_pid = os.getpid()
        self._lock = threading.Lock()
        self._is_leashed = leash
        self._leash: int | None = None
        try:
            parts = (extension,) if isinstance(extension, str) else tuple(extension or ())
            self._furnish(parts, playing_interpreter() if interpreter is None else interpreter)
        except BaseException:
            self.close()
            raise

    def _furnish(self, extension: tuple[str, ...], interpreter: str) -> None:
        for name in ("bin", "calls", "counts", "answers", "waiters", "data"):
            (self.folder / name).mkdir()
        (self.folder / "player").write_bytes(player_bytecode(extension))
        (self.folder / "player-steps").write_bytes(steps_bytecode())
        # A script with an extension is never plain: the stand-in would only be in the way. Nor does it know how to live
        # without a leash, as an installed program does.
        is_unknown = extension or self._installed is not None or not self._is_leashed
        stand_in = None if is_unknown else _stand_in.chosen()
        program = self.executable
        if stand_in is not None:
            # Of the same name, which is what the process is called in a list of processes.
            program = self.folder / "python" / program.name
            program.parent.mkdir()
            write_executable(self.executable, _stand_in.executable(stand_in, str(self.folder), str(program)))
        for name, content in launcher(str(self.folder), interpreter, is_handed_over=stand_in is not None).items():
            write_executable(program if name == "launcher" else self.folder / name, content)
        if self._installed is not None:
            (self.folder / "lifetime").write_text(f"{self._installed[1]:g}")
            return
        if not self._is_leashed:
            (self.folder / "no-leash").touch()
            return
        os.mkfifo(self.folder / "leash", 0o600)
        # Read and write: opening it for writing only would fail, as nobody reads yet.
        self._leash = os.open(self.folder / "leash", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    @property
    def data(self) -> Path:
        """The folder for what the kind of program keeps."""
        return self.folder / "data"

    def write_script(self, script: bytes) -> None:
        """Put *script* in force: for every invocation that begins after this call."""
        with self._lock:
            fresh = self.folder / "script.new"
            fresh.write_bytes(script)
            fresh.replace(self.folder / "script")

    def calls(self) -> list[ProgramCall]:
        """Return the invocations so far, in the order of their beginnings."""
        with self._lock:
            return self.calls_folder.read()

    def close(self) -> None:
        """Remove everything, and let running invocations exit; closing twice changes nothing."""
        with self._lock:
            if self._leash is not None:
                os.close(self._leash)
                self._leash = None
            if os.getpid() != self._owner_pid:
                return  # a forked copy: the folder is its parent's
            self.calls_folder.keep()
            # An invocation that is just beginning may put a file where the removal has been already.
            for _ in range(10):
                shutil.rmtree(self.folder, ignore_errors=True)
                if not self.folder.exists():
                    return
