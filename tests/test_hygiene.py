"""
What must hold for the repository as a whole and no tool checks: what tests may do, and what files may say.

Exceptions stand in tables with their reason; one that is no longer needed fails too.
"""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import api_simulator

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests"
PACKAGE = Path(api_simulator.__file__).parent

#: Doubles of our own code. Everything else is tested through the real thing.
ALLOWED_DOUBLES = {
    "tests/claude/test_contract.py": "that users can set these names is the claim",
    "tests/contract/test_http_contract.py": "that users can set these names is the claim",
    "tests/fuzz/test_targets.py": "breaks a promise of the core on purpose, to see that a target finds it",
    "tests/process/test_stand_in.py": "says where the executable lies; what lies there is a real file",
    "tests/contract/test_scenario_contract.py": "that users can set these names is the claim",
    "tests/process/test_waiting.py": "wraps the real wait to say when it begins; the wait itself runs",
}

#: Sleeps in test code. A test waits for an event; it polls only where nothing announces what it waits for.
ALLOWED_SLEEPS = {
    "tests/clients/client.py": "polls for how a request ended",
    "tests/process/test_player.py": "polls for a file that a foreign process writes",
    "tests/process/test_running.py": "polls for the end of a process that is not our child",
}


def python_files_of_tests():
    return sorted(TESTS.rglob("*.py"))


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def calls_of(path):
    """Return the calls in a file, each with the dotted name of what is called."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def imported_from_us(path):
    """Return the names by which a file knows parts of the package."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "api_simulator":
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {
                alias.asname or "api_simulator"
                for alias in node.names
                if alias.name.partition(".")[0] == "api_simulator"
            }
    return names


def doubles_in(path):
    """Return the places at which a test file puts something in place of our own code."""
    ours = imported_from_us(path)
    found = []
    for called, node in calls_of(path):
        target = ast.unparse(node.args[0]) if node.args else ""
        if called.rpartition(".")[2] in {"Mock", "MagicMock", "AsyncMock", "create_autospec"} or "mocker." in called:
            found.append(f"line {node.lineno}: {called}")
        elif called.endswith(("setattr", "patch", "patch.object")) and called != "setattr":
            root = re.split(r"[.\[(]", target.strip("'\""))[0]
            if root == "api_simulator" or root in ours:
                found.append(f"line {node.lineno}: {called}({target}, ...)")
    return found


