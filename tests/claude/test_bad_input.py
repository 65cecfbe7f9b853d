"""What cannot be played is refused by the call that says it, with the place and the fix."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api_simulator.claude import FakeClaudeCLI
from api_simulator.errors import ApiSimulatorError, OptionError, ProgramStateError, ScriptError

CASES: dict[str, tuple[Callable[[Any], object], str]] = {
    "a message that is text": (
        lambda cli: cli.add_message('{"type": "result"}'),
        "add_message: a message is a dict, got str .*use corrupt_stream for a line that is not JSON",
    ),
    "a message that is a list": (lambda cli: cli.add_message([]), "a message is a dict, got list"),
    "a message with a path": (
        lambda cli: cli.add_message({"message": {"content": [{"cwd": Path("/w")}]}}),
        r"add_message: the message cannot be JSON: \$\.message\.content\[0\]\.cwd: PosixPath is not a JSON type",
    ),
    "a message with not-a-number": (lambda cli: cli.add_message({"a": math.nan}), r"\$\.a: nan is not a JSON number"),
    "a message with odd keys": (lambda cli: cli.add_message({(1, 2): 3}), r"\$: key \(1, 2\) is of type tuple"),
    "a message with half a character": (lambda cli: cli.add_message({"a": "\ud800"}), r"\$\.a: .* lone surrogate"),
    "a negative index of retries": (
        lambda cli: cli.inject_api_retry(at_message=-1, error_status=429, attempts=1),
        r"inject_api_retry\(at_message=-1, .*messages are counted from 0, -1 is before the first; give 0 or more",
    ),
    "an index of retries that is text": (
        lambda cli: cli.inject_api_retry(at_message="1", error_status=429, attempts=1),
        "expected an integer, got '1'",
    ),
    "no attempts": (
        lambda cli: cli.inject_api_retry(at_message=0, error_status=429, attempts=0),
        "nothing is retried in 0 attempts; give at least 1",
    ),
    "a limit of no turns": (lambda cli: cli.max_turns(0), r"max_turns\(0\): expected a number of turns, 1 or more"),
    "a failure that is a success": (lambda cli: cli.api_failure(200), "200 is no HTTP error; give a status from 400"),
    "a failure that is a truth value": (lambda cli: cli.api_failure(True), "True is no HTTP error"),
    "half an attempt": (lambda cli: cli.inject_api_retry(0, 429, 0.5), "expected an integer, got 0.5"),
    "a status that HTTP has not": (lambda cli: cli.inject_api_retry(0, 42, 1), "HTTP has no status 42; give 100 to"),
    "a status that is text": (lambda cli: cli.inject_api_retry(0, "429", 1), "expected an integer, got '429'"),
    "a corruption before the start": (lambda cli: cli.corrupt_stream(at_message=-2, error_text="x"), "-2 is before"),
    "a corruption at a truth value": (lambda cli: cli.corrupt_stream(True, "x"), "expected an integer, got True"),
    "a corruption of two lines": (
        lambda cli: cli.corrupt_stream(0, "a\nb"),
        "the text replaces one line and has a line break; write it as one line",
    ),
    "a corruption by bytes": (lambda cli: cli.corrupt_stream(0, b"x"), "error_text is text, got bytes"),
    "a corruption that is no text": (lambda cli: cli.corrupt_stream(0, "\udc80"), "lone surrogate"),
    "a negative number of messages": (lambda cli: cli.truncate_after(-1), r"truncate_after\(-1\): messages are"),
    "half a message": (lambda cli: cli.truncate_after(1.5), "expected an integer, got 1.5"),
    "an exit before the start": (lambda cli: cli.inject_exit(-1), "-1 is before the first"),
    "an exit at no index": (lambda cli: cli.inject_exit(None), "expected an integer, got None"),
    "an exit code above 255": (
        lambda cli: cli.inject_exit(0, code=256),
        r"inject_exit\(at=0, code=256\): exit code 256 does not exist; give an integer from 0 to 255",
    ),
    "a negative exit code": (lambda cli: cli.set_exit_code(-9), r"set_exit_code\(-9\): exit code -9 does not exist"),
    "an exit code that is a truth value": (lambda cli: cli.set_exit_code(True), "exit code True does not exist"),
    "a negative delay": (lambda cli: cli.delay_message(0, -1), r"delay_message\(0, -1\): cannot wait -1 ms"),
    "a delay in seconds": (lambda cli: cli.delay_message(0, 0.5), "milliseconds are an integer, got 0.5"),
    "a delay before the start": (lambda cli: cli.delay_message(-1, 5), "-1 is before the first"),
}


@pytest.mark.parametrize(("call", "message"), CASES.values(), ids=CASES)
def test_a_call_that_cannot_be_played_is_refused(
    cli: FakeClaudeCLI, call: Callable[[FakeClaudeCLI], object], message: str
):
    """And changes nothing: the script is what it was."""
    cli.add_message({"n": 0})

    with pytest.raises(ScriptError, match=message):
        call(cli)

    assert (cli.run().stdout, cli.run().returncode) == ('{"n":0}\n', 0)


def test_arguments_in_one_text_are_refused(cli: FakeClaudeCLI):
    with pytest.raises(OptionError, match=r"args: expected a list of arguments, got '-p hi'; write \['-p', 'hi'\]"):
        cli.run("-p hi")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": "x"}, r"FakeClaudeCLI\(seed\): expected an integer, got 'x'"),
        ({"cli_version": ""}, "cli_version: expected a text like '2.1.329', got ''"),
        ({"cli_version": 2}, "cli_version: expected a text"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(ApiSimulatorError, match=message):
        FakeClaudeCLI(**options)


def test_a_closed_fake_says_so(cli: FakeClaudeCLI):
    """What it knew stays readable."""
    cli.add_message({"n": 0})
    cli.run(["-p", "x"])
    cli.close()
    cli.close()

    assert [call.args for call in cli.calls] == [["-p", "x"]]
    assert len(cli.timeline()) == 2
    assert "closed" in repr(cli)
    for use in (lambda: cli.executable, cli.run, cli.session_log_dir, cli.__enter__, lambda: cli.wait_for_calls(1)):
        with pytest.raises(ProgramStateError, match="closed and its executable removed; make a new one"):
            use()


def test_a_fake_that_was_never_used_touches_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    fake = FakeClaudeCLI()
    fake.add_message({"n": 0})
    fake.close()

    assert list(tmp_path.iterdir()) == []
