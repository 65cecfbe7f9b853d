"""
A cassette as the steps of a fake program's script.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from api_simulator.process.script import MAX_WAIT_MS, Copy, Die, Exit, Step, Wait, WriteFile
from api_simulator.scenario._scenario import Cassette, Moment


def playback(cassette: Cassette, *, time_factor: float, session_log_dir: Path) -> list[Step]:
    """
    Return the steps that do what the recorded program did.

    Args:
        cassette: The recording.

        time_factor: What recorded pauses are multiplied by: 0 for none, 1 as recorded.

        session_log_dir: Where transcripts go.
    """
    steps = list(_output(cassette, time_factor))
    files, transcripts = cassette.folder / "files", cassette.folder / "transcripts"
    steps += [WriteFile(name, (files / name).read_bytes()) for name in cassette.conditions.files]
    steps += [
        WriteFile(str(session_log_dir / name), (transcripts / name).read_bytes())
        for name in cassette.conditions.transcripts
    ]
    code = cassette.exit_code
    steps.append(Exit(code) if code >= 0 else Die(-code))
    return steps


def _output(cassette: Cassette, time_factor: float) -> Iterator[Step]:
    written = {"stdout": 0, "stderr": 0}
    now_ms = 0
    # A last moment without bytes, for the pause before the end.
    for moment in _runs(cassette, keep_times=time_factor > 0):
        wait_ms = round((moment.at_ms - now_ms) * time_factor)
        now_ms = max(now_ms, moment.at_ms)
        if wait_ms > 0:
            yield Wait(min(wait_ms, MAX_WAIT_MS))
        if moment.count:
            path = str(cassette.output(moment.stream))
            yield Copy(path, moment.stream, written[moment.stream], moment.count)
            written[moment.stream] += moment.count


def _runs(cassette: Cassette, *, keep_times: bool) -> Iterator[Moment]:
    """Yield the moments, those joined between which nothing has to happen."""
    last: Moment | None = None
    for moment in cassette.moments:
        if last is not None and last.stream == moment.stream and (not keep_times or last.at_ms == moment.at_ms):
            last = Moment(last.at_ms, last.stream, last.count + moment.count)
            continue
        if last is not None:
            yield last
        last = moment
    if last is not None:
        yield last
    yield Moment(cassette.duration_ms, "stdout", 0)
