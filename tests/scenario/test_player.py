"""Replay: byte for byte, in recorded order, and never guessed over what was not recorded."""

import hashlib
import subprocess
import sys
import textwrap

import anyio
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_simulator.claude import FakeClaudeCLI
from api_simulator.errors import OptionError, ProgramStateError, ScenarioError, UnrecordedStepError
from api_simulator.process import FakeProgram
from api_simulator.process.script import Wait
from api_simulator.scenario import ScenarioBuilder, ScenarioPlayer, ScenarioRecorder, read_scenario
from api_simulator.scenario._playback import playback
from tests.scenario.conftest import program, record, record_in_turns


def start(place, *arguments, **options):
    """Start the fake program as code under test would."""
    return subprocess.run([place, *arguments], capture_output=True, timeout=30, check=False, **options)


class TestWhatIsPlayed:
    def test_output_files_transcripts_and_exit_code_come_again(self, recorder, make_player, tmp_path):
        (tmp_path / "work").mkdir()
        logs = tmp_path / "logs"
        (logs / "-p").mkdir(parents=True)
        text = (
            "import os, sys; os.write(1, b'a\\xff\\n'); os.write(2, b'\\xfe'); open('out.md', 'w').write('text')\n"
            f"open({str(logs / '-p' / 's.jsonl')!r}, 'w').write('{{}}\\n'); sys.exit(7)"
        )
        args = program(text)
        record(recorder, args, cwd=tmp_path / "work", files=["*"], session_log_dir=logs)
        player = make_player()
        (tmp_path / "elsewhere").mkdir()

        done = start(tmp_path / "bin" / "tool", *args[1:], cwd=tmp_path / "elsewhere")

        assert (done.stdout, done.stderr, done.returncode) == (b"a\xff\n", b"\xfe", 7)
        assert (tmp_path / "elsewhere" / "out.md").read_text() == "text"
        assert (player.session_log_dir() / "-p" / "s.jsonl").read_text() == "{}\n"

    def test_a_program_that_died_of_a_signal_dies_of_it_again(self, recorder, make_player):
        record(recorder, program("import os; print('x', flush=True); os.kill(os.getpid(), 15)"))

        ((cli, meta),) = make_player().build_session_map()["s"]

        assert (cli.run().returncode, meta.exit_code) == (-15, -15)

    def test_both_outputs_come_in_recorded_order(self, recorder, make_player):
        """Into one pipe, so that the order shows."""
        writes = [(fd, b"%d %d\n" % (fd, number)) for number in range(4) for fd in (1, 2)]
        record_in_turns(recorder, writes, pause_s=0.002)
        player = make_player()
        (step,) = player.scenario().step_sequence

        done = subprocess.run(
            [player.binary_path, *step.args[1:]],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=30,
            check=True,
        )

        assert done.stdout == b"".join(data for _, data in writes)

    @pytest.mark.parametrize(("time_factor", "at_least_ms"), [(1, 300), (2, 600)])
    def test_recorded_pauses_are_multiplied(self, recorder, make_player, time_factor, at_least_ms):
        record(recorder, program("import time; print(1, flush=True); time.sleep(0.3); print(2)"))
        ((cli, meta),) = make_player(time_factor=time_factor).build_session_map()["s"]

        assert meta.duration_ms >= 300
        assert cli.run().duration_ms >= at_least_ms

    def test_by_default_there_is_no_waiting(self, recorder, tmp_path):
        record(recorder, program("import time; print(1, flush=True); time.sleep(0.1); print(2)"))
        (step,) = read_scenario(recorder.scenario_dir).step_sequence

        waits = {
            factor: [
                each
                for each in playback(step.cassette, time_factor=factor, session_log_dir=tmp_path)
                if isinstance(each, Wait)
            ]
            for factor in (0, 1)
        }

        assert waits[0] == []
        assert sum(wait.ms for wait in waits[1]) >= 100

    @pytest.mark.parametrize("factor", [-1, float("nan"), 10_000])
    def test_a_factor_that_means_nothing_is_refused(self, recorder, make_player, factor):
        with pytest.raises(OptionError, match="0 for no waiting, 1 for the recorded times"):
            make_player(time_factor=factor)

    @settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.lists(
            st.tuples(st.sampled_from([1, 2]), st.binary(max_size=200) | st.text(max_size=60).map(str.encode)),
            max_size=8,
        ),
        st.booleans(),
    )
    def test_a_round_trip_is_byte_for_byte(self, tmp_path_factory, writes, terminal):
        """Random bytes, partial UTF-8, terminal codes, both outputs in turn; redaction off."""
        folder = tmp_path_factory.mktemp("round")
        text = f"import os\nfor fd, data in {writes!r}:\n os.write(fd, data)"
        with ScenarioRecorder(folder / "rec", "r", redact=False) as recorder:
            record(recorder, program(text), terminal=terminal)
        with ScenarioPlayer(folder / "rec", folder / "out", folder / "tool") as player:
            run = player.take_step("s")[0].run()

        assert run.stdout_bytes == b"".join(data for fd, data in writes if fd == 1)
        assert run.stderr_bytes == b"".join(data for fd, data in writes if fd == 2)

    @pytest.mark.soak
    @pytest.mark.timeout(600)
    @pytest.mark.parametrize("terminal", [True, False])
    def test_a_hundred_megabytes_come_back(self, recorder, make_player, terminal):
        text = "import hashlib\ndata = hashlib.sha512(b'x').digest() * 16384\n"
        text += "with open(1, 'wb') as out:\n for n in range(100):\n  out.write(data)"
        record(recorder, program(text), terminal=terminal, timeout_s=500)

        run = make_player().take_step("s")[0].run(timeout_s=300)

        assert run.stdout_bytes == hashlib.sha512(b"x").digest() * 16384 * 100

    @pytest.mark.soak
    @pytest.mark.timeout(300)
    def test_ten_thousand_lines_a_second_come_back(self, recorder, make_player):
        text = "import time\nfor n in range(30_000):\n print(n, flush=True)\n if n % 100 == 0: time.sleep(0.01)"
        record(recorder, program(text), timeout_s=200)

        assert make_player().take_step("s")[0].run().stdout == "".join(f"{n}\n" for n in range(30_000))


