"""What existing users call: one test for each fixed behaviour."""

import json
import os
import shutil
import subprocess
import sys
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from api_simulator.claude import ClaudeCLI, FakeClaudeCLI, SessionResult
from api_simulator.errors import ProgramTimeoutError
from tests.claude.conftest import MESSAGES

LINES = [json.dumps(message, separators=(",", ":")) + "\n" for message in MESSAGES]


def numbers(stdout: str) -> list[Any]:
    """The scripted messages by number, everything else by subtype, type or text."""
    found = []
    for line in stdout.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            found.append(line)
        else:
            found.append(record.get("n", record.get("subtype")))
    return found


def test_the_older_name_is_the_same_class():
    assert ClaudeCLI is FakeClaudeCLI


def test_messages_come_verbatim_and_nothing_else(scripted: FakeClaudeCLI):
    result = scripted.run()

    assert (result.stdout, result.stderr, result.returncode) == ("".join(LINES), "", 0)


def test_a_fake_without_messages_prints_nothing(cli: FakeClaudeCLI):
    result = cli.run()

    assert (result.stdout, result.stderr, result.returncode) == ("", "", 0)


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ({"b": 1, "a": [None, True, 1.5]}, '{"b":1,"a":[null,true,1.5]}'),
        ({"text": "h\u00e9 \U0001f600"}, '{"text":"h\u00e9 \U0001f600"}'),
        ({"text": "line\nbreak\x00\x1f"}, '{"text":"line\\nbreak\\u0000\\u001f"}'),
        ({"text": "js\u2028\u2029"}, '{"text":"js\\u2028\\u2029"}'),
        ({}, "{}"),
    ],
)
def test_a_message_is_one_line_of_compact_json(cli: FakeClaudeCLI, message: dict[str, Any], line: str):
    cli.add_message(message)

    assert cli.run().stdout_bytes == line.encode() + b"\n"


def test_a_message_is_taken_as_it_was_when_added(cli: FakeClaudeCLI):
    message = {"n": [1]}
    cli.add_message(message)
    message["n"].append(2)

    assert cli.run().stdout == '{"n":[1]}\n'


def test_a_message_of_ten_megabytes_arrives_whole(cli: FakeClaudeCLI):
    cli.add_message({"text": "x" * 10_000_000})
    cli.add_message({"n": 1})

    first, second = cli.run().stdout.splitlines()

    assert len(first) == 10_000_000 + len('{"text":""}')
    assert second == '{"n":1}'


