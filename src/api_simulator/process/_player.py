"""
Play a fake program's script: the program that the code under test starts.

It never runs in the test process. A stage compiles it once, with the modules it consists of
(``_player_script``, ``_player_call``, ``_player_stdin``, ``_player_leash``), and the executable runs their bytecode
in one namespace of a bare interpreter (``-S -I``), because its start-up time is paid at every invocation. Therefore:

* It imports only what the interpreter has loaded anyway, ``select`` when standard input is a pipe, and
  nothing of this package: the parts know each other by the namespace. Even ``from __future__`` would read a file.
* It takes nothing from the environment: the code under test may have cleared it.
* It is one process and one thread, and ends with ``_exit``: killing it closes its pipes at once.
* It never sets ``O_NONBLOCK`` on an inherited descriptor: the flag would be the parent's as well.

The formats are those of ``script.py`` (read) and ``_calls.py`` (written). Steps that few scripts have are in
``_player_steps.py``, loaded when the first of them comes.
"""

import posix
import sys
import time

TYPE_CHECKING = False  # type checkers know the name; typing is not worth its import
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from types import CodeType, FrameType, ModuleType

    from api_simulator.process._player_call import CallFile, count, wake_waiters
    from api_simulator.process._player_leash import hold_leash, tick
    from api_simulator.process._player_script import CHUNK, ScriptFile
    from api_simulator.process._player_stdin import StandardInput
else:
    import _signal as signal

#: The exit code when the script cannot be played (EX_SOFTWARE of sysexits.h).
BROKEN_EXIT = 70

STREAMS = {b"stdout": 1, b"stderr": 2}

#: What signals do, besides an exit code.
IGNORE, CONTINUE = -1, -2


class NextStep(Exception):
    """A signal came that ends the wait."""


