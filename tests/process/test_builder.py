"""Every step that a script can have, played by a real process; and every mistake that is refused at its call."""

import asyncio
import os
import resource
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api_simulator.errors import ScriptError
from api_simulator.process import FakeProgram, Script
from tests.process.programs import line_of, opened, start
from tests.process.test_player import until

Build = Callable[[Script], object]


@pytest.fixture
def tool() -> Iterator[FakeProgram]:
    with FakeProgram("tool") as program:
        yield program
        program.close()


class TestOutput:
    @pytest.mark.parametrize(
        ("build", "stdout"),
        [
            (lambda s: s.write("h\u00e9\n"), b"h\xc3\xa9\n"),
            (lambda s: s.write(b"\xff\xfe\x00"), b"\xff\xfe\x00"),
            (lambda s: s.write("no end of line"), b"no end of line"),
            (lambda s: s.write_line("a").write_line().write_line(b"\xff"), b"a\n\n\xff\n"),
            (lambda s: s.write_json({"b": [1, None], "a": "\u00e9"}), '{"b":[1,null],"a":"\u00e9"}\n'.encode()),
            (lambda s: s.write_repeated("ab", 3).write_repeated("x", 0).write_repeated("", 9), b"ababab"),
            (lambda s: s.write_repeated(b"x" * 70_000 + b"\n", 3), (b"x" * 70_000 + b"\n") * 3),
            (lambda s: s.write_slowly("h\u00e9!", gap_ms=1), b"h\xc3\xa9!"),
        ],
        ids=["text", "bytes", "partial line", "lines", "JSON", "repeated", "repeated block", "slowly"],
    )
    def test_it_comes_as_it_was_said(self, tool: FakeProgram, build: Build, stdout: bytes):
        build(tool)  # type: ignore[arg-type]  # a program takes the steps of a script

        assert start("tool").stdout == stdout

    def test_each_stream_gets_its_own(self, tool: FakeProgram):
        tool.write("o").write("e", to="stderr").write_line("e2", to="stderr").write_json(1, to="stderr")
        tool.write_repeated("r", 2, to="stderr").write_slowly("s", gap_ms=0, to="stderr")

        done = start("tool")

        assert (done.stdout, done.stderr) == (b"o", b"ee2\n1\nrrs")

    @pytest.mark.parametrize("size", [0, 5, 65_536, 1_000_001])
    def test_a_file_is_copied(self, tool: FakeProgram, tmp_path: Path, size: int):
        file = tmp_path / "given"
        file.write_bytes(os.urandom(size))

        tool.write("<").write_from(file).write(">")

        assert start("tool").stdout == b"<" + file.read_bytes() + b">"

    def test_slow_output_comes_piece_by_piece(self, tool: FakeProgram):
        tool.write_slowly("\u20ac\u20ac", gap_ms=20, size=2)

        start("tool")

        (call,) = tool.calls
        assert call.duration_ms is not None
        assert call.duration_ms >= 40

    def test_a_closed_stream_ends_for_its_reader_while_the_program_lives(self, tool: FakeProgram):
        tool.write("last").close_stream("stdout").hang()

        with opened("tool") as process:
            assert process.stdout is not None
            assert process.stdout.read() == b"last"
            assert process.poll() is None
            process.kill()

    @pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
    def test_a_line_of_100_mb_is_in_no_memory_as_a_whole(self, tool: FakeProgram):
        """Neither in the script on disk nor in the program."""
        tool.write_repeated("x", 100_000_000).write("\n").write_line("written", to="stderr").hang()

        with opened("tool", stdin=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            taken = 0
            while taken < 100_000_001:
                taken += len(process.stdout.read1(1_000_000))  # type: ignore[attr-defined]
            process.stderr.readline()
            status = Path(f"/proc/{process.pid}/status").read_text()
            process.kill()

        peak_kb = int(status.partition("VmHWM:")[2].split()[0])
        assert taken == 100_000_001
        assert peak_kb < 60_000
        assert (tool.executable.parents[1] / "script").stat().st_size < 1000

    def test_a_reader_that_has_gone_can_be_answered(self, tool: FakeProgram):
        tool.exit_on_broken_pipe(9).write_repeated("x", 1_000_000)

        with opened("tool", stdin=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            process.stdout.close()

            assert process.wait(30) == 9


class TestInput:
    def test_a_line_is_waited_for(self, tool: FakeProgram):
        """A dialogue: each answer comes after its question only."""
        tool.write_line("name?").wait_for_line().write_line("age?").wait_for_line().write_line("thanks")

        with opened("tool") as process:
            assert process.stdin is not None
            heard = [line_of(process)]
            for answer in (b"ann\n", b"7\n"):
                process.stdin.write(answer)
                process.stdin.flush()
                heard.append(line_of(process))

        assert heard == [b"name?\n", b"age?\n", b"thanks\n"]
        assert tool.calls[0].stdin == b"ann\n7\n"

    def test_lines_that_came_at_once_are_taken_one_by_one(self, tool: FakeProgram):
        tool.wait_for_line("c").write("C").wait_for_line("d", exit_at_end=4).write("never")

        done = start("tool", input=b"a\nc d\nb\n")

        assert (done.stdout, done.returncode) == (b"C", 4)

    def test_a_last_line_needs_no_newline(self, tool: FakeProgram):
        tool.wait_for_line("b", exit_at_end=4).write("B")

        assert start("tool", input=b"a\nb").stdout == b"B"

    def test_without_an_exit_the_end_of_input_lets_the_script_go_on(self, tool: FakeProgram):
        tool.wait_for_line().write("on")

        assert start("tool", input=b"").stdout == b"on"

    def test_a_line_of_many_megabytes_is_one_line(self, tool: FakeProgram):
        tool.wait_for_line(exit_at_end=1).write("one").wait_for_line("end", exit_at_end=2).write("two")

        assert start("tool", input=b"x" * 9_000_000 + b"\nend\n").stdout == b"onetwo"

    def test_the_end_of_input_is_waited_for(self, tool: FakeProgram):
        tool.wait_for_eof().write("done")

        assert start("tool", input=b"x" * 3_000_000).stdout == b"done"
        assert len(tool.calls[0].stdin) == 3_000_000

    def test_a_program_that_leaves_its_input_holds_up_its_writer(self, tool: FakeProgram):
        """The deadlock of code that writes all input before it reads any output."""
        tool.leave_stdin().write_line("ready").hang()

        with opened("tool") as process:
            assert process.stdin is not None
            line_of(process)
            os.set_blocking(process.stdin.fileno(), False)
            written = 0
            while select.select([], [process.stdin], [], 0.2)[1]:
                written += os.write(process.stdin.fileno(), b"x" * 4096)
            process.kill()

        assert 0 < written <= 1_048_576
        assert tool.calls[0].stdin == b""


class TestFiles:
    def test_they_are_relative_to_the_working_folder(self, tool: FakeProgram, tmp_path: Path):
        tool.create_file("made/deep/out.txt", "one\n").append_to_file("made/deep/out.txt", b"two\xff")

        start("tool", cwd=tmp_path)

        assert (tmp_path / "made/deep/out.txt").read_bytes() == b"one\ntwo\xff"

    def test_they_may_be_absolute_and_replace_what_is_there(self, tool: FakeProgram, tmp_path: Path):
        (tmp_path / "out").write_text("before, and longer")
        tool.create_file(tmp_path / "out", "new").append_to_file(tmp_path / "log", "x")

        for _ in range(2):
            start("tool")

        assert (tmp_path / "out").read_text() == "new"
        assert (tmp_path / "log").read_text() == "xx"


class TestSignals:
    def test_an_ignored_signal_is_on_record_only(self, tool: FakeProgram):
        tool.ignore_signal("SIGTERM", signal.SIGINT, 1).write_line("ready").wait_for_line().write("done")

        with opened("tool") as process:
            line_of(process)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                process.send_signal(number)
            until(lambda: len(tool.calls[0].signals) == 3)
            stdout, _ = process.communicate(b"go\n", timeout=30)

        assert (stdout, process.returncode) == (b"done", 0)
        assert sorted(number for _, number in tool.calls[0].signals) == [1, 2, 15]
        assert tool.calls[0].signal is None

    def test_a_trapped_signal_may_exit_with_a_code(self, tool: FakeProgram):
        tool.trap_signal("SIGTERM", exit_code=143).write_line("ready").hang()

        with opened("tool") as process:
            line_of(process)
            process.terminate()

            assert process.wait(30) == 143
        assert (tool.calls[0].signal, tool.calls[0].exit_code) == (15, 143)

    @pytest.mark.parametrize(
        "build",
        [lambda s: s.hang(), lambda s: s.wait(60_000), lambda s: s.wait_for_line(), lambda s: s.wait_for_eof()],
        ids=["hang", "wait", "wait for a line", "wait for the end"],
    )
    @pytest.mark.parametrize("stdin", [subprocess.PIPE, subprocess.DEVNULL], ids=["pipe", "no input"])
    def test_a_trapped_signal_may_let_the_script_go_on(self, tool: FakeProgram, build: Build, stdin: int):
        """A program that cleans up: the signal ends the wait, now or when it is come to."""
        tool.trap_signal("SIGTERM").write_line("ready")
        build(tool)  # type: ignore[arg-type]
        tool.write_line("cleaning up").exit(3)

        with opened("tool", stdin=stdin) as process:
            line_of(process)
            process.terminate()

            assert line_of(process) == b"cleaning up\n"
            assert process.wait(30) == 3

    def test_what_a_trapped_signal_interrupts_is_not_lost(self, tool: FakeProgram):
        """Half a line that was read when the signal came is the next wait's."""
        tool.trap_signal("SIGUSR1").write_line("ready").wait_for_line().write_line("signal").wait_for_line("abcd")
        tool.write_line("line")

        with opened("tool") as process:
            assert process.stdin is not None
            line_of(process)
            process.stdin.write(b"ab")
            process.stdin.flush()
            until(lambda: tool.calls[0].stdin == b"ab")
            process.send_signal(signal.SIGUSR1)
            assert line_of(process) == b"signal\n"
            process.stdin.write(b"cd\n")
            process.stdin.flush()

            assert line_of(process) == b"line\n"

    @pytest.mark.parametrize("which", ["SIGKILL", "SIGTERM", "SIGSEGV", signal.SIGABRT, 1])
    def test_a_program_may_end_itself_by_a_signal(self, tool: FakeProgram, which: Any, tmp_path: Path):
        number = which if isinstance(which, int) else getattr(signal, which)
        tool.write("half").exit_by_signal(which)
        soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))

        done = start("tool", cwd=tmp_path)

        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
        assert (done.stdout, done.returncode) == (b"half", -number)
        assert tool.calls[0].exit_code == -number
        assert tool.calls[0].outcome() == f"ended itself by signal {int(number)}"
        assert list(tmp_path.iterdir()) == []


