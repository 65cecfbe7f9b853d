"""The commands about recordings: exit status, text and JSON agree."""

import json
import os
import signal
import subprocess
import sys

import pytest

from api_simulator.cli import main
from api_simulator.scenario import ScenarioRecorder, read_scenario
from tests._core.test_redaction import SHAPES
from tests.scenario.conftest import program

CLI = [sys.executable, "-m", "api_simulator.cli"]
HELLO = program("print('hello')")


def both(capsys, *arguments):
    """Return exit status, text and JSON value of a command that changes nothing."""
    status = main(list(arguments))
    text = capsys.readouterr().out
    following = arguments.index("--") if "--" in arguments else len(arguments)
    again = main([*arguments[:following], "--json", *arguments[following:]])
    value = json.loads(capsys.readouterr().out)
    assert status == again
    assert value.pop("ok") == (status == 0)
    return status, text, value


def refused(capsys, complaint, *arguments):
    """Check that a command line is not understood: status 2, said on standard error and as JSON."""
    assert main(list(arguments)) == 2
    printed = capsys.readouterr()
    assert complaint in printed.err
    assert printed.out == ""
    following = arguments.index("--") if "--" in arguments else len(arguments)
    assert main([*arguments[:following], "--json", *arguments[following:]]) == 2
    assert complaint in json.loads(capsys.readouterr().out)["error"]["message"]


def written_in(folder):
    """Return what the one recorded program wrote."""
    (file,) = folder.rglob("stdout.jsonl")
    return file.read_text()


@pytest.fixture
def folder(tmp_path):
    with ScenarioRecorder(tmp_path / "rec", "review") as recorder:
        recorder.record_step(step_name="plan", tool="claude", model="opus", args=[*HELLO, "x"])
        recorder.record_non_session_step(step_name="tests", tool="pytest", result_summary={"exit_code": 0})
        recorder.record_mcp_call(tool="search", arguments={"q": "x"}, result={"hits": 2}, duration_ms=7)
    return str(tmp_path / "rec")


