"""
Run a program and pass on what it writes, as it comes: under a pseudo-terminal or on pipes.

As ``process/_running.py`` it ends the whole process group and does not wait for pipes that a process left behind
holds; other than there, output is not kept in memory, and every piece has its moment.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from api_simulator._core import real_time
from api_simulator.errors import OptionError, UnsupportedPlatformError
from api_simulator.process._running import GRACE_S, TICK_S, end_descriptor, has_ended
from api_simulator.scenario._outputs import Stream
from api_simulator.scenario._start_error import start_error
from api_simulator.scenario.models import EndedBy

_CHUNK = 65536

#: What is read from one stream before the other is looked at, so that neither can hold up the other.
_TURN = _CHUNK

#: As much as a pipe can hold: what is left when the program has ended.
_MAX_LEFT = 1024 * 1024

Sink = Callable[[Stream, bytes, int], None]


@dataclass(frozen=True, slots=True)
class Command:
    """
    What to run.

    Attributes:
        argv: The program and its arguments.

        cwd: Its working folder, None for this process's.

        env: Its whole environment.

        stdin: What it reads, None for the terminal, or nothing where there is none.

        size: Columns and rows of the pseudo-terminal, None for pipes.

        timeout_s: After this time its process group is ended, None for no limit.
    """

    argv: Sequence[str]
    cwd: str | None
    env: Mapping[str, str]
    stdin: bytes | None
    size: tuple[int, int] | None
    timeout_s: float | None

    def __post_init__(self) -> None:
        if self.timeout_s is not None and not self.timeout_s > 0:
            raise OptionError(f"timeout_s: {self.timeout_s!r} leaves no time to run; give seconds above 0, or None")
        if self.size is not None and not all(1 <= number <= 9999 for number in self.size):
            raise OptionError(f"size: no terminal has {self.size!r}; give (columns, rows), each 1 to 9999")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: exit code (``-N`` for signal N), what ended it, and after how many milliseconds."""

    exit_code: int
    ended_by: EndedBy
    duration_ms: int


class RunningStep:
    """
    A program that is being recorded; safe to use from any thread.

    Attributes:
        pid: Its process id, which is also its group's.
    """

    def __init__(self, command: Command) -> None:
        self._command = command
        self._lock = threading.Lock()
        self._group: int | None = None
        self._cancelled = False
        self.pid = 0

    def cancel(self) -> None:
        """End the process group. What it wrote so far is kept, as a step that was cancelled."""
        with self._lock:
            self._cancelled = True
        self._signal(signal.SIGKILL)

    def run(self, sink: Sink, on_start: Callable[[RunningStep], None] | None = None) -> Ended:
        """
        Run it to its end.

        Raises:
            ProgramStartError: If it cannot be started.

            OSError: What *sink* raises; its process group has been ended then.
        """
        began = real_time.monotonic_ns()
        with _Streams(self._command) as streams:
            process = streams.start()
            with self._lock:
                self._group = self.pid = process.pid
            try:
                if self._cancelled:
                    self._signal(signal.SIGKILL)
                if on_start is not None:
                    on_start(self)
                in_time = streams.pass_on(sink, began, self._command.timeout_s)
                if not in_time:
                    self._signal(signal.SIGTERM)
                    streams.pass_on(sink, began, GRACE_S)
                self._end_group(process)
                streams.pass_on_rest(sink, began)
            finally:
                self._end_group(process)
        ended_by: EndedBy = "cancel" if self._cancelled else "exit" if in_time else "timeout"
        return Ended(process.returncode, ended_by, (real_time.monotonic_ns() - began) // 1_000_000)

    def _end_group(self, process: subprocess.Popen[bytes]) -> None:
        # Before the process is reaped: until then nobody else can get the group's number.
        self._signal(signal.SIGKILL)
        with self._lock:
            process.wait()
            self._group = None

    def _signal(self, number: signal.Signals) -> None:
        with self._lock:
            if self._group is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._group, number)


