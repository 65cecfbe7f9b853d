"""The fake in the scenarios of the real program's measured runs: the same records, in shape and order."""

import json
import subprocess
from typing import Any

import pytest

from api_simulator.claude import FakeClaudeCLI
from tests.claude import shapes


def run_case(case: str) -> tuple[str, str, int]:
    """Run the fake as the real program was run, and return stdout, stderr and exit code."""
    row = shapes.ROWS[case]
    fake = FakeClaudeCLI(cli_version=shapes.version_of(case))
    row.script(fake)
    args: list[str] = shapes.measured()[case]["args"]
    with (
        fake,
        subprocess.Popen(
            ["claude", *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stdout is not None
        lines: list[str] = []
        for count, number in row.signals:
            fake.wait_for_calls(1, timeout_s=20)
            while len(lines) < count:
                lines.append(process.stdout.readline())
            process.send_signal(number)
        rest, stderr = process.communicate(input=(row.stdin or b"").decode(), timeout=30)
    return "".join(lines) + rest, stderr, process.returncode


@pytest.mark.parametrize("case", sorted(shapes.ROWS))
def test_the_fake_has_the_shape_of_the_real_run(case: str):
    assert shapes.differences(case, *run_case(case)) == []


def test_every_measured_run_is_accounted_for():
    cases = shapes.measured()

    assert set(shapes.ROWS) | set(shapes.UNCOVERED) == set(cases)
    assert set(shapes.ROWS) & set(shapes.UNCOVERED) == set()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda records: records[:-1], "records"),
        (lambda records: [{**records[0], "extra": 1}, *records[1:]], "extra"),
        (lambda records: [*records[:-1], {**records[-1], "num_turns": 7}], "num_turns"),
        (lambda records: [*records[:-1], {**records[-1], "total_cost_usd": "much"}], "total_cost_usd"),
    ],
)
def test_the_comparison_sees(change: Any, message: str):
    stdout, stderr, code = run_case("hi_stream_json")
    changed = change([json.loads(line) for line in stdout.splitlines()])

    found = shapes.differences("hi_stream_json", "".join(json.dumps(r) + "\n" for r in changed), stderr, code)

    assert message in "".join(found)


def test_the_page_is_up_to_date():
    """Otherwise run ``python -m tests.claude.shapes``."""
    assert shapes.PAGE.read_text(encoding="utf-8") == shapes.page()
