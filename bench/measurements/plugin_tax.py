"""
What a loaded but unused plugin costs each pytest run.

All are loaded by ``-p``, for which pytest looks through the metadata of every installed package: two milliseconds that
a plugin found by its entry point does not cause. So the zero is a run with an empty module loaded in the same way, and
a second empty module shows how far from zero nothing at all can come out.

The bar is held against the processor time of forks of a process that has imported pytest (``bench.forked_pytest``).
Whole processes, from start to exit, are timed too; their differences scatter by several times the bar.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from importlib import util
from pathlib import Path

from bench import sampling
from bench.forked_pytest import Run
from bench.result import Bar, Chart, Figure, Mark, Result, Who

BUDGET_MS = 2.0
OURS = "api-simulator"
ZERO, CONTROL = "empty_plugin", "control_plugin"
MODULES = {
    OURS: "api_simulator.pytest_plugin",
    "respx": "respx.plugin",
    "pytest-httpx": "pytest_httpx",
    "pytest-httpserver": "pytest_httpserver.pytest_plugin",
}


def measure(*, quick: bool) -> Result:
    installed = {name: module for name, module in MODULES.items() if util.find_spec(module.partition(".")[0])}
    peers = [module for name, module in installed.items() if name != OURS]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_suite(folder)
        # The peers cost tens of times the bar: a few rounds tell enough.
        forked = _forked(folder, 10 if quick else 150, [ZERO, CONTROL, MODULES[OURS]])
        forked_peers = _forked(folder, 3 if quick else 20, [ZERO, *peers])
        whole = _whole(folder, 3 if quick else 40, [ZERO, MODULES[OURS]])
        whole_peers = _whole(folder, 2 if quick else 12, [ZERO, *peers])
    result = Result("plugin_tax", "How much longer does an empty pytest run take with a plugin loaded and unused?")
    result.figures.append(Figure.of("an empty plugin, whole process", whole[ZERO], "ms", "baseline"))
    result.figures.append(Figure.of("another empty plugin adds", _added_ms(forked, CONTROL), "ms", "baseline"))
    for name, module in installed.items():
        samples = forked if name == OURS else forked_peers
        result.figures.append(Figure.of(name, _added_ms(samples, module), "ms", _who(name)))
    for name, module in installed.items():
        walls = whole if name == OURS else whole_peers
        added = sampling.differences(walls[module], walls[ZERO])
        result.figures.append(Figure.of(f"{name}, whole process", added, "ms", _who(name)))
    imports = {name: [_import_ms(module) for _ in range(2 if quick else 9)] for name, module in installed.items()}
    for name, samples_ms in imports.items():
        result.figures.append(Figure.of(f"{name}, import alone", samples_ms, "ms", _who(name)))
        if name != OURS:
            result.ratios[f"{name} / {OURS}, import alone"] = sampling.ratio(samples_ms, imports[OURS])
    _judge(result, _added_ms(forked, MODULES[OURS]), sampling.differences(whole[MODULES[OURS]], whole[ZERO]))
    result.chart = Chart(
        "Added to an empty pytest run, ms of processor time (less is better)",
        tuple(installed),
        (Mark(BUDGET_MS, "2 ms"),),
    )
    return result


def _judge(result: Result, forked: list[float], whole: list[float]) -> None:
    for name, added in (("forks", forked), ("whole processes", whole)):
        low, high = sampling.confidence(added)
        result.notes.append(f"{OURS}, {len(added)} pairs of {name}: 95 % confidence {low:.2f} to {high:.2f} ms")
    tax_ms = sampling.median(forked)
    result.bars.append(Bar("loaded and unused it adds at most 2 ms to a pytest run", tax_ms, "ms", at_most=BUDGET_MS))


def _who(name: str) -> Who:
    return "ours" if name == OURS else "peer"


def _added_ms(samples: dict[str, list[Run]], module: str) -> list[float]:
    """Return by how much processor time the runs with *module* exceed those with the empty plugin."""
    return sampling.differences([run.cpu_ms for run in samples[module]], [run.cpu_ms for run in samples[ZERO]])


def _write_suite(folder: Path) -> None:
    for plugin in (ZERO, CONTROL):
        (folder / f"{plugin}.py").touch()
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (folder / "test_nothing.py").write_text("def test_nothing():\n    pass\n", encoding="utf-8")


def _forked(folder: Path, rounds: int, modules: list[str]) -> dict[str, list[Run]]:
    """Return the runs with each of *modules* as forks of a process that has imported pytest."""
    command = [sys.executable, "-m", "bench.forked_pytest", str(folder), str(rounds), *modules]
    root = Path(__file__).parents[2]
    output = subprocess.run(command, cwd=root, env=_environment(), check=True, stdout=subprocess.PIPE).stdout
    return {module: [Run(*pair) for pair in pairs] for module, pairs in json.loads(output).items()}


def _whole(folder: Path, rounds: int, modules: list[str]) -> dict[str, list[float]]:
    """Return the milliseconds that whole pytest processes take with each of *modules*."""
    return sampling.in_turns(rounds, {module: partial(_process_ms, folder, module) for module in modules})


def _process_ms(folder: Path, module: str) -> float:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", module]
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    took_ms = (time.perf_counter() - begin) * 1000
    if done.returncode != 0:
        raise RuntimeError(f"pytest with plugin {module} failed:\n{done.stdout.decode()}")
    return took_ms


def _import_ms(module: str) -> float:
    """Return how long importing *module* takes once pytest is imported: the sum of what the interpreter reports."""
    program = f"import pytest, sys; print('from here', file=sys.stderr); import {module}"
    command = [sys.executable, "-X", "importtime", "-c", program]
    report = subprocess.run(command, env=_environment(), check=True, capture_output=True, text=True).stderr
    lines = report.partition("from here\n")[2].splitlines()
    # import time: self [us] | cumulative | imported package
    return sum(int(line.removeprefix("import time:").split("|")[0]) for line in lines) / 1000


def _environment() -> dict[str, str]:
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONHASHSEED": "0"}
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        environment.pop(name, None)
    # The child runs in another folder, where a relative entry would mean something else.
    paths = environment.get("PYTHONPATH", "").split(os.pathsep)
    environment["PYTHONPATH"] = os.pathsep.join(str(Path(path).resolve()) for path in paths if path)
    return environment