class TestInjectApiRetry:
    def test_the_records_have_the_real_program_s_shape(self, scripted: FakeClaudeCLI):
        """Keys in their order, a delay that doubles and has up to a quarter of jitter."""
        scripted.inject_api_retry(at_message=1, error_status=529, attempts=2)

        records = [json.loads(line) for line in scripted.run().stdout.splitlines()[1:3]]

        assert [list(record) for record in records] == [
            [
                *("type", "subtype", "attempt", "max_retries", "retry_delay_ms"),
                *("error_status", "error", "session_id", "uuid"),
            ]
        ] * 2
        assert [(r["type"], r["subtype"], r["attempt"], r["max_retries"]) for r in records] == [
            ("system", "api_retry", 1, 10),
            ("system", "api_retry", 2, 10),
        ]
        assert {(r["error_status"], r["error"]) for r in records} == {(529, "overloaded")}
        assert 500 <= records[0]["retry_delay_ms"] <= 625
        assert 1000 <= records[1]["retry_delay_ms"] <= 1250

    def test_they_come_before_their_message(self, scripted: FakeClaudeCLI):
        scripted.inject_api_retry(at_message=2, error_status=429, attempts=2)

        assert numbers(scripted.run().stdout) == [0, 1, "api_retry", "api_retry", 2, 3]

    def test_they_may_be_announced_before_their_message_is_added(self, cli: FakeClaudeCLI):
        cli.inject_api_retry(at_message=1, error_status=429, attempts=1)
        cli.add_message({"n": 0})
        cli.add_message({"n": 1})

        assert numbers(cli.run().stdout) == [0, "api_retry", 1]

    def test_they_may_come_after_the_last_message(self, scripted: FakeClaudeCLI):
        scripted.inject_api_retry(at_message=4, error_status=500, attempts=1)

        assert numbers(scripted.run().stdout) == [0, 1, 2, 3, "api_retry"]

    def test_exhausted_retries_end_the_session(self, scripted: FakeClaudeCLI):
        scripted.inject_api_retry(at_message=1, error_status=429, attempts=3, exhaust=True)

        result = scripted.run()

        assert numbers(result.stdout) == [0, "api_retry", "api_retry", "api_retry"]
        assert result.returncode == 1

    def test_exhausted_retries_exit_with_one_whatever_else_was_set(self, scripted: FakeClaudeCLI):
        scripted.set_exit_code(7)
        scripted.inject_api_retry(0, 429, 1, exhaust=True)

        assert scripted.run().returncode == 1

    def test_they_name_the_session_of_the_messages(self, cli: FakeClaudeCLI):
        cli.inject_api_retry(at_message=0, error_status=None, attempts=1)
        cli.add_message({"type": "result", "session_id": "s-1"})

        record = json.loads(cli.run(["--session-id", "other"]).stdout.splitlines()[0])

        assert (record["session_id"], record["error_status"], record["error"]) == ("s-1", None, "unknown")

    def test_without_such_messages_they_name_the_session_of_the_arguments(self, scripted: FakeClaudeCLI):
        scripted.inject_api_retry(at_message=0, error_status=429, attempts=1)

        runs = [scripted.run(args) for args in (['--resume=a"b'], ["--session-id", "s2"], [], [])]
        ids = [json.loads(run.stdout.splitlines()[0])["session_id"] for run in runs]

        assert ids[:2] == ['a"b', "s2"]
        assert ids[2] == ids[3]

    def test_two_series_at_one_message_add_up(self, scripted: FakeClaudeCLI):
        scripted.inject_api_retry(at_message=0, error_status=429, attempts=1)
        scripted.inject_api_retry(at_message=0, error_status=529, attempts=2)

        records = [json.loads(line) for line in scripted.run().stdout.splitlines()[:3]]

        assert [(record["error_status"], record["attempt"]) for record in records] == [(429, 1), (529, 1), (529, 2)]
        assert len({record["uuid"] for record in records}) == 3

    def test_more_attempts_than_the_program_makes_raise_the_maximum(self, cli: FakeClaudeCLI):
        cli.inject_api_retry(at_message=0, error_status=500, attempts=12)

        records = [json.loads(line) for line in cli.run().stdout.splitlines()]

        assert [record["attempt"] for record in records] == list(range(1, 13))
        assert {record["max_retries"] for record in records} == {12}

    def test_the_seed_decides_ids_and_jitter(self):
        def output(seed: int) -> str:
            fake = FakeClaudeCLI(seed=seed)
            fake.inject_api_retry(at_message=0, error_status=529, attempts=3)
            stdout = fake.run().stdout
            fake.close()
            return stdout

        assert output(1) == output(1)
        assert output(1) != output(2)


class TestEnds:
    def test_corrupt_stream_replaces_one_message(self, scripted: FakeClaudeCLI):
        scripted.corrupt_stream(at_message=1, error_text="Segmentation {fault")

        result = scripted.run()

        assert numbers(result.stdout) == [0, "Segmentation {fault", 2, 3]
        assert result.returncode == 0

    @pytest.mark.parametrize(("n", "expected"), [(0, []), (2, [0, 1]), (4, [0, 1, 2, 3]), (9, [0, 1, 2, 3])])
    def test_truncate_after_prints_so_many_and_exits_with_one(
        self, scripted: FakeClaudeCLI, n: int, expected: list[int]
    ):
        scripted.truncate_after(n)

        result = scripted.run()

        assert (numbers(result.stdout), result.returncode) == (expected, 1)

    def test_inject_exit_ends_right_after_a_message(self, scripted: FakeClaudeCLI):
        scripted.inject_exit(1, code=42)

        result = scripted.run()

        assert (numbers(result.stdout), result.returncode) == ([0, 1], 42)

    def test_inject_exit_takes_keywords_and_exits_with_one(self, scripted: FakeClaudeCLI):
        scripted.inject_exit(at=0)

        assert scripted.run().returncode == 1

    def test_set_exit_code_prints_everything(self, scripted: FakeClaudeCLI):
        scripted.set_exit_code(255)

        result = scripted.run()

        assert (numbers(result.stdout), result.returncode) == ([0, 1, 2, 3], 255)


