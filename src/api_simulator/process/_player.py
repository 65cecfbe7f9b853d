"""
Play a fake program's script: this file is the whole program that the code under test starts.

It never runs in the test process. A stage compiles it once, and the executable loads the bytecode in
a bare interpreter (``-S -I``), because its start-up time is paid at every invocation. Therefore:

* It imports only what the interpreter has loaded anyway, ``select`` when standard input is a pipe, and
  nothing of this package. Even ``from __future__`` would read a file.
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
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType, ModuleType
else:
    import _signal as signal

CHUNK = 65536

#: How often the leash is looked at. A process that nobody needs any more lives this long at most.
LEASH_INTERVAL_S = 0.25

#: What one look at standard input takes at most, so that an endless writer cannot hold up the script.
MAX_CAPTURE = 16 * CHUNK

#: The exit code when the test process has gone: nobody is left who would read it.
LEASH_EXIT = 1

#: The exit code when the script cannot be played (EX_SOFTWARE of sysexits.h).
BROKEN_EXIT = 70

STREAMS = {b"stdout": 1, b"stderr": 2}


#: How much of standard input is kept for steps that wait for a line; what is older is only on record.
MAX_UNREAD = 64 * CHUNK

#: What signals do, besides an exit code.
IGNORE, CONTINUE = -1, -2


class NextStep(Exception):
    """A signal came that ends the wait."""


class ScriptFile:
    """
    A script, read as it is played: a large payload is never in memory as a whole.

    Args:
        path: The file, None for a script that is all in *buffer*.

        buffer: What has been read already.
    """

    def __init__(self, path: "bytes | None", buffer: bytes = b"") -> None:
        self._fd = -1 if path is None else posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        self._buffer = buffer
        self._start = 0  # the place of the buffer's first byte
        self._at = 0
        self._end: int | None = None
        self._line_at = 0

    def line(self) -> bytes:
        """Return the next line without its end, nothing at the end of the script."""
        self._line_at = self._start + self._at
        if self._line_at == self._end:
            return b""
        while True:
            end = self._buffer.find(b"\n", self._at)
            if end >= 0:
                line = self._buffer[self._at : end]
                self._at = end + 1
                return line
            if not self._fetch():
                return b""

    def line_number(self) -> int:
        """Return the number of the line that was read last, from 1."""
        if self._fd < 0:
            return self._buffer.count(b"\n", 0, self._line_at) + 1
        number, at = 1, 0
        while at < self._line_at:
            piece = posix.pread(self._fd, min(CHUNK, self._line_at - at), at)
            number += piece.count(b"\n")
            at += len(piece)
        return number

    def end_after(self, count: int) -> None:
        """Take the next *count* bytes for the rest of the script."""
        self._end = self._start + self._at + count

    def skip(self, count: int) -> None:
        """Pass over a payload of *count* bytes."""
        self._start += self._at + count
        posix.lseek(self._fd, self._start, 0)
        self._buffer, self._at = b"", 0
        self.line()

    def pieces(self, count: int) -> "Iterator[bytes]":
        """Yield a payload of *count* bytes: in one piece if it is short, so that a line is one write."""
        while count:
            while len(self._buffer) - self._at < min(count, CHUNK):
                if not self._fetch():
                    raise EOFError("the script ends in the middle of a payload")
            piece = self._buffer[self._at : self._at + min(count, CHUNK)]
            self._at += len(piece)
            count -= len(piece)
            yield piece
        self.line()

    def payload(self, count: int) -> bytes:
        """Return a payload of *count* bytes."""
        return b"".join(self.pieces(count))

    def _fetch(self) -> bool:
        if self._fd < 0:
            return False
        fetched = posix.read(self._fd, CHUNK)
        self._buffer = self._buffer[self._at :] + fetched
        self._start += self._at
        self._at = 0
        return bool(fetched)


class CallFile:
    """
    The record of this invocation, appended while it happens.

    Each frame is one write, so that neither a signal nor a reader can come in its middle.
    """

    def __init__(self, stage: bytes) -> None:
        self.number = count(stage + b"/counter")
        flags = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC
        self._fd = posix.open(b"%s/calls/%d" % (stage, self.number), flags, 0o600)

    def add(self, *frames: tuple[bytes, bytes]) -> None:
        """Append *frames*, pairs of kind and payload, all with the present time."""
        if self._fd < 0:
            return
        now_ns = time.monotonic_ns()
        posix.write(self._fd, b"".join(frame(kind, now_ns, payload) for kind, payload in frames))

    def close(self) -> None:
        """Record nothing from now on."""
        posix.close(self._fd)
        self._fd = -1


def count(path: bytes) -> int:
    """Count one more in the file at *path* and return the number, from 1."""
    # Each appending write moves its own offset to the file's new end, so the offset is a number
    # that no other process gets, however many start at once.
    counter = posix.open(path, posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT, 0o600)
    posix.write(counter, b"\n")
    number = posix.lseek(counter, 0, 1)
    posix.close(counter)
    return number


def frame(kind: bytes, at_ns: int, payload: bytes) -> bytes:
    """Return one frame of a call file."""
    return b"%s %d %d\n%s\n" % (kind, at_ns, len(payload), payload)


class StandardInput:
    """Standard input, recorded when it has something to read, and never waited for unless told to."""

    def __init__(self, call: CallFile) -> None:
        self._call = call
        self.on_read: Callable[[], None] | None = None
        self.heard: list[bytes] = []
        self._heard_bytes = 0
        self.unread: list[bytes] = []
        self._unread_bytes = 0
        status = posix.fstat(0)
        kind = status.st_mode & 0o170000
        self.is_file = kind == 0o100000
        self.is_open = not (kind == 0o020000 and not _may_be_read(status.st_rdev))

    def capture(self) -> None:
        """Record what can be read now."""
        taken = 0
        while self.is_open and (self.is_file or taken < MAX_CAPTURE) and self.readable(0.0):
            taken += self.read()

    def take_unread(self) -> bytes:
        """Return what came since the last time."""
        taken = b"".join(self.unread)
        self.put_back(b"")
        return taken

    def put_back(self, data: bytes) -> None:
        """Let *data* be what is unread."""
        self.unread = [data]
        self._unread_bytes = len(data)

    def readable(self, wait_s: "float | None") -> bool:
        """Return whether there is something to read within *wait_s*; None waits without end."""
        if self.is_file:
            return True
        import select

        return bool(select.select([0], [], [], wait_s)[0])

    def read(self) -> int:
        """Record what there is and return how many bytes that is."""
        try:
            data = posix.read(0, CHUNK)
        except BlockingIOError:
            return 0
        except OSError:
            data = b""
        if not data:
            self.is_open = False
            self._call.add((b"stdin-end", b""))
            if self.on_read is not None:
                self.on_read()
            return 0
        self._call.add((b"stdin", data))
        if self._heard_bytes < MAX_CAPTURE:
            self.heard.append(data)
            self._heard_bytes += len(data)
        self.unread.append(data)
        self._unread_bytes += len(data)
        while self._unread_bytes > MAX_UNREAD:
            self._unread_bytes -= len(self.unread.pop(0))
        if self.on_read is not None:
            self.on_read()
        return len(data)


def _may_be_read(device: int) -> bool:
    """Whether a character device may be read: not /dev/null, and no terminal that is in other hands."""
    if device == posix.stat("/dev/null").st_rdev:
        return False
    try:
        # Reading the controlling terminal from the background stops the process (SIGTTIN).
        return posix.tcgetpgrp(0) == posix.getpgrp()
    except OSError:
        return True


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

    def play_all(self, script: ScriptFile) -> None:
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

    def play_steps(self, script: ScriptFile, words: list[bytes]) -> None:
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

    def word(self, word: bytes, script: ScriptFile) -> "Callable[[Player, ScriptFile, list[bytes]], None]":
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

    def _on_signal(self, _script: ScriptFile, words: list[bytes]) -> None:
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

    def _leave_stdin(self, _script: ScriptFile, _words: list[bytes]) -> None:
        self.stdin.is_open = False

    def _on_broken_pipe(self, _script: ScriptFile, words: list[bytes]) -> None:
        self._broken_pipe_exit = int(words[2])
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def _extension(self, script: ScriptFile, words: list[bytes]) -> None:
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

    def _write(self, script: ScriptFile, words: list[bytes]) -> None:
        for piece in script.pieces(int(words[2])):
            self.put(STREAMS[words[1]], piece)
        self.after_step()

    def _fill(self, script: ScriptFile, words: list[bytes]) -> None:
        self.put(STREAMS[words[1]], self.filled(script.payload(int(words[2]))))
        self.after_step()

    def _wait(self, _script: ScriptFile, words: list[bytes]) -> None:
        deadline_ns = time.monotonic_ns() + int(words[1]) * 1_000_000
        while (left_ns := deadline_ns - time.monotonic_ns()) > 0:
            self.wait_for_input(left_ns / 1e9)

    def _read_stdin(self, _script: ScriptFile, _words: list[bytes]) -> None:
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

    def _extend(self, script: ScriptFile, words: list[bytes]) -> None:
        assert self._play_extension is not None
        self._play_extension(script.payload(int(words[1])))

    def _hang(self, _script: ScriptFile, _words: list[bytes]) -> None:
        while True:
            self.wait_for_input(None)

    def _exit(self, _script: ScriptFile, words: list[bytes]) -> None:
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


def wake_waiters(stage: bytes) -> None:
    """Wake every process that waits for calls: each has a FIFO of its own, and one that is full is awake."""
    try:
        names = posix.listdir(stage + b"/waiters")
    except OSError:
        return
    for name in names:
        try:
            fd = posix.open(b"%s/waiters/%s" % (stage, name), posix.O_WRONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
        except OSError:
            continue
        try:
            posix.write(fd, b"\n")
        except OSError:
            pass
        posix.close(fd)


def hold_leash(stage: bytes) -> None:
    """
    End this process soon after the one that made the stage has closed it, or died.

    The other end of the FIFO is open as long as that process wants. A timer looks at it, whatever this
    process is doing: also when it is blocked in a write that nobody reads.
    """
    try:
        leash = posix.open(stage + b"/leash", posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    except FileNotFoundError:
        if not posix.access(stage + b"/no-leash", posix.F_OK):
            live_for_a_time(stage)
        return

    def look(_number: int, _frame: "FrameType | None") -> None:
        try:
            if not posix.read(leash, 1):
                posix._exit(LEASH_EXIT)
        except BlockingIOError:
            pass

    signal.signal(signal.SIGALRM, look)
    tick()
    # The parent may have blocked it in the thread that started this process.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])


def live_for_a_time(stage: bytes) -> None:
    """
    End this process when it has lived as long as an installed program may.

    An installed program has no test process to be held by. A stage without leash and without this file is
    one that is being removed.
    """
    file = posix.open(stage + b"/lifetime", posix.O_RDONLY | posix.O_CLOEXEC)
    deadline = time.monotonic() + float(posix.read(file, 32))
    posix.close(file)

    def look(_number: int, _frame: "FrameType | None") -> None:
        if time.monotonic() >= deadline:
            posix._exit(LEASH_EXIT)

    signal.signal(signal.SIGALRM, look)
    tick()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])


def tick() -> None:
    """Look at the leash from time to time; a forked child has to say so once more."""
    signal.setitimer(signal.ITIMER_REAL, LEASH_INTERVAL_S, LEASH_INTERVAL_S)


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
