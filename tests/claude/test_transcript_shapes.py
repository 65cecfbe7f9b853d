"""The transcripts of sessions by moves have the records of those that the real program's measured runs left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api_simulator.claude import FakeClaudeCLI
from tests.claude import cases, shapes
from tests.claude.test_session_shapes import CASES, ENVIRONMENTS

#: What the fake does not write: the program's log of its own requests and the texts that it put before the prompt. Both
#: are made of contents that were not measured, and no reader of transcripts is known to want them.
LEFT_OUT = ("attachment", "atis-latch", "api-request", "api-request-blob", "api-request-shape", "tools-used", "mode")

#: Keys of which only the name is known, not what stands there.
UNKNOWN = {
    *(
        "apiErrorIsTransient",
        "errorDetails",
        "madeBy",
        "perTurnEffort",
        "quotaLimits",
        "requestRef",
        "resendCannotCure",
    ),
    *("slug", "turnCompanion", "turnOrigin"),
}

#: Cases of which the transcript is not compared, each with the reason.
UNCOMPARED = {
    "slash_clear": "of a session that is nothing but a slash command the fake keeps no transcript",
}

#: Written while a session goes on: how often, and before or after which record, depends on time.
REPEATED = "last-prompt"


def shape_of(transcript: list[dict[str, Any]]) -> list[tuple[str, tuple[str, ...]]]:
    """Return type and keys of the records, without those left out; what is repeated stands once, at the end."""
    kept: list[tuple[str, tuple[str, ...]]] = []
    for record in transcript:
        name = "/".join(record[key] for key in ("type", "subtype") if key in record)
        if name not in LEFT_OUT:
            kept.append((name, tuple(sorted(set(record["keys"]) - UNKNOWN))))
    repeated = [entry for entry in kept if entry[0] == REPEATED]
    return [entry for entry in kept if entry[0] != REPEATED] + repeated[-1:]


def differences(mine: list[tuple[str, tuple[str, ...]]], theirs: list[tuple[str, tuple[str, ...]]]) -> list[str]:
    """Return what *mine* has otherwise than *theirs*."""
    if [name for name, _ in mine] != [name for name, _ in theirs]:
        return [f"records {[name for name, _ in mine]},\n  not {[name for name, _ in theirs]}"]
    return [
        f"record {index} ({name}): without {sorted({*wanted} - {*got})}, with {sorted({*got} - {*wanted})}"
        for index, ((name, got), (_, wanted)) in enumerate(zip(mine, theirs, strict=True))
        if got != wanted
    ]


def written(folder: Path) -> list[dict[str, Any]]:
    """Return the shape of the only session's records in *folder*."""
    (path,) = folder.glob("*/*.jsonl")
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [{**record, "keys": list(record)} for record in records]


@pytest.mark.parametrize("case", sorted(CASES.keys() - UNCOMPARED.keys()))
def test_a_transcript_has_the_records_of_the_real_one(case: str, tmp_path: Path):
    fake = FakeClaudeCLI(cli_version=cases.version_of(case))
    CASES[case](fake.turn())

    fake.run(shapes.measured()[case]["args"], cwd=tmp_path, env=ENVIRONMENTS.get(case))
    mine = shape_of(written(fake.session_log_dir()))
    fake.close()

    assert differences(mine, shape_of(shapes.measured()[case]["transcript"])) == []