class TestHangAfterResult:
    def test_the_result_is_out_and_the_process_stays(self, scripted: FakeClaudeCLI):
        scripted.hang_after_result()

        with subprocess.Popen([scripted.executable], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline().decode() for _ in LINES]
            running = process.poll() is None
            process.kill()
            rest = process.stdout.read()

        assert lines == LINES
        assert running
        assert rest == b"", "killing the one process must close its pipes"

    def test_communicate_returns_after_a_kill(self, scripted: FakeClaudeCLI):
        """No child holds the pipe: the complaint that users had about a shell script."""
        scripted.hang_after_result()

        with subprocess.Popen(
            [scripted.executable], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            with pytest.raises(subprocess.TimeoutExpired):
                process.communicate(timeout=0.5)
            process.kill()
            stdout, _ = process.communicate(timeout=30)

        assert stdout.decode() == "".join(LINES)

    def test_what_stands_after_the_last_result_never_comes(self, scripted: FakeClaudeCLI):
        scripted.add_message({"n": 4})
        scripted.hang_after_result()

        with pytest.raises(ProgramTimeoutError) as caught:
            scripted.run(timeout_s=0.5)

        assert caught.value.stdout == "".join(LINES)

    @pytest.mark.parametrize("count", [0, 2])
    def test_without_a_result_it_hangs_at_the_end(self, cli: FakeClaudeCLI, count: int):
        for number in range(count):
            cli.add_message({"n": number})
        cli.hang_after_result()

        with pytest.raises(ProgramTimeoutError) as caught:
            cli.run(timeout_s=0.5)

        assert numbers(caught.value.stdout) == list(range(count))

    def test_a_terminated_hang_exits_as_the_real_program(self, scripted: FakeClaudeCLI):
        scripted.hang_after_result()

        with subprocess.Popen([scripted.executable], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in LINES:
                process.stdout.readline()
            process.terminate()

            assert process.wait(30) == 143


def test_delay_message_waits_before_its_message(scripted: FakeClaudeCLI):
    scripted.delay_message(1, 150)
    scripted.delay_message(n=4, millis=100)

    result = scripted.run()

    assert numbers(result.stdout) == [0, 1, 2, 3]
    assert result.duration_ms >= 250
    (call,) = scripted.calls
    assert call.duration_ms is not None
    assert call.duration_ms >= 250


def test_delayed_lines_are_seen_when_they_are_written(scripted: FakeClaudeCLI):
    """Each line is flushed by itself: a reader has the first while the second is still to come."""
    scripted.delay_message(1, 60_000)

    with subprocess.Popen([scripted.executable], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.kill()

    assert first.decode() == LINES[0]


class TestRun:
    def test_both_arguments_are_optional(self, cli: FakeClaudeCLI):
        result = cli.run()

        assert isinstance(result, SessionResult)
        assert (result.returncode, result.exit_code(), result.args) == (0, 0, [])
        assert isinstance(result.stdout, str)
        assert isinstance(result.stderr, str)
        assert result.duration_ms >= 0

    def test_arguments_and_environment_arrive(
        self, cli: FakeClaudeCLI, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ):
        monkeypatch.setenv("FROM_TEST", "1")

        result = cli.run(["-p", "hi there"], {"EXTRA": "2"}, cwd=tmp_path, stdin="in")

        (call,) = cli.calls
        assert result.args == call.args == ["-p", "hi there"]
        assert call.argv[0] == str(cli.executable)
        assert (call.env["FROM_TEST"], call.env["EXTRA"]) == ("1", "2")
        assert (call.cwd, call.stdin) == (str(tmp_path.resolve()), b"in")

    def test_paths_may_be_arguments(self, cli: FakeClaudeCLI, tmp_path: Path):
        assert cli.run(["--add-dir", tmp_path]).args == ["--add-dir", str(tmp_path)]


class TestSearchPath:
    def test_inside_with_it_is_the_first_claude(self, cli: FakeClaudeCLI):
        before = os.environ["PATH"]

        with cli as entered:
            found = shutil.which("claude")
            inside = os.environ["PATH"]

        assert entered is cli
        assert found == str(cli.executable)
        assert inside == f"{cli.executable.parent}{os.pathsep}{before}"
        assert os.environ["PATH"] == before

    @pytest.mark.parametrize("before", [None, ""])
    def test_path_comes_back_exactly(self, cli: FakeClaudeCLI, monkeypatch: pytest.MonkeyPatch, before: str | None):
        if before is None:
            monkeypatch.delenv("PATH")
        else:
            monkeypatch.setenv("PATH", before)

        with cli:
            pass

        assert os.environ.get("PATH") == before

    def test_entering_again_is_counted(self, cli: FakeClaudeCLI):
        before = os.environ["PATH"]

        with cli:
            once = os.environ["PATH"]
            with cli:
                assert os.environ["PATH"] == once
            assert os.environ["PATH"] == once

        assert os.environ["PATH"] == before

    @pytest.mark.parametrize("order", list(permutations(range(3))))
    def test_fakes_may_be_left_in_any_order(self, order: tuple[int, ...]):
        before = os.environ["PATH"]
        fakes = [FakeClaudeCLI() for _ in range(3)]

        for fake in fakes:
            fake.__enter__()
        assert shutil.which("claude") == str(fakes[2].executable)
        for index in order:
            fakes[index].__exit__(None, None, None)

        assert os.environ["PATH"] == before
        for fake in fakes:
            fake.close()

    def test_an_error_inside_leaves_it_in_order(self, cli: FakeClaudeCLI):
        before = os.environ["PATH"]

        with pytest.raises(LookupError, match="from the test"), cli:
            raise LookupError("from the test")

        assert os.environ["PATH"] == before

    def test_closing_inside_takes_it_off(self, cli: FakeClaudeCLI):
        before = os.environ["PATH"]

        with cli:
            cli.close()
            assert os.environ["PATH"] == before

        assert os.environ["PATH"] == before

    def test_any_arguments_are_accepted(self, scripted: FakeClaudeCLI):
        with scripted:
            done = subprocess.run(
                ["claude", "--no-such-flag", "-x", "--", "", "--output-format", "xml"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )

        assert (done.stdout, done.returncode) == ("".join(LINES), 0)


def test_the_order_for_one_index_is_fixed(scripted: FakeClaudeCLI):
    """Whatever the order of the calls: retries, the replaced message, the exit."""
    calls = [
        lambda fake: fake.inject_exit(1, code=9),
        lambda fake: fake.corrupt_stream(1, "broken"),
        lambda fake: fake.inject_api_retry(1, 529, 1),
        lambda fake: fake.delay_message(1, 1),
    ]
    outcomes = set()
    for order in permutations(calls):
        fake = FakeClaudeCLI()
        for message in MESSAGES:
            fake.add_message(message)
        for call in order:
            call(fake)
        result = fake.run()
        outcomes.add((tuple(numbers(result.stdout)), result.returncode))
        fake.close()

    assert outcomes == {((0, "api_retry", "broken"), 9)}


def test_the_last_of_two_calls_for_one_index_holds(scripted: FakeClaudeCLI):
    scripted.corrupt_stream(0, "first")
    scripted.corrupt_stream(0, "second")
    scripted.inject_exit(1, 3)
    scripted.inject_exit(1, 4)

    result = scripted.run()

    assert (numbers(result.stdout), result.returncode) == (["second", 1], 4)


def test_each_invocation_plays_the_whole_script(scripted: FakeClaudeCLI):
    assert scripted.run().stdout == scripted.run().stdout == "".join(LINES)


def test_a_change_holds_for_the_next_invocation(cli: FakeClaudeCLI):
    """The executable is handed out first, the script is written later."""
    executable = cli.executable
    outputs = []

    for number in range(3):
        cli.add_message({"n": number})
        outputs.append(subprocess.run([executable], stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout)
    cli.set_exit_code(4)
    code = subprocess.run([executable], stdin=subprocess.DEVNULL, capture_output=True).returncode

    assert [numbers(output) for output in outputs] == [[0], [0, 1], [0, 1, 2]]
    assert code == 4


def test_reset_forgets_script_and_calls(scripted: FakeClaudeCLI):
    scripted.set_exit_code(3)
    scripted.run()
    executable = scripted.executable

    scripted.reset()
    scripted.add_message({"n": 9})
    result = scripted.run()

    assert (numbers(result.stdout), result.returncode) == ([9], 0)
    assert scripted.call_count == 1
    assert scripted.executable == executable
    scripted.wait_for_calls(1)


def test_importing_it_is_cheap_and_registers_nothing():
    """No server, no event loop, no models; and nothing that runs at the interpreter's end."""
    program = (
        "import atexit, sys\n"
        "before = atexit._ncallbacks()\n"
        "import api_simulator.claude\n"
        "heavy = {'aiohttp', 'pydantic', 'asyncio', 'httpx', 'anyio', 'cffi', 'pytest', 'trio'} & set(sys.modules)\n"
        "print(sorted(heavy), atexit._ncallbacks() - before)\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[] 0\n"


def test_its_names_are_real_attributes_that_can_be_replaced(monkeypatch: pytest.MonkeyPatch):
    import api_simulator.claude as module

    for name in ("FakeClaudeCLI", "ClaudeCLI", "SessionResult"):
        assert name in vars(module)
        monkeypatch.setattr(module, name, object())