class TestRecord:
    def test_a_run_is_recorded_whatever_its_exit_code(self, capsys, tmp_path):
        arguments = ["record", "-o", str(tmp_path / "r"), "--step", "s", "--recipe", "n", "--json", "--"]

        status = main([*arguments, *program("import sys; print(1); sys.exit(3)")])

        value = json.loads(capsys.readouterr().out)
        assert status == 0
        assert (value["ok"], value["exit_code"], value["ended_by"], value["stdout_bytes"]) == (True, 3, "exit", 2)
        scenario = read_scenario(tmp_path / "r")
        assert (scenario.recipe, scenario.step_sequence[0].step_name) == ("n", "s")

    @pytest.mark.parametrize("how", ["piped", "-", "a file"])
    def test_a_program_reads_what_was_piped_or_named(self, tmp_path, how):
        (tmp_path / "prompt").write_text("hello\nworld\n")
        options = {"piped": [], "-": ["--stdin", "-"], "a file": ["--stdin", str(tmp_path / "prompt")]}[how]
        command = [*CLI, "record", "-o", str(tmp_path / "r"), *options, "--", *program("print(input(), input())")]

        given = "" if how == "a file" else "hello\nworld\n"
        subprocess.run(command, input=given, text=True, check=True, timeout=60)

        assert written_in(tmp_path) == "hello world\n"

    def test_a_pipe_by_which_nothing_comes_holds_nothing_up(self, tmp_path):
        """As some runners start what they run; the program has a terminal then."""
        command = [*CLI, "record", "-o", str(tmp_path / "r"), "--", *program("import os; print(os.isatty(0))")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            assert running.stderr is not None
            assert b"--stdin - waits" in running.stderr.read()
            assert running.wait(60) == 0

        assert written_in(tmp_path) == "True\n"

    def test_a_file_that_is_not_there_is_refused(self, capsys, tmp_path):
        refused(
            capsys, "--stdin nowhere: No such file", "record", "-o", str(tmp_path), "--stdin", "nowhere", "--", "true"
        )

    def test_a_program_without_the_dashes_is_told_of_them(self, capsys, tmp_path):
        refused(capsys, "stand after --", "record", "-o", str(tmp_path / "r"), "./program", "0")

    def test_a_program_that_is_ended_after_its_time_is_recorded_with_status_1(self, capsys, tmp_path):
        arguments = ["record", "-o", str(tmp_path / "r"), "--timeout-s", "0.5", "--"]

        status = main([*arguments, *program("print(1, flush=True); import time; time.sleep(600)")])

        assert status == 1
        assert "was ended after its time" in capsys.readouterr().out
        assert read_scenario(tmp_path / "r").step_sequence[0].cassette.ended_by == "timeout"

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_ends_the_program_and_keeps_what_it_did(self, tmp_path, number):
        args = program("print('so far', flush=True); import time; time.sleep(600)")
        command = [*CLI, "record", "--json", "--echo", "-o", str(tmp_path / "r"), "--", *args]

        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            assert process.stderr.readline() == b"so far\n"
            process.send_signal(number)
            stdout, _ = process.communicate(timeout=30)

        assert (process.returncode, json.loads(stdout)["ended_by"]) == (1, "cancel")
        cassette = read_scenario(tmp_path / "r").step_sequence[0].cassette
        assert cassette.output("stdout").read_bytes() == b"so far\n"

    def test_a_long_recording_tells_its_progress(self, tmp_path):
        args = program("print('x', flush=True); input()")
        command = [*CLI, "record", "--pipes", "-o", str(tmp_path / "r"), "--step", "slow", "--timeout-s", "30", "--"]
        reads_input = [*args[:-1], "print('x', flush=True); import signal; signal.pause()"]

        with subprocess.Popen([*command, *reads_input], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            line = process.stderr.readline().decode()
            process.terminate()
            process.communicate(timeout=30)

        assert line.startswith("recording 'slow': ")

    def test_a_secret_variable_is_named(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PLAIN_NAME", "plain words")

        main(["record", "-o", str(tmp_path), "--secret", "PLAIN_NAME", "--", *program("print('plain words')")])

        cassette = read_scenario(tmp_path).step_sequence[0].cassette
        assert cassette.output("stdout").read_bytes() == b"[redacted:declared:1]\n"

    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (["record"], "the program is missing; write it after --"),
            (["record", "--secret", "NOT_THERE", "--", "x"], "there is no such variable"),
        ],
    )
    def test_what_is_not_understood_is_status_2(self, capsys, tmp_path, monkeypatch, arguments, complaint):
        monkeypatch.chdir(tmp_path)

        refused(capsys, complaint, *arguments)

        assert list(tmp_path.iterdir()) == []

    def test_a_program_that_does_not_exist_is_status_1_and_leaves_nothing(self, capsys, tmp_path, folder):
        for arguments in (["-o", str(tmp_path / "new")], ["--replace", "-o", folder]):
            status, text, _ = both(capsys, "record", *arguments, "--", "/no/such/program")

            assert status == 1
            assert "'/no/such/program' does not exist, nothing was started" in text
        assert not (tmp_path / "new").exists()
        assert len(read_scenario(folder).step_sequence) == 3

    def test_a_folder_with_a_recording_is_refused_unless_the_step_is_added_or_replaces_it(self, capsys, folder):
        refused(capsys, "has a recording already (3 steps); --append adds", "record", "-o", folder, "--", *HELLO)
        refused(capsys, "not allowed with", "record", "-o", folder, "--append", "--replace", "--", *HELLO)
        refused(capsys, "goes on under its own name", "record", "-o", folder, "--append", "--recipe", "x", "--", *HELLO)
        assert len(read_scenario(folder).step_sequence) == 3

        assert main(["record", "-o", folder, "--append", "--step", "again", "--", *HELLO]) == 0
        scenario = read_scenario(folder)
        assert [step.step_name for step in scenario.step_sequence] == ["plan", "tests", "search", "again"]
        assert (scenario.recipe, scenario.finalized) == ("review", True)

        assert main(["record", "-o", folder, "--replace", "--step", "new", "--", *HELLO]) == 0
        assert [step.step_name for step in read_scenario(folder).step_sequence] == ["new"]

    def test_append_begins_a_recording_where_there_is_none(self, tmp_path):
        for _ in range(2):
            assert main(["record", "-o", str(tmp_path / "r"), "--append", "--", *HELLO]) == 0

        assert len(read_scenario(tmp_path / "r").step_sequence) == 2


class TestReplay:
    def test_without_a_command_the_output_is_shown(self, capsys, folder):
        status, text, value = both(capsys, "replay", folder)

        assert (status, text) == (0, "--- plan: exit code 0\nhello\n")
        assert value["steps"] == [{"step": "plan", "exit_code": 0, "stdout": "hello\n", "stderr": ""}]

    def test_a_command_finds_the_fake_program_on_path(self, capsys, tmp_path):
        with ScenarioRecorder(tmp_path, "r") as recorder:
            recorder.record_step(step_name="s", tool="echo", args=["echo", "recorded"])

        status, _, value = both(capsys, "replay", str(tmp_path), "--", "env", "echo", "recorded")

        assert (status, value["exit_code"], value["calls"], value["report"]) == (0, 0, 1, "")
        assert value["stdout"] == "recorded\n"

    def test_a_divergence_is_status_1_and_told(self, capsys, tmp_path):
        with ScenarioRecorder(tmp_path, "r") as recorder:
            recorder.record_step(step_name="s", tool="echo", args=["echo", "recorded"])

        status, text, value = both(capsys, "replay", str(tmp_path), "--", "env", "echo", "other")

        assert status == 1
        assert "'echo other' was not recorded" in value["report"]
        assert "nearest: step 's'" in value["report"]
        assert "after 1 call, 1 of them not recorded\n'echo other' was not recorded.\nrecorded in " in text

    def test_a_divergence_is_explained_once(self, tmp_path):
        """By the fake program, where it is called; the report at the end names it."""
        with ScenarioRecorder(tmp_path, "r") as recorder:
            recorder.record_step(step_name="s", tool="echo", args=["echo", "recorded"])
        command = [*CLI, "replay", str(tmp_path), "--", "env", "echo", "other"]

        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

        assert done.returncode == 1
        assert (done.stdout + done.stderr).count("nearest: step 's'") == 1
        assert "'echo other' was not recorded" in done.stdout

    @pytest.mark.parametrize(
        ("more", "complaint"),
        [(["--step", "x"], "has no recording of step 'x'"), (["--step", "x", "--", "y"], "has no recording of step")],
    )
    def test_what_the_recording_does_not_hold_is_status_2(self, capsys, folder, more, complaint):
        refused(capsys, complaint, "replay", folder, *more)

    def test_a_command_that_does_not_exist_is_status_1(self, capsys, folder):
        status, text, value = both(capsys, "replay", folder, "--", "/no/such/program")

        assert (status, value["error"]["type"]) == (1, "ProgramStartError")
        assert "'/no/such/program' does not exist" in text


def test_one_of_a_kind_is_told_in_the_singular(capsys, tmp_path):
    with ScenarioRecorder(tmp_path / "r", "review") as recorder:
        recorder.record_step(step_name="plan", tool="t", args=["printf", "\\n"])
    (tmp_path / "x.txt").write_text("plain")

    shown, scanned = both(capsys, "show", str(tmp_path / "r"))[1], both(capsys, "scan", str(tmp_path / "x.txt"))[1]

    assert shown.startswith("review: 1 step, ")
    assert ", 1 byte out, 0 bytes err" in shown
    assert scanned == "1 file, 0 findings\n"


def test_show_lists_every_step(capsys, folder):
    status, text, value = both(capsys, "show", folder)

    assert status == 0
    assert text.startswith("review: 3 steps, ")
    assert "     | hello\n" in text
    assert '     = {"hits": 2}  (7 ms)' in text
    assert [step["step"] for step in value["steps"]] == ["plan", "tests", "search"]
    assert all(step["step"] in text for step in value["steps"])


class TestDiff:
    def test_a_recording_does_not_differ_from_itself(self, capsys, folder):
        assert both(capsys, "diff", folder, folder) == (0, "no difference\n", {"differences": []})

    def test_differences_are_told_step_by_step_with_status_1(self, capsys, folder, tmp_path):
        with ScenarioRecorder(tmp_path / "other", "review") as recorder:
            recorder.record_step(step_name="plan", tool="claude", model="sonnet", args=program("print('bye')", "x"))
            recorder.record_non_session_step(step_name="more", tool="t", result_summary={})
            recorder.record_mcp_call(tool="search", arguments={"q": "x"}, result={"hits": 3})

        status, text, value = both(capsys, "diff", folder, str(tmp_path / "other"))

        assert status == 1
        assert [(each["step"], each["what"]) for each in value["differences"]] == [
            *(("plan", "model"), ("plan", "args"), ("plan", "stdout")),
            *(("tests", "only in A"), ("more", "only in B"), ("search", "result")),
        ]
        assert "     - hello\n     + bye\n" in text


class TestScan:
    @pytest.mark.parametrize(("kind", "secret"), SHAPES.items(), ids=list(SHAPES))
    def test_every_shape_is_found_and_not_shown(self, capsys, tmp_path, kind, secret):
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "log.txt").write_text(f"one\ntwo {secret}\n")

        status, text, value = both(capsys, "scan", str(tmp_path))

        assert status == 1
        assert f"{tmp_path / 'a' / 'log.txt'}:2: {kind}\n" in text
        assert {"file": str(tmp_path / "a" / "log.txt"), "line": 2, "kind": kind} in value["findings"]
        assert secret not in text + json.dumps(value)

    def test_a_redacted_recording_is_clean(self, capsys, tmp_path):
        with ScenarioRecorder(tmp_path, "r") as recorder:
            for secret in SHAPES.values():
                recorder.record_mcp_call(tool="t", arguments={"token": secret, "x": f"Authorization: Bearer {secret}"})

        status, _, value = both(capsys, "scan", str(tmp_path))

        assert (status, value["findings"]) == (0, [])

    def test_values_of_secret_variables_are_found(self, capsys, tmp_path, monkeypatch):
        monkeypatch.setenv("OWN_SERVICE_PASSWORD", "plain words")
        (tmp_path / "x.txt").write_text("some plain words")

        status, text, _ = both(capsys, "scan", str(tmp_path / "x.txt"))

        assert (status, f"{tmp_path / 'x.txt'}:1: declared\n" in text) == (1, True)

    def test_what_cannot_be_read_is_no_success(self, capsys, tmp_path):
        os.mkfifo(tmp_path / "fifo")
        (tmp_path / "gone").symlink_to(tmp_path / "nowhere")

        status, text, _ = both(capsys, "scan", str(tmp_path), str(tmp_path / "nowhere"))

        assert status == 1
        assert "does not exist" in text


def test_a_command_without_one_takes_no_program(capsys):
    assert main(["doctor", "--", "x"]) == 2
    assert "doctor takes no command after --" in capsys.readouterr().err


def test_only_the_command_that_is_used_is_loaded():
    check = "import sys; from api_simulator.cli import main; main(['--version'])"
    check += "; print([name for name in sys.modules if 'cli._' in name or name == 'pydantic'])"

    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.splitlines()[1] == "['api_simulator.cli._outcome']"
