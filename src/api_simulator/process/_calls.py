"""
Invocations of a fake program, as values read from the files that the player wrote.

A call file starts with its invocation and grows while that runs. It is a row of frames, each a line
``KIND NANOSECONDS NBYTES``, a payload of NBYTES bytes, and a newline; the nanoseconds are those of
the monotonic clock. The kinds:

============== ===============================================================
``argv``       the arguments, joined by zero bytes
``cwd``        the working folder
``environ``    the environment, ``NAME=value`` joined by zero bytes
``pid``        the process id
``started``    empty; the call counts from here on
``stdin``      bytes that came in
``stdin-end``  empty; standard input came to its end
``signal``     the number of a signal that the program answered by exiting
``caught``     the number of a signal that it ignored, or that ended a wait only
``child``      the process id of a child that it started; may come twice
``unexpected`` text: no script fitted the invocation
``broken``     text: the script could not be played
``exited``     the exit code (-N before it ended itself by signal N) and the number of
               lines written to standard output
============== ===============================================================

Other kinds are notes of an extension. A call that was killed has no ``exited``.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: Environment variables whose values do not belong in a report.
_SECRET_WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD")


@dataclass(frozen=True, slots=True, repr=False)
class ProgramCall:
    """
    One invocation of a fake program.

    Attributes:
        number: Its place among the invocations, from 1.

        argv: The arguments; ``argv[0]`` is the name as called.

        cwd: The working folder, empty if it had been removed.

        env: The environment as passed.

        pid: The process id.

        started_ns: When it began, in nanoseconds of the monotonic clock.

        stdin_chunks: What it read from standard input: pairs of time stamp and bytes.

        exited_ns: When it ended, None while it runs and after it was killed.

        exit_code: Its exit code, None while it runs and after it was killed; ``-N`` if it ended itself by
            signal N.

        signal: The signal that it answered by exiting, None if there was none.

        signals: All signals that its script answered in any way: pairs of time stamp and number.

        children: The process ids of the children that it started.

        problem: Why it could not do what it was called for: no script fitted, or its script could not be played.

        unexpected: Whether no script fitted.

        lines_written: How many lines it had written to standard output when it ended, else None. A
            signal that comes at the end of a write leaves that line out.

        notes: What the kind of program adds, by name.
    """

    number: int
    argv: list[str]
    cwd: str
    env: dict[str, str]
    pid: int
    started_ns: int
    stdin_chunks: tuple[tuple[int, bytes], ...] = ()
    exited_ns: int | None = None
    exit_code: int | None = None
    signal: int | None = None
    lines_written: int | None = None
    signals: tuple[tuple[int, int], ...] = ()
    children: tuple[int, ...] = ()
    problem: str | None = None
    unexpected: bool = False
    notes: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def args(self) -> list[str]:
        """The arguments without the program's name."""
        return self.argv[1:]

    @property
    def stdin(self) -> bytes:
        """What it read from standard input so far."""
        return b"".join(data for _, data in self.stdin_chunks)

    @property
    def duration_ms(self) -> int | None:
        """How long it ran in milliseconds, None while it runs and after it was killed."""
        return None if self.exited_ns is None else (self.exited_ns - self.started_ns) // 1_000_000

    def has_args(self, args: Sequence[str]) -> bool:
        """Return whether *args* are among its arguments, in this order."""
        rest = iter(self.args)
        return all(argument in rest for argument in args)

    def command(self, *, limit: int = 100) -> str:
        """Return the command line as one would type it, cut to *limit* characters."""
        text = shlex.join([Path(self.argv[0]).name, *self.args]) if self.argv else "(no arguments)"
        text = text.replace("\n", "\\n")
        return text if len(text) <= limit else text[: limit - 3] + "..."

    def outcome(self) -> str:
        """Return in a few words how it ended."""
        if self.exit_code is None:
            return "no end recorded"
        if self.exit_code < 0:
            return f"ended itself by signal {-self.exit_code}"
        return f"exit {self.exit_code}" + (f" at signal {self.signal}" if self.signal is not None else "")

    def describe(self) -> str:
        """Return some lines for a report; values of the environment that look secret are masked."""
        lines = [
            f"call {self.number}: {self.command(limit=1000)}",
            f"  {self.outcome()}, pid {self.pid}, in {self.cwd}",
            f"  stdin: {len(self.stdin)} bytes",
        ]
        lines += [f"  {name}={value}" for name, value in sorted(self.masked_env().items())]
        return "\n".join(lines)

    def masked_env(self) -> dict[str, str]:
        """Return the environment for a report: values that look secret are masked."""
        return {name: _masked(name, value) for name, value in self.env.items()}

    def __repr__(self) -> str:
        return f"<ProgramCall #{self.number} {self.command()} -> {self.outcome()}>"


