"""The fixture ``fake_codex``, and what reports say of fakes that were not found, in suites of an imagined user."""

import subprocess
import sys
from pathlib import Path


def report_of(folder: Path, source: str) -> str:
    (folder / "test_it.py").write_text(f"import os\nimport shutil\nimport subprocess\n\n{source}")
    command = [sys.executable, "-m", "pytest", "-q", "-pno:randomly", "-pno:cacheprovider", "-Werror", "test_it.py"]
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=50).stdout


def test_it_is_on_path_within_its_block_only(tmp_path: Path):
    output = report_of(
        tmp_path,
        """
PATH = os.environ["PATH"]

def test_it(fake_codex):
    fake_codex.message("hi")
    assert os.environ["PATH"] == PATH
    with fake_codex:
        assert shutil.which("codex") == str(fake_codex.executable)
    assert os.environ["PATH"] == PATH
    assert fake_codex.run(["exec", "--skip-git-repo-check", "x"]).stdout == "hi\\\\n"
""".replace("\\\\", "\\"),
    )

    assert "1 passed" in output, output


def test_a_fake_that_was_never_put_on_path_is_named_where_the_test_fails(tmp_path: Path):
    output = report_of(
        tmp_path,
        """
def test_not_entered(fake_claude):
    assert shutil.which("claude", path="/nowhere")

def test_entered(fake_codex):
    with fake_codex:
        assert False
""",
    )

    hint = "{} was never put on PATH, so another program of its name was found, or none: use `with {}:`"
    assert hint.format("fake_claude", "fake_claude") in output
    assert "fake_codex was never" not in output


def test_a_program_that_was_killed_is_said_to_be_gone(tmp_path: Path):
    output = report_of(
        tmp_path,
        """
def test_it(fake_program):
    git = fake_program("git").hang()
    with subprocess.Popen(["git"], stdin=subprocess.DEVNULL) as process:
        git.wait_for_calls(1, timeout_s=20)
        process.kill()
    assert False
""",
    )

    assert "git  call 1 is gone by now: killed from outside (pid " in output, output
