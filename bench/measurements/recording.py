"""
What recording costs beyond the program that is recorded.

Per step: against the same program under a bare pseudo-terminal. Per byte: against a loop that reads the
pseudo-terminal and keeps what it reads in memory; with redaction off, and with it, whose cost is stated.
"""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import tempfile
import time
import tty
from collections.abc import Callable
from functools import partial
from pathlib import Path

from api_simulator.scenario import ScenarioRecorder, StepResult
from bench import sampling
from bench.result import Bar, Chart, Figure, Mark, Result

BUDGET_MS = 5.0
AT_LEAST = 0.8
BARE = "bare reader of a pseudo-terminal"
PLAIN = "recorder, redaction off"
REDACTING = "recorder"

_LINE = json.dumps({"type": "assistant", "message": {"content": [{"type": "text", "text": "some words " * 40}]}}) + "\n"


def measure(*, quick: bool) -> Result:
    result = Result("recording", "What does recording cost beyond the program that is recorded?")
    with (
        tempfile.TemporaryDirectory(prefix="bench-recording-") as folder,
        ScenarioRecorder(Path(folder) / "plain", "bench", redact=False) as plain,
        ScenarioRecorder(Path(folder) / "redacting", "bench") as redacting,
    ):
        _per_step(result, plain, redacting, rounds=10 if quick else 200)
        _per_byte(result, plain, redacting, rounds=2 if quick else 9, megabytes=10 if quick else 100)
    return result


def _per_step(result: Result, plain: ScenarioRecorder, redacting: ScenarioRecorder, *, rounds: int) -> None:
    args = ["true"]
    samples = sampling.in_turns(
        rounds,
        {
            BARE: partial(_timed_ms, partial(read_bare, args)),
            PLAIN: partial(_timed_ms, partial(_record, plain, args)),
            REDACTING: partial(_timed_ms, partial(_record, redacting, args)),
        },
    )
    for name in (PLAIN, REDACTING):
        extra = sampling.differences(samples[name], samples[BARE])
        result.figures.append(Figure.of(f"{name}: a step beyond its program", extra, "ms"))
        result.bars.append(
            Bar(f"{name}: at most 5 ms a step beyond the program", sampling.median(extra), "ms", at_most=BUDGET_MS)
        )


def _per_byte(
    result: Result, plain: ScenarioRecorder, redacting: ScenarioRecorder, *, rounds: int, megabytes: int
) -> None:
    lines = megabytes * 1_000_000 // len(_LINE)
    program = f"line = {_LINE.encode()!r}\nwith open(1, 'wb') as out:\n for _ in range({lines}):\n  out.write(line)"
    args = [sys.executable, "-S", "-I", "-c", program]
    samples = sampling.in_turns(
        rounds,
        {
            BARE: partial(_timed_ms, partial(read_bare, args)),
            PLAIN: partial(_timed_ms, partial(_record, plain, args)),
            REDACTING: partial(_timed_ms, partial(_record, redacting, args)),
        },
    )
    size = lines * len(_LINE) / 1_000_000
    for name, times in samples.items():
        rates = [size / (time_ms / 1000) for time_ms in times]
        result.figures.append(Figure.of(name, rates, "MB/s", "baseline" if name == BARE else "ours"))
    for name in (PLAIN, REDACTING):
        result.ratios[f"{name} / {BARE}"] = sampling.ratio(samples[BARE], samples[name])
    result.bars.append(
        Bar(
            "reads at least 0.8 times as fast as a bare reader, redaction off",
            result.ratios[f"{PLAIN} / {BARE}"],
            "times",
            at_least=AT_LEAST,
        )
    )
    bare = next(figure.value for figure in result.figures if figure.name == BARE)
    result.chart = Chart(
        "Reading a program's output, MB/s (more is better)",
        (BARE, PLAIN, REDACTING),
        (Mark(bare * AT_LEAST, "0.8 times bare"),),
    )
    result.notes.append("redaction's cost depends on the text: this one is JSON lines without a secret")


def _timed_ms(action: Callable[[], StepResult | bytearray]) -> float:
    begin = time.perf_counter()
    done = action()
    taken_ms = (time.perf_counter() - begin) * 1000
    if isinstance(done, StepResult):
        # Kept, the recordings of all rounds fill the page cache, and what is measured is how fast the machine finds
        # fresh memory for it: on a virtual machine a tenth as fast as memory that was used before. The bare reader
        # gives its memory back as well.
        shutil.rmtree(done.cassette_path)
    return taken_ms


def _record(recorder: ScenarioRecorder, args: list[str]) -> StepResult:
    return recorder.record_step(step_name="s", tool="t", args=args)


def read_bare(args: list[str]) -> bytearray:
    """Read a program's output from a raw pseudo-terminal in the simplest way."""
    main, terminal = pty.openpty()
    tty.setraw(terminal)
    kept = bytearray()
    with subprocess.Popen(args, stdin=terminal, stdout=terminal, stderr=subprocess.DEVNULL) as process:
        os.close(terminal)
        while True:
            try:
                data = os.read(main, 65536)
            except OSError:
                break  # EIO: nobody writes any more
            if not data:
                break
            kept += data
        process.wait()
    os.close(main)
    return kept
