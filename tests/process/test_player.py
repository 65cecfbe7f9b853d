"""Playing: what a script's steps do in a real process, without help from any product on top."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from api_simulator.process._stage import Stage
from api_simulator.process.script import Exit, Fill, Hang, ReadStdin, Settings, Step, Wait, Write, encode
from tests.process.conftest import MakeStage

pytestmark = pytest.mark.usefixtures("player")

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc, or uses packet pipes")


def play(stage: Stage, **options: object) -> subprocess.CompletedProcess[bytes]:
    options = {"capture_output": True, "timeout": 30, "stdin": subprocess.DEVNULL} | options
    if "input" in options:
        del options["stdin"]
    return subprocess.run([stage.executable], **options)  # type: ignore[call-overload, no-any-return]


def until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Wait for what the file system shows: there is no event for it."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def test_bytes_arrive_as_they_were_scripted(make_stage: MakeStage):
    """Nothing is encoded, added or taken away, on both streams."""
    everything = bytes(range(256))

    done = play(make_stage([Write(everything), Write(b"\n\n", "stderr"), Write(b""), Write(everything)]))

    assert (done.stdout, done.stderr, done.returncode) == (everything * 2, b"\n\n", 0)


def test_an_exit_ends_the_script(make_stage: MakeStage):
    done = play(make_stage([Write(b"a"), Exit(77), Write(b"b")]))

    assert (done.stdout, done.returncode) == (b"a", 77)


def test_a_wait_is_never_short(make_stage: MakeStage):
    stage = make_stage([Wait(120), Wait(80)])

    play(stage)

    (call,) = stage.calls()
    assert call.duration_ms is not None
    assert call.duration_ms >= 200


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 10_000_000])
def test_payloads_of_any_size_are_whole(make_stage: MakeStage, size: int):
    """Sizes around the player's chunk, and far above a pipe's capacity."""
    payload = os.urandom(size)

    done = play(make_stage([Write(b"<"), Write(payload), Write(b">")]))

    assert done.stdout == b"<" + payload + b">"


@on_linux
def test_a_large_payload_is_not_held_in_memory(make_stage: MakeStage):
    """A message of 100 MB does not make the fake a process of 100 MB."""
    stage = make_stage([Write(b"x" * 100_000_000), Write(b"written\n", "stderr"), Hang()])

    with (
        Path("/dev/null").open("wb") as sink,
        subprocess.Popen([stage.executable], stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.PIPE) as process,
    ):
        assert process.stderr is not None
        process.stderr.readline()
        status = Path(f"/proc/{process.pid}/status").read_text()
        process.kill()

    (peak_kb,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
    assert int(peak_kb) < 60_000


@on_linux
def test_a_short_line_is_one_write(make_stage: MakeStage):
    """A reader of a packet pipe (each write a packet) gets whole lines: none is cut by the player's reading."""
    lines = [b"%d" % number + b"x" * 3000 + b"\n" for number in range(100)]
    stage = make_stage([Write(line) for line in lines])
    read_end, write_end = os.pipe2(os.O_DIRECT)

    with subprocess.Popen([stage.executable], stdin=subprocess.DEVNULL, stdout=write_end):
        os.close(write_end)
        packets = []
        while packet := os.read(read_end, 65536):
            packets.append(packet)
    os.close(read_end)

    assert packets == lines


def test_a_hole_without_a_value_is_reported_on_stderr(make_stage: MakeStage):
    done = play(make_stage([Fill(b"\0unknown\0")]))

    assert done.returncode == 70
    assert b"this fake program cannot go on: KeyError(b'unknown')" in done.stderr


