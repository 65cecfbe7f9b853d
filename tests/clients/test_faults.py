"""Clients raise what the table in ``docs/faults.md`` says they do."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.clients.fault_table import CASES, CLIENTS, Case, cell, committed, versions
from tests.libraries import needs

PINS = Path(__file__).parents[2] / "requirements" / "test.txt"
WRITE_ANEW = "python -m tests.clients.fault_table"


@pytest.mark.skipif(
    sys.platform != "linux", reason="the table is about Linux: kernels differ in what a reset takes along"
)
@pytest.mark.parametrize(
    "library",
    [pytest.param(name, marks=needs(name.partition(" ")[0])) if name.startswith("httpx") else name for name in CLIENTS],
)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_client_makes_of_a_fault_what_the_table_says(library: str, case: Case) -> None:
    assert cell(library, case) == committed()[1][case.name, library], f"if that is right now: {WRITE_ANEW}"


@pytest.mark.parametrize("library", [pytest.param(name, marks=needs(name)) for name in ("httpx2", "httpx")])
@pytest.mark.parametrize("case", [case for case in CASES if not isinstance(case.answer, type)], ids=str)
def test_it_makes_the_same_of_it_without_a_socket(library: str, case: Case) -> None:
    """The in-process engine has the client's own parser, timeouts and exceptions."""
    assert cell(library, case, "inprocess") == committed()[1][case.name, library]


def test_the_table_has_these_rows_and_columns_and_no_others() -> None:
    assert set(committed()[1]) == {(case.name, library) for case in CASES for library in CLIENTS}


@needs("httpx")
@needs("httpx2")
def test_the_table_is_about_the_versions_that_the_suite_runs_with() -> None:
    assert committed()[0] == versions(), WRITE_ANEW


@needs("httpx")
@needs("httpx2")
def test_those_are_the_versions_that_are_pinned() -> None:
    """What the table says is of no use if nobody knows of which versions."""
    pins = dict(re.findall(r"^([\w.-]+)==([^\s;\\]+)", PINS.read_text(encoding="utf-8"), re.MULTILINE))

    assert versions() == "Versions: " + ", ".join(f"{library} {pins[library]}" for library in CLIENTS) + "."
