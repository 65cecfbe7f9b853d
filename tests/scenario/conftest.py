"""Recorders and players that are closed when their test is over, and small real programs to record."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api_simulator.scenario import RunningStep, ScenarioPlayer, ScenarioRecorder

MakePlayer = Callable[..., ScenarioPlayer]


def program(text: str, *arguments: str) -> list[str]:
    """The command line of a small real program; ``-S -I``, so that it starts fast."""
    return [sys.executable, "-S", "-I", "-c", text, *arguments]


def record(recorder: ScenarioRecorder, args: list[str], **more: Any) -> Any:
    """Record a step whose name and tool do not matter."""
    return recorder.record_step(**{"step_name": "s", "tool": "t", "args": args, "timeout_s": 60, **more})


def record_in_turns(recorder: ScenarioRecorder, writes: list[tuple[int, bytes]], *, pause_s: float = 0.0) -> Any:
    """Record a program whose next write comes after the last one has arrived, however busy the machine is."""
    text = (
        "import os, signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\n"
        f"for fd, data in {writes!r}:\n os.write(fd, data); signal.sigwait([signal.SIGUSR1]); time.sleep({pause_s})"
    )
    runs: list[RunningStep] = []
    return record(
        recorder,
        program(text),
        on_start=runs.append,
        on_output=lambda _stream, _data: os.kill(runs[0].pid, signal.SIGUSR1),
    )


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[ScenarioRecorder]:
    made = ScenarioRecorder(tmp_path / "rec", "recipe")
    yield made
    made.finalize()


@pytest.fixture
def make_player(tmp_path: Path) -> Iterator[MakePlayer]:
    """Make a player of the recorder's folder, with its fake at ``tmp_path / "bin" / "tool"``."""
    players: list[ScenarioPlayer] = []

    def make(folder: Path | None = None, **more: Any) -> ScenarioPlayer:
        player = ScenarioPlayer(folder or tmp_path / "rec", tmp_path / "out", tmp_path / "bin" / "tool", **more)
        players.append(player)
        return player

    yield make
    for player in players:
        player.close()
