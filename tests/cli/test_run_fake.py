"""``run-fake`` and ``calls``: fake programs for shells and Node, by script files."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from api_simulator.cli import main

COMMAND = [sys.executable, "-m", "api_simulator.cli"]


def write(path: Path, *steps: Any, **others: Any) -> Path:
    path.write_text(json.dumps({"steps": list(steps), **others}, indent=1))
    return path


def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=50, check=False, **options
    )


def test_the_program_is_played_once_with_its_own_arguments(tmp_path: Path):
    """Input, output and exit code are its own; a flag of ours behind -- is its own too."""
    script = write(
        tmp_path / "s.json",
        {"write_line": {"text": "ready"}},
        {"write_line": {"text": "careful", "to": "stderr"}},
        {"wait_for_eof": {}},
        {"exit": {"code": 3}},
    )

    done = run(
        "run-fake", "tool", "--script", script, "--journal", tmp_path / "j.json", "--", "--json", "-x", input="in"
    )

    assert (done.returncode, done.stdout, done.stderr) == (3, "ready\n", "careful\n")
    (call,) = json.loads((tmp_path / "j.json").read_text())
    assert (call["program"], call["args"], call["stdin"], call["exit_code"]) == ("tool", ["--json", "-x"], "in", 3)


def test_with_json_the_run_is_one_value_that_agrees_with_the_exit_status(tmp_path: Path):
    script = write(tmp_path / "s.json", {"write_line": {"text": "hi"}}, {"exit": {"code": 3}})

    done = run("--json", "run-fake", "tool", "--script", script)

    value = json.loads(done.stdout)
    assert (done.returncode, value["ok"], value["exit_code"], value["stdout"]) == (3, False, 3, "hi\n")


@pytest.mark.parametrize(
    ("name", "step", "arguments", "line"),
    [
        ("claude", {"add_message": {"message": {"type": "result"}}}, ["-p", "hi"], '{"type":"result"}'),
        ("codex", {"message": {"text": "hello"}}, ["exec", "--skip-git-repo-check", "hi"], "hello"),
    ],
)
def test_profiles_have_their_own_steps(
    tmp_path: Path, name: str, step: dict[str, Any], arguments: list[str], line: str
):
    done = run("run-fake", name, "--script", write(tmp_path / "s.json", step), "--", *arguments, input="")

    assert (done.returncode, done.stdout) == (0, line + "\n")


def test_toml_says_the_same(tmp_path: Path):
    script = tmp_path / "s.toml"
    script.write_text(
        '[[steps]]\nwrite_line = { text = "hi" }\n[[when]]\nargs = ["-v"]\n[[when.steps]]\nexit = { code = 4 }\n'
    )

    assert run("run-fake", "tool", "--script", script).stdout == "hi\n"
    assert run("run-fake", "tool", "--script", script, "--", "-v").returncode == 4


def test_a_signal_goes_to_the_program_and_its_death_comes_back(tmp_path: Path):
    script = write(tmp_path / "s.json", {"write_line": {"text": "ready"}}, {"hang": {}})
    with subprocess.Popen([*COMMAND, "run-fake", "tool", "--script", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)

    assert process.returncode == -signal.SIGTERM


#: What is wrong with a file, and the line and text by which it is said.
WRONG = [
    ({"steps": [{"wait": {"ms": "5"}}]}, ":5: steps[0].wait.ms: Input should be a valid integer"),
    (
        {"steps": [{"exit": {}}, {"wait": {"ms": -5}}]},
        ":7: steps[1].wait: wait(-5): cannot wait -5 ms; give 0 to 86400000",
    ),
    ({"steps": [{"write_lin": {}}]}, ":4: steps[0].write_lin: unknown key; did you mean 'write_line'?"),
    ({"steps": [{"hang": {"foo": 1}}]}, ":5: steps[0].hang.foo: unknown key; it knows "),
    ({"stps": []}, ":2: stps: unknown key; did you mean 'steps'?"),
    ({"steps": [{"hang": {}, "exit": {}}]}, ":3: steps[0]: a step has one key, its call"),
    ({"steps": [{}]}, ":3: steps[0]: a step has one key, its call"),
    ({"when": [{"args": ["x"], "call": 0}]}, ":3: when[0]: when(args=['x'], call=0): invocations are counted from 1"),
    ({"options": {"strict": "no"}}, ":3: options.strict: Input should be a valid boolean"),
    ([], ": (the whole file): "),
]


@pytest.mark.parametrize(("content", "text"), WRONG, ids=[text for _, text in WRONG])
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_a_wrong_file_is_explained_with_status_2(
    tmp_path: Path, content: object, text: str, capsys: Any, *, as_json: bool
):
    script = tmp_path / "s.json"
    script.write_text(json.dumps(content, indent=1))
    if text.startswith(":7"):
        # Steps behind an end are refused too; here the wait is what is wrong.
        script.write_text(json.dumps({"steps": [{"hang": {}}, {"wait": {"ms": -5}}]}, indent=1))

    status = main(["run-fake", "tool", "--script", str(script), *(["--json"] if as_json else [])])

    printed = capsys.readouterr()
    said = json.loads(printed.out)["error"]["message"] if as_json else printed.err
    assert status == 2
    assert f"{script}{text}" in said


@pytest.mark.parametrize(
    ("content", "text"), [("{\n", ":2: not JSON: "), ("", ":1: not JSON: "), (None, ": cannot be read: ")]
)
def test_a_file_that_is_none_is_explained(tmp_path: Path, content: str | None, text: str, capsys: Any):
    script = tmp_path / "s.json"
    if content is not None:
        script.write_text(content)

    assert main(["run-fake", "tool", "--script", str(script)]) == 2
    assert f"{script}{text}" in capsys.readouterr().err


def test_yaml_is_refused_by_its_name(tmp_path: Path, capsys: Any):
    (tmp_path / "s.yaml").write_text("steps: []")

    assert main(["run-fake", "tool", "--script", str(tmp_path / "s.yaml")]) == 2
    assert "s.yaml: scripts are JSON or TOML, not YAML" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["run-fake"], "NAME is missing"),
        (["run-fake", "tool"], "--script FILE is missing"),
        (["run-fake", "a/b", "--script", "s.json"], "is not the name of a program"),
        (["run-fake", "tool", "--script", "s.json", "--lifetime-s", "3"], "--lifetime-s is for --install"),
        (["run-fake", "tool", "--script", "s.json", "--install", "bin", "--lifetime-s", "0"], "leaves no time to run"),
        (["run-fake", "tool", "--script", "s.json", "--install", "bin", "--", "x"], "--install takes no arguments"),
        (["calls", "nowhere"], "no fake program is installed in nowhere"),
    ],
)
def test_a_command_line_that_means_nothing_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, arguments: list[str], text: str
):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "s.json")

    assert main(arguments) == 2
    assert text in capsys.readouterr().err


def test_the_schema_of_each_program_names_its_steps(capsys: Any):
    steps = {}
    for name in ("tool", "claude", "codex"):
        assert main(["run-fake", name, "--schema"]) == 0
        steps[name] = set(json.loads(capsys.readouterr().out)["$defs"]["Step"]["properties"])

    assert {"write", "wait", "hang", "exit"} <= steps["tool"] < steps["codex"]
    assert {"message", "command", "fails"} <= steps["codex"]
    assert {"add_message", "inject_api_retry"} <= steps["claude"]


def install(folder: Path, *steps: Any, name: str = "tool", arguments: tuple[str, ...] = ()) -> dict[str, str]:
    script = write(folder / "s.json", *steps)
    assert main(["run-fake", name, "--script", str(script), "--install", str(folder / "bin"), *arguments]) == 0
    return {**os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def test_an_installed_program_works_without_a_process_behind_it(tmp_path: Path, capsys: Any):
    """Here in a shell; its calls are on record until it is installed anew."""
    environ = install(tmp_path, {"write_line": {"text": "hi"}}, {"exit": {"code": 3}})

    done = subprocess.run(["sh", "-c", "tool push; echo $?"], env=environ, capture_output=True, text=True, timeout=30)
    capsys.readouterr()
    assert main(["--json", "calls", str(tmp_path / "bin")]) == 0
    calls = json.loads(capsys.readouterr().out)["calls"]

    assert done.stdout == "hi\n3\n"
    assert [(call["program"], call["args"], call["exit_code"]) for call in calls] == [("tool", ["push"], 3)]
    install(tmp_path, {"exit": {"code": 4}})
    capsys.readouterr()
    main(["calls", str(tmp_path / "bin")])
    assert capsys.readouterr().out == "(no calls)\n"


def test_an_installed_program_that_hangs_ends_after_its_time(tmp_path: Path):
    """No test process holds its leash, so it would stay for ever when a run is killed."""
    environ = install(tmp_path, {"hang": {}}, arguments=("--lifetime-s", "0.2"))

    assert subprocess.run(["tool"], env=environ, stdin=subprocess.DEVNULL, timeout=30).returncode == 1


def test_a_wrong_script_leaves_what_was_installed(tmp_path: Path):
    environ = install(tmp_path, {"exit": {"code": 3}})
    write(tmp_path / "s.json", {"nope": {}})

    assert main(["run-fake", "tool", "--script", str(tmp_path / "s.json"), "--install", str(tmp_path / "bin")]) == 2
    assert subprocess.run(["tool"], env=environ, stdin=subprocess.DEVNULL, timeout=30).returncode == 3


def test_a_file_that_is_not_ours_is_not_replaced(tmp_path: Path, capsys: Any):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tool").write_text("precious")
    script = write(tmp_path / "s.json")

    assert main(["run-fake", "tool", "--script", str(script), "--install", str(tmp_path / "bin")]) == 2
    assert "not of our making" in capsys.readouterr().err
    assert (tmp_path / "bin" / "tool").read_text() == "precious"


NODE = """
const {spawn} = require('child_process');
const child = spawn('codex', ['exec', '--json', '--skip-git-repo-check', '-'], {stdio: ['pipe', 'pipe', 'inherit']});
let out = '';
child.stdout.on('data', (data) => { out += data; });
child.on('close', (code) => {
  const types = out.trim().split('\\n').map((line) => JSON.parse(line).type);
  console.log(JSON.stringify({code, types}));
});
child.stdin.end('hi');
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not on PATH")
def test_node_s_child_process_drives_an_installed_codex(tmp_path: Path):
    environ = install(tmp_path, {"message": {"text": "hello"}}, name="codex")

    done = subprocess.run(["node", "-e", NODE], env=environ, capture_output=True, text=True, timeout=50)

    assert json.loads(done.stdout) == {
        "code": 0,
        "types": ["thread.started", "turn.started", "item.completed", "turn.completed"],
    }