def _masked(name: str, value: str) -> str:
    return "***" if value and any(word in name.upper() for word in _SECRET_WORDS) else value


class CallsFolder:
    """The call files of a stage. A call that has ended is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ended: dict[int, ProgramCall] = {}

    def read(self) -> list[ProgramCall]:
        """Return the invocations so far, in the order of their beginnings."""
        try:
            numbers = sorted(int(name) for name in os.listdir(self._folder))  # noqa: PTH208 (names are enough)
        except FileNotFoundError:
            numbers = sorted(self._ended)
        calls = [self._call(number) for number in numbers]
        return [call for call in calls if call is not None]

    def _call(self, number: int) -> ProgramCall | None:
        if number in self._ended:
            return self._ended[number]
        call = parse_call(number, (self._folder / str(number)).read_bytes())
        if call is not None and call.exited_ns is not None:
            self._ended[number] = call
        return call

    def keep(self) -> None:
        """Keep the calls of now, because the folder is about to go."""
        self._ended = {call.number: call for call in self.read()}


def parse_call(number: int, content: bytes) -> ProgramCall | None:
    """Read a call file, None if the invocation has not said yet what it is."""
    single: dict[str, tuple[int, bytes]] = {}
    stdin: list[tuple[int, bytes]] = []
    signals: list[tuple[int, int]] = []
    children: list[int] = []
    for kind, at_ns, payload in _frames(content):
        if kind in ("signal", "caught"):
            signals.append((at_ns, int(payload)))
        if kind == "stdin":
            stdin.append((at_ns, payload))
        elif kind == "child":
            # The program and the child both say it, as neither waits for the other.
            children += [int(payload)] if int(payload) not in children else []
        else:
            single[kind] = (at_ns, payload)
    if "started" not in single:
        return None
    exited_ns, exit_words = single.get("exited", (None, b""))
    exit_code, lines_written = map(int, exit_words.split()) if exit_words else (None, None)
    return ProgramCall(
        number=number,
        argv=[os.fsdecode(argument) for argument in single["argv"][1].split(b"\0")],
        cwd=os.fsdecode(single["cwd"][1]),
        env=_parse_environ(single["environ"][1]),
        pid=int(single["pid"][1]),
        started_ns=single["started"][0],
        stdin_chunks=tuple(stdin),
        exited_ns=exited_ns,
        exit_code=exit_code,
        signal=int(single["signal"][1]) if "signal" in single else None,
        lines_written=lines_written,
        signals=tuple(signals),
        children=tuple(children),
        problem=_problem(single),
        unexpected="unexpected" in single,
        notes={kind: payload for kind, (_, payload) in single.items() if kind not in _KINDS or kind == "unexpected"},
    )


def _problem(single: Mapping[str, tuple[int, bytes]]) -> str | None:
    if "unexpected" in single:
        return "no script fits"
    if "broken" in single:
        return f"its script could not be played: {single['broken'][1].decode(errors='replace')}"
    return None


_KINDS = frozenset(
    {"argv", "cwd", "environ", "pid", "started", "stdin-end", "signal", "caught", "unexpected", "broken", "exited"}
)


def _frames(content: bytes) -> Iterator[tuple[str, int, bytes]]:
    at = 0
    while (end := content.find(b"\n", at)) >= 0:
        kind, at_ns, size = content[at:end].split(b" ")
        at = end + 1 + int(size) + 1
        if at > len(content):
            return  # still being written
        yield kind.decode(), int(at_ns), content[end + 1 : at - 1]


def _parse_environ(joined: bytes) -> dict[str, str]:
    pairs = [entry.partition(b"=") for entry in joined.split(b"\0") if b"=" in entry]
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