def test_a_script_of_another_version_is_refused(make_stage: MakeStage):
    stage = make_stage()
    stage.write_script(b"api-simulator-script 2\nhang\n")

    done = play(stage)

    assert done.returncode == 70
    assert b"version 1" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_is_not_named_does_what_it_does_by_default(make_stage: MakeStage, number: signal.Signals):
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip(f"{number.name} is ignored by who started this run (nohup?), and children inherit that")
    stage = make_stage([Write(b"ready\n"), Hang()])

    with subprocess.Popen(
        [stage.executable], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.send_signal(number)
        code = process.wait(30)
        stderr = process.stderr.read()

    assert (code, stderr) == (-number, b"")
    assert stage.calls()[0].exit_code is None


BUSY = {
    "hanging": Hang(),
    "waiting": Wait(60_000),
    "reading stdin": ReadStdin(),
    "blocked in a write": Write(b"x" * 1_000_000),
}


@pytest.mark.parametrize("step", BUSY.values(), ids=BUSY)
def test_a_named_signal_ends_the_program_whatever_it_does(make_stage: MakeStage, step: Step):
    """It exits with the script's code, and the call says which signal came."""
    stage = make_stage([Write(b"ready\n"), step], Settings(on_signal={signal.SIGTERM: 143}))

    with subprocess.Popen([stage.executable], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)

    (call,) = stage.calls()
    assert code == 143
    assert (call.signal, call.exit_code) == (signal.SIGTERM, 143)


def test_a_signal_that_comes_during_a_write_ends_the_next_wait(make_stage: MakeStage):
    """Each signal that lets the script go on ends one wait: that which is on, else the next one."""
    settings = Settings(on_signal={signal.SIGTERM: "continue"})
    stage = make_stage([Write(b"ready\n"), Write(b"x" * 1_000_000), Hang(), Write(b"end")], settings)

    with subprocess.Popen([stage.executable], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        process.stdout.read(6)
        process.send_signal(signal.SIGTERM)
        until(lambda: stage.calls()[0].signals != ())
        rest, _ = process.communicate(timeout=30)

    assert rest == b"x" * 1_000_000 + b"end"


def test_sigpipe_may_have_an_answer_of_its_own(make_stage: MakeStage):
    stage = make_stage([Write(b"x" * 1_000_000)], Settings(on_signal={signal.SIGPIPE: 8}))

    with subprocess.Popen([stage.executable], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        code = process.wait(30)

    (call,) = stage.calls()
    assert (code, call.exit_code, call.signal) == (8, 8, signal.SIGPIPE)


def test_a_reader_that_has_gone_ends_the_program_by_sigpipe(make_stage: MakeStage):
    stage = make_stage([Write(b"ready\n"), Write(b"x" * 1_000_000)])

    with subprocess.Popen([stage.executable], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        code = process.wait(30)

    assert code == -signal.SIGPIPE


def test_a_script_may_answer_a_reader_that_has_gone(make_stage: MakeStage):
    stage = make_stage([Write(b"x" * 1_000_000)], Settings(on_broken_pipe=9))

    with subprocess.Popen([stage.executable], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        code = process.wait(30)

    assert code == 9
    assert stage.calls()[0].exit_code == 9


def test_a_pipe_that_the_parent_made_non_blocking_loses_nothing(make_stage: MakeStage):
    """Node and asyncio share non-blocking descriptions with their children: the player waits, and leaves the flag."""
    payload = os.urandom(1_000_000)
    stage = make_stage([Write(payload), Exit(0)])
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)

    with subprocess.Popen([stage.executable], stdin=subprocess.DEVNULL, stdout=write_end) as process:
        received = b""
        while len(received) < len(payload):
            received += os.read(read_end, 65536)
        code = process.wait(30)

    assert not os.get_blocking(write_end)
    os.close(read_end)
    os.close(write_end)
    assert (received == payload, code) == (True, 0)


def test_a_slow_reader_gets_everything(make_stage: MakeStage):
    """A timer interrupts the write that waits for the reader, after a part of it was taken."""
    payload = os.urandom(300_000)
    stage = make_stage([Write(payload)])

    with subprocess.Popen([stage.executable], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        received = b""
        while piece := process.stdout.read(50_000):
            received += piece
            # Longer than the timer's interval, while the player is in the middle of a write.
            time.sleep(0.3 if len(received) < 250_000 else 0)

    assert received == payload


def test_flags_of_inherited_descriptors_stay(make_stage: MakeStage):
    """``O_NONBLOCK`` on a shared description would break the parent."""
    stage = make_stage([Wait(1), Write(b"x")])
    ends = [*os.pipe(), *os.pipe()]
    before = [fcntl.fcntl(end, fcntl.F_GETFL) for end in ends]

    subprocess.run([stage.executable], stdin=ends[0], stdout=ends[3], timeout=30, check=True)

    after = [fcntl.fcntl(end, fcntl.F_GETFL) for end in ends]
    for end in ends:
        os.close(end)
    assert after == before


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_are_no_trouble(make_stage: MakeStage, closed: str):
    """No file of the player takes the number of a closed stream, and receives what was meant for it."""
    stage = make_stage([Write(b"out\n"), Write(b"err\n", "stderr"), Exit(5)])
    script = (stage.folder / "script").read_bytes()

    done = subprocess.run(["/bin/sh", "-c", f'"$0" {closed}', stage.executable], timeout=30)

    assert done.returncode == 5
    assert (stage.folder / "script").read_bytes() == script
    assert stage.calls()[0].exit_code == 5


class TestStandardInput:
    """It is recorded when it is there, and never waited for unless the script says so."""

    def test_nothing_waits_for_an_open_pipe(self, make_stage: MakeStage):
        stage = make_stage([Write(b"done")])

        with subprocess.Popen([stage.executable], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.wait(30) == 0

        assert stage.calls()[0].stdin == b""

    def test_reading_to_the_end_gets_all_of_it(self, make_stage: MakeStage):
        stage = make_stage([ReadStdin(), Write(b"done")])
        given = os.urandom(3_000_000)

        done = play(stage, input=given)

        assert done.stdout == b"done"
        assert stage.calls()[0].stdin == given

    @pytest.mark.parametrize("size", [0, 5, 2_000_000])
    def test_a_file_is_read_to_its_end(self, make_stage: MakeStage, tmp_path: Path, size: int):
        stage = make_stage([Exit(0)])
        file = tmp_path / "in"
        file.write_bytes(os.urandom(size))

        with file.open("rb") as source:
            play(stage, stdin=source)

        assert stage.calls()[0].stdin == file.read_bytes()

    def test_a_file_is_read_from_where_the_parent_is(self, make_stage: MakeStage, tmp_path: Path):
        stage = make_stage()
        file = tmp_path / "in"
        file.write_bytes(b"head tail")

        with file.open("rb", buffering=0) as source:
            source.read(5)
            play(stage, stdin=source)

        assert stage.calls()[0].stdin == b"tail"

    @pytest.mark.parametrize("step", [Hang(), Wait(60_000)], ids=["hanging", "waiting"])
    def test_what_comes_later_is_recorded_with_its_time(self, make_stage: MakeStage, step: Step):
        stage = make_stage([Write(b"ready\n"), step], Settings(on_signal={signal.SIGTERM: 0}))

        with subprocess.Popen([stage.executable], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            process.stdout.readline()
            sent_ns = time.monotonic_ns()
            process.stdin.write(b"later")
            process.stdin.flush()
            until(lambda: stage.calls()[0].stdin == b"later")
            process.terminate()
            process.wait(30)

        ((at_ns, data),) = stage.calls()[0].stdin_chunks
        assert data == b"later"
        assert sent_ns <= at_ns <= time.monotonic_ns()

    def test_the_end_of_input_does_not_end_a_hang(self, make_stage: MakeStage):
        """An SDK closes stdin and waits for the program to end: this one does not."""
        stage = make_stage([Write(b"ready\n"), Hang()])

        with subprocess.Popen([stage.executable], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            process.stdout.readline()
            process.stdin.close()
            until(lambda: b"stdin-end" in (stage.folder / "calls" / "1").read_bytes())
            still_running = process.poll() is None
            process.kill()

        assert still_running

    def test_an_endless_writer_does_not_hold_up_the_script(self, make_stage: MakeStage):
        stage = make_stage([Write(b"done"), Exit(4)])

        with subprocess.Popen(["/bin/sh", "-c", "yes 2>/dev/null"], stdout=subprocess.PIPE) as writer:
            done = play(stage, stdin=writer.stdout)
            writer.kill()

        assert (done.stdout, done.returncode) == (b"done", 4)

    def test_an_endless_device_does_not_hold_up_the_script(self, make_stage: MakeStage):
        stage = make_stage([Write(b"done"), Exit(4)])

        with Path("/dev/zero").open("rb") as source:
            done = play(stage, stdin=source)

        assert (done.stdout, done.returncode) == (b"done", 4)


def test_the_environment_is_recorded_as_passed(make_stage: MakeStage):
    """The interpreter adds LC_CTYPE to an empty environment; the record does not have it."""
    stage = make_stage()

    play(stage, env={})
    play(stage, env={"EMPTY": "", "TWO": "a\nb=c", "ODD": os.fsdecode(b"\xff")})

    first, second = stage.calls()
    assert first.env == {}
    assert second.env == {"EMPTY": "", "TWO": "a\nb=c", "ODD": os.fsdecode(b"\xff")}


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "POSIX", "en_US.ISO-8859-1"])
def test_arguments_are_recorded_byte_for_byte(make_stage: MakeStage, locale: str):
    stage = make_stage()
    arguments = ["-p", "", "two words", "new\nline", "h\u00e9\U0001f600", os.fsdecode(b"\xff\xfe"), "--"]

    subprocess.run([stage.executable, *arguments], env={"LC_ALL": locale}, stdin=subprocess.DEVNULL, check=True)

    (call,) = stage.calls()
    assert call.argv == [str(stage.executable), *arguments]
    assert call.args == arguments


def test_a_working_folder_that_was_removed_is_no_trouble(make_stage: MakeStage, tmp_path: Path):
    stage = make_stage([Write(b"here")])
    folder = tmp_path / "gone"
    folder.mkdir()

    done = subprocess.run(
        ["/bin/sh", "-c", 'cd "$1" && rmdir "$1" && exec "$0"', stage.executable, folder],
        capture_output=True,
        timeout=30,
    )

    assert done.stdout == b"here"
    assert stage.calls()[0].cwd == ""


def test_the_python_player_imports_nothing_from_disk(make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch):
    """Start-up time is paid at every invocation; a test of modules, not of milliseconds."""
    monkeypatch.setenv("API_SIMULATOR_STAND_IN", "off")
    stage = make_stage([Write(b"x"), Wait(1)])
    launcher = stage.executable.read_text()
    listing = (
        "import sys, posix\n"
        "before = set(sys.modules)\n"
        "posix._exit = lambda code: print(sorted(set(sys.modules) - before))\n"
    )
    head, _, rest = launcher.partition("\n")

    done = subprocess.run(
        [sys.executable, "-SI", "-c", listing + rest], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )

    assert " -SIc" in head
    assert done.stdout == "x[]\n"


def test_modules_in_the_working_folder_are_not_the_player_s(make_stage: MakeStage, tmp_path: Path):
    """The code under test may work in a project that has a ``select.py``."""
    for name in ("select", "posix", "time", "marshal", "_signal", "encodings"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken from the working folder')")
    stage = make_stage([Wait(1), Write(b"hello")])

    done = play(stage, cwd=tmp_path, input=b"x")

    assert (done.stdout, done.stderr) == (b"hello", b"")


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_no_signal_is_lost_while_the_program_starts(make_stage: MakeStage):
    """Whenever a signal comes, the program ends: by the script, or by default as long as it is not read yet."""
    stage = make_stage([Hang()], Settings(on_signal={signal.SIGINT: 7, signal.SIGTERM: 7}))
    moments = [(index % 150) / 10_000 for index in range(1500)]

    for index, moment_s in enumerate(moments):
        with subprocess.Popen([stage.executable], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(moment_s)
            process.send_signal((signal.SIGINT, signal.SIGTERM)[index % 2])
            process.wait(30)

    assert {call.exit_code for call in stage.calls()} == {7}


def test_a_changed_script_holds_for_the_next_invocation_only(make_stage: MakeStage):
    """An invocation plays the script that it found, to its end."""
    stage = make_stage([Write(b"old\n"), ReadStdin(), Write(b"x" * 200_000), Write(b"old\n")])

    with subprocess.Popen([stage.executable], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        stage.write_script(encode([Write(b"new\n")]))
        first, _ = process.communicate(timeout=30)

    assert first.endswith(b"old\n")
    assert play(stage).stdout == b"new\n"
