"""
What is left in this process, each thing by itself, so that two looks can be compared.

A number would not do: while a test counts, a thread or a descriptor of the test before it may still be on its way out.
"""

import gc
import os
import threading
from pathlib import Path
from typing import Any

import psutil

from api_simulator._core import live
from api_simulator.process._staged import StagedProgram


def residue(fakes: type[StagedProgram[Any]], folder: Path) -> set[str]:
    """Return descriptors, threads, child processes, open *fakes*, files in *folder* and PATH, as texts."""
    gc.collect()
    found = {f"thread {thread.name} {thread.ident}" for thread in threading.enumerate()}
    found |= {f"fake {id(fake):#x}" for fake in live.of_type(fakes)}
    found |= {f"file {path}" for path in folder.iterdir()}
    found.add(f"PATH={os.environ['PATH']}")
    found |= {f"child {child.pid}" for child in psutil.Process().children()}
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            found.add(f"descriptor {descriptor.name} {descriptor.readlink()}")
        except FileNotFoundError:
            continue  # the one that listed the folder
    return found
