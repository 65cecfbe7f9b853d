"""What existing users call to record and replay: one test for each fixed behaviour."""

import inspect
import json
import subprocess
import sys
import threading

import pytest

import api_simulator.claude
from api_simulator.claude import (
    FakeClaudeCLI,
    make_scenario_builder,
    make_scenario_player,
    make_scenario_recorder,
)


def program(text: str, *arguments: str) -> list[str]:
    """The command line of a small real program."""
    return [sys.executable, "-c", text, *arguments]


HELLO = program("print('{\"n\": 1}'); print('{\"n\": 2}')")
FAILS = program("import sys; print('no'); sys.exit(3)")


@pytest.fixture
def recorded(tmp_path):
    """A recording with two steps of one name, one of another, and one without a session."""
    recorder = make_scenario_recorder(output_dir=str(tmp_path / "rec"), recipe_name="review")
    recorder.record_step(step_name="plan", tool="claude", args=HELLO, model="opus", session_log_dir=None)
    recorder.record_step(step_name="plan", tool="claude", args=FAILS, model="sonnet", session_log_dir=None)
    recorder.record_non_session_step(
        step_name="tests", tool="pytest", result_summary={"exit_code": 0, "stdout_head": "3 passed"}
    )
    recorder.record_step(step_name="fix", tool="codex", args=HELLO, model="gpt", session_log_dir=str(tmp_path))
    recorder.finalize()
    return tmp_path / "rec"


class TestRecorder:
    def test_a_step_s_result_says_exit_code_path_and_duration(self, tmp_path):
        recorder = make_scenario_recorder(output_dir=tmp_path, recipe_name="r")

        result = recorder.record_step(step_name="s", tool="t", args=FAILS, model="m", session_log_dir=None)

        assert result.cassette_exit_code == 3
        assert result.cassette_path.parent == tmp_path / "sessions"
        assert isinstance(result.cassette_duration_ms, int)
        assert result.scenario_dir == tmp_path
        recorder.finalize()

    def test_the_program_runs_under_a_pseudo_terminal(self, tmp_path):
        recorder = make_scenario_recorder(output_dir=tmp_path, recipe_name="r")
        asks = program("import sys; print(sys.stdin.isatty(), sys.stdout.isatty(), sys.stderr.isatty())")

        result = recorder.record_step(step_name="s", tool="t", args=asks, model="m", session_log_dir=None)

        assert (result.cassette_path / "stdout.jsonl").read_bytes() == b"True True False\n"
        recorder.finalize()

    def test_a_cassette_is_on_disk_when_record_step_returns(self, tmp_path):
        recorder = make_scenario_recorder(output_dir=tmp_path, recipe_name="r")

        result = recorder.record_step(step_name="s", tool="t", args=HELLO, model="m", session_log_dir=None)

        assert (result.cassette_path / "stdout.jsonl").read_text(encoding="utf-8") == '{"n": 1}\n{"n": 2}\n'
        assert json.loads((result.cassette_path / "input.json").read_text(encoding="utf-8")) == {"args": HELLO}
        recorder.finalize()

    def test_the_manifest_is_whole_after_every_step(self, tmp_path):
        """Nobody need call finalize: a SIGTERM loses nothing."""
        recorder = make_scenario_recorder(output_dir=tmp_path, recipe_name="r")
        counts = []
        for number in range(3):
            recorder.record_step(step_name=f"s{number}", tool="t", args=HELLO, model="m", session_log_dir=None)
            counts.append(len(json.loads((tmp_path / "scenario.json").read_bytes())["step_sequence"]))

        assert counts == [1, 2, 3]
        recorder.finalize()

    def test_it_works_from_a_worker_thread(self, tmp_path):
        recorder = make_scenario_recorder(output_dir=tmp_path, recipe_name="r")
        results = []
        thread = threading.Thread(
            target=lambda: results.append(
                recorder.record_step(step_name="s", tool="t", args=HELLO, model="m", session_log_dir=None)
            )
        )
        thread.start()
        thread.join(30)

        assert results[0].cassette_exit_code == 0
        recorder.finalize()

    def test_finalize_writes_scenario_json_also_without_a_step(self, tmp_path):
        make_scenario_recorder(output_dir=tmp_path / "new" / "folder", recipe_name="review").finalize()

        manifest = json.loads((tmp_path / "new" / "folder" / "scenario.json").read_text(encoding="utf-8"))
        assert manifest["recipe"] == "review"

    def test_finalize_is_idempotent(self, recorded, tmp_path):
        recorder = make_scenario_recorder(output_dir=tmp_path / "r", recipe_name="r")
        recorder.finalize()
        first = (tmp_path / "r" / "scenario.json").read_bytes()

        recorder.finalize()

        assert (tmp_path / "r" / "scenario.json").read_bytes() == first

    def test_unknown_files_and_folders_are_tolerated(self, recorded, tmp_path):
        (recorded / "notes.md").write_text("mine")
        (recorded / "sessions" / "other").mkdir()
        (recorded / "sessions" / "0001-plan" / "extra.bin").write_bytes(b"\xff")

        player = make_scenario_player(scenario_dir=recorded, output_dir=tmp_path / "o", binary_path=tmp_path / "claude")

        assert len(player.scenario().step_sequence) == 4
        assert (recorded / "notes.md").read_text() == "mine"
        player.close()


