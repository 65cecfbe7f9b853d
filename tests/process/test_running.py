"""Running a program to its end, and ending what does not."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from api_simulator.errors import OptionError, ProgramTimeoutError
from api_simulator.process._running import ProgramResult, ProgramRun
from api_simulator.process.script import Exit, Hang, Write
from tests.process.conftest import MakeStage

pytestmark = pytest.mark.usefixtures("player")


def sh(script: str, **options: object) -> ProgramResult:
    return ProgramRun(["/bin/sh", "-c", script], **options).result()  # type: ignore[arg-type]


def test_a_result_says_what_happened():
    result = sh("echo out; echo err >&2; exit 3")

    assert (result.returncode, result.exit_code(), result.stdout, result.stderr) == (3, 3, "out\n", "err\n")
    assert result.argv == ["/bin/sh", "-c", "echo out; echo err >&2; exit 3"]
    assert result.args == result.argv[1:]
    assert result.duration_ms >= 0
    assert repr(result).startswith("<ProgramResult /bin/sh -c 'echo out")


def test_a_program_that_a_signal_ended_has_its_negative_number():
    assert sh("kill -KILL $$").returncode == -signal.SIGKILL


def test_bytes_that_are_no_text_are_kept_beside_the_text():
    result = sh(r"printf 'a\377\r\n'")

    assert (result.stdout, result.stdout_bytes) == ("a\ufffd\r\n", b"a\xff\r\n")


def test_the_environment_is_added_to_this_process_s(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KEPT", "1")
    monkeypatch.setenv("CHANGED", "1")
    monkeypatch.setenv("REMOVED", "1")

    result = sh('echo "$KEPT $CHANGED ${REMOVED-absent} $NEW"', env={"CHANGED": "2", "REMOVED": None, "NEW": "3"})

    assert result.stdout == "1 2 absent 3\n"


def test_stdin_is_empty_unless_given(tmp_path: Path):
    assert sh("cat").stdout == ""
    assert sh("cat", stdin="text\u00e9").stdout == "text\u00e9"
    assert sh("wc -c", stdin=b"x" * 1_000_000).stdout.strip() == "1000000"
    assert sh("pwd", cwd=tmp_path).stdout == f"{tmp_path.resolve()}\n"


def test_both_outputs_may_be_larger_than_a_pipe():
    result = sh("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2")

    assert (len(result.stdout_bytes), len(result.stderr_bytes)) == (3_000_000, 3_000_000)


@pytest.mark.skipif(sys.platform != "linux", reason="makes pipes larger")
def test_what_is_in_the_pipes_at_the_end_is_collected():
    """The end may be seen while there is more to read than one piece: these pipes hold many."""
    program = (
        "import fcntl, os\n"
        "for fd, size in ((1, 900_000), (2, 700_000)):\n"
        "    fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, 1 << 20)\n"
        "    os.write(fd, b'x' * size)\n"
    )

    result = ProgramRun([sys.executable, "-c", program]).result()

    assert (len(result.stdout_bytes), len(result.stderr_bytes)) == (900_000, 700_000)


def test_a_timeout_ends_the_whole_process_group(tmp_path: Path):
    """The program, its children, also those that ignore SIGTERM: none is left, and the error has the output."""
    pids = tmp_path / "pids"
    script = f"trap '' TERM; sleep 600 & echo $$ $! >{pids}; echo so far; echo warning >&2; wait; wait; sleep 600"

    with pytest.raises(ProgramTimeoutError) as caught:
        sh(script, timeout_s=0.5)

    assert (caught.value.stdout, caught.value.stderr) == ("so far\n", "warning\n")
    assert "did not end within 0.5 s; its process group was ended" in str(caught.value)
    assert f"sleep 600 & echo $$ $! >{pids}" in str(caught.value)
    assert "stdout so far: 'so far\\n'" in str(caught.value)
    for pid in map(int, pids.read_text().split()):
        _assert_gone(pid)


def test_a_fake_that_hangs_is_ended_at_once(make_stage: MakeStage):
    stage = make_stage([Write(b"line\n"), Hang()])

    with pytest.raises(ProgramTimeoutError) as caught:
        ProgramRun([stage.executable], timeout_s=0.5).result()

    assert caught.value.stdout == "line\n"
    _assert_gone(stage.calls()[0].pid)


def test_a_grandchild_that_holds_the_pipe_does_not_hold_up_the_result():
    """In the group it is ended with it; outside it is left alone, and not waited for."""
    escape = (
        "import os,sys,time\nif os.fork(): sys.exit()\nos.setsid()\nprint(os.getpid(), flush=True)\ntime.sleep(600)"
    )

    inside = sh("sleep 600 & echo $!")
    outside = sh(f'"{sys.executable}" -c "{escape}"; sleep 0.5')

    _assert_gone(int(inside.stdout))
    escaped = int(outside.stdout)
    os.kill(escaped, signal.SIGKILL)


def test_cancelling_ends_the_group_and_returns(make_stage: MakeStage):
    stage = make_stage([Write(b"line\n"), Hang()])
    run = ProgramRun([stage.executable])
    results: list[ProgramResult] = []
    thread = threading.Thread(target=lambda: results.append(run.result()))

    thread.start()
    while not stage.calls():
        time.sleep(0.005)
    run.cancel()
    thread.join(30)

    assert [result.returncode for result in results] == [-signal.SIGKILL]
    run.cancel()


def test_a_run_that_was_cancelled_before_its_start_ends_at_once(make_stage: MakeStage):
    run = ProgramRun([make_stage([Hang()]).executable])

    run.cancel()

    assert run.result().returncode == -signal.SIGKILL


def test_without_process_descriptors_it_works_too(make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch):
    """Systems other than Linux have no pidfd: the end is looked for instead of announced."""
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    stage = make_stage([Write(b"x" * 200_000), Exit(4)])

    result = ProgramRun([stage.executable]).result()
    with pytest.raises(ProgramTimeoutError):
        sh("sleep 600", timeout_s=0.2)

    assert (result.returncode, len(result.stdout)) == (4, 200_000)
    assert sh("sleep 600 & echo $!").returncode == 0


def test_a_program_that_does_not_exist_is_an_ordinary_error():
    with pytest.raises(FileNotFoundError):
        ProgramRun(["/no/such/program"]).result()


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan")])
def test_no_time_to_run_is_refused(timeout_s: float):
    with pytest.raises(OptionError, match="leaves no time to run; give seconds above 0"):
        ProgramRun(["x"], timeout_s=timeout_s)


def _assert_gone(pid: int) -> None:
    """A killed process whose parent is gone is reaped by the system a moment later, or stays a zombie."""
    deadline = time.monotonic() + 30
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
        if state.startswith("Z"):
            return
        assert time.monotonic() < deadline, f"process {pid} is still there ({state.strip()})"
        time.sleep(0.005)
