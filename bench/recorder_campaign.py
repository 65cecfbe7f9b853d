"""
Break recordings at random moments and look at what is left: nothing that a call has returned for may be missing.

A zygote process has everything imported and forks a recorder for each trial, so that a thousand take minutes. It
records programs, summaries and MCP calls as fast as it can and says through a pipe which calls have
returned. Then it is killed, or its disk fails:

SIGKILL, SIGTERM   after a random time
full disk          a tmpfs of random size (Linux, needs the right to mount)
read-only folder   a tmpfs that is made read-only after a random time (the same)
EIO                a random call to write, fsync or rename fails, once or for good (needs a C compiler)

``python -m bench.recorder_campaign --kills 1000`` prints what it found as JSON. ``--control`` runs it with a recorder
that writes its manifest in place: a campaign that finds nothing wrong with that one proves nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import errno
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from api_simulator.errors import ApiSimulatorError, RecordingError
from api_simulator.scenario import ScenarioRecorder, _manifest, read_scenario

SHIM_SOURCE = Path(__file__).with_name("failing_disk.c")
KINDS = ("SIGKILL", "SIGTERM", "full disk", "read-only folder", "EIO")

#: No trial takes a second; one that hangs must not hang the campaign.
TRIAL_TIMEOUT_S = 30.0


@dataclass(slots=True)
class Findings:
    """What a campaign found; ``lost`` and ``broken`` are to be empty."""

    trials: dict[str, int] = field(default_factory=dict)
    steps_returned: int = 0
    steps_on_disk: int = 0
    lost: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    not_run: dict[str, str] = field(default_factory=dict)


def record_until_broken(folder: Path, report: int) -> None:
    """Record steps for ever; say each that is recorded. Ends when the disk takes no more."""
    recorder = ScenarioRecorder(folder, "campaign", secrets=["a planted secret"])
    os.write(report, b"ready\n")
    for number in range(100_000):
        name = f"s{number}"
        try:
            if number % 3 == 0:
                recorder.record_non_session_step(step_name=name, tool="t", result_summary={"text": "x" * 500})
            elif number % 3 == 1:
                recorder.record_mcp_call(step_name=name, tool="t", arguments={"n": number}, result={"text": "y" * 500})
            else:
                recorder.record_step(step_name=name, tool="echo", args=["echo", "z" * 3000], terminal=number % 2 == 0)
        except RecordingError:
            os.write(report, b"failed\n")
            return
        os.write(report, name.encode() + b"\n")


class Trial:
    """One recorder in a process of its own, and what it said."""

    def __init__(self, folder: Path, prepare: Callable[[], None]) -> None:
        self._said = b""
        self._reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                os.close(self._reader)
                os.setsid()
                prepare()
                record_until_broken(folder, writer)
                code = 0
            finally:
                os._exit(code)
        os.close(writer)

    def listen(self, for_s: float) -> bool:
        """Take down what is said for a time; return whether it has ended."""
        deadline = time.monotonic() + for_s
        while (left_s := deadline - time.monotonic()) > 0:
            if not select.select([self._reader], [], [], left_s)[0]:
                return False
            said = os.read(self._reader, 65536)
            if not said:
                return True
            self._said += said
        return False

    def wait_ready(self) -> None:
        while b"ready" not in self._said and not self.listen(0.05):
            pass

    def end(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def close(self) -> list[str] | None:
        """Wait for its end and return the steps whose calls had returned, None if it could not even begin."""
        if not self.listen(TRIAL_TIMEOUT_S):
            self.end(signal.SIGKILL)
            self.listen(TRIAL_TIMEOUT_S)
        os.waitpid(self.pid, 0)
        os.close(self._reader)
        said = self._said.decode().splitlines()
        return [line for line in said if line.startswith("s")] if "ready" in said else None


def run(kills: int, folder: Path, seed: int) -> Findings:
    """Break *kills* recordings in *folder*, the kinds in turn."""
    chance = random.Random(seed)
    found = Findings()
    kinds = [kind for kind in KINDS if _can_run(kind, found)]
    for number in range(kills):
        kind = kinds[number % len(kinds)]
        place = folder / f"{number}"
        place.mkdir()
        try:
            returned = _TRIALS[kind](place, chance)
            if returned is not None:
                _judge(f"{kind}, trial {number}", place / "rec", returned, found)
        finally:
            _unmount(place)
            shutil.rmtree(place, ignore_errors=True)
        found.trials[kind] = found.trials.get(kind, 0) + 1
    return found


def _judge(trial: str, folder: Path, returned: list[str], found: Findings) -> None:
    found.steps_returned += len(returned)
    try:
        on_disk = [step.step_name for step in read_scenario(folder).step_sequence]
    except ApiSimulatorError as error:
        found.broken.append(f"{trial}: {error}")
        return
    found.steps_on_disk += len(on_disk)
    missing = [name for name in returned if name not in on_disk]
    if missing:
        found.lost.append(f"{trial}: {missing}")


def _signalled(number: signal.Signals) -> Callable[[Path, random.Random], list[str] | None]:
    def trial(place: Path, chance: random.Random) -> list[str] | None:
        victim = Trial(place / "rec", lambda: None)
        victim.wait_ready()
        victim.listen(chance.uniform(0, 0.06))
        victim.end(number)
        return victim.close()

    return trial


def _full_disk(place: Path, chance: random.Random) -> list[str] | None:
    _mount(place, f"size={chance.randrange(48, 400)}k")
    victim = Trial(place / "rec", lambda: None)
    return victim.close()


def _read_only(place: Path, chance: random.Random) -> list[str] | None:
    _mount(place, "size=64m")
    victim = Trial(place / "rec", lambda: None)
    victim.wait_ready()
    for _ in range(200):
        victim.listen(chance.uniform(0, 0.02))
        # Refused while a file is open for writing, so it falls between two of them.
        if subprocess.run(["mount", "-o", "remount,ro", str(place)], capture_output=True, check=False).returncode == 0:
            break
    else:
        victim.end(signal.SIGKILL)
    return victim.close()


def _failing_calls(place: Path, chance: random.Random) -> list[str] | None:
    calls, failures = chance.randrange(1, 150), chance.choice([1, 2, 10_000_000])
    shim = ctypes.CDLL(None)

    def prepare() -> None:
        shim.fail_after(
            ctypes.c_long(calls), ctypes.c_long(failures), ctypes.c_int(chance.choice([errno.EIO, errno.ENOSPC]))
        )

    return Trial(place / "rec", prepare).close()


_TRIALS: dict[str, Callable[[Path, random.Random], list[str] | None]] = {
    "SIGKILL": _signalled(signal.SIGKILL),
    "SIGTERM": _signalled(signal.SIGTERM),
    "full disk": _full_disk,
    "read-only folder": _read_only,
    "EIO": _failing_calls,
}


def _can_run(kind: str, found: Findings) -> bool:
    if kind == "EIO" and not hasattr(ctypes.CDLL(None), "fail_after"):
        found.not_run[kind] = "no C compiler, or not Linux"
    if kind in ("full disk", "read-only folder"):
        place = Path(tempfile.mkdtemp())
        try:
            _mount(place, "size=64k")
            _unmount(place)
        except (OSError, subprocess.CalledProcessError):
            found.not_run[kind] = "no right to mount a tmpfs here"
        place.rmdir()
    return kind not in found.not_run


def _mount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(place)], check=True, capture_output=True)


def _unmount(place: Path) -> None:
    if os.path.ismount(place):
        subprocess.run(["umount", "-l", str(place)], check=True, capture_output=True)


def compiled_shim(folder: Path) -> Path | None:
    """Return the library that makes calls fail, None where it cannot be made."""
    library = folder / "failing_disk.so"
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        return None
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SHIM_SOURCE), "-ldl"]
    return library if subprocess.run(command, capture_output=True, check=False).returncode == 0 else None


def write_in_place(place: Path, content: bytes, *, durable: bool = False) -> None:
    """Write as a recorder would that nobody has broken yet: the control of the campaign."""
    del durable
    with place.open("wb", buffering=0) as file:
        for at in range(0, len(content), 512):
            file.write(content[at : at + 512])


def campaign(kills: int, seed: int = 0, *, control: bool = False) -> Findings:
    """Run a campaign in a process of its own, with the failing disk loaded."""
    with tempfile.TemporaryDirectory(prefix="recorder-campaign-") as folder:
        shim = compiled_shim(Path(folder))
        environment = {**os.environ, **({"LD_PRELOAD": str(shim)} if shim else {})}
        command = [sys.executable, "-m", "bench.recorder_campaign", "--kills", str(kills), "--seed", str(seed)]
        done = subprocess.run(
            [*command, "--folder", folder, *(["--control"] if control else [])],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            cwd=Path(__file__).parents[1],
            timeout=60 + kills * 2,
        )
    return Findings(**json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.recorder_campaign", description=__doc__.splitlines()[1])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the recordings go; a temporary folder by default")
    parser.add_argument("--control", action="store_true", help="break a recorder that writes in place")
    options = parser.parse_args()
    if options.folder is None:
        found = campaign(options.kills, options.seed, control=options.control)
    else:
        if options.control:
            _manifest.replace_file = write_in_place  # type: ignore[attr-defined]  # not ours to export: broken on purpose
        found = run(options.kills, options.folder, options.seed)
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
