"""Recording: what ends up on disk, how steps end, and who may record."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from api_simulator.errors import (
    OptionError,
    ProgramStartError,
    ProgramTimeoutError,
    RecorderStateError,
    RecordingError,
    ScenarioError,
)
from api_simulator.scenario import ScenarioRecorder, read_scenario
from tests.scenario.conftest import program, record, record_in_turns

#: A shell: it has started its child long before a short timeout. What it ignores, its child ignores too.
STUBBORN = ["sh", "-c", "trap '' TERM; sleep 600 & echo $!; wait"]


def has_gone(pid):
    """Whether a process is no more, or only waits to be reaped."""
    try:
        process = psutil.Process(pid)
        return process.status() == psutil.STATUS_ZOMBIE or process.wait(timeout=30) is None
    except psutil.NoSuchProcess:
        return True


class TestWhatIsKept:
    def test_nothing_is_cut(self, recorder):
        result = record(recorder, program("import sys; sys.stdout.write('x' * 3_000_000); sys.stderr.write('e' * 700)"))

        assert (result.cassette_path / "stdout.jsonl").stat().st_size == 3_000_000
        assert (result.cassette_path / "stderr.txt").read_text() == "e" * 700

    @pytest.mark.parametrize("terminal", [True, False])
    def test_line_ends_stay_as_they_were_written(self, recorder, terminal):
        """A terminal in its usual mode would make two characters of a newline."""
        written = b"a\nb\r\nc\rd\x04\x03\x1b[31m\x00"
        result = record(recorder, program(f"import os; os.write(1, {written!r})"), terminal=terminal)

        assert (result.cassette_path / "stdout.jsonl").read_bytes() == written

    def test_what_is_no_utf8_is_kept_as_bytes_beside_the_text(self, recorder):
        result = record(recorder, program("import os; os.write(1, b'ok \\xff\\xc3'); os.write(2, b'\\xe2\\x82')"))

        folder = result.cassette_path
        assert (folder / "stdout.raw").read_bytes() == b"ok \xff\xc3"
        assert (folder / "stdout.jsonl").read_text(encoding="utf-8") == "ok \ufffd\ufffd"
        assert (folder / "stderr.raw").read_bytes() == b"\xe2\x82"

    def test_a_text_has_no_raw_copy(self, recorder):
        result = record(recorder, program("print('h\\u00e9')"))

        assert sorted(path.name for path in result.cassette_path.iterdir()) == [
            *("cassette.json", "input.json", "stderr.txt", "stdout.jsonl", "timing.jsonl")
        ]

    def test_order_and_moments_of_both_outputs_are_kept(self, recorder):
        writes = [(1, b"ou\n"), (2, b"e\n")] * 3
        result = record_in_turns(recorder, writes, pause_s=0.03)

        moments = [json.loads(line) for line in (result.cassette_path / "timing.jsonl").read_text().splitlines()]
        assert [(stream, count) for _, stream, count in moments] == [("stdout", 3), ("stderr", 2)] * 3
        times = [at_ms for at_ms, _, _ in moments]
        assert all(later - earlier >= 29 for earlier, later in itertools.pairwise(times))

    def test_conditions_and_end_are_kept(self, recorder, tmp_path):
        (tmp_path / "work").mkdir()
        text = "import os, sys; sys.stdin.read(); print(os.getcwd(), os.environ['A'], 'HOME' in os.environ); os.abort()"
        result = record(
            recorder,
            program("import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); " + text),
            cwd=tmp_path / "work",
            env={"A": "1", "HOME": None},
            stdin="input",
            size=(132, 50),
        )

        kept = json.loads((result.cassette_path / "cassette.json").read_text())
        assert result.cassette_exit_code == kept["exit_code"] == -signal.SIGABRT
        assert kept["cwd"] == str(tmp_path / "work")
        assert kept["env"] == {"A": "1", "HOME": None}
        assert kept["terminal"] == {"columns": 132, "rows": 50}

    def test_the_program_sees_size_stdin_cwd_and_environment(self, recorder, tmp_path):
        text = "import os, sys; print(*os.get_terminal_size(1), sys.stdin.read(), os.getcwd(), os.environ['A'])"
        result = record(recorder, program(text), cwd=tmp_path, env={"A": "1"}, stdin=b"in", size=(132, 50))

        assert (result.cassette_path / "stdout.jsonl").read_text() == f"132 50 in {tmp_path} 1\n"

    def test_files_and_transcripts_that_it_wrote_are_kept(self, recorder, tmp_path):
        work, logs = tmp_path / "work", tmp_path / "logs"
        (logs / "-p").mkdir(parents=True)
        work.mkdir()
        (work / "old.md").write_text("old")
        (logs / "-p" / "older.jsonl").write_text("{}\n")
        text = (
            f"open('new.md', 'w').write('new'); open('x.bin', 'wb').write(b'\\xff')\n"
            f"open({str(logs / '-p' / 'a.jsonl')!r}, 'w').write('{{}}\\n')"
        )
        result = record(recorder, program(text), cwd=work, files=["*.md"], session_log_dir=str(logs))

        assert [path.name for path in (result.cassette_path / "files").iterdir()] == ["new.md"]
        assert (result.cassette_path / "transcripts" / "-p" / "a.jsonl").read_text() == "{}\n"
        assert not (result.cassette_path / "transcripts" / "-p" / "older.jsonl").exists()

    def test_output_is_passed_on_as_it_comes(self, recorder):
        """The program waits for what the callback does: it could not end if output came at the end only."""
        seen = []
        started: list[int] = []

        def on_output(stream, data):
            seen.append((stream, data))
            os.kill(started[0], signal.SIGUSR1)

        text = "import os, signal\nsignal.signal(10, lambda *_: os._exit(5))\nos.write(1, b'now')\nsignal.pause()"
        result = record(
            recorder, program(text), on_output=on_output, on_start=lambda run: started.append(run.pid), timeout_s=30
        )

        assert seen == [("stdout", b"now")]
        assert result.cassette_exit_code == 5
        assert result.pid == started[0]

    def test_steps_of_several_threads_stand_in_the_order_of_their_beginnings(self, recorder):
        begun, gate = threading.Event(), threading.Event()

        def hold(_run):
            begun.set()
            gate.wait(30)

        with ThreadPoolExecutor() as pool:
            running = pool.submit(record, recorder, program("pass"), step_name="first", on_start=hold)
            assert begun.wait(30)
            record(recorder, program("pass"), step_name="second")
            gate.set()
            running.result(30)

        assert [step.step_name for step in read_scenario(recorder.scenario_dir).step_sequence] == ["first", "second"]


class TestEnds:
    def test_a_timeout_ends_the_whole_group_and_is_recorded(self, recorder):
        with pytest.raises(ProgramTimeoutError, match="did not end within 2 s") as caught:
            record(recorder, STUBBORN, timeout_s=2)

        assert has_gone(int(caught.value.stdout))
        (step,) = read_scenario(recorder.scenario_dir).step_sequence
        assert (step.cassette.ended_by, step.cassette.exit_code) == ("timeout", -signal.SIGKILL)

    def test_cancelling_ends_the_whole_group_and_is_recorded(self, recorder):
        pids = []

        def on_output(_stream, data):
            pids.append(int(data))
            recorder.cancel()

        result = record(recorder, STUBBORN, on_output=on_output)

        assert result.ended_by == "cancel"
        assert has_gone(pids[0])

    def test_a_program_that_leaves_a_child_behind_does_not_hold_up_the_recorder(self, recorder):
        text = "import subprocess\nprint(subprocess.Popen(['sleep', '600']).pid)"
        result = record(recorder, program(text), timeout_s=30)

        assert result.ended_by == "exit"
        assert has_gone(int((result.cassette_path / "stdout.jsonl").read_text()))

    def test_a_program_that_does_not_exist_is_an_error_that_names_the_nearest_and_no_step(self, recorder, tmp_path):
        (tmp_path / "bin").mkdir()
        real = tmp_path / "bin" / "claude"
        real.write_text("#!/bin/sh\n")
        real.chmod(0o700)
        path = f"{tmp_path / 'nothing'}{os.pathsep}{tmp_path / 'bin'}"

        with pytest.raises(ProgramStartError) as caught:
            record(recorder, ["clade", "-p"], env={"PATH": path})
        with pytest.raises(ProgramStartError, match=rf"(?s)looked for {tmp_path}/bin/clade.*nearest: {real}"):
            record(recorder, ["bin/clade"], cwd=tmp_path)

        assert str(caught.value) == (
            f"'clade' does not exist, nothing was started.\n  looked in PATH: {path}\n  nearest: {real}\n"
            '  install it, give its whole path, or another PATH (from Python: env={"PATH": ...})'
        )
        assert read_scenario(recorder.scenario_dir).step_sequence == ()
        assert not (recorder.scenario_dir / "sessions").exists()

    @pytest.mark.parametrize(
        ("text", "mode", "complaint"),
        [
            ("#!/bin/sh\n", 0o600, "is not executable; chmod"),
            ("#!/no/such/interpreter\n", 0o700, "cannot be started: No such file"),
            ("no script\n", 0o700, "cannot be started: Exec format error"),
        ],
    )
    def test_a_program_that_cannot_be_started_is_an_error_and_no_step(self, recorder, tmp_path, text, mode, complaint):
        (tmp_path / "tool").write_text(text)
        (tmp_path / "tool").chmod(mode)

        with pytest.raises(ProgramStartError, match=complaint):
            record(recorder, [str(tmp_path / "tool")])

        assert read_scenario(recorder.scenario_dir).step_sequence == ()
        assert list(recorder.scenario_dir.glob("sessions/*")) == []

    def test_a_working_folder_that_does_not_exist_is_an_error(self, recorder, tmp_path):
        with pytest.raises(ProgramStartError, match="gone', which is no folder"):
            record(recorder, program("pass"), cwd=tmp_path / "gone")

    def test_a_callback_that_raises_ends_the_program(self, recorder):
        pids = []

        def on_output(_stream, data):
            pids.append(int(data))
            raise LookupError("from the test")

        with pytest.raises(LookupError, match="from the test"):
            record(recorder, STUBBORN, on_output=on_output)

        assert has_gone(pids[0])

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            ({"args": "claude -p"}, "full command line as a list"),
            ({"args": []}, "full command line as a list"),
            ({"timeout_s": 0}, "leaves no time to run"),
            ({"size": (0, 24)}, "no terminal has"),
            ({"files": "*.md"}, "files: expected a list of patterns"),
            ({"files": ["../*.md"]}, "is not below the working folder"),
            ({"files": ["/etc/*"]}, "is not below the working folder"),
            ({"step_name": ""}, "step_name: expected a text"),
            ({"tool": None}, "tool: expected a text"),
        ],
    )
    def test_bad_input_is_refused_at_once(self, recorder, arguments, complaint):
        with pytest.raises(OptionError, match=complaint):
            record(recorder, **{"args": ["x"], **arguments})

        assert not (recorder.scenario_dir / "sessions").exists()


class TestAsync:
    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_a_step_is_recorded(self, recorder, backend):
        import anyio

        async def work():
            return await recorder.record_step_async(step_name="s", tool="t", args=program("print(1)"))

        result = anyio.run(work, backend=backend)

        assert (result.cassette_path / "stdout.jsonl").read_text() == "1\n"

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_cancelling_the_task_ends_the_program_and_keeps_what_it_did(self, recorder, backend):
        import anyio

        pids = []

        async def work():
            async with anyio.create_task_group() as group:

                def on_output(_stream, data):
                    pids.append(int(data))
                    anyio.from_thread.run_sync(group.cancel_scope.cancel)

                await recorder.record_step_async(
                    step_name="s", tool="t", args=STUBBORN, on_output=on_output, timeout_s=60
                )

        anyio.run(work, backend=backend)

        assert has_gone(pids[0])
        (step,) = read_scenario(recorder.scenario_dir).step_sequence
        assert step.cassette.ended_by == "cancel"


class TestFolder:
    def test_two_recorders_cannot_mix(self, recorder):
        with pytest.raises(RecorderStateError, match=rf"is being recorded into by process {os.getpid()} on "):
            ScenarioRecorder(recorder.scenario_dir, "other")

    def test_the_lock_of_a_dead_recorder_is_none(self, tmp_path):
        text = (
            "import os; from api_simulator.scenario import ScenarioRecorder\n"
            f"r = ScenarioRecorder({str(tmp_path)!r}, 'r'); os._exit(9)"
        )
        subprocess.run([sys.executable, "-c", text], check=False, timeout=60)
        assert (tmp_path / ".recorder.lock").exists()

        ScenarioRecorder(tmp_path, "next").finalize()

        assert not (tmp_path / ".recorder.lock").exists()

    def test_a_recorder_that_was_dropped_locks_nothing(self, tmp_path):
        recorder = ScenarioRecorder(tmp_path, "dropped")
        del recorder

        ScenarioRecorder(tmp_path, "next").finalize()

    def test_finalize_gives_the_folder_back_and_ends_recording(self, recorder):
        recorder.finalize()

        ScenarioRecorder(recorder.scenario_dir, "next").finalize()
        with pytest.raises(RecorderStateError, match="is finalized; record before finalize"):
            record(recorder, ["x"])

    def test_a_context_manager_finalizes(self, tmp_path):
        with ScenarioRecorder(tmp_path, "r"):
            pass

        assert read_scenario(tmp_path).finalized

    def test_an_older_recording_goes_on_if_that_is_asked_for(self, tmp_path):
        with ScenarioRecorder(tmp_path, "old", secrets=["first secret"]) as old:
            record(old, ["echo", "first secret"], step_name="first")
        with ScenarioRecorder(tmp_path, "new", secrets=["other secret"], append=True) as new:
            record(new, ["echo", "other secret"], step_name="second")

        scenario = read_scenario(tmp_path)
        assert scenario.recipe == "old"
        assert [step.step_name for step in scenario.step_sequence] == ["first", "second"]
        # Another secret has another placeholder, in the whole of a recording.
        assert [step.cassette.output("stdout").read_bytes() for step in scenario.step_sequence] == [
            *(b"[redacted:declared:1]\n", b"[redacted:declared:2]\n")
        ]

    def test_what_cannot_be_read_cannot_go_on(self, tmp_path):
        (tmp_path / "scenario.json").write_text("{")

        with pytest.raises(ScenarioError, match="not JSON"):
            ScenarioRecorder(tmp_path, "new", append=True)

        assert sorted(path.name for path in tmp_path.iterdir()) == ["scenario.json"]

    def test_an_older_recording_stays_until_the_first_step_of_the_new_one_is_whole(self, tmp_path):
        with ScenarioRecorder(tmp_path, "old") as old:
            kept = record(old, program("print('old')"))
        (tmp_path / "sessions" / "mine").mkdir()
        new = ScenarioRecorder(tmp_path, "new")

        assert read_scenario(tmp_path).recipe == "old"
        record(new, program("print('new')"))

        assert read_scenario(tmp_path).recipe == "new"
        assert not kept.cassette_path.exists()
        assert (tmp_path / "sessions" / "mine").exists()
        new.finalize()

    def test_a_folder_that_cannot_be_written_to_is_one_clear_error(self, tmp_path):
        (tmp_path / "file").write_text("")

        with pytest.raises(RecordingError, match=r"the recording cannot begin: .* give an output_dir"):
            ScenarioRecorder(tmp_path / "file" / "rec", "r")


class TestOtherSteps:
    def test_a_summary_and_an_mcp_call_are_on_disk_at_once(self, recorder):
        recorder.record_non_session_step(step_name="a", tool="t", result_summary={"exit_code": 1, "stdout_head": "x"})
        recorder.record_mcp_call(tool="search", arguments={"q": "x"}, result={"hits": [1]}, duration_ms=5)
        recorder.record_mcp_call(tool="search", arguments={"q": "y"}, error="ToolError: no")

        one, two, three = read_scenario(recorder.scenario_dir).step_sequence
        assert one.result_summary == {"exit_code": 1, "stdout_head": "x"}
        assert (two.kind, two.tool, two.arguments) == ("mcp_call", "search", {"q": "x"})
        assert (two.result, two.error, two.duration_ms) == ({"hits": [1]}, None, 5)
        assert (three.result, three.error, three.step_name) == (None, "ToolError: no", "search")

    def test_what_is_no_json_is_refused(self, recorder):
        with pytest.raises(ValueError, match="arguments"):
            recorder.record_mcp_call(tool="t", arguments={"q": object()})

        assert read_scenario(recorder.scenario_dir).step_sequence == ()
