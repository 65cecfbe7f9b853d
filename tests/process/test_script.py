"""The script format: what is written, and what is refused."""

import pytest

from api_simulator.errors import ScriptError
from api_simulator.process.script import (
    Exit,
    Extend,
    Fill,
    Hang,
    ReadStdin,
    Settings,
    Step,
    Wait,
    Write,
    encode,
)


def test_a_script_is_lines_with_byte_lengths():
    """Steps follow the settings, a line each, and payloads stand behind their length."""
    steps: list[Step] = [
        Write(b"h\xc3\xa9\n"),
        Write(b"", "stderr"),
        Fill(b"\0name\0", "stderr"),
        Wait(20),
        ReadStdin(),
        Extend(b"x"),
        Hang(),
        Exit(3),
    ]

    encoded = encode(steps, Settings(on_signal={15: 143, 2: 0}, on_broken_pipe=0, extension=b"a\nb"))

    assert encoded == (
        b"api-simulator-script 1\n"
        b"on-signal 2 exit 0\n"
        b"on-signal 15 exit 143\n"
        b"on-broken-pipe exit 0\n"
        b"extension 3\na\nb\n"
        b"write stdout 4\nh\xc3\xa9\n\n"
        b"write stderr 0\n\n"
        b"fill stderr 6\n\0name\0\n"
        b"wait 20\n"
        b"read-stdin\n"
        b"extend 1\nx\n"
        b"hang\n"
        b"exit 3\n"
    )


def test_the_shortest_script_is_its_version():
    assert encode([]) == b"api-simulator-script 1\n"


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Wait(-1), r"step 1 \(Wait\): cannot wait -1 ms; give 0 to"),
        (Wait(10**12), r"step 1 \(Wait\): cannot wait 1000000000000 ms"),
        (Wait(0.5), r"step 1 \(Wait\): milliseconds are an integer, got 0.5"),  # type: ignore[arg-type]
        (Exit(256), r"step 1 \(Exit\): exit code 256 does not exist; give an integer from 0 to 255"),
        (Exit(True), r"step 1 \(Exit\): exit code True does not exist"),
        (Write(b"", "log"), r"step 1 \(Write\): stream 'log' does not exist; give 'stdout' or 'stderr'"),  # type: ignore[arg-type]
        (Fill(b"\0name"), r"step 1 \(Fill\): the last hole is not closed"),
        (Extend(b""), r"step 1 \(Extend\): the script has no extension; set Settings.extension"),
    ],
)
def test_a_step_that_cannot_be_played_is_refused_with_its_place(step: Step, message: str):
    with pytest.raises(ScriptError, match=message):
        encode([Exit(0), step])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(on_signal={9: 0}), r"on_signal\[9\]: a program cannot answer this signal"),
        (Settings(on_signal={14: 0}), r"on_signal\[14\]: a program cannot answer this signal"),
        (Settings(on_signal={0: 0}), r"on_signal\[0\]"),
        (Settings(on_signal={15: 300}), r"on_signal\[15\]: exit code 300 does not exist"),
        (Settings(on_broken_pipe=-1), r"on_broken_pipe: exit code -1 does not exist"),
    ],
)
def test_a_setting_that_cannot_hold_is_refused_with_its_place(settings: Settings, message: str):
    with pytest.raises(ScriptError, match=message):
        encode([], settings)