class Player:
    """
    One invocation.

    Attributes:
        argv: The arguments as bytes, the first being the name as called.

        cwd: The working folder, empty if it does not exist any more.

        environ: The environment as it was passed, ``NAME=value`` joined by zero bytes.

        call: Where the invocation is recorded.

        stdin: What came in.

        values: What the holes of ``fill`` are filled with; the extension puts them here.

        leaves_at: Asked before a signal ends the program by an exit code; the extension may put a function here
            that does what is to be done before, and answers whether the program ends at all.

        broken_pipe_text: What goes to standard error before the exit with the code of ``on-broken-pipe``.
    """

    def __init__(self, stage: bytes, argv: list[bytes], extension: "tuple[CodeType, ...]") -> None:
        self.stage = stage
        self.argv = argv
        self.cwd = _working_folder()
        self.environ = _environment()
        self.values: dict[bytes, bytes] = {}
        self.leaves_at: Callable[[int], bool] | None = None
        self.broken_pipe_text = b""
        self.call = CallFile(stage)
        self.stdin = StandardInput(self.call)
        self._extension_code = extension
        self._play_extension: Callable[[bytes], None] | None = None
        self._broken_pipe_exit: int | None = None
        self._on_signals: dict[int, int] = {}
        self._lines = 0
        self._questions = 0
        self._has_begun = False
        self._finished = False
        self._is_waiting = False
        self._is_called_on = False
        self._more: dict[bytes, Callable[[Player, ScriptFile, list[bytes]], None]] | None = None
        self._settings = {
            b"on-signal": self._on_signal,
            b"on-broken-pipe": self._on_broken_pipe,
            b"leave-stdin": self._leave_stdin,
            b"extension": self._extension,
        }
        self._steps = {
            b"write": self._write,
            b"fill": self._fill,
            b"wait": self._wait,
            b"read-stdin": self._read_stdin,
            b"extend": self._extend,
            b"hang": self._hang,
            b"exit": self._exit,
        }

    def play(self) -> None:
        """Play the script to its end; does not return."""
        script = ScriptFile(self.stage + b"/script")
        if script.line() != b"api-simulator-script 1":
            raise ValueError("this player knows version 1 of the script format only")
        self.play_all(script)
        self.finish(0)

    def play_all(self, script: "ScriptFile") -> None:
        """Play settings and steps."""
        words = script.line().split()
        if words and words[0] == b"case":
            self.word(b"case", script)(self, script, words)
            words = script.line().split()
        while words and words[0] in self._settings:
            self._settings[words[0]](script, words)
            words = script.line().split()
        # Not before the signals are set: who waits for the call may send one the next moment.
        self.begin()
        self.play_steps(script, words)

    def play_file(self, path: bytes) -> None:
        """Play the steps of the script at *path* in place of the step that is on."""
        script = ScriptFile(path)
        script.line()
        self.play_steps(script, script.line().split())

    def play_steps(self, script: "ScriptFile", words: list[bytes]) -> None:
        """Play steps, beginning with that of *words*."""
        while words:
            try:
                if words[0] in self._steps:
                    self._steps[words[0]](script, words)
                else:
                    self.word(words[0], script)(self, script, words)
            except NextStep:
                pass
            words = script.line().split()

    def word(self, word: bytes, script: "ScriptFile") -> "Callable[[Player, ScriptFile, list[bytes]], None]":
        """Return what *word*, one of the rarer ones, does."""
        if self._more is None:
            import marshal

            with open(self.stage + b"/player-steps", "rb") as file:  # noqa: PTH123 (pathlib would be an import)
                code = marshal.load(file)
            namespace: dict[str, object] = {"__name__": "player_steps"}
            exec(code, namespace)
            more = namespace["STEPS"]
            assert isinstance(more, dict)
            self._more = more
        if word not in self._more:
            raise ValueError(
                f"line {script.line_number()} of the script: unknown step {word.decode(errors='replace')!r}"
            )
        return self._more[word]

    def begin(self) -> None:
        """Record the invocation, and tell whoever waits for it; the second time changes nothing."""
        if self._has_begun:
            return
        self.call.add(
            (b"argv", b"\0".join(self.argv)),
            (b"cwd", self.cwd),
            (b"environ", self.environ),
            (b"pid", b"%d" % posix.getpid()),
            (b"started", b""),
        )
        # After it: a signal in between says it twice, which does no harm, instead of never.
        self._has_begun = True
        wake_waiters(self.stage)
        self.stdin.capture()

    def finish(self, code: int) -> None:
        """Record the end and exit; does not return."""
        self.record_end(code)
        posix._exit(code)

    def record_end(self, code: int) -> None:
        """Record the end; a negative *code* is a signal."""
        # A signal from here on would end the call twice.
        self._finished = True
        self.begin()
        self.stdin.capture()
        self.call.add((b"exited", b"%d %d" % (code, self._lines)))
        wake_waiters(self.stage)

    def count(self, counter: bytes) -> int:
        """Count one more and return the number, from 1."""
        return count(self.stage + b"/counts/" + counter)

    def next_question(self) -> int:
        """Return the number of the next question to the test process, from 1."""
        self._questions += 1
        return self._questions

    def become_child(self) -> None:
        """Go on as a child that was just forked: on a leash, with signals as at the start, and not on record."""
        tick()
        for number in self._on_signals:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        self._on_signals.clear()
        self._broken_pipe_exit = None
        self.stdin.is_open = False
        self.call.close()

    def filled(self, template: bytes) -> bytes:
        """Return *template* with its holes filled."""
        parts = template.split(b"\0")
        parts[1::2] = [self.values[name] for name in parts[1::2]]
        return b"".join(parts)

    def make_folders(self, path: bytes, mode: int = 0o777) -> None:
        """Make the folder *path* and those above it, with *mode* as far as the process's mask allows."""
        try:
            posix.mkdir(path, mode)
        except FileExistsError:
            return
        except FileNotFoundError:
            above = path.rpartition(b"/")[0]
            if not above:
                raise
            self.make_folders(above, mode)
            posix.mkdir(path, mode)

    def module(self, folder: str, name: str) -> "ModuleType":
        """
        Import a module of this package that needs the standard library.

        Args:
            folder: Where the package is.

            name: The module's full name. The packages above it are entered without their own code, which is for tests.
        """
        import importlib
        import types

        at = name.find(".")
        while at >= 0:
            package = types.ModuleType(name[:at])
            package.__path__ = [folder + "/" + name[:at].replace(".", "/")]
            sys.modules.setdefault(name[:at], package)
            at = name.find(".", at + 1)
        return importlib.import_module(name)

    # Settings

    def _on_signal(self, _script: "ScriptFile", words: list[bytes]) -> None:
        number = int(words[1])
        self._on_signals[number] = (
            int(words[3]) if words[2] == b"exit" else CONTINUE if words[2] == b"continue" else IGNORE
        )
        signal.signal(number, self._signalled)

    def _signalled(self, number: int, _frame: "FrameType | None") -> None:
        if self._finished:
            return
        answer = self._on_signals[number]
        if answer >= 0:
            if self.leaves_at is not None and not self.leaves_at(number):
                self.call.add((b"caught", b"%d" % number))
                return
            self.call.add((b"signal", b"%d" % number))
            self.finish(answer)
        self.call.add((b"caught", b"%d" % number))
        if answer == CONTINUE:
            if self._is_waiting:
                self._is_waiting = False
                raise NextStep
            self._is_called_on = True

    def _leave_stdin(self, _script: "ScriptFile", _words: list[bytes]) -> None:
        self.stdin.is_open = False

    def _on_broken_pipe(self, _script: "ScriptFile", words: list[bytes]) -> None:
        self._broken_pipe_exit = int(words[2])
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def _extension(self, script: "ScriptFile", words: list[bytes]) -> None:
        if not self._extension_code:
            raise ValueError("the script needs an extension, and the stage was made without one")
        # One namespace for all its parts: what one file defines, those after it use by name.
        namespace: dict[str, object] = {"__name__": "extension"}
        for part in self._extension_code:
            exec(part, namespace)
        start = namespace["start"]
        assert callable(start)
        self._play_extension = start(self, script.payload(int(words[1])))

    # Steps

    def _write(self, script: "ScriptFile", words: list[bytes]) -> None:
        for piece in script.pieces(int(words[2])):
            self.put(STREAMS[words[1]], piece)
        self.after_step()

    def _fill(self, script: "ScriptFile", words: list[bytes]) -> None:
        self.put(STREAMS[words[1]], self.filled(script.payload(int(words[2]))))
        self.after_step()

    def _wait(self, _script: "ScriptFile", words: list[bytes]) -> None:
        deadline_ns = time.monotonic_ns() + int(words[1]) * 1_000_000
        while (left_ns := deadline_ns - time.monotonic_ns()) > 0:
            self.wait_for_input(left_ns / 1e9)

    def _read_stdin(self, _script: "ScriptFile", _words: list[bytes]) -> None:
        self.read_to_end()

    def read_to_end(self) -> None:
        """Record standard input up to its end, however long that takes."""
        while self.stdin.is_open:
            self.wait_for_input(None)

    def wait_for_input(self, wait_s: "float | None") -> None:
        """
        Record what comes within *wait_s*, None for no limit; only wait when standard input has ended.

        Raises:
            NextStep: If a signal came that ends the wait.
        """
        # Before the look at signals that came earlier, so that none falls in between. Only the waiting itself
        # may be left by an exception: not the reading, which would lose what it has read.
        self._is_waiting = True
        try:
            if self._is_called_on:
                self._is_called_on = False
                raise NextStep
            is_readable = False
            if self.stdin.is_open:
                is_readable = self.stdin.readable(wait_s)
            elif wait_s is None:
                signal.pause()
            else:
                time.sleep(wait_s)
        finally:
            self._is_waiting = False
        if is_readable:
            self.stdin.read()

    def _extend(self, script: "ScriptFile", words: list[bytes]) -> None:
        assert self._play_extension is not None
        self._play_extension(script.payload(int(words[1])))

    def _hang(self, _script: "ScriptFile", _words: list[bytes]) -> None:
        while True:
            self.wait_for_input(None)

    def _exit(self, _script: "ScriptFile", words: list[bytes]) -> None:
        self.finish(int(words[1]))

    def after_step(self) -> None:
        """Record what came meanwhile."""
        if self.stdin.is_open:
            self.stdin.capture()

    def put(self, fd: int, data: bytes) -> None:
        """Write all of *data*."""
        written = 0
        while written < len(data):
            try:
                written += posix.write(fd, data[written:] if written else data)
            except BlockingIOError:
                # The parent made its end's description non-blocking, and this process shares it.
                import select

                select.select([], [fd], [])
            except OSError:
                # EPIPE; EIO is what a pseudo-terminal says when its other side has gone.
                text, self.broken_pipe_text = self.broken_pipe_text, b""
                if fd == 1 and text:
                    self.put(2, text)
                self.finish(BROKEN_EXIT if self._broken_pipe_exit is None else self._broken_pipe_exit)
        if fd == 1:
            self._lines += data.count(b"\n")


