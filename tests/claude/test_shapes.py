"""The fake in the scenarios of the real program's measured runs: the same records, in shape and order."""

import contextlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from api_simulator.claude import FakeClaudeCLI
from tests.claude import cases, shapes


def run_case(case: str, cwd: Path) -> tuple[str, str, int]:
    """Run the fake as the real program was run, and return stdout, stderr and exit code."""
    row = cases.ROWS[case]
    fake = FakeClaudeCLI(cli_version=cases.version_of(case), strict_argv=row.is_strict)
    with contextlib.closing(fake), fake:
        row.script(fake)
        if row.first:
            fake.run(list(row.first), cwd=cwd, stdin=b"")
        if row.prepares is not None:
            row.prepares(fake.session_log_dir(), cwd)
        return converse(fake, row, shapes.measured()[case]["args"], cwd)


def converse(fake: FakeClaudeCLI, row: cases.Row, args: list[str], cwd: Path) -> tuple[str, str, int]:
    started = fake.call_count
    environ = os.environ | row.env
    process = subprocess.Popen(
        ["claude", *args],
        cwd=cwd,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    lines: list[bytes] = []
    with process:
        process.stdin.write(row.says)
        if not (row.replies or row.is_open):
            process.stdin.close()
        for count, number in row.signals:
            fake.wait_for_calls(started + 1, timeout_s=20)
            while len(lines) < count:
                lines.append(process.stdout.readline())
            if row.begun is not None and count < 2:
                assert row.begun.wait(20)
                # Nothing says that a part of the answer has arrived: it comes in small pieces all the time.
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.5)
            process.send_signal(number)
        while row.replies and not process.stdin.closed:
            lines.append(process.stdout.readline())
            if not lines[-1]:
                break
            reply = row.replies(json.loads(lines[-1]))
            if reply == b"":
                process.stdin.close()
            elif reply:
                process.stdin.write(reply)
        rest = process.stdout.read()
        assert process.stderr is not None
        stderr = process.stderr.read()
        code = process.wait(timeout=30)
    return (b"".join(lines) + rest).decode(), stderr.decode(), code


def _case(name: str) -> Any:
    if name == "dangerous_as_root" and os.geteuid() != 0:
        return pytest.param(name, marks=pytest.mark.skip("only the superuser is refused"))
    return name


@pytest.mark.parametrize("case", [_case(name) for name in sorted(cases.ROWS)])
def test_the_fake_has_the_shape_of_the_real_run(case: str, tmp_path: Path):
    assert shapes.differences(case, *run_case(case, tmp_path)) == []


def test_every_measured_run_is_accounted_for():
    runs = shapes.measured()

    assert set(cases.ROWS) | set(cases.UNCOVERED) == set(runs)
    assert set(cases.ROWS) & set(cases.UNCOVERED) == set()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda records: records[:-1], "records"),
        (lambda records: [{**records[0], "extra": 1}, *records[1:]], "extra"),
        (lambda records: [*records[:-1], {**records[-1], "num_turns": 7}], "num_turns"),
        (lambda records: [*records[:-1], {**records[-1], "total_cost_usd": "much"}], "total_cost_usd"),
    ],
)
def test_the_comparison_sees(change: Any, message: str, tmp_path: Path):
    stdout, stderr, code = run_case("hi_stream_json", tmp_path)
    changed = change([json.loads(line) for line in stdout.splitlines()])

    found = shapes.differences("hi_stream_json", "".join(json.dumps(r) + "\n" for r in changed), stderr, code)

    assert message in "".join(found)


def test_the_page_is_up_to_date():
    """Otherwise run ``python -m tests.claude.cases``."""
    assert cases.PAGE.read_text(encoding="utf-8") == cases.page()