class TestChildren:
    def test_a_child_keeps_the_pipe_after_the_program_has_gone(self, tool: FakeProgram):
        tool.write_line("from the program").spawn_child(Script().wait(100).write_line("from the child"))

        with opened("tool", stdin=subprocess.DEVNULL) as process:
            assert process.wait(30) == 0
            assert process.stdout is not None
            assert process.stdout.read() == b"from the program\nfrom the child\n"

        (call,) = tool.calls
        assert call.exit_code == 0
        assert len(call.children) == 1

    def test_by_default_it_hangs_until_the_fake_is_closed(self, tool: FakeProgram):
        tool.spawn_child()

        with opened("tool", stdin=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            assert process.wait(30) == 0
            assert select.select([process.stdout], [], [], 0.3)[0] == []
            tool.close()
            assert process.stdout.read() == b""

    def test_it_keeps_only_the_streams_it_is_told_to(self, tool: FakeProgram):
        tool.spawn_child(Script().write("lost").write("kept", to="stderr"), keeps=["stderr"])

        done = start("tool")

        assert (done.stdout, done.stderr) == (b"", b"kept")

    def test_it_dies_with_the_process_group_unless_it_has_its_own(self, tool: FakeProgram):
        child = Script().write_line("child").hang()
        for own_session in (False, True):
            tool.reset()
            tool.spawn_child(child, own_session=own_session).hang()
            with opened("tool", stdin=subprocess.DEVNULL, process_group=0) as process:
                assert process.stdout is not None
                line_of(process)
                os.killpg(process.pid, signal.SIGKILL)
                ended = bool(select.select([process.stdout], [], [], 0.0 if own_session else 20)[0])
                assert ended is not own_session
                if own_session:
                    os.kill(tool.calls[0].children[0], signal.SIGKILL)
                assert process.stdout.read() == b""

    def test_it_has_signals_of_its_own(self, tool: FakeProgram):
        """The program's traps are not its child's."""
        tool.trap_signal("SIGTERM", exit_code=1).spawn_child(Script().write_line("child").hang()).wait_for_eof()

        with opened("tool") as process:
            assert process.stdin is not None
            line_of(process)
            os.kill(tool.wait_for_call().children[0], signal.SIGTERM)
            process.stdin.close()

            assert process.wait(30) == 0


class TestMistakes:
    @pytest.mark.parametrize(
        ("build", "text"),
        [
            (lambda s: s.write(3), r"write\(\): expected text or bytes, got int; write_json\(\) takes the rest"),
            (lambda s: s.write("x", to="stdin"), r"write\('x'\): stream 'stdin' does not exist; give 'stdout' or"),
            (lambda s: s.write("\ud800"), r"write\(\): the text has a lone surrogate"),
            (lambda s: s.write_json({1, 2}), r"write_json\(\{1, 2\}\): "),
            (lambda s: s.write_repeated("x", -1), r"write_repeated\('x', -1\): nothing is repeated -1 times"),
            (lambda s: s.write_slowly("x", gap_ms=1, size=0), r"size=0\): a piece has at least 1 byte"),
            (lambda s: s.write_slowly("xy", gap_ms=-1), r"cannot wait -1 ms"),
            (lambda s: s.write_from("no/such/file"), r"write_from\('no/such/file'\): there is no such file"),
            (lambda s: s.close_stream("out"), r"close_stream\('out'\): stream 'out' does not exist"),
            (lambda s: s.wait(-1), r"wait\(-1\): cannot wait -1 ms; give 0 to 86400000"),
            (lambda s: s.wait(0.5), r"wait\(0\.5\): milliseconds are an integer"),
            (lambda s: s.wait_for_line("a\nb"), r"wait_for_line\(.*: a line has no line break within"),
            (lambda s: s.wait_for_line(exit_at_end=300), r"exit code 300 does not exist"),
            (lambda s: s.create_file(""), r"create_file\(''\): no file has the path ''"),
            (lambda s: s.spawn_child(keeps=["out"]), r"spawn_child\(\): stream 'out' does not exist; a child keeps"),
            (lambda s: s.spawn_child(Script().answer(str)), r"spawn_child: its script cannot have answer\(\)"),
            (lambda s: s.answer("text"), r"answer\(text\): expected a function of a ProgramCall, got str"),
            (lambda s: s.answer(asyncio.sleep), r"answer\(sleep\): the function runs in a thread without a loop"),
            (lambda s: s.ignore_signal("SIGKILL"), r"ignore_signal\('SIGKILL'\): a program cannot answer this signal"),
            (lambda s: s.ignore_signal("TERM"), r"there is no signal 'TERM'; give a name as 'SIGTERM'"),
            (lambda s: s.trap_signal(0), r"trap_signal\(0, exit_code=None\): there is no signal 0"),
            (lambda s: s.trap_signal(15, exit_code=-1), r"exit code -1 does not exist; give an integer from 0 to 255"),
            (lambda s: s.exit_on_broken_pipe(256), r"exit code 256 does not exist"),
            (lambda s: s.exit(True), r"exit\(True\): exit code True does not exist"),
            (lambda s: s.exit_by_signal("SIGCHLD"), r"exit_by_signal\('SIGCHLD'\): this signal ends no program"),
            (lambda s: s.fail_first(0), r"fail_first\(0, code=1\): expected how many invocations fail, 1 or more"),
            (lambda s: s.exit(0).write("x"), r"write\('x'\): never comes, the script ends before it"),
            (lambda s: s.exit_by_signal(9).hang(), r"hang\(\): never comes"),
            (lambda s: s.play(Script().fail_first(1)), r"play\(\): the script has fail_first\(\)"),
        ],
    )
    def test_they_are_refused_at_the_call(self, build: Build, text: str):
        script = Script()

        with pytest.raises(ScriptError, match=text):
            build(script)

    def test_what_was_refused_changes_nothing(self):
        script = Script().write("a")

        with pytest.raises(ScriptError):
            script.wait(-1)

        assert repr(script) == "<Script 1 step>"


class TestPlaying:
    def test_a_script_is_played_by_any_number_of_programs(self, tool: FakeProgram):
        common = Script().trap_signal("SIGTERM", exit_code=7).write_line("ready")
        tool.play(common).hang()

        with FakeProgram("other") as other, opened("tool") as process:
            other.write("<").play(common).write(">")
            line_of(process)
            process.terminate()
            assert process.wait(30) == 7
            assert start("other").stdout == b"<ready\n>"

    def test_it_is_played_as_it_is_now(self, tool: FakeProgram):
        script = Script().write("a")

        tool.play(script)
        script.write("b")

        assert start("tool").stdout == b"a"
