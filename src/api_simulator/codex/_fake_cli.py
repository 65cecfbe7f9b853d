"""
A stand-in for the ``codex`` program.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from api_simulator.codex._compile import Compiler, framed, settings
from api_simulator.codex._records import Rollout
from api_simulator.codex._script import AgentSteps, CodexScript
from api_simulator.errors import OptionError, ScriptError
from api_simulator.process._builder import Question, Script
from api_simulator.process._cut_points import CutPoint
from api_simulator.process._fake_program import FakeProgram
from api_simulator.process._seeded import seeded_uuid7
from api_simulator.process._stage import Stage
from api_simulator.process.script import Die, Exit, Extend, Hang, Settings, Step, Wait, Write

#: The version that was measured.
VERSION = "0.169.0"

_EXTENSION = (
    "api_simulator.codex._player_arguments",
    "api_simulator.codex._player_rollout",
    "api_simulator.codex._player_invocation",
    "api_simulator.codex._player",
)

#: How it exits when the reader of its output has gone: a Rust panic.
_ON_BROKEN_PIPE = 101
_PANIC = (
    b"\nthread 'main' panicked at library/std/src/io/stdio.rs:\nfailed printing to stdout: Broken pipe (os error 32)\n"
)

_USAGE_KEYS = "input_tokens cached_input_tokens cache_write_input_tokens output_tokens reasoning_output_tokens"
_SIGINT = 2


class FakeCodexCLI(AgentSteps, FakeProgram):
    """
    A stand-in for the ``codex`` program, whose script says what the agent does.

    ``codex exec`` shows it as the invocation asks: as events with ``--json``, else as text with the details on standard
    error; it writes the session file of the turn and goes on with one by ``resume``. Everything else a
    :class:`~api_simulator.process.FakeProgram` does too: scripts by arguments, environment, input and call
    (:meth:`when`), waits, files, children, signals, hangs, answers from the test. A script that has steps and none of
    the agent's is played as it is, and nothing is added.

    As the real program it refuses a command line that it does not understand (exit 2) and a folder outside a git
    repository without ``--skip-git-repo-check`` (exit 1), and reads standard input to its end when that is no terminal:
    a pipe that nobody closes holds it up.

    Session files are written where the invocation's environment says (``CODEX_HOME``, else ``HOME``) if it differs
    there from the test process's environment, as that was at the last change of the script, ``with`` or :meth:`run`;
    else into a folder of the fake's own, which :meth:`codex_home` names.

    Cut points are places in the events of ``codex exec --json``, run in the present folder.

    Args:
        seed: Determines ids; the same seed gives the same output.

        model: What it says of its model, unless ``--model`` says otherwise.

        provider: What it says of its model's provider.

        strict_argv: Whether to refuse and to wait as the real program; False accepts any arguments, in any folder, and
            waits for no input.

        strict: Whether invocations that no script fits fail the test.

    Raises:
        UnsupportedPlatformError: On Windows, at the first use of the executable.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        model: str = "gpt-5.5",
        provider: str = "openai",
        strict_argv: bool = True,
        strict: bool = True,
    ) -> None:
        for name, value in (("model", model), ("provider", provider)):
            if not isinstance(value, str) or not value or not value.isprintable():
                raise OptionError(f"{name}: expected a name, got {value!r}")
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise OptionError(f"seed: expected an integer, got {seed!r}")
        self._seed = seed
        self._model = model
        self._provider = provider
        self._strict_argv = bool(strict_argv)
        self._rollout = Rollout(seed, VERSION, provider)
        super().__init__("codex", strict=strict)

    # Cuts

    def _uncut(self) -> list[Any]:
        """Return the events of the script as another fake of the same kind prints them, up to where it hangs."""
        script = self._default
        if any(isinstance(step, Question) for step in script._steps):
            raise ScriptError(
                "cut points: the script asks the test process, so its output is not known before; "
                "cut one without answer()"
            )
        steps: list[Any] = [step for step in script._steps if not isinstance(step, Wait)]
        hang = next((index for index, step in enumerate(steps) if isinstance(step, Hang)), None)
        twin = FakeCodexCLI(seed=self._seed, model=self._model, provider=self._provider)
        try:
            twin._default._steps = steps[:hang]
            if hang is not None:
                twin._default._steps.append(Exit(0))
            shown = twin.run(["exec", "--json", "--skip-git-repo-check", "-"], stdin="cut").stdout_bytes
        finally:
            twin.close()
        return [Write(shown)]

    # What is on disk

    def codex_home(self) -> Path:
        """Return what took the place of ``~/.codex`` in the last invocation, before any the fake's own folder."""
        stage = self._opened()
        for call in reversed(self.calls):
            if "codex-home" in call.notes:
                return Path(os.fsdecode(call.notes["codex-home"]))
        return _own_home(stage)

    def rollouts(self) -> list[Path]:
        """Return the session files under :meth:`codex_home`, in the order of their beginnings."""
        return sorted((self.codex_home() / "sessions").glob("*/*/*/rollout-*.jsonl"), key=lambda path: path.name)

    # For FakeProgram

    def _furnish(self) -> Stage:
        stage = Stage(self._name, extension=_EXTENSION)
        _own_home(stage).mkdir()
        return stage

    def _new_script(self) -> Script:
        return CodexScript(on_change=self._written)

    def _parts(self, script: Script) -> tuple[list[Step], Settings]:
        cut = script._cut
        is_agents = isinstance(script, CodexScript) and script.is_agents
        if is_agents:
            # The cut is made where the events are printed: their bytes are not known here.
            script._cut = None
        try:
            steps, said = super()._parts(script)
        finally:
            script._cut = cut
        if not is_agents:
            return steps, said
        begin = Extend(framed([("begin", b"")]))
        on_signal = {_SIGINT: 1, **said.on_signal}
        on_broken_pipe = _ON_BROKEN_PIPE if said.on_broken_pipe is None else said.on_broken_pipe
        played = [begin, *Compiler(self._rollout).steps(steps)]
        if isinstance(played[-2], Exit | Die):
            played.pop()
        changed = replace(
            said,
            on_signal=on_signal,
            on_broken_pipe=on_broken_pipe,
            extension=self._extension_settings(os.environ, cut),
        )
        return played, changed

    def _extension_settings(self, environ: Mapping[str, str], cut: CutPoint | None) -> bytes:
        texts: dict[str, Any] = {
            "own": str(_own_home(self._staging)),
            "test-codex-home": environ.get("CODEX_HOME", ""),
            "test-home": environ.get("HOME", ""),
            "account-home": _account_home(),
            "version": VERSION,
            "thread": seeded_uuid7(self._seed, "thread"),
            "turn": seeded_uuid7(self._seed, "turn"),
            "strict": "1" if self._strict_argv else "",
            "model": self._model,
            "provider": self._provider,
            "usage-keys": _USAGE_KEYS,
            "cut": "" if cut is None else f"{cut.offset} {cut.action}",
            "reading-prompt": "Reading prompt from stdin...\n",
            "reading-more": "Reading additional input from stdin...\n",
            "no-git": "Not inside a trusted directory and --skip-git-repo-check was not specified.\n",
            "unknown-thread": "Error: thread/resume: thread/resume failed: no rollout found for thread id \0session\0 "
            "(code -32600)\n",
        }
        instructions = [(name, os.fsencode(text)) for name, text in texts.items()]
        return framed([*instructions, ("broken-pipe", _PANIC), *settings(self._rollout)])

    def _script(self, stage: Stage) -> bytes:
        self._staging = stage
        return super()._script(stage)

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else f"{self.call_count} calls"
        return f"<FakeCodexCLI {state}>"


def _own_home(stage: Stage) -> Path:
    return stage.data / "codex-home"


def _account_home() -> str:
    """Return the home that the user database has for this user: no fake writes there, whatever HOME says."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_dir
    except (ImportError, KeyError):
        return ""
