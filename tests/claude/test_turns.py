"""Turns by moves, as a process: formats, prompts, signals, transcripts, and how they are written."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api_simulator.claude import FakeClaudeCLI, Turn
from api_simulator.errors import ScriptError, UnexpectedCallError

STREAM = ["--output-format", "stream-json", "--verbose"]


def lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def kinds(output: str) -> list[str]:
    return [record.get("subtype") or record["type"] for record in lines(output)]


class TestFormats:
    @pytest.fixture(autouse=True)
    def script(self, cli: FakeClaudeCLI) -> None:
        cli.turn().text("Hello.")

    def test_text_is_the_result_s_text(self, cli: FakeClaudeCLI):
        assert cli.run(["-p", "hi"]).stdout == "Hello.\n"

    def test_json_is_the_result(self, cli: FakeClaudeCLI):
        result = json.loads(cli.run(["-p", "hi", "--output-format", "json"]).stdout)

        assert (result["type"], result["result"]) == ("result", "Hello.")

    def test_verbose_json_is_an_array_of_all(self, cli: FakeClaudeCLI):
        (line,) = cli.run(["-p", "hi", "--output-format", "json", "--verbose"]).stdout.splitlines()

        assert [record["type"] for record in json.loads(line)] == ["system", "assistant", "result"]

    def test_stream_json_is_a_line_each(self, cli: FakeClaudeCLI):
        assert kinds(cli.run(["-p", "hi", *STREAM]).stdout) == ["init", "assistant", "success"]


@pytest.mark.parametrize(
    ("arguments", "stdin", "prompt"),
    [
        (["-p", "hi"], None, "hi"),
        (["-p"], "from stdin", "from stdin"),
        (["hi", "--model", "haiku"], "and more", "hi\nand more"),
        (["first", "second"], None, "first"),
    ],
)
def test_the_prompt(cli: FakeClaudeCLI, arguments: list[str], stdin: str | None, prompt: str):
    cli.answer(lambda given: f"<{given}>")

    assert cli.run(arguments, stdin=stdin).stdout == f"<{prompt}>\n"


class TestWhichTurn:
    def test_a_pattern_goes_before_the_order_and_both_before_the_function(self, cli: FakeClaudeCLI):
        cli.answer(lambda prompt: "function")
        cli.turn().text("first")
        cli.on_prompt("weather").text("sunny")
        cli.on_prompt(re.compile(r"^W\d+$", re.IGNORECASE)).text("number")
        prompts = ["hi", "the weather", "w12", "again"]
        messages = [json.dumps({"type": "user", "message": {"role": "user", "content": text}}) for text in prompts]

        result = cli.run([*STREAM, "--input-format", "stream-json"], stdin="\n".join(messages) + "\n")

        results = [record["result"] for record in lines(result.stdout) if record["type"] == "result"]
        assert results == ["first", "sunny", "number", "function"]

    def test_no_turn_fails_the_run_with_what_there_is(self, cli: FakeClaudeCLI):
        cli.on_prompt("weather").text("Sunny.")

        with pytest.raises(
            UnexpectedCallError, match=r"no turn of the script fits the prompt 'hi'(?s:.*)on_prompt\('wea"
        ):
            cli.run(["-p", "hi"])

    def test_a_function_that_raises_fails_the_run(self, cli: FakeClaudeCLI):
        cli.answer(lambda prompt: prompt.nothing)  # type: ignore[attr-defined] # that is the test

        with pytest.raises(UnexpectedCallError, match="AttributeError"):
            cli.run(["-p", "hi"])

    def test_a_function_sees_the_call(self, cli: FakeClaudeCLI, tmp_path: Path):
        cli.answer(lambda prompt: f"{prompt.call.cwd} {prompt.options['--model']} {prompt.model}")

        stdout = cli.run(["-p", "hi", "--model", "haiku"], cwd=tmp_path).stdout

        assert stdout == f"{tmp_path} ['haiku'] claude-haiku-4-5-20251001\n"


class TestSignals:
    """The real program's ends: measured."""

    @pytest.fixture
    def started(self, cli: FakeClaudeCLI) -> Iterator[subprocess.Popen[bytes]]:
        cli.turn().text("word " * 1000, pieces=1000, gap_ms=100)
        process = subprocess.Popen(
            [cli.executable, "-p", "hi", *STREAM, "--include-partial-messages"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        while b"content_block_delta" not in process.stdout.readline():
            pass
        yield process
        process.kill()
        process.communicate()

    def test_sigint_ends_the_turn_with_a_result_and_exit_0(self, started: subprocess.Popen[bytes]):
        started.send_signal(signal.SIGINT)

        output, _ = started.communicate(timeout=30)

        records = [json.loads(line) for line in output.splitlines()]
        shown = [record.get("subtype") or record["type"] for record in records if record["type"] != "stream_event"]
        assert shown == ["assistant", "user", "error_during_execution"]
        assert records[-1]["terminal_reason"] == "aborted_streaming"
        assert next(record for record in records if record["type"] == "assistant")["aborted"] is True
        assert started.returncode == 0

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
    def test_others_end_it_at_once(self, cli: FakeClaudeCLI, started: subprocess.Popen[bytes], number: int, code: int):
        started.send_signal(number)

        output, _ = started.communicate(timeout=30)

        assert b'"type":"result"' not in output
        assert started.returncode == code
        (transcript,) = cli.session_log_dir().glob("*/*.jsonl")
        assert json.loads(transcript.read_text().splitlines()[-1])["type"] == "cost-state"


def test_it_is_one_process_that_ends_with_the_fake(cli: FakeClaudeCLI):
    cli.turn().hang()
    process = subprocess.Popen([cli.executable, "-p", "hi", *STREAM], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()

    cli.close()

    assert process.communicate(timeout=30)[0] == b""


def test_a_reader_that_goes_ends_it_with_0(cli: FakeClaudeCLI):
    cli.turn().text("x" * 1_000_000).wait(600_000)
    process = subprocess.Popen([cli.executable, "-p", "hi", *STREAM], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()

    process.stdout.close()

    assert process.wait(timeout=30) == 0


def test_the_same_seed_gives_the_same_output(tmp_path: Path):
    outputs = []
    for _ in range(2):
        fake = FakeClaudeCLI(seed=7)
        fake.turn().thinking("Hm.").tool("Bash", {"command": "ls"}, result="a").text("Done.")
        outputs.append(fake.run(["-p", "hi", *STREAM], cwd=tmp_path).stdout)
        fake.close()

    assert outputs[0] == outputs[1]


def test_parallel_calls_are_one_message_with_a_line_for_each_result(cli: FakeClaudeCLI):
    cli.turn().tool("Bash", {"command": "ls"}, result="a", together=True).tool("Bash", {"command": "pwd"}).text("Done.")

    records = lines(cli.run(["-p", "hi", *STREAM]).stdout)

    calls = [record["message"]["id"] for record in records if record["type"] == "assistant"]
    assert calls[0] == calls[1] != calls[2]
    assert [record["type"] for record in records] == [
        "system", "assistant", "assistant", "user", "user", "assistant", "result",
    ]  # fmt: skip
    assert records[-1]["num_turns"] == 3


def test_broken_output(cli: FakeClaudeCLI):
    cli.turn().write(b"{broken \xff\n").record({"type": "invented", "n": 1}).text("Done.")

    output = cli.run(["-p", "hi", *STREAM]).stdout_bytes.splitlines()

    assert output[1] == b"{broken \xff"
    assert json.loads(output[2]) == {"type": "invented", "n": 1}


def test_an_older_version_has_its_habits():
    fake = FakeClaudeCLI(cli_version="2.0.77")
    fake.turn().tool("Bash", {"command": "ls"})

    result = fake.run(["-p", "hi", *STREAM, "--max-turns", "1"])
    fake.close()

    assert result.returncode == 0
    assert lines(result.stdout)[-1]["is_error"] is False


class TestTranscripts:
    def test_a_home_in_use_is_left_alone(self, cli: FakeClaudeCLI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        """One like the test's own where a real program has been: it is somebody's."""
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
        (tmp_path / ".claude.json").write_text("{}")
        cli.turn().text("Hi.")

        cli.run(["-p", "hi"])

        assert not (tmp_path / ".claude").exists()
        assert list(cli.session_log_dir().glob("*/*.jsonl"))

    def test_an_empty_home_is_the_test_s(self, cli: FakeClaudeCLI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
        cli.turn().text("Hi.")

        cli.run(["-p", "hi"])

        assert cli.session_log_dir() == tmp_path / ".claude" / "projects"
        assert list(cli.session_log_dir().glob("*/*.jsonl"))

    def test_they_form_a_chain(self, cli: FakeClaudeCLI):
        cli.turn().tool("Bash", {"command": "ls"}, result="a").text("Done.")
        printed = lines(cli.run(["-p", "hi", *STREAM]).stdout)

        (transcript,) = cli.session_log_dir().glob("*/*.jsonl")
        records = [json.loads(line) for line in transcript.read_text().splitlines()]
        chain = [record for record in records if "parentUuid" in record]

        assert [record["type"] for record in chain] == ["user", "assistant", "user", "assistant"]
        assert [record["parentUuid"] for record in chain[1:]] == [record["uuid"] for record in chain[:-1]]
        assert {record["uuid"] for record in chain[1:]} <= {record["uuid"] for record in printed}
        assert [record["message"].get("stop_reason") for record in chain[1::2]] == ["tool_use", "end_turn"]

    def test_a_second_run_is_another_session(self, cli: FakeClaudeCLI):
        cli.turn().text("Hi.")
        first, second = (lines(cli.run(["-p", "hi", *STREAM]).stdout)[-1]["session_id"] for _ in range(2))

        assert first != second
        assert lines(cli.run(["-p", "hi", "--resume", first, *STREAM]).stdout)[-1]["session_id"] == first


class TestBadInput:
    @pytest.mark.parametrize(
        ("say", "text"),
        [
            (lambda turn: turn.text(1), "text"),
            (lambda turn: turn.text("a", pieces=0), "at least 1 piece"),
            (lambda turn: turn.tool(""), "a tool has a name"),
            (lambda turn: turn.tool("Bash", {"x": object()}), r"\$"),
            (lambda turn: turn.tool("Bash", permission="maybe"), "'maybe' does not exist"),
            (lambda turn: turn.tool("Bash", writes=True), "only Write makes a file"),
            (lambda turn: turn.api_error("no_such_failure"), "nothing is called 'no_such_failure'|no failure"),
            (lambda turn: turn.api_retry(529, times=0), "at least 1"),
            (lambda turn: turn.wait(-1), "milliseconds|wait"),
            (lambda turn: turn.exit(256), "256"),
            (lambda turn: turn.subagent(afterwards=Turn().text("x")), "background=True"),
            (lambda turn: turn.subagent(Turn().hang()), "text, thinking and tool"),
            (lambda turn: turn.then("no function"), "expected a function"),
            (lambda turn: turn.tool("Bash", "ls"), r"tool\('Bash'\): the input is a dict, got 'ls'"),
            (lambda turn: turn.api_error(200), "200 is no HTTP error; give a status from 400 to 599"),
        ],
    )
    def test_a_move_that_cannot_be_played_is_refused_when_it_is_said(self, say: Any, text: str):
        with pytest.raises(ScriptError, match=text):
            say(Turn())

    def test_messages_and_turns_do_not_mix(self, cli: FakeClaudeCLI):
        cli.add_message({"type": "result"})

        with pytest.raises(ScriptError, match="messages that are printed as they are"):
            cli.turn()

    @pytest.mark.parametrize(
        "say",
        [
            lambda cli: cli.add_message({"type": "result"}),
            lambda cli: cli.add(cli.records.result("x")),
            lambda cli: cli.truncate_after(1),
            lambda cli: cli.set_exit_code(1),
            lambda cli: cli.hang_after_result(),
            lambda cli: cli.inject_exit(1),
            lambda cli: cli.cut_at("kill@1"),
        ],
    )
    def test_faults_of_messages_are_refused_where_they_would_do_nothing(self, cli: FakeClaudeCLI, say: Any):
        cli.turn().text("Hi.")

        with pytest.raises(ScriptError, match=r"say it by a move there"):
            say(cli)

    def test_an_answer_that_is_no_turn(self, cli: FakeClaudeCLI):
        cli.answer(lambda prompt: 5)  # type: ignore[arg-type, return-value] # that is the test

        with pytest.raises(UnexpectedCallError, match="the answer 5 is no turn"):
            cli.run(["-p", "hi"])


def test_many_sessions_at_once(cli: FakeClaudeCLI):
    """Each asks the test process, and gets its own answer."""
    cli.answer(lambda prompt: f"You said {prompt}")
    answers: dict[int, str] = {}

    def run(number: int) -> None:
        answers[number] = cli.run(["-p", str(number)]).stdout

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == {number: f"You said {number}\n" for number in range(8)}