class _Streams:
    """The descriptors of a run: what it reads from and writes to, and how one learns of its end."""

    def __init__(self, command: Command) -> None:
        if os.name != "posix":
            raise UnsupportedPlatformError(
                "programs are recorded on Linux and macOS only: process groups and pseudo-terminals are needed; "
                "recordings made there can be read here"
            )
        self._command = command
        self._selector = selectors.DefaultSelector()
        self._sources: dict[int, Stream] = {}
        self._stack = contextlib.ExitStack()
        self._end: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> _Streams:
        self._stack.callback(self._selector.close)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self) -> subprocess.Popen[bytes]:
        """Start the program in a session and process group of its own."""
        stdin: int | IO[bytes] = subprocess.DEVNULL
        stdout, stderr = subprocess.PIPE, subprocess.PIPE
        if self._command.size is not None:
            main, terminal = self._terminal(self._command.size)
            stdin = stdout = terminal
            self._listen(main, "stdout")
        if self._command.stdin is not None:
            # A file, not a pipe: nobody has to write while the program runs, and it gets all or nothing.
            stdin = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 (the stack closes it)
            stdin.write(self._command.stdin)
            stdin.seek(0)
        try:
            process = subprocess.Popen(
                self._command.argv,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=dict(self._command.env),
                cwd=self._command.cwd,
                start_new_session=True,
            )
        except OSError as error:
            raise start_error(self._command.argv[0], error) from error
        self._process = process
        if process.stdout is not None:
            self._stack.callback(process.stdout.close)
            self._listen(process.stdout.fileno(), "stdout")
        assert process.stderr is not None
        self._stack.callback(process.stderr.close)
        self._listen(process.stderr.fileno(), "stderr")
        self._end = end_descriptor(process.pid)
        if self._end is not None:
            self._stack.callback(os.close, self._end)
            self._selector.register(self._end, selectors.EVENT_READ)
        return process

    def _terminal(self, size: tuple[int, int]) -> tuple[int, int]:
        import pty
        import termios
        import tty

        main, terminal = pty.openpty()
        # The program's side stays open here until its end: macOS drops what was not read when the last one closes it.
        self._stack.callback(os.close, main)
        self._stack.callback(os.close, terminal)
        # Raw: otherwise a newline becomes two characters, and the recording is not what was written.
        tty.setraw(terminal)
        columns, rows = size
        termios.tcsetwinsize(terminal, (rows, columns))
        return main, terminal

    def _listen(self, fd: int, stream: Stream) -> None:
        os.set_blocking(fd, False)
        self._sources[fd] = stream
        self._selector.register(fd, selectors.EVENT_READ)

    def pass_on(self, sink: Sink, began: int, timeout_s: float | None) -> bool:
        """Pass on output until the program has ended; return whether it has. Does not reap it."""
        assert self._process is not None
        deadline = None if timeout_s is None else real_time.monotonic_s() + timeout_s
        while (left_s := None if deadline is None else deadline - real_time.monotonic_s()) is None or left_s > 0:
            wait_s = left_s if self._end is not None else min(TICK_S, TICK_S if left_s is None else left_s)
            is_over = False
            for key, _ in self._selector.select(wait_s):
                if key.fd == self._end:
                    is_over = True
                elif not self._take(key.fd, sink, began, _TURN):
                    self._selector.unregister(key.fd)
            if is_over or (self._end is None and has_ended(self._process.pid)):
                return True
        return False

    def pass_on_rest(self, sink: Sink, began: int) -> None:
        """Pass on what is left in pipes and terminal, without waiting for their end."""
        for fd in self._sources:
            self._take(fd, sink, began, _MAX_LEFT)

    def _take(self, fd: int, sink: Sink, began: int, at_most: int) -> bool:
        """Pass on what is there now; return whether more may come."""
        parts, count, is_open = [], 0, True
        while count < at_most:
            try:
                data = os.read(fd, _CHUNK)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                data = b""  # a terminal that nobody writes to any more
            if not data:
                is_open = False
                break
            parts.append(data)
            count += len(data)
        if parts:
            whole = parts[0] if len(parts) == 1 else b"".join(parts)
            sink(self._sources[fd], whole, (real_time.monotonic_ns() - began) // 1_000_000)
        return is_open
