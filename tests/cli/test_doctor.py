"""``api-simulator doctor``: what it says is what is, in both forms."""

import json
import os
import re
import subprocess
import sys
from importlib import metadata

import pytest

from api_simulator import __version__, plugins
from api_simulator._engines.base import engine_statuses, open_engine
from api_simulator.cli import main
from api_simulator.hookspecs import hookimpl
from api_simulator.process import _stand_in


def both(capsys):
    """Return exit status and output of both forms, the JSON one parsed."""
    as_text = main(["doctor"])
    text = capsys.readouterr().out
    as_json = main(["doctor", "--json"])
    value = json.loads(capsys.readouterr().out)
    assert as_text == as_json
    return as_json, text, value


def test_text_and_json_say_the_same(capsys):
    """Every scalar of the JSON value stands in the text, under its name."""
    _, text, value = both(capsys)

    assert value.pop("ok") in (True, False)
    for name, shown in value.items():
        assert f"{name}:" in text
        for key, detail in shown.items() if isinstance(shown, dict) else ():
            assert re.search(rf"^  {re.escape(key)} +{re.escape(detail)}$", text, re.MULTILINE)
        for detail in shown.items() if isinstance(shown, dict) else [("", shown)] if isinstance(shown, str) else []:
            assert all(part in text for part in detail)
    assert all(problem in text for problem in value["problems"])


def test_the_exit_status_says_whether_there_is_a_problem(capsys):
    status, text, value = both(capsys)

    assert value["ok"] == (status == 0) == (value["problems"] == [])
    assert status in (0, 1)
    assert ("problems: none" in text) == value["ok"]


def test_the_flag_may_stand_before_the_command(capsys):
    main(["--json", "doctor"])

    assert json.loads(capsys.readouterr().out)["version"] == __version__


def test_engines_are_those_that_can_be_opened(capsys):
    _, _, value = both(capsys)

    assert value["engine"] == open_engine().name
    assert {name: text.startswith("available: ") for name, text in value["engines"].items()} == {
        status.name: status.available for status in engine_statuses()
    }


def test_optional_packages_are_told_with_their_version_or_the_extra_that_installs_them(capsys):
    _, _, value = both(capsys)

    for name, shown in value["packages"].items():
        try:
            assert shown == metadata.version(name)
        except metadata.PackageNotFoundError:
            assert shown.startswith("not installed (extra '")
    assert {"httpx2", "httpx", "fastmcp"} <= set(value["packages"])


def doctor(**environment):
    """Run the doctor in a process of its own with these environment variables."""
    done = subprocess.run(
        [sys.executable, "-m", "api_simulator.cli", "doctor", "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def test_an_engine_that_does_not_exist_is_a_problem():
    status, value = doctor(API_SIMULATOR_ENGINE="apache")

    assert status == 1
    assert value["engine"] == "none"
    assert any("API_SIMULATOR_ENGINE: expected one of auto, native, aiohttp" in text for text in value["problems"])


def test_the_engine_of_the_environment_is_the_one_that_is_told():
    _, value = doctor(API_SIMULATOR_ENGINE="aiohttp")

    assert value["engine"] == "aiohttp"


def test_the_stand_in_is_told_with_its_reason():
    found = _stand_in.status()

    _, as_it_is = doctor(API_SIMULATOR_STAND_IN="auto")
    _, off = doctor(API_SIMULATOR_STAND_IN="off")
    status, required = doctor(API_SIMULATOR_STAND_IN="require")
    wrong_status, wrong = doctor(API_SIMULATOR_STAND_IN="yes")

    assert as_it_is["stand_in"].startswith("absent" if found.path is None else "plays plain scripts: ")
    assert as_it_is["stand_in"].endswith(found.detail)
    assert off["stand_in"] == "not used: API_SIMULATOR_STAND_IN=off, Python plays all scripts"
    assert (status == 1) == (found.path is None) == any(found.detail in text for text in required["problems"])
    assert (wrong_status, wrong["stand_in"]) == (1, "none")
    assert any("API_SIMULATOR_STAND_IN: expected one of auto, off, require" in text for text in wrong["problems"])


@pytest.mark.skipif(os.name != "posix", reason="limits of processes are POSIX")
def test_a_process_that_cannot_write_any_temporary_folder_is_told_so():
    """The doctor is for such machines: it reports, where everything else would raise."""
    program = """
import resource, sys
from api_simulator.cli import main
from api_simulator.hookspecs import hookimpl
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
try:
    sys.exit(main(["doctor", "--json"]))
finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert any("temporary folder" in text for text in json.loads(done.stdout)["problems"])


def test_a_source_folder_on_the_path_without_installation_is_a_problem(tmp_path):
    """pytest finds plugins by entry points: the package can be imported and yet the fixtures are missing."""
    program = (
        "import sys, importlib.metadata as m; m.entry_points = lambda **_: ();"
        "from api_simulator.cli import main; sys.exit(main(['doctor', '--json']))"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert any("pytest does not load the plugin" in text for text in json.loads(done.stdout)["problems"])


class BrokenPlugin:
    """Offers a service that is not there."""

    @hookimpl
    def api_simulator_services(self):
        return {"broken": "no_such_module_of_a_plugin:Service"}


def test_a_service_that_cannot_be_loaded_is_a_problem(capsys):
    with plugins.registered(BrokenPlugin()):
        status, _, value = both(capsys)

    assert status == 1
    assert "broken" in value["services"]
    assert any("'broken'" in problem and "no_such_module_of_a_plugin" in problem for problem in value["problems"])
