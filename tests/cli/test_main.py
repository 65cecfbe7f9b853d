"""The command line: exit status, text and JSON agree, whatever is asked."""

import json
import subprocess
import sys

import pytest

from api_simulator import __version__
from api_simulator.cli import main

#: Command lines that cannot be understood, and what the complaint names.
WRONG = [
    ([], "a command is missing: doctor"),
    (["docter"], "'docter'"),
    (["serv"], "'serv'"),
    ([""], "''"),
    (["--verbose"], "--verbose"),
    (["-x", "doctor"], "-x"),
    (["doctor", "--fix"], "--fix"),
    (["doctor", "extra"], "extra"),
    (["doctor", "doctor"], "doctor"),
    (["--json=yes", "doctor"], "--json"),
    (["doctor", "--version"], "--version"),
]


@pytest.mark.parametrize(("arguments", "complaint"), WRONG, ids=[" ".join(line) or "nothing" for line, _ in WRONG])
def test_a_command_line_that_is_not_understood_is_explained_with_status_2(arguments, complaint, capsys):
    status = main(arguments)

    printed = capsys.readouterr()
    assert status == 2
    assert printed.out == ""
    assert printed.err.startswith("api-simulator: ")
    assert complaint in printed.err
    assert "usage: api-simulator" in printed.err


@pytest.mark.parametrize(("arguments", "complaint"), WRONG, ids=[" ".join(line) or "nothing" for line, _ in WRONG])
@pytest.mark.parametrize("first", [True, False], ids=["json first", "json last"])
def test_with_json_the_explanation_is_one_json_value_on_standard_output(arguments, complaint, first, capsys):
    status = main(["--json", *arguments] if first else [*arguments, "--json"])

    printed = capsys.readouterr()
    value = json.loads(printed.out)
    assert status == 2
    assert value["ok"] is False
    assert value["error"]["type"] == "usage"
    assert complaint in value["error"]["message"]
    assert printed.err == ""


@pytest.mark.parametrize(("name", "meant"), [("docter", "doctor"), ("serv", "serve"), ("runfake", "run-fake")])
def test_an_unknown_command_is_answered_with_the_nearest(name, meant, capsys):
    assert main([name]) == 2
    assert f"there is no command {name!r}; did you mean {meant!r}?" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["serve", "anthropic", "--grase-s", "1"], ["serve", "--port", "x"], ["serve"]])
def test_a_wrong_command_line_is_answered_with_the_usage_of_its_command(arguments, capsys):
    assert main(arguments) == 2
    assert "usage: api-simulator serve [" in capsys.readouterr().err


def test_an_abbreviated_flag_is_not_understood(capsys):
    """A script that relied on one would break when another flag begins like it."""
    assert main(["--js", "doctor"]) == 2


@pytest.mark.parametrize("arguments", [["--json", "--version"], ["--json", "--help"], ["doctor", "--json", "--help"]])
def test_with_json_everything_is_one_json_value(arguments):
    done = subprocess.run(
        [sys.executable, "-m", "api_simulator.cli", *arguments], capture_output=True, text=True, check=False
    )

    json.loads(done.stdout)


def test_version_is_the_packages():
    done = subprocess.run(
        [sys.executable, "-m", "api_simulator.cli", "--version"], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, f"api-simulator {__version__}\n", "")


def test_help_names_every_command():
    done = subprocess.run(
        [sys.executable, "-m", "api_simulator.cli", "--help"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0
    assert "doctor" in done.stdout
    assert "say what works in this environment" in done.stdout


def test_without_arguments_the_command_line_of_the_process_is_read(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["api-simulator", "no-such-command"])

    assert main() == 2
    assert "no-such-command" in capsys.readouterr().err


def test_the_command_line_imports_no_engine_before_it_is_needed():
    """A wrong flag is answered without loading a web framework."""
    program = "import sys; from api_simulator.cli import main; main(['--nope']); sys.exit('aiohttp' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)

    assert done.returncode == 0
