"""
Replay a scenario: deterministically, offline, and without guessing over what was not recorded.
"""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from api_simulator.errors import OptionError, ProgramStateError, UnrecordedStepError
from api_simulator.process._calls import ProgramCall
from api_simulator.process._running import ProgramResult, ProgramRun
from api_simulator.scenario._binary import VARIABLE, Playable, ReplayBinary, close_player, open_binary
from api_simulator.scenario._mcp_calls import McpCalls
from api_simulator.scenario._playback import playback
from api_simulator.scenario._player import explain
from api_simulator.scenario._scenario import Scenario, Step, read_scenario

if TYPE_CHECKING:
    from typing import Self


@runtime_checkable
class Runnable(Protocol):
    """What a fallback must be: :class:`~api_simulator.claude.FakeClaudeCLI` and ``FakeProgram`` are."""

    def run(self, args: Any = None, env: Any = None) -> Any:
        """Run it to its end."""
        ...


@dataclass(frozen=True, slots=True)
class StepMeta:
    """
    What is known of a step besides its output.

    Attributes:
        exit_code: Of a program that signal N ended, ``-N``; 0 for a fallback.

        duration_ms: How long the recorded run took; 0 for a fallback.

        model: The recorded model, None if there was none.

        is_fallback: Whether this is no recording, but what was given to ``add_fallback``.
    """

    exit_code: int
    duration_ms: int
    model: str | None
    is_fallback: bool = False


class RecordedProgram:
    """A recorded run: each :meth:`run` does again what the program did."""

    def __init__(self, step: Step, executable: Path, cassette: str) -> None:
        self._step = step
        self._executable = executable
        self._cassette = cassette

    @property
    def step_name(self) -> str:
        """The step's name."""
        return self._step.step_name

    @property
    def args(self) -> list[str] | None:
        """The recorded command line, the program first; None if the step has none."""
        return None if self._step.args is None else list(self._step.args)

    @property
    def cassette_path(self) -> Path:
        """The cassette's folder."""
        assert self._step.session_dir is not None
        return self._step.session_dir

    def run(
        self,
        args: Sequence[str | os.PathLike[str]] | None = None,
        env: Mapping[str, str | None] | None = None,
        *,
        cwd: str | os.PathLike[str] | None = None,
        stdin: str | bytes | None = None,
        timeout_s: float = 60.0,
    ) -> ProgramResult:
        """
        Play the recording as a real process.

        Args:
            args: Its arguments, the recorded ones by default; they are not compared.

            env: Added to this process's environment; None as a value removes a variable.

            cwd: Where recorded files are written to, this process's by default.

            stdin: What it reads; nothing by default.

            timeout_s: After this time its process group is ended.

        Raises:
            ProgramTimeoutError: If it does not end in time.
        """
        return self._run(args, env, cwd, stdin, timeout_s).result()

    async def run_async(
        self,
        args: Sequence[str | os.PathLike[str]] | None = None,
        env: Mapping[str, str | None] | None = None,
        *,
        cwd: str | os.PathLike[str] | None = None,
        stdin: str | bytes | None = None,
        timeout_s: float = 60.0,
    ) -> ProgramResult:
        """Play the recording as :meth:`run` does, in asyncio or trio."""
        # Imported here: anyio takes longer than all the rest, and few need it.
        from api_simulator.process._waiting import in_thread

        run = self._run(args, env, cwd, stdin, timeout_s)
        return await in_thread(run.result, run.cancel)

    def _run(
        self,
        args: Sequence[str | os.PathLike[str]] | None,
        env: Mapping[str, str | None] | None,
        cwd: str | os.PathLike[str] | None,
        stdin: str | bytes | None,
        timeout_s: float,
    ) -> ProgramRun:
        given = (self._step.args or ("",))[1:] if args is None else args
        environment = {**(env or {}), VARIABLE: self._cassette}
        return ProgramRun([self._executable, *given], env=environment, cwd=cwd, stdin=stdin, timeout_s=timeout_s)

    def __repr__(self) -> str:
        return f"<RecordedProgram {self._step.step_name!r}: {shlex.join(self._step.args or ())[:80]}>"