def _working_folder() -> bytes:
    try:
        return posix.getcwdb()
    except OSError:
        return b""


def _environment() -> bytes:
    try:
        # The interpreter adds LC_CTYPE to its own environment in the C locale (PEP 538); this is as passed.
        fd = posix.open("/proc/self/environ", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return b"\0".join(b"%s=%s" % (name, value) for name, value in posix.environ.items())
    parts = []
    while part := posix.read(fd, CHUNK):
        parts.append(part)
    posix.close(fd)
    return b"".join(parts).rstrip(b"\0")


def _open_missing_streams() -> None:
    # A closed standard stream would give its number to the next file opened, and a message would end up there.
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if stream is None:
            posix.open("/dev/null", posix.O_RDWR)


def main(stage: bytes, argv: list[str], extension: "tuple[CodeType, ...]") -> None:
    """
    Run this process as one invocation; does not return.

    Args:
        stage: The folder with the script.

        argv: The arguments, the first being the name as called.

        extension: Code that defines ``start(player, settings) -> play``, for scripts that need one; empty if none does.
    """
    player = None
    try:
        # The interpreter ignores SIGPIPE; other programs do not.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        _open_missing_streams()
        encoding = sys.getfilesystemencoding()
        player = Player(stage, [text.encode(encoding, "surrogateescape") for text in argv], extension)
        hold_leash(stage)
        player.play()
    except Exception as error:  # noqa: BLE001 (whatever it is, the test must see it)
        text = repr(error).encode(errors="backslashreplace")
        try:
            # First on record: nobody may be left who reads what it writes.
            if player is not None:
                player.begin()
                player.call.add((b"broken", text))
                player.record_end(BROKEN_EXIT)
            posix.write(2, b"api-simulator: this fake program cannot go on: %s\n" % text)
        finally:
            posix._exit(BROKEN_EXIT)