def test_a_recorded_fake_session_is_replayed_with_its_transcript(recorder, make_player, tmp_path):
    """The whole way: a program that writes transcripts as claude does, recorded and replayed."""
    config = tmp_path / "config"
    fake = FakeClaudeCLI()
    fake.add_message({"type": "assistant", "message": {"role": "assistant", "content": "hi"}, "session_id": "s-1"})
    fake.add_message({"type": "result", "subtype": "success", "session_id": "s-1"})
    args = [str(fake.executable), "-p", "hello"]
    record(recorder, args, env={"CLAUDE_CONFIG_DIR": str(config)}, session_log_dir=str(config / "projects"))
    fake.close()
    player = make_player()

    run = player.take_step("s", args)[0].run()

    assert [line[:9] for line in run.stdout.splitlines()] == ['{"type":"', '{"type":"']
    (transcript,) = player.session_log_dir().rglob("*.jsonl")
    assert transcript.read_bytes() == next((config / "projects").rglob("*.jsonl")).read_bytes()


class TestFindingTheStep:
    @pytest.fixture
    def player(self, recorder, make_player):
        for answer, arguments in [("1", ["a"]), ("2", ["a"]), ("3", ["b", "--token=hunter2"])]:
            record(recorder, program(f"print({answer})", *arguments)[:], step_name=f"s{answer}")
        return make_player()

    def arguments(self, answer, *more):
        return [*program(f"print({answer})")[1:], *more]

    def test_the_same_command_twice_gets_one_recording_after_the_other(self, recorder, make_player):
        gone_up = "import os, sys; n = len(os.listdir('.')); open(str(n), 'w'); print(n)"
        work = recorder.scenario_dir.parent / "work"
        work.mkdir()
        for _ in range(3):
            record(recorder, program(gone_up), cwd=work)
        place = make_player().binary_path

        outputs = [start(place, *program(gone_up)[1:]).stdout for _ in range(4)]

        assert outputs[:3] == [b"0\n", b"1\n", b"2\n"]
        assert outputs[3] == b""

    def test_a_command_that_was_not_recorded_is_told_the_nearest_and_the_difference(self, player):
        done = start(player.binary_path, *self.arguments(1, "A"))

        assert done.returncode == 127
        assert done.stdout == b""
        assert done.stderr.decode().startswith("api-simulator: \"tool -S -I -c 'print(1)' A\" was not recorded.\n")
        assert "nearest: step 's1', whose arguments differ (- recorded, + given):" in done.stderr.decode()
        assert "\n    - a\n    + A\n" in done.stderr.decode()

    def test_a_command_too_many_is_told_how_often_it_was_recorded(self, player):
        runs = [start(player.binary_path, *self.arguments(1, "a")) for _ in range(2)]

        assert [run.returncode for run in runs] == [0, 127]
        assert b"was recorded once with these arguments, and is called once more" in runs[1].stderr

    def test_where_a_secret_was_recorded_any_secret_fits(self, player):
        assert "hunter2" not in str(player.scenario())

        done = start(player.binary_path, *self.arguments(3, "b", "--token=another"))

        assert (done.stdout, done.returncode) == (b"3\n", 0)

    def test_a_secret_that_was_recorded_twice_must_be_the_same_twice(self, recorder, make_player):
        record(recorder, program("print(1)", "--token=hunter2", "--api-key=hunter2"))
        place = make_player().binary_path

        different = start(place, *program("print(1)", "--token=one11", "--api-key=other")[1:])
        same = start(place, *program("print(1)", "--token=one11", "--api-key=one11")[1:])

        assert (different.returncode, same.returncode) == (127, 0)

    def test_synthetic_steps_without_arguments_fit_any_command_in_their_order(self, tmp_path):
        builder = ScenarioBuilder("r").add_synthetic_step("one", stdout_lines=["1"])
        builder.add_synthetic_step("exact", stdout_lines=["exact"], args=["tool", "x"]).add_synthetic_step("two", 3)

        with builder.build(tmp_path / "rec", tmp_path / "tool") as player:
            runs = [start(player.binary_path, argument) for argument in ("a", "x", "b")]

        assert [(run.stdout, run.returncode) for run in runs] == [(b"1\n", 0), (b"exact\n", 0), (b"", 3)]


