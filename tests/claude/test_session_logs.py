"""Session transcripts: where they are written, when, and what stands in them."""

import json
import os
import pwd
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from api_simulator.claude import FakeClaudeCLI
from api_simulator.claude._player import base36, last_uuid, parse_arguments, path_hash, projects_folder, slug

KEYS = [
    *("parentUuid", "isSidechain", "userType", "cwd", "sessionId", "version", "gitBranch", "type", "message"),
    *("uuid", "timestamp"),
]


def transcripts(cli: FakeClaudeCLI) -> list[Path]:
    return sorted(cli.session_log_dir().rglob("*.jsonl"))


def records(cli: FakeClaudeCLI) -> list[dict[str, Any]]:
    """The records of the only transcript."""
    (file,) = transcripts(cli)
    return [json.loads(line) for line in file.read_text().splitlines()]


class TestRecords:
    def test_they_are_what_the_real_program_resumes_from(self, scripted: FakeClaudeCLI, tmp_path: Path):
        """The prompt, then each user and assistant message; keys in their order, chained by uuid."""
        scripted.run(["-p", 'hi "you"\n\u2028\u00e9'], cwd=tmp_path)

        got = records(scripted)

        assert [list(record) for record in got] == [KEYS] * 3
        assert [(record["type"], record["message"]["content"]) for record in got] == [
            ("user", 'hi "you"\n\u2028\u00e9'),
            ("assistant", [{"type": "text", "text": "Hi"}]),
            ("user", "again"),
        ]
        assert [record["parentUuid"] for record in got] == [None, got[0]["uuid"], got[1]["uuid"]]
        assert {record["cwd"] for record in got} == {str(tmp_path.resolve())}
        assert {record["version"] for record in got} == {"2.1.329"}
        assert {(record["isSidechain"], record["userType"], record["gitBranch"]) for record in got} == {
            (False, "external", "HEAD")
        }
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["timestamp"]) for record in got)
        assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", record["uuid"]) for record in got)

    def test_file_and_folders_are_private(self, scripted: FakeClaudeCLI, tmp_path: Path):
        scripted.run(env={"CLAUDE_CONFIG_DIR": str(tmp_path / "a" / "b")})

        (file,) = transcripts(scripted)

        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700

    def test_a_record_has_the_uuid_of_its_line(self, cli: FakeClaudeCLI):
        cli.add_message({"type": "assistant", "message": {"role": "assistant"}, "uuid": "u-1", "session_id": "s-1"})
        cli.run(["--session-id", "other"])

        (file,) = transcripts(cli)

        assert file.name == "s-1.jsonl"
        assert [(record["uuid"], record["sessionId"]) for record in records(cli)] == [("u-1", "s-1")]

    @pytest.mark.parametrize(
        ("arguments", "name"),
        [
            (["--session-id", "a-1"], "a-1"),
            (["--session-id=a-2", "--resume", "b"], "a-2"),
            (["-r", "b-1"], "b-1"),
            (["--resume=b-2"], "b-2"),
            (["--resume", "b-3", "--fork-session"], "93022838-d563-4bd5-a2d3-899ac845fdc0"),
            (["--resume", "../../escape"], "93022838-d563-4bd5-a2d3-899ac845fdc0"),
            ([], "93022838-d563-4bd5-a2d3-899ac845fdc0"),
        ],
    )
    def test_without_an_id_in_the_messages_the_arguments_decide(
        self, scripted: FakeClaudeCLI, arguments: list[str], name: str
    ):
        scripted.run(arguments)

        (file,) = transcripts(scripted)

        assert file.name == f"{name}.jsonl"

    @pytest.mark.parametrize("session_id", ["../../../escape", "a/b", "x" * 300, "nul\0"])
    def test_a_session_id_cannot_leave_the_folder(self, cli: FakeClaudeCLI, session_id: str):
        cli.add_message({"type": "user", "message": {"content": "x"}, "session_id": session_id})
        cli.run()

        (file,) = transcripts(cli)

        assert file.name == "93022838-d563-4bd5-a2d3-899ac845fdc0.jsonl"

    def test_a_second_invocation_appends_to_its_session(self, scripted: FakeClaudeCLI):
        """As a resumed session does: the same file, the chain goes on, no uuid comes twice."""
        scripted.run(["-p", "one", "--session-id", "s"])
        scripted.run(["-p", "two", "--resume", "s"])

        got = records(scripted)

        assert [record["message"]["content"] for record in got if record["type"] == "user"] == [
            "one",
            "again",
            "two",
            "again",
        ]
        assert [record["parentUuid"] for record in got] == [None, *(record["uuid"] for record in got[:-1])]
        assert len({record["uuid"] for record in got}) == 6

    def test_a_record_cut_by_a_kill_does_not_spoil_the_next(self, scripted: FakeClaudeCLI):
        scripted.run(["-p", "one"])
        (file,) = transcripts(scripted)
        whole = file.read_text()
        file.write_text(whole + '{"parentUuid":"x","uuid":"cut-')

        scripted.run(["-p", "two"])

        lines = file.read_text().splitlines()
        last_whole = json.loads(whole.splitlines()[-1])
        assert json.loads(lines[4])["parentUuid"] == last_whole["uuid"]

    def test_it_grows_while_the_program_runs(self, scripted: FakeClaudeCLI):
        """Who has seen a line finds its record; killing the program leaves what was written."""
        scripted.delay_message(2, 60_000)

        with subprocess.Popen(
            [scripted.executable, "-p", "hi"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.stdout.readline()
            seen = records(scripted)
            process.kill()

        assert [record["type"] for record in seen] == ["user", "assistant"]
        assert records(scripted) == seen

    def test_what_was_not_printed_is_not_on_record(self, scripted: FakeClaudeCLI):
        scripted.corrupt_stream(at_message=1, error_text="x")
        scripted.run(["-p", "hi"])
        scripted.truncate_after(2)
        scripted.run(["-p", "hi"])

        assert [record["message"]["content"] for record in records(scripted)] == ["hi", "again", "hi"]

    def test_no_session_persistence_writes_none(self, scripted: FakeClaudeCLI):
        scripted.run(["-p", "hi", "--no-session-persistence"])

        assert transcripts(scripted) == []

    def test_a_place_that_cannot_be_written_to_is_no_error(self, scripted: FakeClaudeCLI):
        result = scripted.run(env={"CLAUDE_CONFIG_DIR": "/dev/null/x"})

        assert (result.returncode, result.stderr) == (0, "")
        assert len(result.stdout.splitlines()) == 4

    def test_the_version_is_the_one_asked_for(self):
        fake = FakeClaudeCLI(cli_version="2.0.77")
        fake.run(["-p", "hi"])

        assert records(fake)[0]["version"] == "2.0.77"
        fake.close()


class TestPrompt:
    @pytest.mark.parametrize(
        ("arguments", "stdin", "prompt"),
        [
            (["-p", "hi"], None, "hi"),
            (["hi"], None, "hi"),
            (["hi", "second"], None, "hi"),
            (["--model", "opus", "-p", "--verbose", "hi"], None, "hi"),
            (["--allowedTools", "Bash", "Read", "-p", "hi"], None, "hi"),
            (["-p", "--", "--odd"], None, "--odd"),
            (["-p"], "from stdin\n", "from stdin\n"),
            (["-p", "hi"], "more", "hi\nmore"),
        ],
    )
    def test_it_is_the_first_record(self, cli: FakeClaudeCLI, arguments: list[str], stdin: str | None, prompt: str):
        cli.run(arguments, stdin=stdin)

        assert [record["message"] for record in records(cli)] == [{"role": "user", "content": prompt}]

    @pytest.mark.parametrize(
        ("arguments", "stdin"),
        [
            ([], None),
            (["--allowedTools", "Bash", "hi"], None),
            (["-p", "--input-format", "stream-json"], '{"type":"user"}'),
        ],
    )
    def test_without_one_there_is_no_record(self, cli: FakeClaudeCLI, arguments: list[str], stdin: str | None):
        cli.run(arguments, stdin=stdin)

        assert transcripts(cli) == []


class TestPlace:
    """Where the invocation's environment says, if its test said so; never in a real home."""

    @pytest.fixture(autouse=True)
    def _homes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.outer = tmp_path / "outer"
        self.inner = tmp_path / "inner"
        monkeypatch.setenv("HOME", str(self.outer))
        monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)

    def test_an_environment_like_the_test_s_own_means_the_fake_s_folder(self, scripted: FakeClaudeCLI):
        before = scripted.session_log_dir()
        scripted.run()

        assert scripted.session_log_dir() == before
        assert before.is_relative_to(scripted.executable.parents[1])
        assert len(transcripts(scripted)) == 1
        assert not self.outer.exists()

    def test_before_any_run_the_folder_is_there(self, cli: FakeClaudeCLI):
        assert cli.session_log_dir().is_dir()
        assert cli.session_log_dir().name == "projects"

    def test_another_home_is_used(self, scripted: FakeClaudeCLI):
        scripted.run(env={"HOME": str(self.inner)})

        assert scripted.session_log_dir() == self.inner / ".claude" / "projects"
        assert len(transcripts(scripted)) == 1

    def test_another_configuration_folder_is_used_before_the_home(self, scripted: FakeClaudeCLI, tmp_path: Path):
        scripted.run(env={"HOME": str(self.inner), "CLAUDE_CONFIG_DIR": str(tmp_path / "config")})

        assert scripted.session_log_dir() == tmp_path / "config" / "projects"
        assert len(transcripts(scripted)) == 1

    def test_the_last_run_counts(self, scripted: FakeClaudeCLI):
        own = scripted.session_log_dir()
        scripted.run(env={"HOME": str(self.inner)})
        scripted.run()

        assert scripted.session_log_dir() == own

    def test_a_home_that_the_test_changed_before_entering_is_its_own(
        self, scripted: FakeClaudeCLI, monkeypatch: pytest.MonkeyPatch
    ):
        """The comparison is with the environment at ``with``, not at the fake's making."""
        scripted.executable  # noqa: B018 (writes the script)
        monkeypatch.setenv("HOME", str(self.inner))

        with scripted:
            subprocess.run(["claude"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)

        assert not self.inner.exists()

    def test_the_account_s_home_is_never_used(self, scripted: FakeClaudeCLI):
        """A test with a made-up HOME may start a program with the real one."""
        real = pwd.getpwuid(os.getuid()).pw_dir

        scripted.run(env={"HOME": real})
        first = scripted.session_log_dir()
        scripted.run(env={"CLAUDE_CONFIG_DIR": f"{real}/.claude/"})

        assert first == scripted.session_log_dir()
        assert first.is_relative_to(scripted.executable.parents[1])

    def test_no_home_at_all_is_no_trouble(self, scripted: FakeClaudeCLI):
        scripted.run(env={"HOME": None})

        assert len(transcripts(scripted)) == 1

    def test_the_folder_is_named_after_the_real_working_folder(self, scripted: FakeClaudeCLI, tmp_path: Path):
        real = tmp_path / "real_\u00e9\U0001f600.d"
        real.mkdir()
        link = tmp_path / "link"
        link.symlink_to(real)

        scripted.run(cwd=link)

        (file,) = transcripts(scripted)
        assert file.parent.name == re.sub("[^A-Za-z0-9]", "-", str(tmp_path.resolve())) + "-real-----d"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/src/My_app.v2", "-src-My-app-v2"),
        ("/\u00e9", "--"),
        ("/\U0001f600", "---"),
        ("/" + "a" * 199, "-" + "a" * 199),
        ("/" + "a" * 200, "-" + "a" * 199 + "-" + base36(path_hash("/" + "a" * 200))),
    ],
)
def test_a_slug_replaces_each_code_unit(path: str, name: str):
    assert slug(path) == name


