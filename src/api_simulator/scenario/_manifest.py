"""
The manifest of a recording in progress: whole and valid on disk after every step.
"""

from __future__ import annotations

import json
import shutil
import sys
from bisect import insort
from pathlib import Path
from typing import Any

from api_simulator.errors import RecordingError
from api_simulator.scenario._files import json_bytes, replace_file, synchronise_folder
from api_simulator.scenario.models import FORMAT, ScenarioFile, StepRecord

NAME = "scenario.json"

# Not imported: the package knows all layers by name, and so would this one then.
_VERSION: str = sys.modules[__name__.partition(".")[0]].__version__


class Manifest:
    """
    ``scenario.json`` as it grows.

    An older recording in the folder stays as it is until the first step of the new one is whole, or the new one
    is finalized; then its cassettes are removed, those that its manifest names and nothing else.

    Args:
        kept: The older recording where it goes on: its name and its steps are the beginning of this one's.
    """

    def __init__(self, folder: Path, recipe: str, kept: ScenarioFile | None = None) -> None:
        self._folder = folder
        self._recipe = recipe if kept is None else kept.recipe
        # Each step's text is made once: writing the thousandth step does not cost a thousand.
        self._steps = [] if kept is None else [_entry(*step) for step in enumerate(kept.step_sequence, 1)]
        self._replaced = _cassettes_of(folder) if kept is None else []
        if not (folder / NAME).exists():
            self.write(finalized=False)

    def add(self, number: int, step: StepRecord) -> None:
        """Put a step on disk; *number* is its place, by its beginning."""
        entry = _entry(number, step)
        insort(self._steps, entry)
        try:
            self.write(finalized=False)
        except BaseException:
            self._steps.remove(entry)
            raise
        for name in self._replaced:
            shutil.rmtree(self._folder / name, ignore_errors=True)
        self._replaced = []

    def write(self, *, finalized: bool) -> None:
        """
        Put the manifest on disk.

        Raises:
            RecordingError: If that is impossible; what was there stays.
        """
        head = {"format": FORMAT, "recipe": self._recipe, "recorded_with": f"api-simulator {_VERSION}"}
        head["finalized"] = finalized
        steps = ",\n    ".join(text for _, text in self._steps)
        body = json_bytes(head)[:-3] + b',\n  "step_sequence": ['
        content = body + (f"\n    {steps}\n  ]\n}}\n" if steps else "]\n}\n").encode()
        try:
            replace_file(self._folder / NAME, content, durable=True)
        except OSError as error:
            raise RecordingError(
                f"{self._folder / NAME} cannot be written: {error}; what was recorded "
                "before is whole. Make room or give another output_dir"
            ) from error

    def finalize(self) -> None:
        """Say that the recording is complete."""
        self.write(finalized=True)
        # Once, not for every step: on a busy disk it takes as long as all the rest of a step.
        synchronise_folder(self._folder)
        for name in self._replaced:
            shutil.rmtree(self._folder / name, ignore_errors=True)
        self._replaced = []


def _entry(number: int, step: StepRecord) -> tuple[int, str]:
    return number, json.dumps(step.model_dump(mode="json"), indent=2).replace("\n", "\n    ")


def _cassettes_of(folder: Path) -> list[str]:
    """Return the cassettes of the recording that is in the folder now; what cannot be read names none."""
    try:
        steps: list[Any] = json.loads((folder / NAME).read_bytes())["step_sequence"]
        names = [step.get("session_dir") for step in steps]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return [name for name in names if isinstance(name, str) and _is_cassette_name(name)]


def _is_cassette_name(name: str) -> bool:
    parent, _, leaf = name.partition("/")
    return parent == "sessions" and bool(leaf) and "/" not in leaf and leaf not in (".", "..")
