"""
Run a program and wait for its end, within a time limit.

Unlike ``subprocess.run`` it ends the whole process group, and does not wait for the end of the pipes when
the program has ended: a process that the program left behind may hold them for ever.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from api_simulator.errors import OptionError, ProgramTimeoutError

_CHUNK = 65536

#: A full pipe holds at most this much (the default of fs.pipe-max-size), so more is from somebody still writing.
_MAX_LEFT_IN_PIPE = 1024 * 1024

#: Between SIGTERM and SIGKILL: enough to write a last line, and short in a test that failed already.
GRACE_S = 0.5

#: How often to look for the program's end where the system cannot say it (no pidfd: not Linux).
TICK_S = 0.02


@dataclass(frozen=True, slots=True, repr=False)
class ProgramResult:
    """
    A run that came to its end.

    Attributes:
        argv: The arguments, the first being the program.

        returncode: The exit code; ``-N`` if signal N ended it.

        stdout_bytes: What it wrote to standard output.

        stderr_bytes: What it wrote to standard error.

        started_ns: When it was started, in nanoseconds of the monotonic clock.

        duration_ms: How long it ran, in milliseconds.
    """

    argv: list[str]
    returncode: int
    stdout_bytes: bytes
    stderr_bytes: bytes
    started_ns: int
    duration_ms: int

    @property
    def args(self) -> list[str]:
        """The arguments without the program."""
        return self.argv[1:]

    @property
    def stdout(self) -> str:
        """Standard output as text; bytes that are not UTF-8 are replaced, ``stdout_bytes`` has them."""
        return self.stdout_bytes.decode(errors="replace")

    @property
    def stderr(self) -> str:
        """Standard error as text; bytes that are not UTF-8 are replaced, ``stderr_bytes`` has them."""
        return self.stderr_bytes.decode(errors="replace")

    def exit_code(self) -> int:
        """Return the exit code, as :attr:`returncode`."""
        return self.returncode

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {shlex.join(self.argv)[:100]} -> {self.returncode}, "
            f"{len(self.stdout_bytes)} bytes, {self.duration_ms} ms>"
        )


class ProgramRun:
    """
    One run of a program, in a process group of its own.

    Args:
        argv: The program and its arguments.

        env: Added to this process's environment; None as a value removes a variable.

        cwd: Its working folder, this process's by default.

        stdin: What it reads, nothing by default.

        timeout_s: After this time its process group is ended.
    """

    def __init__(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        env: Mapping[str, str | None] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        stdin: str | bytes | None = None,
        timeout_s: float = 60.0,
    ) -> None:
        if not timeout_s > 0:
            raise OptionError(f"timeout_s: {timeout_s!r} leaves no time to run; give seconds above 0")
        self._argv = [os.fspath(argument) for argument in argv]
        merged = {**os.environ, **(env or {})}
        self._env = {name: value for name, value in merged.items() if value is not None}
        self._cwd = cwd
        self._stdin = stdin.encode() if isinstance(stdin, str) else stdin
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._group: int | None = None
        self._cancelled = False

    def result(self) -> ProgramResult:
        """
        Run the program to its end; call this once.

        Raises:
            ProgramTimeoutError: If it does not end in time; its process group has been ended then.
        """
        started_ns = time.monotonic_ns()
        process = self._start()
        try:
            with _Outputs(process) as outputs:
                in_time = outputs.read_until_end(self._timeout_s)
                if not in_time:
                    self._signal_group(signal.SIGTERM)
                    outputs.read_until_end(GRACE_S)
                self._end_group(process)
                outputs.read_rest()
        finally:
            self._end_group(process)
        if not in_time:
            raise self._too_late(outputs)
        duration_ms = (time.monotonic_ns() - started_ns) // 1_000_000
        return ProgramResult(
            self._argv, process.returncode, bytes(outputs.stdout), bytes(outputs.stderr), started_ns, duration_ms
        )

    def cancel(self) -> None:
        """End the process group, from any thread; :meth:`result` then returns."""
        with self._lock:
            self._cancelled = True
        self._signal_group(signal.SIGKILL)

    def _start(self) -> subprocess.Popen[bytes]:
        with contextlib.ExitStack() as stack:
            source: int | IO[bytes] = subprocess.DEVNULL
            if self._stdin is not None:
                # A file, not a pipe: nobody has to write while the program runs, and it gets all or nothing.
                source = stack.enter_context(tempfile.TemporaryFile())
                source.write(self._stdin)
                source.seek(0)
            process = subprocess.Popen(
                self._argv,
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._env,
                cwd=self._cwd,
                process_group=0,
            )
        with self._lock:
            self._group = process.pid
            cancelled = self._cancelled
        if cancelled:
            self._signal_group(signal.SIGKILL)
        return process

    def _end_group(self, process: subprocess.Popen[bytes]) -> None:
        # Before the process is reaped: until then nobody else can get the group's number.
        self._signal_group(signal.SIGKILL)
        with self._lock:
            process.wait()
            self._group = None

    def _signal_group(self, number: signal.Signals) -> None:
        with self._lock:
            if self._group is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._group, number)

    def _too_late(self, outputs: _Outputs) -> ProgramTimeoutError:
        stdout, stderr = outputs.stdout.decode(errors="replace"), outputs.stderr.decode(errors="replace")
        return ProgramTimeoutError(
            f"{shlex.join(self._argv)} did not end within {self._timeout_s:g} s; its process group was ended.\n"
            f"  stdout so far: {_shortened(stdout)}\n"
            f"  stderr so far: {_shortened(stderr)}\n"
            "  give timeout_s a larger value if it needs more time",
            stdout=stdout,
            stderr=stderr,
        )


def _shortened(text: str, *, limit: int = 500) -> str:
    if not text:
        return "(nothing)"
    return repr(text) if len(text) <= limit else f"... {text[-limit:]!r} ({len(text)} characters)"


class _Outputs:
    """Both outputs of a process and its end, in one wait."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.stdout = bytearray()
        self.stderr = bytearray()

    def __enter__(self) -> _Outputs:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._pipes = {self._process.stdout.fileno(): self.stdout, self._process.stderr.fileno(): self.stderr}
        self._selector = selectors.DefaultSelector()
        for fd in self._pipes:
            os.set_blocking(fd, False)
            self._selector.register(fd, selectors.EVENT_READ)
        self._end = end_descriptor(self._process.pid)
        if self._end is not None:
            self._selector.register(self._end, selectors.EVENT_READ)
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        if self._end is not None:
            os.close(self._end)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def read_until_end(self, timeout_s: float) -> bool:
        """Collect output until the process has ended; return whether it has. Does not reap it."""
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            ready = self._selector.select(left_s if self._end is not None else min(left_s, TICK_S))
            for key, _ in ready:
                if key.fd in self._pipes and self._read(key.fd) == 0:
                    self._selector.unregister(key.fd)
            if any(key.fd == self._end for key, _ in ready):
                return True
            if self._end is None and has_ended(self._process.pid):
                return True
        return False

    def read_rest(self) -> None:
        """Collect what is still in the pipes, without waiting for their end."""
        for fd in self._pipes:
            taken = 0
            while taken <= _MAX_LEFT_IN_PIPE and (count := self._read(fd)):
                taken += count

    def _read(self, fd: int) -> int | None:
        """Return how many bytes came: 0 at the end of the pipe, None if there is nothing now."""
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return None
        self._pipes[fd] += data
        return len(data)


def end_descriptor(pid: int) -> int | None:
    """Return a descriptor that becomes readable when the process ends, None where there is no such thing."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def has_gone(pid: int) -> bool:
    """Return whether a process, of whomever, has ended; one that nobody has waited for yet has ended too."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 (one read of a file of the kernel)
            # The state stands after the name, which may hold anything, brackets too.
            return file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except OSError:
        return False
