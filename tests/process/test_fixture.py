"""The fixture ``fake_program``, in suites of an imagined user."""

import re
import subprocess
import sys
from pathlib import Path


def run(folder: Path, source: str) -> tuple[dict[str, int], str]:
    """Run a test file in a pytest of its own; return how its tests ended, and the output."""
    (folder / "test_it.py").write_text(f"import os\nimport subprocess\n\n{source}")
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    command = [sys.executable, "-m", "pytest", "-pno:randomly", "-pno:cacheprovider", "-Werror"]
    output = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=50).stdout
    return {word: int(count) for count, word in re.findall(r"(\d+) (passed|failed|error)", output)}, output


def test_programs_are_on_path_until_the_test_ends(tmp_path: Path):
    outcomes, output = run(
        tmp_path,
        """
PATH = os.environ["PATH"]

def test_two(fake_program):
    git, gh = fake_program("git"), fake_program("gh")
    git.write("from git")
    gh.write("from gh")
    assert subprocess.check_output("git; gh", shell=True) == b"from gitfrom gh"
    git.assert_called_with()

def test_restored(fake_program):
    assert os.environ["PATH"] == PATH
    fake_program("git")
""",
    )

    assert outcomes == {"passed": 2}, output


def test_an_unexpected_call_fails_the_test_unless_it_is_allowed(tmp_path: Path):
    outcomes, output = run(
        tmp_path,
        """
def test_strict(fake_program):
    fake_program("git").when(["status"])
    subprocess.run(["git", "push"])

def test_allowed(fake_program):
    fake_program("git", strict=False).when(["status"])
    subprocess.run(["git", "push"])
""",
    )

    assert outcomes == {"failed": 1, "passed": 1}, output
    assert "'git' was called in a way that no script fits:" in output
    assert "<ProgramCall #1 git push -> exit 127>" in output


def test_two_of_one_name_are_refused(tmp_path: Path):
    outcomes, output = run(
        tmp_path,
        """
def test_it(fake_program):
    fake_program("git")
    fake_program("git")
""",
    )

    assert outcomes == {"failed": 1}, output
    assert "ProgramStateError: a fake program 'git' is on PATH already" in output


def test_a_failure_shows_the_program_s_timeline(tmp_path: Path):
    _, output = run(
        tmp_path,
        """
def test_it(fake_program):
    fake_program("git")
    subprocess.run(["git", "push"])
    assert False
""",
    )

    assert "git  call 1 began: git push (pid " in output
