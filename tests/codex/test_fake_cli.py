"""What a test can say to the fake ``codex``, and what its invocations do then."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api_simulator.codex import CodexScript, FakeCodexCLI
from api_simulator.errors import OptionError, ProgramStateError, ScriptError

JSON = ["exec", "--json", "--skip-git-repo-check"]


@pytest.fixture
def codex() -> Iterator[FakeCodexCLI]:
    fake = FakeCodexCLI()
    yield fake
    fake.close()


def events(fake: FakeCodexCLI, *arguments: str, **options: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in fake.run([*JSON, *arguments], **options).stdout.split("\n")[:-1]]


def records(fake: FakeCodexCLI) -> list[dict[str, Any]]:
    return [json.loads(line) for path in fake.rollouts() for line in path.read_text().splitlines()]


def test_the_same_seed_gives_the_same_output():
    outputs = []
    for seed in (1, 1, 2):
        with FakeCodexCLI(seed=seed) as fake:
            outputs.append(fake.message("a").web_search("b").run([*JSON, "x"]).stdout)

    assert outputs[0] == outputs[1] != outputs[2]


def test_usage_is_the_thread_s_total_also_over_a_resumed_turn(codex: FakeCodexCLI, tmp_path: Path):
    """Adding up what two turns print would count the first one twice."""
    codex.usage(11, 5).message("hi")

    first = events(codex, "one", cwd=tmp_path)
    again = events(codex, "resume", "--last", "two", cwd=tmp_path)
    forked = events(codex, "fork", first[0]["thread_id"], "three", cwd=tmp_path)

    assert [turn[-1]["usage"]["input_tokens"] for turn in (first, again, forked)] == [11, 22, 33]
    assert first[0] == again[0] != forked[0]
    assert len(codex.rollouts()) == 2
    assert [record["ordinal"] for record in records(codex)[:20]] == list(range(20))


def test_a_thread_that_nobody_has_is_refused_and_a_name_begins_a_new_one(codex: FakeCodexCLI):
    codex.message("hi")
    unknown = "00000000-0000-7000-8000-000000000000"

    refused = codex.run([*JSON, "resume", unknown, "x"])

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        f"Error: thread/resume: thread/resume failed: no rollout found for thread id {unknown} (code -32600)\n"
    )
    assert events(codex, "resume", "no-such-name", "x")[-1]["type"] == "turn.completed"


def test_resume_last_looks_at_the_working_folder_only(codex: FakeCodexCLI, tmp_path: Path):
    codex.message("hi")
    (tmp_path / "other").mkdir()
    first = events(codex, "one", cwd=tmp_path)[0]["thread_id"]

    elsewhere = events(codex, "resume", "--last", "two", cwd=tmp_path / "other")[0]["thread_id"]
    of_all = events(codex, "resume", "--last", "--all", "two", cwd=tmp_path / "other")[0]["thread_id"]

    assert elsewhere != first
    assert of_all == elsewhere


def test_text_mode_prints_the_answer_only_and_all_else_on_standard_error(codex: FakeCodexCLI, tmp_path: Path):
    codex.message("looking").command("ls", output="a.py\n").message("It has one file.")

    done = codex.run(["exec", "--skip-git-repo-check", "-o", "last.txt", "look"], cwd=tmp_path)

    assert done.stdout == "It has one file.\n"
    assert f"exec\n/bin/bash -lc ls in {tmp_path}\n succeeded in 0ms:\na.py\n\n" in done.stderr
    assert (tmp_path / "last.txt").read_text() == "It has one file."


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (
            ["exec", "--nope", "x"],
            2,
            "error: unexpected argument '--nope' found\n\n  tip: to pass '--nope' as a value, use",
        ),
        (["exec", "a", "b"], 2, "error: unexpected argument 'b' found\n\nUsage: codex exec [OPTIONS] [PROMPT]\n"),
        (
            ["exec", "-s", "bogus", "x"],
            2,
            "error: invalid value 'bogus' for '--sandbox <SANDBOX_MODE>'\n  [possible values: ",
        ),
        (["exec", "--model"], 2, "error: a value is required for '--model <MODEL>' but none was supplied\n"),
        (["exec", "--json=3", "x"], 2, "error: unexpected value '3' for '--json' found; no more were expected\n"),
        (
            ["exec", "-m", "a", "-m", "b", "x"],
            2,
            "error: the argument '--model <MODEL>' cannot be used multiple times\n",
        ),
        (["exec", "-a", "never", "x"], 2, "error: unexpected argument '-a' found"),
        (["exec", "--full-auto", "x"], 2, "error: unexpected argument '--full-auto' found"),
        (["exec", "resume", "--last", "--sandbox", "x"], 2, "Usage: codex exec resume --last [SESSION_ID] [PROMPT]\n"),
        (["exec", "x"], 1, "Not inside a trusted directory and --skip-git-repo-check was not specified.\n"),
        (["exec", "-C", "/no/such", "x"], 1, "Error: No such file or directory (os error 2)\n"),
    ],
)
def test_what_it_refuses(codex: FakeCodexCLI, tmp_path: Path, arguments: list[str], code: int, text: str):
    """As the real program does; told that arguments do not matter, it accepts all of them."""
    codex.message("hi")

    done = codex.run(arguments, cwd=tmp_path)

    assert (done.returncode, done.stdout) == (code, "")
    assert text in done.stderr
    assert codex.calls[0].exit_code == code


def test_a_lenient_one_accepts_any_arguments_in_any_folder(tmp_path: Path):
    with FakeCodexCLI(strict_argv=False) as fake:
        fake.message("hi")
        done = fake.run(["exec", "--nope", "--json", "a", "b", "--sandbox", "bogus"], cwd=tmp_path)

    assert done.returncode == 0


def test_versions(codex: FakeCodexCLI):
    assert codex.run(["--version"]).stdout == "codex-cli 0.169.0\n"
    assert codex.run(["exec", "-V"]).stdout == "codex-cli-exec 0.169.0\n"


def test_an_image_swallows_the_prompt(codex: FakeCodexCLI):
    codex.message("hi")

    assert codex.run(["exec", "-i", "a.png", "prompt"]).stderr.endswith("No prompt provided via stdin.\n")


def test_a_pipe_that_stays_open_holds_it_up_before_anything_is_written(codex: FakeCodexCLI):
    """SIGINT does not end it then, SIGTERM does."""
    codex.message("hi")
    with subprocess.Popen(
        [codex.executable, *JSON, "x"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        while not codex.calls[0].signals:
            codex.wait_for_call()
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)

    assert said == b"Reading additional input from stdin...\n"
    assert (process.returncode, out, codex.rollouts()) == (-signal.SIGTERM, b"", [])


def test_the_prompt_is_recorded_with_what_was_piped(codex: FakeCodexCLI):
    codex.message("hi")

    events(codex, "sum up", stdin="a\nb\n")

    prompts = [record["payload"]["item"] for record in records(codex) if record["payload"].get("item")]
    assert prompts[0]["content"][0]["text"] == "sum up\n\n<stdin>\na\nb\n</stdin>"


def test_a_resumed_file_that_was_cut_is_gone_on_with(codex: FakeCodexCLI):
    codex.message("hi")
    events(codex, "one")
    (path,) = codex.rollouts()
    path.write_bytes(path.read_bytes()[:-30])

    events(codex, "resume", "--last", "two")

    lines = path.read_text().splitlines()
    assert len([line for line in lines if not line.endswith("}")]) == 1
    assert json.loads(lines[-1])["payload"]["type"] == "task_complete"


def test_a_search_has_its_id_twice(codex: FakeCodexCLI):
    line = codex.web_search("cats").run([*JSON, "x"]).stdout.splitlines()[2]

    assert line.startswith('{"type":"item.started","item":{"id":"item_0","type":"web_search","id":"ws_')


def test_a_plan_is_closed_just_before_the_turn(codex: FakeCodexCLI):
    codex.plan({"look": False}).message("a").plan({"look": True})

    types = [event["type"] for event in events(codex, "x")]

    assert types[2:] == ["item.started", "item.completed", "item.updated", "item.completed", "turn.completed"]


def test_parallel_commands_are_numbered_by_their_beginnings(codex: FakeCodexCLI):
    codex.parallel_commands({"a": "1", "b": "2"})

    shown = [(event["type"], event["item"]["id"]) for event in events(codex, "x") if "item" in event]

    assert shown == [(f"item.{phase}", f"item_{number}") for phase in ("started", "completed") for number in (0, 1)]
    calls = [record["payload"].get("type") for record in records(codex) if "call_id" in record["payload"]]
    assert calls == ["function_call", "function_call", "function_call_output", "function_call_output"]


def test_line_separators_of_unicode_are_written_raw(codex: FakeCodexCLI):
    """Splitting with str.splitlines() breaks such a line; only a newline ends it."""
    codex.message("a\u2028b")

    assert "a\u2028b" in codex.run([*JSON, "x"]).stdout


def test_scripts_by_invocation_have_the_agent_s_steps_too():
    with FakeCodexCLI() as fake:
        script = fake.when(["exec"])
        assert isinstance(script, CodexScript)
        script.message("hi")
        fake.when(containing=["resume"]).fail_first(1, code=7)

        assert fake.run(["exec", "resume", "--last", "x"]).returncode == 7
        assert fake.run([*JSON, "x"]).stdout.count("\n") == 4


def test_a_script_without_the_agent_is_played_as_it_is(codex: FakeCodexCLI):
    codex.write_json({"type": "thread.started"}).write("half").exit_by_signal("SIGKILL")

    done = codex.run(["whatever"])

    assert (done.returncode, done.stdout, done.stderr) == (-9, '{"type":"thread.started"}\nhalf', "")


def test_raw_events_are_printed_verbatim(codex: FakeCodexCLI):
    codex.event({"zeta": 1, "type": "new.event"}).message("hi")

    assert codex.run([*JSON, "x"]).stdout.splitlines()[2] == '{"zeta":1,"type":"new.event"}'


def test_hanging_after_the_turn(codex: FakeCodexCLI):
    codex.message("hi").completes().hang()
    with subprocess.Popen([codex.executable, *JSON, "x"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        assert process.poll() is None
        process.kill()

    assert json.loads(lines[-1])["type"] == "turn.completed"


def test_a_reader_that_leaves_ends_it_as_a_panic(codex: FakeCodexCLI):
    codex.message("x" * 500_000)
    read_end, write_end = os.pipe()
    os.close(read_end)
    with subprocess.Popen(
        [codex.executable, *JSON, "x"], stdin=subprocess.DEVNULL, stdout=write_end, stderr=subprocess.PIPE
    ) as process:
        os.close(write_end)
        _, err = process.communicate(timeout=30)

    assert process.returncode == 101
    assert b"failed printing to stdout: Broken pipe" in err


def test_every_cut_point_is_a_prefix_of_the_events(
    codex: FakeCodexCLI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    codex.command("ls", output="a\n").message("done")
    whole = codex.run([*JSON, "x"]).stdout_bytes
    points = [point for point in codex.cut_points(offsets=4) if point.action in ("end", "kill")]

    cuts = []
    for point in points[::3]:
        codex.cut_at(point)
        done = codex.run([*JSON, "x"])
        cuts.append((len(done.stdout_bytes), done.returncode))

    assert cuts == [(point.offset, 0 if point.action == "end" else -9) for point in points[::3]]
    assert points[-1].offset == len(whole)


def test_a_corrupted_event_is_followed_by_good_ones(codex: FakeCodexCLI):
    codex.message("done").cut_at("corrupt@90")

    lines = codex.run([*JSON, "x"]).stdout_bytes.splitlines()

    assert [line.endswith(b"<corrupt>") for line in lines] == [False, True, False, False]
    with pytest.raises(ScriptError, match="the script writes"):
        codex.cut_at("end@99999")


def test_two_on_path_are_refused(codex: FakeCodexCLI):
    other = FakeCodexCLI()
    with codex, pytest.raises(ProgramStateError, match="'codex' is on PATH already"):
        other.__enter__()
    other.close()


@pytest.mark.parametrize(
    ("say", "complaint"),
    [
        (lambda fake: fake.message(3), "expected text, got int 3"),
        (lambda fake: fake.message("\ud800"), "lone surrogate"),
        (lambda fake: fake.command("x", exit_code=256), "exit code 256 does not exist"),
        (lambda fake: fake.patch({"a": "rename"}), "give a path and 'add', 'update' or 'delete'"),
        (lambda fake: fake.patch({}), "expected the changed files"),
        (lambda fake: fake.event([1]), "expected a dict"),
        (lambda fake: fake.retries("x", 6), "give 1 to 5 attempts"),
        (lambda fake: fake.api_error(200), "is no HTTP error"),
        (lambda fake: fake.rate_limited(times=2), "fatal at once"),
        (lambda fake: fake.stream_error("nope"), "no such failure; give one of cut, closed"),
        (lambda fake: fake.fails("x").message("y"), "never comes"),
        (lambda fake: fake.usage(-1), "whole numbers from 0"),
        (lambda fake: fake.plan({"a": "done"}), "whether each is done"),
    ],
)
def test_what_cannot_be_played_is_refused_where_it_is_said(codex: FakeCodexCLI, say: Any, complaint: str):
    with pytest.raises(ScriptError, match=complaint):
        say(codex)


def test_bad_options_are_named():
    with pytest.raises(OptionError, match="model: expected a name, got ''"):
        FakeCodexCLI(model="")
    with pytest.raises(OptionError, match="seed: expected an integer"):
        FakeCodexCLI(seed="1")  # type: ignore[arg-type]


def test_no_real_home_is_written_to(codex: FakeCodexCLI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CODEX_HOME", raising=False)
    codex.message("hi")

    events(codex, "x")
    own = codex.codex_home()
    events(codex, "x", env={"HOME": str(tmp_path / "given")})

    assert not (tmp_path / ".codex").exists()
    assert own != codex.codex_home() == tmp_path / "given" / ".codex"
