"""A session cut at every place: what a client of the real program meets when that is killed or cut off."""

import json

import pytest

from api_simulator.claude import FakeClaudeCLI
from api_simulator.errors import ScriptError
from tests.claude.test_contract import LINES

ALL = "".join(LINES).encode()


def test_the_points_are_those_of_the_stream(scripted: FakeClaudeCLI):
    points = scripted.cut_points()

    offsets = {point.offset for point in points}
    boundaries = {len("".join(LINES[:count])) for count in range(len(LINES) + 1)}
    assert boundaries <= offsets
    assert len(offsets) == len(boundaries) + 64


def test_a_sweep_over_all_of_them(scripted: FakeClaudeCLI):
    """Before the cut the stream is as scripted, and whole records stay JSON."""
    for point in scripted.cut_points(offsets=8):
        if point.action == "hang":
            continue
        with point:
            scripted.cut_at(point)
            result = scripted.run()
            assert result.stdout_bytes[: point.offset] == ALL[: point.offset]
            if point.action != "corrupt":
                assert len(result.stdout_bytes) == point.offset
                assert result.returncode == (0 if point.action == "end" else -9)
                *whole, _ = result.stdout_bytes.split(b"\n")
                assert [json.loads(line) for line in whole] == [json.loads(line) for line in LINES[: len(whole)]]


def test_faults_stay_as_announced_before_the_cut(scripted: FakeClaudeCLI):
    scripted.corrupt_stream(at_message=0, error_text="x")
    scripted.inject_exit(40)
    scripted.cut_at("kill@5")

    result = scripted.run()

    assert (result.stdout, result.returncode) == ("x\n" + LINES[1][:3], -9)


def test_a_cut_can_be_taken_back_or_reset(scripted: FakeClaudeCLI):
    scripted.cut_at("end@0")
    scripted.cut_at(None)
    assert scripted.run().stdout_bytes == ALL

    scripted.cut_at("end@0")
    scripted.reset()
    scripted.add_message({"n": 0})
    assert scripted.run().stdout == '{"n":0}\n'


def test_a_place_that_does_not_exist(scripted: FakeClaudeCLI):
    with pytest.raises(ScriptError, match=f"the script writes {len(ALL)} bytes only"):
        scripted.cut_at(f"end@{len(ALL) + 1}")
