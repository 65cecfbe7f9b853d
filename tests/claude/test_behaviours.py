"""Whole runs by one call, as a program sees them; their shapes are compared in test_shapes.py."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from api_simulator.claude import FakeClaudeCLI, SessionResult
from api_simulator.errors import ScriptError

STREAM = ["-p", "hi", "--output-format", "stream-json", "--verbose"]


def records_of(result: SessionResult) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("behave", "text", "code"),
    [
        (lambda fake: fake.says("Hello."), "Hello.\n", 0),
        (lambda fake: fake.rate_limited(), "API Error: Request rejected (429) · This request would exceed", 1),
        (lambda fake: fake.rate_limited(oauth=True), "You've hit your 5-hour limit", 1),
        (lambda fake: fake.overloaded(times=2, text="At last."), "At last.\n", 0),
        (lambda fake: fake.overloaded(times=3), "API Error: Repeated 529 Overloaded errors", 1),
        (lambda fake: fake.credit_exhausted(), "Credit balance is too low\n", 1),
        (lambda fake: fake.prompt_too_long(), "Prompt is too long", 1),
        (lambda fake: fake.invalid_api_key(), "Invalid API key · Fix external API key\n", 1),
        (lambda fake: fake.max_turns(2), "Error: Reached max turns (2)", 1),
        (lambda fake: fake.max_budget(0.25), "Error: Exceeded USD budget (0.25)", 1),
        (lambda fake: fake.structured_output({"answer": 4}), '{"answer":4}\n', 0),
        (lambda fake: fake.structured_output({}, invalid_attempts=5), "Error: Failed to provide valid structured", 1),
        (lambda fake: fake.permission_denied("Bash"), "I may not do that.\n", 0),
        (lambda fake: fake.subagent("Found it.", text="Done."), "Done.\n", 0),
        (lambda fake: fake.background_task(final_text="It is done."), "It is done.\n", 0),
        (lambda fake: fake.compaction(), "Done.\n", 0),
    ],
)
def test_as_text_a_behaviour_is_what_the_real_program_says_last(
    cli: FakeClaudeCLI, behave: Callable[[FakeClaudeCLI], None], text: str, code: int
):
    behave(cli)

    result = cli.run(["-p", "hi"])

    assert result.stdout.startswith(text)
    assert (result.returncode, result.stderr) == (code, "")


def test_retries_are_on_standard_output_until_the_answer(cli: FakeClaudeCLI):
    cli.overloaded(times=2, text="At last.")

    records = records_of(cli.run(STREAM))

    assert [record.get("subtype") for record in records] == ["init", "api_retry", "api_retry", None, "success"]
    assert records[-1]["result"] == "At last."


def test_the_json_format_is_one_object_and_verbose_an_array(cli: FakeClaudeCLI):
    cli.max_turns(1)

    one = json.loads(cli.run(["-p", "hi", "--output-format", "json"]).stdout)
    every = json.loads(cli.run(["-p", "hi", "--verbose", "--output-format=json"]).stdout)

    assert one["subtype"] == "error_max_turns"
    assert [record["type"] for record in every] == ["system", "assistant", "user", "result"]


def test_given_messages_are_printed_as_they_are_whatever_the_format(cli: FakeClaudeCLI):
    cli.add_message({"type": "note", "n": 1})
    cli.says("Hello.")

    assert cli.run(["-p", "hi"]).stdout == '{"type":"note","n":1}\nHello.\n'


def test_records_have_the_session_and_the_folder_of_the_invocation(cli: FakeClaudeCLI, tmp_path):
    cli.says("Hello.")
    session = "12345678-1234-4234-8234-123456789abc"

    init, *others = records_of(cli.run([*STREAM, "--session-id", session], cwd=tmp_path))

    assert init["cwd"] == str(tmp_path)
    assert {record["session_id"] for record in (init, *others)} == {session}
    (transcript,) = cli.session_log_dir().glob(f"*/{session}.jsonl")
    assert [json.loads(line)["type"] for line in transcript.read_text().splitlines()] == ["user", "assistant"]


def test_what_a_subagent_says_is_in_a_transcript_of_its_own(cli: FakeClaudeCLI):
    cli.subagent("Found it.")

    records = records_of(cli.run(STREAM))

    inner = [record for record in records if record.get("parent_tool_use_id")]
    assert [record["type"] for record in inner] == ["user", "assistant", "user"]
    (transcript,) = cli.session_log_dir().glob("*/*.jsonl")
    assert {json.loads(line)["uuid"] for line in transcript.read_text().splitlines()}.isdisjoint(
        record["uuid"] for record in inner
    )
    (own,) = transcript.with_suffix("").glob("subagents/agent-*.jsonl")
    first, *others = entries = [json.loads(line) for line in own.read_text().splitlines()]
    assert [entry["uuid"] for entry in entries] == [record["uuid"] for record in inner]
    assert {(entry["isSidechain"], f"agent-{entry['agentId']}.jsonl") for entry in entries} == {(True, own.name)}
    assert first["parentUuid"] is None
    assert [entry["parentUuid"] for entry in others] == [entry["uuid"] for entry in entries[:-1]]


def test_a_background_task_gives_two_results_in_one_run(cli: FakeClaudeCLI):
    cli.background_task("Found it.")

    results = [record for record in records_of(cli.run(STREAM)) if record["type"] == "result"]

    assert [result["result_index"] for result in results] == [0, 1]
    assert [result.get("origin", {}).get("kind") for result in results] == [None, "task-notification"]


def test_a_denied_tool_is_in_the_results_denials(cli: FakeClaudeCLI):
    cli.permission_denied("Write", {"file_path": "x"}, by_rule=True)

    records = records_of(cli.run(STREAM))

    (denial,) = records[-1]["permission_denials"]
    assert (denial["tool_name"], denial["tool_input"]) == ("Write", {"file_path": "x"})
    assert [record["subtype"] for record in records if record["type"] == "system"] == ["init", "permission_denied"]


def test_old_versions_print_no_retries():
    with closing(FakeClaudeCLI(cli_version="2.0")) as cli:
        cli.rate_limited()

        records = records_of(cli.run(STREAM))

    assert [record["type"] for record in records] == ["system", "assistant", "result"]
    assert "terminal_reason" not in records[-1]


def test_the_exit_code_may_be_another_one(cli: FakeClaudeCLI):
    cli.credit_exhausted()
    cli.set_exit_code(7)

    assert cli.run(STREAM).returncode == 7


def test_faults_hit_built_records_too(cli: FakeClaudeCLI):
    cli.says("Hello.")
    cli.corrupt_stream(at_message=1, error_text="oops")

    first, second, third = cli.run(STREAM).stdout.splitlines()

    assert (json.loads(first)["subtype"], second, json.loads(third)["type"]) == ("init", "oops", "result")


def test_built_runs_can_be_cut_at_every_record(cli: FakeClaudeCLI):
    cli.says("Hello.")
    whole = cli.run(STREAM).stdout.splitlines()
    ends = [point for point in cli.cut_points(offsets=0) if point.action == "end"]

    counts = []
    for point in ends:
        cli.cut_at(point)
        counts.append(len(cli.run(STREAM).stdout.splitlines()))

    assert counts == list(range(len(whole) + 1))


def test_a_host_that_sends_messages_gets_a_turn_for_each(cli: FakeClaudeCLI):
    cli.says("One.")
    cli.credit_exhausted()
    line = json.dumps({"type": "user", "message": {"role": "user", "content": "hi"}}) + "\n"

    ran = subprocess.run(
        [cli.executable, *STREAM[2:], "--input-format", "stream-json"],
        input=line * 2,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    results = [record for record in map(json.loads, ran.stdout.splitlines()) if record["type"] == "result"]
    assert [result["result"] for result in results] == ["One.", "Credit balance is too low"]
    assert ran.returncode == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda fake: fake.api_failure("overload"), "no failure is called 'overload'; known are rate_limited"),
        (lambda fake: fake.overloaded(times=-1), "expected how often, 0 or more, or None for ever"),
        (lambda fake: fake.rate_limited(times=2, oauth=True), "is not tried again; drop one"),
    ],
)
def test_what_cannot_happen_is_refused(cli: FakeClaudeCLI, call: Callable[[FakeClaudeCLI], None], message: str):
    with pytest.raises(ScriptError, match=message):
        call(cli)
