"""
Run pytest many times from one process that has imported it, with one plugin or another, and time each run.

A fresh interpreter differs from the next by several milliseconds (where its memory lies, what the disk had to read); a
fork of one that is warm differs by one or two. Run as ``python -m bench.forked_pytest FOLDER ROUNDS PLUGIN…``; prints
the samples as JSON. It is a process of its own because it forks, and what measures has threads.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from _pytest.config import default_plugins

from bench import sampling


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of pytest took, in milliseconds."""

    wall_ms: float
    cpu_ms: float


def run(plugin: str) -> Run:
    """Run pytest in a fork with *plugin*, up to the end of the process."""
    begin = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        # Not os._exit: taking a plugin down again is part of what it costs.
        sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "-p", plugin]))
    _, status, usage = os.wait4(pid, 0)
    wall_ms = (time.perf_counter() - begin) * 1000
    if status != 0:
        raise RuntimeError(f"pytest with plugin {plugin} ended with {os.waitstatus_to_exitcode(status)}")
    return Run(wall_ms, (usage.ru_utime + usage.ru_stime) * 1000)


def main() -> None:
    folder, rounds, *plugins = sys.argv[1:]
    os.chdir(folder)
    sys.path.insert(0, str(Path.cwd()))
    # pytest imports its own plugins when it starts; here they are part of what is warm.
    for name in default_plugins:
        importlib.import_module(f"_pytest.{name}")
    actions = {plugin: partial(run, plugin) for plugin in plugins}
    sampling.in_turns(2, actions)  # compiles what is not compiled yet
    samples = sampling.in_turns(int(rounds), actions)
    print(json.dumps({name: [[one.wall_ms, one.cpu_ms] for one in runs] for name, runs in samples.items()}))


if __name__ == "__main__":
    main()