class TestTakingSteps:
    @pytest.fixture
    def player(self, tmp_path):
        builder = ScenarioBuilder("r").add_synthetic_step("plan", stdout_lines=["1"], args=["claude", "-p", "x"])
        player = builder.add_synthetic_step("plan", stdout_lines=["2"]).build(tmp_path, tmp_path / "claude")
        yield player
        player.close()

    def test_each_is_taken_once(self, player):
        outputs = [player.take_step("plan")[0].run().stdout for _ in range(2)]

        assert outputs == ["1\n", "2\n"]
        with pytest.raises(UnrecordedStepError, match="'plan' was recorded 2 times, and is asked for once more"):
            player.take_step("plan")

    def test_a_name_that_was_not_recorded_is_told_the_nearest(self, player):
        with pytest.raises(UnrecordedStepError, match=r"'plann' was not recorded in .*; nearest: 'plan'"):
            player.take_step("plann")

    def test_arguments_that_differ_are_told(self, player):
        with pytest.raises(UnrecordedStepError, match=r"(?s)nearest: step 'plan'.*\n    - x\n    \+ y"):
            player.take_step("plan", ["claude", "-p", "y"])

        assert player.take_step("plan", ["claude", "-p", "x"])[0].run().stdout == "1\n"

    @pytest.mark.parametrize("kind", [FakeClaudeCLI, lambda: FakeProgram("claude")])
    def test_a_fallback_comes_when_the_recordings_are_used_up(self, player, kind):
        fake = kind()
        player.add_fallback("plan", fake)

        taken = [player.take_step("plan") for _ in range(3)]

        assert [meta.is_fallback for _, meta in taken] == [False, False, True]
        assert taken[2][0] is fake
        fake.close()

    def test_a_fallback_that_cannot_run_is_refused(self, player):
        with pytest.raises(OptionError, match=r"has no run\(\); give a FakeClaudeCLI or a FakeProgram"):
            player.add_fallback("plan", object())

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_runs_are_async_too(self, player, backend):
        run = anyio.run(player.take_step("plan")[0].run_async, backend=backend)

        assert run.stdout == "1\n"


class TestReport:
    @pytest.fixture
    def built(self, tmp_path):
        builder = ScenarioBuilder("review").add_synthetic_step("plan", args=["claude", "plan"])
        return builder.add_synthetic_step("fix", args=["claude", "fix"])

    def test_a_replay_of_everything_is_silent(self, built, tmp_path):
        with built.build(tmp_path, tmp_path / "claude") as player:
            start(player.binary_path, "plan")
            player.build_session_map()["fix"][0][0].run()

            assert player.report() == ""
            assert len(player.calls) == 2

    def test_what_was_not_replayed_is_reported_at_the_end(self, built, tmp_path):
        with (
            pytest.raises(UnrecordedStepError, match=r"(?s)'review' was not replayed as recorded:.*2\. fix \(program"),
            built.build(tmp_path, tmp_path / "claude") as player,
        ):
            start(player.binary_path, "plan")

    def test_what_was_not_recorded_is_reported_at_the_end(self, built, tmp_path):
        player = built.build(tmp_path, tmp_path / "claude")
        start(player.binary_path, "plam")

        with pytest.raises(UnrecordedStepError, match=r"(?s)'claude plam' was not recorded.*- plan\n    \+ plam"):
            player.verify(leftovers=False)
        player.close()

    def test_an_error_of_the_test_stays_the_error(self, built, tmp_path):
        with pytest.raises(LookupError, match="from the test"), built.build(tmp_path, tmp_path / "claude"):
            raise LookupError("from the test")