class TestPlayer:
    @pytest.fixture
    def player(self, recorded, tmp_path):
        player = make_scenario_player(
            scenario_dir=str(recorded), output_dir=str(tmp_path / "out"), binary_path=str(tmp_path / "bin" / "claude")
        )
        yield player
        player.close()

    def test_scenario_has_the_steps_in_recorded_order(self, player):
        steps = player.scenario().step_sequence

        assert [step.step_name for step in steps] == ["plan", "plan", "tests", "fix"]
        assert [step.session_dir is None for step in steps] == [False, False, True, False]
        assert [step.result_summary for step in steps] == [
            *(None, None, {"exit_code": 0, "stdout_head": "3 passed"}, None)
        ]

    def test_the_session_map_has_each_step_s_sessions_in_recorded_order(self, player):
        sessions = player.build_session_map()

        assert [(name, len(pairs)) for name, pairs in sessions.items()] == [("plan", 2), ("fix", 1)]
        assert [(meta.exit_code, meta.model) for _, meta in sessions["plan"]] == [(0, "opus"), (3, "sonnet")]
        assert all(meta.duration_ms >= 0 for pairs in sessions.values() for _, meta in pairs)

    def test_cli_run_plays_what_was_recorded(self, player):
        outputs = [cli.run().stdout for cli, _ in player.build_session_map()["plan"]]

        assert outputs == ['{"n": 1}\n{"n": 2}\n', "no\n"]

    def test_the_fake_program_is_at_binary_path(self, player, tmp_path):
        done = subprocess.run([tmp_path / "bin" / "claude", *FAILS[1:]], capture_output=True, timeout=30, check=False)

        assert (done.returncode, done.stdout) == (3, b"no\n")

    def test_a_fallback_stands_in_for_a_step_that_was_not_recorded(self, player):
        fake = FakeClaudeCLI()
        fake.add_message({"type": "result"})

        player.add_fallback("summary", fake)

        ((cli, _),) = player.build_session_map()["summary"]
        assert cli.run().stdout == '{"type":"result"}\n'
        fake.close()


class TestBuilder:
    def test_synthetic_steps_are_played(self, tmp_path):
        builder = make_scenario_builder("made up")
        builder.add_synthetic_step("plan", exit_code=0, stdout_lines=['{"a":1}', '{"b":2}'])
        builder.add_synthetic_step("check", exit_code=7)
        (tmp_path / "out").mkdir()

        player = builder.build(output_dir=tmp_path / "out", binary_path=tmp_path / "elsewhere" / "claude")

        sessions = player.build_session_map()
        assert sessions["plan"][0][0].run().stdout == '{"a":1}\n{"b":2}\n'
        assert sessions["check"][0][0].run().returncode == 7
        assert json.loads((tmp_path / "out" / "scenario.json").read_bytes())["recipe"] == "made up"
        player.close()

    def test_steps_of_one_name_are_a_queue(self, tmp_path):
        builder = make_scenario_builder("queue")
        for number in range(3):
            builder.add_synthetic_step("plan", stdout_lines=[str(number)])

        player = builder.build(output_dir=tmp_path, binary_path=tmp_path / "claude")

        assert [player.take_step("plan")[0].run().stdout for _ in range(3)] == ["0\n", "1\n", "2\n"]
        player.close()

    def test_two_players_share_a_binary_path(self, tmp_path):
        players = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            builder = make_scenario_builder(name)
            builder.add_synthetic_step(name, stdout_lines=[name], args=["claude", name])
            players.append(builder.build(output_dir=tmp_path / name, binary_path=tmp_path / "claude"))

        own = [
            player.build_session_map()[name][0][0].run().stdout
            for name, player in zip(("one", "two"), players, strict=True)
        ]
        shared = [
            subprocess.run([tmp_path / "claude", name], capture_output=True, text=True, timeout=30, check=True).stdout
            for name in ("one", "two")
        ]

        assert own == shared == ["one\n", "two\n"]
        players[0].close()
        assert (tmp_path / "claude").exists(), "the other player still needs it"
        players[1].close()
        assert not (tmp_path / "claude").exists()


NAMES = ["make_scenario_recorder", "make_scenario_player", "make_scenario_builder"]


@pytest.mark.parametrize("name", NAMES)
def test_the_functions_are_real_attributes_that_a_test_can_set(name, monkeypatch):
    before = vars(api_simulator.claude)[name]
    monkeypatch.setattr(api_simulator.claude, name, "mine")

    assert getattr(api_simulator.claude, name) == "mine"
    monkeypatch.undo()
    assert getattr(api_simulator.claude, name) is before


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("make_scenario_recorder", {"output_dir", "recipe_name"}),
        ("make_scenario_player", {"scenario_dir", "output_dir", "binary_path"}),
        ("make_scenario_builder", {"recipe_name"}),
    ],
)
def test_no_more_arguments_are_needed(name, arguments):
    parameters = inspect.signature(getattr(api_simulator.claude, name)).parameters.values()

    assert {each.name for each in parameters if each.default is inspect.Parameter.empty} == arguments


def test_importing_registers_nothing_for_the_interpreter_s_end():
    check = (
        "import atexit; atexit.register = lambda *a, **k: print('atexit', a)\n"
        "import weakref; weakref.finalize = lambda *a, **k: print('finalize', a)\n"
        "import threading\n"
        "import sys, api_simulator.claude\n"
        "assert 'api_simulator.scenario' not in sys.modules and 'pydantic' not in sys.modules\n"
        "import api_simulator.scenario\n"
        "print(threading.active_count())"
    )

    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.splitlines()[-1] == "1"
    assert "api_simulator" not in done.stdout


@pytest.mark.parametrize("name", ["RECORD_SCENARIO", "REPLAY_SCENARIO", "SCENARIO_DIR"])
def test_variables_of_the_users_are_not_read(name, monkeypatch, tmp_path):
    monkeypatch.setenv(name, str(tmp_path / "users"))

    make_scenario_recorder(output_dir=tmp_path / "mine", recipe_name="r").finalize()

    assert not (tmp_path / "users").exists()
    assert (tmp_path / "mine" / "scenario.json").exists()