class ScenarioPlayer:
    """
    Plays a recorded scenario.

    The fake program at *binary_path* finds the recorded step by its arguments: of steps with the same arguments,
    each invocation gets the next one. An invocation that was not recorded exits with 127, says which recorded step
    is nearest and what differs, and is reported by :meth:`verify`.

    As a context manager it verifies at the end and closes. A player that is never closed leaves a folder of
    files in *output_dir* and nothing else.

    Args:
        scenario_dir: The folder with ``scenario.json``; nothing is written there.

        output_dir: For what replaying needs and leaves; made if it is missing.

        binary_path: Where the fake program is written, replacing what is there. Players may share it.

        time_factor: What recorded pauses are multiplied by: 0 for no waiting, 1 for the recorded times.

        session_log_dir: Where recorded transcripts are written, by default ``session-logs`` in *output_dir*.

    Raises:
        ScenarioError: If something is wrong with the recording; the text names file, line and field.

        UnsupportedPlatformError: On Windows.
    """

    def __init__(
        self,
        scenario_dir: str | os.PathLike[str],
        output_dir: str | os.PathLike[str],
        binary_path: str | os.PathLike[str],
        *,
        time_factor: float = 0.0,
        session_log_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        if not 0 <= time_factor <= 1000:
            raise OptionError(f"time_factor: {time_factor!r}; give 0 for no waiting, 1 for the recorded times")
        self._scenario = read_scenario(scenario_dir)
        output = Path(output_dir).absolute()
        output.mkdir(parents=True, exist_ok=True)
        self._session_log_dir = output / "session-logs" if session_log_dir is None else Path(session_log_dir).absolute()
        self._place = Path(binary_path).absolute()
        self._time_factor = time_factor
        self._lock = threading.Lock()
        self._fallbacks: dict[str, Runnable] = {}
        self._taken: dict[str, int] = {}
        self._is_closed = False
        self._binary: ReplayBinary = open_binary(self._place, output)
        self._name = self._binary.new_player()
        self._binary.play(self._name, [self._playable(step) for step in self._scenario.programs])

    # What there is

    def scenario(self) -> Scenario:
        """Return the recording: ``.recipe`` and ``.step_sequence``."""
        return self._scenario

    @property
    def binary_path(self) -> Path:
        """The fake program, for code under test that starts it itself."""
        return self._place

    def session_log_dir(self) -> Path:
        """Return the folder that recorded transcripts are written to."""
        return self._session_log_dir

    @cached_property
    def mcp_calls(self) -> McpCalls:
        """The recorded MCP calls: ``mcp_calls.take(tool, arguments)`` finds the one that a call replays."""
        return McpCalls(self._scenario.mcp_calls)

    def build_session_map(self) -> dict[str, list[tuple[Any, StepMeta]]]:
        """
        Return, for each step name, its recorded programs in order: pairs of ``cli`` and ``meta``.

        ``cli.run()`` plays the recording and returns a result with ``.stdout``; ``meta`` has ``exit_code``,
        ``duration_ms`` and ``model``. A name that has a fallback and no recording has the fallback.
        """
        sessions: dict[str, list[tuple[Any, StepMeta]]] = {}
        for step in self._scenario.programs:
            sessions.setdefault(step.step_name, []).append(self._pair(step))
        for name, cli in self._fallbacks.items():
            sessions.setdefault(name, [(cli, StepMeta(0, 0, None, is_fallback=True))])
        return sessions

    def add_fallback(self, step_name: str, cli: Runnable) -> None:
        """
        Say what a step gets that was not recorded, or whose recordings are used up.

        Args:
            step_name: Its name.

            cli: Anything with ``run(args, env)``, for instance a ``FakeClaudeCLI``.
        """
        if not isinstance(cli, Runnable):
            raise OptionError(
                f"add_fallback({step_name!r}): {cli!r} has no run(); give a FakeClaudeCLI or a FakeProgram"
            )
        self._fallbacks[step_name] = cli

    def take_step(self, step_name: str, args: Sequence[str] | None = None) -> tuple[Any, StepMeta]:
        """
        Return the next recorded program of a step: ``cli`` and ``meta``, each once.

        Args:
            step_name: Its name.

            args: The full command line, to be compared with the recorded one; None compares nothing.

        Raises:
            UnrecordedStepError: If none is left and there is no fallback, or the arguments differ.
        """
        steps = [step for step in self._scenario.programs if step.step_name == step_name]
        with self._lock:
            turn = self._taken.get(step_name, 0)
            if turn >= len(steps):
                if step_name in self._fallbacks:
                    return self._fallbacks[step_name], StepMeta(0, 0, None, is_fallback=True)
                raise UnrecordedStepError(self._no_step(step_name, len(steps)))
            step = steps[turn]
            if args is not None and step.args is not None and tuple(args[1:]) != step.args[1:]:
                raise UnrecordedStepError(explain(list(args), [(step_name, list(step.args[1:]))], 0))
            self._taken[step_name] = turn + 1
        return self._pair(step)

    # What happened

    @property
    def calls(self) -> list[ProgramCall]:
        """The invocations of the fake program that this player answered, and those that nobody could."""
        return [call for call in self._binary.calls() if call.unexpected or self._step_of(call) is not None]

    @property
    def divergences(self) -> list[str]:
        """The runs and MCP calls that were asked for and not recorded, with the nearest one and the difference."""
        of_programs = [
            call.notes["divergence"].decode(errors="replace")
            for call in self._binary.calls()
            if "divergence" in call.notes
        ]
        return of_programs + self.mcp_calls.missed

    @property
    def leftovers(self) -> list[Step]:
        """The recorded programs and MCP calls that were not replayed."""
        played = {self._step_of(call) for call in self._binary.calls()}
        programs = [step for step in self._scenario.programs if step.index not in played]
        return sorted([*programs, *self.mcp_calls.left], key=lambda step: step.index)

    def report(self, *, in_full: bool = True) -> str:
        """
        Return what differed from the recording, as text; empty if nothing did.

        Args:
            in_full: False for the first line of each divergence only, for who has seen what the fake program said.
        """
        parts = [text if in_full else text.partition("\n")[0] for text in self.divergences]
        leftovers = self.leftovers
        if leftovers:
            listed = "\n".join(f"  {step.index + 1}. {step.step_name} ({step.kind}: {step.tool})" for step in leftovers)
            parts.append(f"recorded in {self._scenario.folder} and not replayed:\n{listed}")
        return "\n".join(parts)

    def verify(self, *, leftovers: bool = True) -> None:
        """
        Check that what was replayed is what was recorded.

        Args:
            leftovers: Whether steps that were not replayed are mistakes too.

        Raises:
            UnrecordedStepError: If something differs.
        """
        text = self.report() if leftovers else "\n".join(self.divergences)
        if text:
            raise UnrecordedStepError(f"scenario {self._scenario.recipe!r} was not replayed as recorded:\n{text}")

    def close(self) -> None:
        """Remove the fake program, unless another player shares it; closing twice changes nothing."""
        if not self._is_closed:
            self._is_closed = True
            close_player(self._place, self._binary, self._name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.verify()
        finally:
            self.close()

    def _pair(self, step: Step) -> tuple[RecordedProgram, StepMeta]:
        if self._is_closed:
            raise ProgramStateError("this ScenarioPlayer is closed and its program removed; make a new one")
        cassette = step.cassette
        cli = RecordedProgram(step, self._binary.executable, self._cassette_name(step))
        return cli, StepMeta(cassette.exit_code, cassette.duration_ms, step.model)

    def _playable(self, step: Step) -> Playable:
        steps = playback(step.cassette, time_factor=self._time_factor, session_log_dir=self._session_log_dir)
        return Playable(self._cassette_name(step), step.step_name, step.args, tuple(steps))

    def _cassette_name(self, step: Step) -> str:
        return f"{self._name}-{step.index}"

    def _step_of(self, call: ProgramCall) -> int | None:
        player, _, index = call.notes.get("step", b"").decode().partition("-")
        return int(index) if player == self._name else None

    def _no_step(self, step_name: str, recorded: int) -> str:
        if recorded:
            times = "once" if recorded == 1 else f"{recorded} times"
            text = f"step {step_name!r} was recorded {times}, and is asked for once more"
        else:
            import difflib

            names = list(dict.fromkeys(step.step_name for step in self._scenario.programs))
            nearest = difflib.get_close_matches(step_name, names, n=1, cutoff=0)
            near = f"; nearest: {nearest[0]!r}" if nearest else ""
            text = f"step {step_name!r} was not recorded in {self._scenario.folder}{near}"
        return f"{text}.\n  record the scenario again, or add_fallback({step_name!r}, cli)"

    def __repr__(self) -> str:
        return f"<ScenarioPlayer {self._scenario.recipe!r}, steps={len(self._scenario.step_sequence)}>"