class TestLife:
    def test_closing_removes_the_program_and_leaves_the_recording(self, tmp_path):
        player = ScenarioBuilder("r").add_synthetic_step("s").build(tmp_path / "rec", tmp_path / "bin" / "claude")
        before = (tmp_path / "rec" / "scenario.json").read_bytes()

        player.close()
        player.close()

        assert list((tmp_path / "bin").iterdir()) == []
        assert sorted(path.name for path in (tmp_path / "rec").iterdir()) == ["scenario.json", "sessions"]
        assert (tmp_path / "rec" / "scenario.json").read_bytes() == before
        with pytest.raises(ProgramStateError, match="is closed"):
            player.build_session_map()

    def test_the_program_plays_on_when_its_player_is_forgotten_and_its_process_gone(self, tmp_path):
        text = f"""\
            from api_simulator.scenario import ScenarioBuilder
            builder = ScenarioBuilder("r").add_synthetic_step("s", stdout_lines=["1"])
            builder.build({str(tmp_path)!r}, {str(tmp_path / "tool")!r})
        """
        subprocess.run([sys.executable, "-c", textwrap.dedent(text)], check=True, timeout=60)

        assert start(tmp_path / "tool").stdout == b"1\n"

    def test_players_that_are_not_closed_hold_no_descriptor(self, tmp_path):
        builder = ScenarioBuilder("r").add_synthetic_step("s")
        before = psutil.Process().num_fds()

        players = [builder.build(tmp_path / str(number), tmp_path / str(number) / "tool") for number in range(20)]

        assert psutil.Process().num_fds() == before
        for player in players:
            player.close()

    def test_something_else_that_was_put_at_its_place_stays(self, tmp_path):
        player = ScenarioBuilder("r").add_synthetic_step("s").build(tmp_path, tmp_path / "tool")
        (tmp_path / "tool").write_text("mine")

        player.close()

        assert (tmp_path / "tool").read_text() == "mine"

    def test_the_recording_may_be_read_only_for_the_player(self, recorder, make_player, tmp_path):
        """Nothing is written beside the recording."""
        record(recorder, program("pass"))
        recorder.finalize()
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "rec").rglob("*")}

        make_player().take_step("s")[0].run()

        assert {path: path.stat().st_mtime_ns for path in (tmp_path / "rec").rglob("*")} == before


class TestMcpCalls:
    @pytest.fixture
    def calls(self, recorder, make_player):
        for number in range(2):
            recorder.record_mcp_call(tool="search", arguments={"q": "x", "n": 1}, result=[number], duration_ms=3)
        recorder.record_mcp_call(tool="search", arguments={"q": "y", "key": {"token": "hunter2"}}, error="no")
        return make_player().mcp_calls

    def test_a_call_is_found_by_tool_arguments_and_occurrence(self, calls):
        results = [calls.take("search", {"n": 1, "q": "x"}).result for _ in range(2)]

        assert results == [[0], [1]]
        assert [step.error for step in calls.left] == ["no"]

    def test_a_call_too_many_says_so(self, calls):
        for _ in range(2):
            calls.take("search", {"n": 1, "q": "x"})

        with pytest.raises(
            UnrecordedStepError, match="was recorded 2 times with these arguments, and is called once more"
        ):
            calls.take("search", {"n": 1, "q": "x"})

    def test_where_a_secret_was_recorded_any_secret_fits(self, calls):
        assert calls.take("search", {"q": "y", "key": {"token": "another"}}).error == "no"

    @pytest.mark.parametrize(
        ("tool", "arguments", "line"),
        [
            ("search", {"q": "z", "n": 1}, '+  "q": "z"'),
            ("find", {"q": "x", "n": 1}, "+ find"),
            ("search", {"q": "x", "n": True}, '+  "n": true'),
        ],
    )
    def test_a_miss_shows_the_nearest_call_and_the_difference(self, calls, tool, arguments, line):
        with pytest.raises(UnrecordedStepError, match="nearest: call 1 of the scenario") as caught:
            calls.take(tool, arguments)

        assert line in str(caught.value)

    def test_in_order_only_the_next_one_fits(self, calls):
        with pytest.raises(UnrecordedStepError, match="was not recorded at this place"):
            calls.take("search", {"q": "y", "key": {"token": "another"}}, in_order=True)

        assert calls.take("search", {"q": "x", "n": 1}, in_order=True).result == [0]

    def test_calls_that_were_not_taken_are_left_over(self, calls, make_player):
        assert [step.tool for step in make_player().leftovers] == ["search"] * 3


def test_a_folder_without_a_recording_is_an_error_that_says_what_to_do(make_player, tmp_path):
    with pytest.raises(ScenarioError, match=r"scenario\.json does not exist; record the scenario, or give the folder"):
        make_player(tmp_path / "nothing")
