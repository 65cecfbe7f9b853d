"""The measurements run, and say what they promise to say; what they find is not judged here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from functools import partial
from pathlib import Path

import pytest

from bench import sampling
from bench.result import Bar, Figure

ROOT = Path(__file__).parents[2]
QUICK = ("start_stop", "many_routes", "unmatched", "program_start")


def run_bench(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ if path is None else {**os.environ, "PATH": path}
    command = [sys.executable, "-m", "bench", "--quick", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    done = run_bench(*QUICK, "--results", str(folder))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", QUICK)
def test_a_result_has_the_promised_fields(results, name):
    result = json.loads((results / f"{name}.json").read_text(encoding="utf-8"))

    assert result["measurement"] == name
    assert result["quick"] is True
    assert set(result["machine"]) == {"cores", "cpu", "memory_gib", "os", "python"}
    assert result["engine"] in ("aiohttp", "native")
    assert {"question", "figures", "ratios", "bars", "notes", "chart", "versions"} <= set(result)
    for figure in result["figures"]:
        assert set(figure) == {"name", "value", "unit", "spread", "samples", "who"}
        assert figure["value"] > 0
    for bar in result["bars"]:
        assert set(bar) == {"claim", "value", "unit", "at_most", "at_least", "met"}


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("name", "ratio"),
    [
        ("many_routes", "p50: 10,000 routes, 1,000 of them / 1 route"),
        ("unmatched", "1 route: unmatched / matched"),
    ],
)
def test_ratios_are_computed(results, name, ratio):
    result = json.loads((results / f"{name}.json").read_text(encoding="utf-8"))

    assert result["ratios"][ratio] > 0


@pytest.mark.timeout(120)
def test_each_result_has_a_picture_and_all_share_one(results):
    pictures = {file.stem: ElementTree.parse(file).getroot() for file in results.glob("*.svg")}

    assert set(pictures) == {*QUICK, "overview"}
    assert all(picture.tag == "{http://www.w3.org/2000/svg}svg" for picture in pictures.values())


@pytest.mark.timeout(120)
def test_results_do_not_say_where_they_were_measured(results):
    text = "".join(file.read_text(encoding="utf-8") for file in results.iterdir())

    assert str(ROOT) not in text
    assert str(Path.home()) not in text


def test_a_bar_that_cannot_be_measured_fails_the_check(tmp_path):
    """A check must not pass because a program or a peer is missing."""
    done = run_bench("throughput", "--check", path=str(tmp_path))

    assert done.returncode == 1
    assert "NOT MEASURED: at least 60 % of bare aiohttp" in done.stdout
    assert "there is no wrk on PATH" in done.stdout


def test_an_unknown_measurement_is_refused_with_the_known_ones():
    done = run_bench("start_stpo")

    assert done.returncode == 2
    assert "there is no measurement 'start_stpo'; there are plugin_tax, start_stop" in done.stderr


@pytest.mark.parametrize(
    ("bar", "met"),
    [
        (Bar("at most", 2.0, "ms", at_most=2.0), True),
        (Bar("at most", 2.1, "ms", at_most=2.0), False),
        (Bar("at least", 5.0, "times", at_least=5.0), True),
        (Bar("at least", 4.9, "times", at_least=5.0), False),
        (Bar("unknown", None, "ms", at_most=2.0), None),
    ],
)
def test_a_bar_includes_its_limit(bar, met):
    assert bar.met is met


def test_turns_go_forwards_and_backwards():
    """What comes first in one round comes last in the next, so that none always profits from its neighbour."""
    order: list[str] = []

    sampling.in_turns(2, {name: partial(order.append, name) for name in "abc"})

    assert order == ["a", "b", "c", "c", "b", "a"]


def test_differences_and_ratios_are_taken_within_a_round():
    """A machine that is ten times slower for one round changes neither by much."""
    ours, theirs = [1.0, 10.0, 1.0], [2.0, 20.0, 2.0]

    assert sampling.ratio(ours, theirs) == 0.5
    assert sampling.differences(ours, theirs) == [-1.0, -10.0, -1.0]


def test_a_figure_is_a_median_with_its_spread():
    figure = Figure.of("a request", [1.0, 2.0, 3.0, 4.0, 100.0], "ms")

    assert (figure.value, figure.spread, figure.samples) == (3.0, 1.0, 5)


def test_the_confidence_interval_holds_the_median():
    low, high = sampling.confidence([float(value) for value in range(101)])

    assert low < 50 < high
    assert (low, high) == (40.0, 60.0)