@pytest.mark.parametrize(("text", "value"), [("", 0), ("a", 97), ("ab", 97 * 31 + 98), ("polygenelubricants", 2**31)])
def test_the_path_hash_is_javascript_s(text: str, value: int):
    """The last text is the well-known one whose 32-bit hash is the smallest number."""
    assert path_hash(text) == value


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (35, "z"), (36, "10"), (2**31, "zik0zk")])
def test_base_36(number: int, text: str):
    assert base36(number) == text


def test_arguments_are_read_as_the_real_program_reads_them():
    options, positional = parse_arguments(
        b"-p --model=opus --resume --verbose --settings --odd --tools A B --debug one --resume-session-at x two".split()
    )

    assert options == {
        b"-p": b"",
        b"--model": b"opus",
        b"--resume": b"",
        b"--verbose": b"",
        b"--settings": b"--odd",
        b"--tools": b"B",
        b"--debug": b"",
        b"--resume-session-at": b"x",
    }
    assert positional == [b"one", b"two"]
    assert parse_arguments([b"--model"]) == ({b"--model": b""}, [])
    assert parse_arguments([b"-", b"--", b"-p"]) == ({}, [b"-", b"-p"])


def test_where_transcripts_go_as_a_table():
    def place(**environ: str) -> bytes:
        found = {name.encode(): value.encode() for name, value in environ.items()}
        return projects_folder(found, b"/own", b"/test/config", b"/test/home", b"/home/me")

    assert place() == b"/own"
    assert place(HOME="/test/home/") == b"/own"
    assert place(HOME="/home/me") == b"/own"
    assert place(HOME="/x") == b"/x/.claude/projects"
    assert place(HOME="/x", CLAUDE_CONFIG_DIR="/test/config") == b"/x/.claude/projects"
    assert place(HOME="/x", CLAUDE_CONFIG_DIR="") == b"/x/.claude/projects"
    assert place(HOME="/x", CLAUDE_CONFIG_DIR="/home/me/.claude/") == b"/x/.claude/projects"
    assert place(HOME="/x", CLAUDE_CONFIG_DIR="/y/") == b"/y/projects"


@pytest.mark.parametrize(
    ("tail", "found"),
    [
        (b"", b""),
        (b'{"uuid":"a"}\n', b'"a"'),
        (b'{"uuid":"a"}\n{"uuid":"b"', b'"a"'),
        (b'{"message":{"text":"\\"uuid\\":\\"x\\""},"uuid":"a"}\n', b'"a"'),
        (b'{"no":1}\n', b""),
    ],
)
def test_the_last_uuid_of_a_transcript(tail: bytes, found: bytes):
    assert last_uuid(tail) == found
