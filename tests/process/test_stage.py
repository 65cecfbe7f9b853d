"""The stage: what is on disk, what is counted, and that nothing outlives it."""

import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from api_simulator.errors import UnsupportedPlatformError
from api_simulator.process._executable import launcher, write_executable
from api_simulator.process._stage import Stage
from api_simulator.process.script import Copy, Hang, Step, Wait, Write, encode
from tests.process.conftest import MakeStage

pytestmark = pytest.mark.usefixtures("player")


def test_a_stage_belongs_to_its_user_only(make_stage: MakeStage):
    stage = make_stage()

    assert stat.S_IMODE(stage.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(stage.executable.stat().st_mode) == 0o700
    assert stage.folder.name.startswith("api-simulator-")


def test_closing_removes_everything_and_may_be_repeated(make_stage: MakeStage):
    stage = make_stage()
    subprocess.run([stage.executable], stdin=subprocess.DEVNULL, timeout=30, check=True)

    stage.close()
    stage.close()

    assert not stage.folder.exists()
    assert [call.exit_code for call in stage.calls()] == [0]


def test_a_stage_without_a_leash_is_nothing_but_files(tmp_path: Path):
    """It holds no descriptor, and plays on when nobody knows it any more."""
    before = psutil.Process().num_fds()
    (tmp_path / "text").write_bytes(b"0123456789")
    stage = Stage("tool", parent=tmp_path, leash=False)
    stage.write_script(encode([Copy(str(tmp_path / "text"), start=2, count=3), Copy(str(tmp_path / "text"), start=8)]))

    done = subprocess.run([stage.executable], stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=True)

    assert done.stdout == b"23489"
    assert stage.folder.parent == tmp_path
    assert psutil.Process().num_fds() == before
    stage.close()


def test_a_stage_that_cannot_be_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    with pytest.raises(UnsupportedPlatformError, match=r"sys\.executable is empty"):
        Stage("tool", interpreter="")

    assert list(tmp_path.iterdir()) == []


def test_windows_is_refused_with_a_way_out(monkeypatch: pytest.MonkeyPatch):
    """A double for the operating system: there is no Windows here."""
    monkeypatch.setattr(os, "name", "nt")

    with pytest.raises(UnsupportedPlatformError, match=r"'tool' needs FIFOs, signals .* WSL"):
        Stage("tool")


@pytest.mark.skipif(sys.platform != "linux", reason="the refusal is Linux's")
def test_an_executable_is_ready_when_it_is_written(tmp_path: Path):
    """Another thread's fork may hold it open for writing; until it lets go, Linux would refuse to start it."""
    place = tmp_path / "program"
    place.touch()
    holder = os.open(place, os.O_WRONLY)
    letting_go = threading.Timer(0.2, os.close, [holder])

    letting_go.start()
    write_executable(place, b"#!/bin/sh\nexit 7\n")

    assert subprocess.run([place]).returncode == 7
    letting_go.join()


def test_a_forked_copy_removes_nothing(make_stage: MakeStage):
    """A worker forked from the test process may run its finalisers: the folder is not its own."""
    stage = make_stage()

    pid = os.fork()
    if pid == 0:
        stage.close()
        os._exit(0)
    os.waitpid(pid, 0)

    assert stage.executable.exists()


class TestInterpreterPath:
    """The executable's first line has limits; beyond them a shell starts the interpreter."""

    @pytest.fixture(params=["plain", "with space", "with'quote and space", "long" * 60, "h\u00e9"])
    def interpreter(self, request: pytest.FixtureRequest, tmp_path: Path) -> str:
        folder = tmp_path / request.param
        folder.mkdir()
        link = folder / "python"
        link.symlink_to(Path(sys.executable).resolve())
        return str(link)

    def test_every_path_works(self, make_stage: MakeStage, interpreter: str):
        stage = make_stage([Write(b"hello")], interpreter=interpreter)

        done = subprocess.run(
            [stage.executable, "a b", "'"], stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=True
        )

        assert done.stdout == b"hello"
        assert stage.calls()[0].argv == [str(stage.executable), "a b", "'"]

    def test_it_stays_one_process(self, make_stage: MakeStage, interpreter: str):
        """The process that was started is the one that plays: killing it closes its pipes."""
        stage = make_stage([Write(b"ready\n"), Hang()], interpreter=interpreter)

        with subprocess.Popen([stage.executable], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.kill()
            rest = process.stdout.read()

        assert rest == b""
        assert stage.calls()[0].pid == process.pid

    def test_the_shell_is_the_exception(self):
        assert launcher("/f", "/usr/bin/python")["launcher"].startswith(b"#!/usr/bin/python -SI")
        assert launcher("/f", "/usr/my bin/python")["launcher"].startswith(b"#!/bin/sh\nexec '/usr/my bin/python' -SI")


def test_a_temporary_folder_with_odd_characters_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    odd = tmp_path / "a 'b' \"c\" \u00e9 \\ {x}"
    odd.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(odd))

    stage = Stage("tool")
    stage.write_script(encode([Write(b"hello")]))
    done = subprocess.run([stage.executable], stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
    stage.close()

    assert done.stdout == b"hello"


def test_concurrent_invocations_are_numbered_without_loss(make_stage: MakeStage):
    """Twenty at once: each has its number, its arguments and its process."""
    stage = make_stage([Wait(50), Write(b"x\n")])

    processes = [
        subprocess.Popen([stage.executable, str(index)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        for index in range(20)
    ]
    for process in processes:
        process.communicate(timeout=30)

    calls = stage.calls()
    assert [call.number for call in calls] == list(range(1, 21))
    assert {(call.args[0], call.pid) for call in calls} == {(str(i), p.pid) for i, p in enumerate(processes)}
    assert {(call.exit_code, call.lines_written) for call in calls} == {(0, 1)}


def test_the_script_is_replaced_as_a_whole(make_stage: MakeStage):
    """While one thread replaces the script without pause, every invocation finds a complete one."""
    stage = make_stage([Write(b"a" * 100_000)])
    scripts = [encode([Write(letter * 100_000)]) for letter in (b"a", b"b")]
    over = threading.Event()

    def replace() -> None:
        while not over.is_set():
            for script in scripts:
                stage.write_script(script)

    with ThreadPoolExecutor() as pool:
        replacing = pool.submit(replace)
        outputs = [
            subprocess.run([stage.executable], stdin=subprocess.DEVNULL, capture_output=True, timeout=30).stdout
            for _ in range(30)
        ]
        over.set()
        replacing.result()

    assert {len(output) for output in outputs} == {100_000}
    assert {len(set(output)) for output in outputs} == {1}


BUSY = {"hanging": "Hang()", "waiting": "Wait(600_000)", "blocked in a write": "Write(b'x' * 1_000_000)"}
STEPS: dict[str, Step] = {"hanging": Hang(), "waiting": Wait(600_000), "blocked in a write": Write(b"x" * 1_000_000)}

HOLDER = """
import subprocess, sys, time
from api_simulator.process._stage import Stage
from api_simulator.process.script import Copy, Hang, Wait, Write, encode
stage = Stage("tool")
stage.write_script(encode([Write(b"ready\\n"), {step}]))
print(stage.folder, flush=True)
child = subprocess.Popen([stage.executable], stdin=subprocess.PIPE, stdout=int(sys.argv[1]))
time.sleep(600)
"""


@pytest.fixture(params=BUSY)
def orphan(request: pytest.FixtureRequest) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A test process of its own, and the pipe that its busy fake holds; killed and removed at the end."""
    read_end, write_end = os.pipe()
    source = HOLDER.format(step=BUSY[request.param])
    with subprocess.Popen(
        [sys.executable, "-c", source, str(write_end)], stdout=subprocess.PIPE, pass_fds=[write_end]
    ) as holder:
        os.close(write_end)
        assert holder.stdout is not None
        folder = holder.stdout.readline().decode().strip()
        yield holder, read_end
        holder.kill()
    os.close(read_end)
    shutil.rmtree(folder)


def test_no_fake_outlives_a_killed_test_process(orphan: tuple[subprocess.Popen[bytes], int]):
    """SIGKILL gives the test process no time for anything; its fakes end all the same, and their pipes close."""
    holder, read_end = orphan
    assert os.read(read_end, 6) == b"ready\n"
    assert not _at_end(read_end, timeout_s=0)

    holder.send_signal(signal.SIGKILL)

    assert _at_end(read_end, timeout_s=20)


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_closing_the_stage_ends_running_fakes(make_stage: MakeStage, step: Step):
    stage = make_stage([Write(b"ready\n"), step])

    with subprocess.Popen([stage.executable], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        stage.close()

        assert process.wait(20) == 1


def test_the_leash_works_where_the_parent_blocked_its_signal(make_stage: MakeStage):
    """A thread's signal mask is inherited; SIGALRM is what the leash needs."""
    stage = make_stage([Write(b"ready\n"), Hang()])

    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    try:
        process = subprocess.Popen([stage.executable], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        stage.close()

        assert process.wait(20) == 1


def _at_end(fd: int, timeout_s: float) -> bool:
    """Whether a pipe comes to its end; what is written meanwhile is read away."""
    while select.select([fd], [], [], timeout_s)[0]:
        if not os.read(fd, 65536):
            return True
        if timeout_s == 0:
            return False
    return False
