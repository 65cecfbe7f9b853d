"""Cuts: every place at which output may stop, and what comes then."""

import random
import signal

import pytest

from api_simulator.errors import ScriptError
from api_simulator.process import CutPoint, FakeProgram, Script
from tests.process.programs import opened, start

LINES = Script().write_json({"n": 0}).wait(1).write_json({"n": 1}).write("err", to="stderr").write_line("end").exit(5)
TEXT = b'{"n":0}\n{"n":1}\nend\n'
SHORT = LINES.cut_points(offsets=3)


def test_all_boundaries_and_some_bytes_are_points():
    """By offset, then by action: the first that fails is the smallest."""
    points = LINES.cut_points(offsets=4)

    offsets = sorted({point.offset for point in points})
    assert {0, 8, 16, 20} <= set(offsets)
    assert len(offsets) == 8
    assert [point.offset for point in points] == sorted(point.offset for point in points)
    assert [point.action for point in points[:4]] == ["end", "kill", "corrupt", "hang"]
    assert [point.offset for point in points if point.is_complete] == [20] * 4
    assert {point.offset: point.line for point in points if point.offset in (0, 8, 16, 20)} == {
        0: 1,
        8: 2,
        16: 3,
        20: 3,
    }


def test_by_default_64_bytes_within_lines_are_taken():
    """The same for the same seed."""
    script = Script().write_line("x" * 1000).write_repeated("y" * 99 + "\n", 10)

    def offsets(seed: int) -> set[int]:
        return {point.offset for point in script.cut_points(seed=seed)}

    assert len(offsets(0)) == 64 + 12
    assert offsets(0) == offsets(0) != offsets(1)


def test_a_short_output_is_cut_everywhere():
    assert {point.offset for point in LINES.cut_points()} == set(range(21))
    assert {point.offset for point in Script().cut_points()} == {0}


@pytest.mark.parametrize("point", [point for point in SHORT if point.action != "hang"], ids=str)
def test_a_cut_program_writes_what_comes_before(point: CutPoint):
    with FakeProgram("tool").play(LINES).cut_at(point) as tool:
        done = start("tool")
        tool.close()

    head = TEXT[: point.offset]
    if point.action == "corrupt":
        rest = TEXT[point.offset :]
        rest = rest[rest.find(b"\n") :] if rest else b""
        assert (done.stdout, done.returncode) == (head + b"\xff<corrupt>" + rest, 5)
    else:
        assert (done.stdout, done.returncode) == (head, 0 if point.action == "end" else -signal.SIGKILL)


def test_a_cut_program_may_hang():
    with FakeProgram("tool").play(LINES).cut_at("hang@10") as tool, opened("tool") as process:
        assert process.stdout is not None
        assert process.stdout.read(10) == TEXT[:10]
        assert process.poll() is None
        tool.close()
        assert process.stdout.read() == b""


def test_large_outputs_are_cut_without_being_made():
    script = Script().write_repeated("x" * 999 + "\n", 50_000)
    tool = FakeProgram("tool").play(script).cut_at("end@20000007")

    done = tool.run()
    tool.close()

    assert len(done.stdout_bytes) == 20_000_007
    assert len(script.cut_points(offsets=8)) == (50_001 + 8) * 4


def test_every_split_gives_back_the_whole():
    """Random scripts: what comes before a cut and what a corruption leaves are parts of the output."""
    generator = random.Random(7)
    for _ in range(50):
        script = Script()
        text = b""
        for _ in range(generator.randrange(1, 6)):
            data = bytes(generator.choices(b"ab\n", k=generator.randrange(1, 8)))
            times = generator.randrange(0, 4)
            script.write_repeated(data, times)
            text += data * times
        offset = generator.randrange(len(text) + 1)
        tool = FakeProgram("tool").play(script).cut_at(f"corrupt@{offset}")
        rest = text[offset:]
        end = rest.find(b"\n")
        assert tool.run().stdout_bytes == text[:offset] + b"\xff<corrupt>" + (rest[end:] if end >= 0 else b"")
        tool.close()


def test_taking_the_cut_back_plays_the_whole():
    tool = FakeProgram("tool").play(LINES).cut_at("end@3").cut_at(None)

    assert tool.run().stdout_bytes == TEXT
    tool.close()


@pytest.mark.parametrize(
    ("point", "text"),
    [
        ("end@21", r"cut point 'end@21': the script writes 20 bytes only"),
        ("stop@3", r"cut point 'stop@3': expected one of end, kill, corrupt, hang, '@', and a number of bytes"),
        ("end@-1", r"expected one of"),
        ("end", r"expected one of"),
    ],
)
def test_a_place_that_is_none(point: str, text: str):
    tool = FakeProgram("tool").play(LINES).cut_at("end@3")

    with pytest.raises(ScriptError, match=text):
        tool.cut_at(point)

    assert tool.run().stdout_bytes == TEXT[:3]
    tool.close()


def test_a_failure_in_a_sweep_names_its_point():
    """What a report shows is enough to try that point alone."""

    def sweep() -> None:
        for point in LINES.cut_points():
            with point:
                assert point.offset < 9

    with pytest.raises(AssertionError) as caught:
        sweep()

    assert caught.value.__notes__ == ["at cut point end@9 (in line 2 of the output); try it alone with cut_at('end@9')"]
    assert CutPoint.parse("end@9") == CutPoint("end", 9)
    assert str(SHORT[0]) == SHORT[0].id == "end@0"