def sleeps_in(path):
    """Return the places at which a test file sleeps; programs that tests run as text may."""
    names = {"time.sleep"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            names |= {alias.asname or alias.name for alias in node.names if alias.name == "sleep"}
    return [f"line {node.lineno}" for called, node in calls_of(path) if called in names]


@pytest.mark.parametrize(
    ("look", "allowed"),
    [(doubles_in, ALLOWED_DOUBLES), (sleeps_in, ALLOWED_SLEEPS)],
    ids=["doubles of our own code", "sleeps"],
)
def test_tests_do_not_have(look, allowed):
    found = {name_of(path): places for path in python_files_of_tests() if (places := look(path))}

    assert {name: places for name, places in found.items() if name not in allowed} == {}
    assert [name for name in allowed if name not in found and (ROOT / name).exists()] == [], "no longer needed"


@pytest.mark.parametrize(
    ("source", "look"),
    [
        ("from unittest.mock import Mock\nMock()", doubles_in),
        ("from unittest import mock\nmock.MagicMock()", doubles_in),
        ("mocker.patch('x')", doubles_in),
        ("monkeypatch.setattr('api_simulator.http.MockHttpServer', 1)", doubles_in),
        ("from api_simulator._core.journal import Journal\nmonkeypatch.setattr(Journal, 'count', 1)", doubles_in),
        ("import api_simulator.http\nmonkeypatch.setattr(api_simulator.http, 'x', 1)", doubles_in),
        ("from api_simulator import http as h\nwith patch.object(h, 'x'): pass", doubles_in),
        ("import time\ntime.sleep(1)", sleeps_in),
        ("from time import sleep as nap\nnap(1)", sleeps_in),
    ],
)
def test_the_lints_see_what_they_look_for(tmp_path, source, look):
    path = tmp_path / "test_x.py"
    path.write_text(source)

    assert look(path)


@pytest.mark.parametrize(
    "source",
    [
        "import os\nmonkeypatch.setattr(os, 'name', 'nt')",
        "monkeypatch.setattr('tempfile.tempdir', 'x')",
        "PROGRAM = 'import time; time.sleep(600)'",
        "import asyncio\nasyncio.sleep(0)",
    ],
)
def test_the_lints_leave_alone_what_is_allowed(tmp_path, source):
    path = tmp_path / "test_x.py"
    path.write_text(source)

    assert doubles_in(path) == sleeps_in(path) == []


# Files


def tracked_files():
    """Return the files of the repository; from an archive without git those of the folders that are ours."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    names = listed.stdout.decode().split("\0") if listed.returncode == 0 else []
    paths = [ROOT / name for name in names if name]
    if not paths:
        folders = ["src", "tests", "docs", "examples", "bench", "requirements", "tools"]
        paths = [path for folder in folders for path in (ROOT / folder).rglob("*") if "__pycache__" not in path.parts]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def texts():
    """Return name and text of every tracked text file but this one, which has to name what it looks for."""
    for path in tracked_files():
        if path != Path(__file__):
            content = path.read_bytes()
            if b"\0" not in content:
                yield path.relative_to(ROOT).as_posix(), content.decode("utf-8")


def mentions(pattern):
    """Return the lines of tracked files that match."""
    return [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


#: Folders in which people keep checkouts: a clone there must not make every mention of them a finding.
_COMMON_FOLDERS = {"/", "/home", "/Users", "/root", "/src", "/tmp", "/opt", "/usr", "/var"}


def test_no_file_names_a_folder_of_somebodys_machine():
    """Neither a home (placeholders like ``/home/me`` are fine) nor the folder this clone is in."""
    here = [str(folder) for folder in (ROOT, ROOT.parent) if str(folder) not in _COMMON_FOLDERS]
    homes = r"/(?:home|Users)/(?!(?:me|you|user|ann|runner)\b)\w|/root/\w"
    pattern = re.compile("|".join([rf"(?<![\w.}}]){homes}", *(rf"(?<![\w.}}]){re.escape(path)}/" for path in here)]))

    assert mentions(pattern) == []


def test_no_file_names_a_package_index():
    """Pins are versions and hashes; where packages come from is each machine's own setting."""
    hosts = r"pypi\.org/simple|pythonhosted\.org|(?:index|static)\.crates\.io|registry\.npmjs\.org|proxy\.golang\.org"
    pattern = re.compile(rf"{hosts}|--(?:extra-)?index-url[ =]|--find-links[ =]|registry \+ ", re.IGNORECASE)

    assert mentions(pattern) == []


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_says_why_it_exists(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))

    assert docstring
    assert docstring.strip().splitlines()[0].rstrip().endswith((".", ":", ",", ";", "?")) or "\n" in docstring


# Names


def test_every_name_that_the_package_lists_is_there():
    for name in dir(api_simulator):
        assert getattr(api_simulator, name) is not None or name.startswith("__")


def test_a_name_that_the_package_does_not_have_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'api_simulator' has no attribute 'MockServer'"):
        api_simulator.MockServer  # noqa: B018  # the lookup is the act


@pytest.mark.parametrize(
    "module",
    ["api_simulator", "api_simulator.http", "api_simulator.claude", "api_simulator.scenario", "api_simulator.errors"],
)
def test_every_name_of_all_is_there(module):
    loaded = importlib.import_module(module)

    assert [name for name in getattr(loaded, "__all__", []) if not hasattr(loaded, name)] == []


def test_importing_the_package_loads_no_part_of_it():
    """The pytest plugin imports it in every run of every environment that has it."""
    program = "import sys, api_simulator; print([name for name in sys.modules if name.startswith('api_simulator.')])"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_the_former_extension_module_has_the_classes_under_their_older_names():
    older = importlib.import_module("api_simulator._api_simulator_py")
    http = importlib.import_module("api_simulator.http")
    claude = importlib.import_module("api_simulator.claude")

    assert older.PyResponseSpec is http.ResponseSpec
    assert older.PyMockServer is http.MockHttpServer
    assert older.PyFakeClaudeCLI is claude.FakeClaudeCLI
    assert older.PySessionResult is claude.SessionResult


def test_every_error_is_of_the_one_family_and_a_built_in_that_one_would_guess():
    errors = importlib.import_module("api_simulator.errors")
    family = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and kind.__module__ == "api_simulator.errors"
    ]

    for kind in family:
        assert issubclass(kind, errors.ApiSimulatorError)
        if kind is not errors.ApiSimulatorError:
            assert {base for base in kind.__mro__ if base.__module__ == "builtins"} - {Exception, BaseException, object}
