"""README and docs do what they say: every block runs, every output shown is what comes out."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import Block, blocks_of, comparable
from tests.libraries import skip_without_imports_of

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [block for page in PAGES for block in blocks_of(page)]

#: Commands that a page may show though the suite cannot run them: they would run the suite itself, or install.
NOT_RUN = ("make ", "pip ", "git ")
SETTINGS = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"
LANGUAGES = {"python", "text", "console", "toml", "ini", "json", "mermaid"}


def run(command, folder):
    environment = {**os.environ, "PYTHONPATH": "", "COLUMNS": "80", "NO_COLOR": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def pytest_in(folder):
    return run([sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"], folder)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_of_a_page_pass(page, tmp_path):
    examples = [block for block in blocks_of(page) if block.is_test and block.word != "fails"]
    if not examples:
        pytest.skip(f"{page.name} has no examples that are tests")
    for block in examples:
        skip_without_imports_of(block.text)
        (tmp_path / f"test_line_{block.line}.py").write_text(block.text, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text(SETTINGS, encoding="utf-8")

    ran = pytest_in(tmp_path)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{sum(len(re.findall(r'def test_', block.text)) for block in examples)} passed" in ran.stdout


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.word == "fails"], ids=str)
def test_example_that_fails_says_what_the_page_shows(block: Block, tmp_path):
    """The reports that the pages quote are real."""
    skip_without_imports_of(block.text)
    (tmp_path / "test_example.py").write_text(block.text, encoding="utf-8")

    ran = pytest_in(tmp_path)

    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert block.output is not None, f"{block} fails, but the page does not show what it says"
    assert comparable(block.output) in comparable(ran.stdout)


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.language == "python" and not block.is_test], ids=str
)
def test_program_of_a_page_runs(block: Block, tmp_path):
    skip_without_imports_of(block.text)
    (tmp_path / "program.py").write_text(block.text, encoding="utf-8")

    ran = run([sys.executable, "program.py"], tmp_path)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    if block.output is not None:
        assert comparable(ran.stdout) == comparable(block.output)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "console"], ids=str)
def test_commands_of_a_page_work(block: Block, tmp_path):
    """Commands succeed; where the page shows output, it is what they print."""
    for command, shown in re.findall(r"^\$ ([^\n]*)\n((?:(?!\$ )[^\n]*\n)*)", block.text, re.MULTILINE):
        command = command.partition("  #")[0].strip()
        if command.startswith(NOT_RUN):
            continue
        program, *arguments = shlex.split(command)
        ran = run([str(Path(sys.executable).with_name(program)), *arguments], tmp_path)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        if shown:
            assert comparable(ran.stdout) == comparable(shown)


def test_every_block_is_of_a_kind_that_is_checked():
    """A block in a language nobody checks could say anything."""
    strange = [f"{block}: {block.language or 'no language'}" for block in BLOCKS if block.language not in LANGUAGES]

    assert strange == []


def test_links_between_pages_lead_somewhere():
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "GLOSSARY.md", ROOT / "CHANGELOG.md"]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
