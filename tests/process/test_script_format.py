"""The format of scripts beyond the common steps: what is written, and that its description is true."""

import re
from pathlib import Path

import pytest

from api_simulator.errors import ScriptError
from api_simulator.process import _player, _player_steps, script
from api_simulator.process.script import (
    Ask,
    Case,
    CloseStream,
    Copy,
    Die,
    Exit,
    FailFirst,
    Hang,
    ReadLine,
    Refuse,
    Repeat,
    Settings,
    Spawn,
    Step,
    Write,
    WriteFile,
    encode,
    encode_cases,
)

HEADER = b"api-simulator-script 1\n"


@pytest.mark.parametrize(
    ("step", "written"),
    [
        (Repeat(b"ab", 3, "stderr"), b"repeat stderr 3 2\nab\n"),
        (Copy("/a b"), b"copy stdout 4\n/a b\n"),
        (Copy("/a", "stderr", start=3, count=9), b"copy-part stderr 3 9 2\n/a\n"),
        (Copy("/a", start=3), b"copy-part stdout 3 - 2\n/a\n"),
        (CloseStream("stdin"), b"close stdin\n"),
        (ReadLine(b"x"), b"read-line - 1\nx\n"),
        (ReadLine(exit_at_end=4), b"read-line 4 0\n\n"),
        (WriteFile("a", b"\n\0"), b"file write 4\na\0\n\0\n"),
        (WriteFile("a", b"", append=True), b"file append 2\na\0\n"),
        (
            Spawn((Hang(),), Settings(on_signal={15: "ignore"})),
            b"spawn stderr,stdout same 25\non-signal 15 ignore\nhang\n\n",
        ),
        (Spawn((), keeps=frozenset(), own_session=True), b"spawn - own 0\n\n"),
        (Ask(3), b"ask 3\n"),
        (Refuse(b"no"), b"refuse 2\nno\n"),
        (Die(9), b"die 9\n"),
    ],
)
def test_a_step_is_a_line_and_a_payload(step: Step, written: bytes):
    assert encode([step]) == HEADER + written


def test_settings_come_first():
    settings = Settings(
        on_signal={2: "continue", 1: 5}, leave_stdin=True, fail_first=FailFirst(7, times=2, code=75, stderr=b"busy")
    )

    assert encode([Exit(0)], settings) == (
        HEADER + b"on-signal 1 exit 5\non-signal 2 continue\nleave-stdin\nfail-first 7 2 75 4\nbusy\nexit 0\n"
    )


def test_cases_come_before_their_scripts():
    cases = [
        Case((Write(b"a"),), args=("push",), containing=("-f", ""), env={"A": "b", "C": None}, stdin=b"x", nth=(1, 2)),
        Case((), args=(), exact=True),
        Case((Exit(3),)),
    ]

    assert encode_cases(cases) == (
        HEADER
        + b"case 0\nargs prefix 5\npush\0\nargs among 4\n-f\0\0\nenv 3\nA=b\nno-env 1\nC\nstdin 1\nx\nnth 1 2\n"
        + b"case 1\nargs exact 0\n\n"
        + b"case 2\n"
        + b"script 0 17\nwrite stdout 1\na\n\n"
        + b"script 1 0\n\n"
        + b"script 2 7\nexit 3\n\n"
    )


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (Repeat(b"", True), r"step 0 \(Repeat\): nothing is repeated True times"),
        (Copy(""), r"step 0 \(Copy\): no file has the path ''"),
        (Die(65), r"step 0 \(Die\): there is no signal 65; give 1 to 64"),
        (ReadLine(exit_at_end=-1), r"step 0 \(ReadLine\): exit code -1 does not exist"),
        (Spawn((Exit(999),)), r"step 0 \(Exit\): exit code 999 does not exist"),
    ],
)
def test_a_step_that_cannot_be_played_is_refused(step: Step, text: str):
    with pytest.raises(ScriptError, match=text):
        encode([step])


def test_the_description_has_every_word_that_the_player_knows():
    """A native player is written from that text."""
    described = set(re.findall(r"^``([a-z-]+)", script.__doc__ or "", re.MULTILINE))
    source = Path(_player.__file__).read_text(encoding="utf-8")
    known = set(re.findall(r'^            b"([a-z-]+)": self\._', source, re.MULTILINE))
    known |= {word.decode() for word in (*_player_steps.STEPS, *_player_steps.CONDITIONS)}

    assert described == known | {"script"}
