"""The native stand-in: what it plays itself, how it hands over the rest, and how it is chosen."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from api_simulator.claude import FakeClaudeCLI
from api_simulator.errors import OptionError, UnsupportedPlatformError
from api_simulator.process import FakeProgram, Script, _stand_in
from api_simulator.process._stage import Stage
from api_simulator.process.script import (
    Ask,
    Case,
    CloseStream,
    Copy,
    Die,
    Exit,
    FailFirst,
    Fill,
    ReadLine,
    ReadStdin,
    Refuse,
    Repeat,
    Settings,
    Spawn,
    Step,
    Wait,
    Write,
    WriteFile,
    encode,
    encode_cases,
)
from tests.process.conftest import MakeStage
from tests.process.programs import start


def without_python(stage: Stage) -> None:
    """Take away what the stand-in hands over to, so that only what it plays itself is played."""
    (stage.folder / "python" / "tool").unlink()


SETTINGS = Settings(
    on_signal={1: 5, 2: "ignore", 15: "continue"},
    on_broken_pipe=3,
    leave_stdin=True,
    fail_first=FailFirst(1, times=0, code=9, stderr=b"busy"),
)
PLAIN: dict[str, bytes] = {
    "nothing": encode([]),
    "writes": encode([Write(b"a"), Write(b"b\n", "stderr"), Write(b"")]),
    "repeats": encode([Repeat(b"ab", 3), Repeat(b"", 5, "stderr")]),
    "waits": encode([Wait(0), Wait(1), ReadStdin()]),
    "ends": encode([Exit(3)]),
    "ends itself": encode([Die(9)]),
    "settings": encode([Write(b"a")], SETTINGS),
    "cases": encode_cases([Case((Exit(3),), args=("x",)), Case((), env={"A": "b", "C": None}), Case((Refuse(b"n"),))]),
    "counted cases": encode_cases([Case((Exit(3),), nth=(1, 2)), Case((Write(b"a"),))]),
}
OTHERS: dict[str, bytes] = {
    "fills": encode([Write(b"a"), Fill(b"x")]),
    "copies": encode([Copy("/dev/null")]),
    "closes": encode([CloseStream("stdout")]),
    "reads lines": encode([ReadLine(b"x")]),
    "files": encode([WriteFile("a", b"b")]),
    "children": encode([Spawn((Exit(0),))]),
    "questions": encode([Ask(1)]),
    "extension": encode([], Settings(extension=b"x")),
    "input decides": encode_cases([Case((), stdin=b"x"), Case(())]),
    "one case of many": encode_cases([Case((Exit(3),)), Case((Copy("/dev/null"),), nth=(1, 1))]),
    "an unknown step": b"api-simulator-script 1\nexit 0\ndance\n",
    "an unknown setting": b"api-simulator-script 1\nexit 0\nleave-stdin\n",
    "another version": b"api-simulator-script 2\nexit 0\n",
    "no header": b"",
    "a payload that is cut": b"api-simulator-script 1\nwrite stdout 5\nab\n",
    "a payload that is longer than its script": (
        b"api-simulator-script 1\ncase 0\nscript 0 18\nwrite stdout 10\na\n\nexit 33\n\n"
    ),
    "a script that is cut": b"api-simulator-script 1\ncase 0\nscript 0 100\nexit 3\n\n",
}


@pytest.mark.parametrize("script", PLAIN.values(), ids=PLAIN)
def test_plain_scripts_are_played_without_python(native_stage: Stage, script: bytes):
    native_stage.write_script(script)
    without_python(native_stage)

    start(native_stage.executable)

    (call,) = native_stage.calls()
    assert (call.exit_code is not None, call.problem) == (True, call.problem if call.unexpected else None)


@pytest.mark.parametrize("script", OTHERS.values(), ids=OTHERS)
def test_other_scripts_are_handed_over_before_anything_was_done(native_stage: Stage, script: bytes):
    """Without the Python player nothing can be played, and nothing has been: no call, no count, no input read."""
    native_stage.write_script(script)
    without_python(native_stage)
    read_end, write_end = os.pipe()
    os.write(write_end, b"input")
    os.close(write_end)

    done = subprocess.run([native_stage.executable], stdin=read_end, capture_output=True, timeout=30)
    unread = os.read(read_end, 100)
    os.close(read_end)

    assert done.returncode == 70
    assert b"this fake program cannot go on: " in done.stderr
    assert unread == b"input"
    assert native_stage.calls() == []
    assert list((native_stage.folder / "counts").iterdir()) == []


def test_a_script_that_is_handed_over_is_one_call_of_one_process(native_stage: Stage, tmp_path: Path):
    """Number, process, name as called, arguments, environment and working folder are those of the invocation."""
    native_stage.write_script(encode([Copy("/proc/self/comm"), Copy("/proc/self/stat")]))
    environ = {"PATH": str(native_stage.executable.parent), "ODD": os.fsdecode(b"\xff")}
    arguments = ["", "two words", os.fsdecode(b"\xfe\n")]

    with subprocess.Popen(
        ["tool", *arguments], env=environ, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        output, _ = process.communicate(timeout=30)

    (call,) = native_stage.calls()
    assert (call.number, call.pid, call.exit_code) == (1, process.pid, 0)
    assert call.argv == [str(native_stage.executable), *arguments]
    assert (call.env, call.cwd) == (environ, str(tmp_path))
    assert output.startswith(b"tool\n%d (tool) " % process.pid)


@pytest.mark.usefixtures("player")
class TestWhereItIsCalledFrom:
    """The executable may be called by any name and be put anywhere; it plays its stage's script."""

    @pytest.mark.parametrize("steps", [[Write(b"hello")], [Write(b"hel"), CloseStream("stdin"), Write(b"lo")]])
    @pytest.mark.parametrize("how", [os.symlink, os.link, shutil.copy])
    def test_links_and_copies(self, make_stage: MakeStage, tmp_path: Path, how, steps: list[Step]):
        stage = make_stage(steps)
        place = tmp_path / "another name"
        how(stage.executable, place)

        done = start(place)

        assert done.stdout == b"hello"
        assert stage.calls()[0].argv == [str(place)]

    def test_a_path_relative_to_the_working_folder(self, make_stage: MakeStage):
        stage = make_stage([Write(b"hello")])

        done = start("./tool", cwd=stage.executable.parent)

        assert done.stdout == b"hello"
        assert stage.calls()[0].argv == ["./tool"]

    def test_a_name_of_its_own(self, make_stage: MakeStage):
        """What the caller says its name is, is not what the record says: for a script the system says it."""
        stage = make_stage([Write(b"hello")])

        done = start("something else", executable=stage.executable)

        assert done.stdout == b"hello"
        assert stage.calls()[0].argv == [str(stage.executable)]


def test_the_installed_file_is_not_what_is_started(native_stage: Stage):
    """Whoever writes to the fake program, or changes its permissions, does not change the package."""
    before = _stand_in.PLACE.read_bytes(), _stand_in.PLACE.stat().st_mode

    native_stage.executable.write_bytes(b"#!/bin/sh\nexit 3\n")
    native_stage.executable.chmod(0o777)

    assert start(native_stage.executable).returncode == 3
    assert (_stand_in.PLACE.read_bytes(), _stand_in.PLACE.stat().st_mode) == before
    assert stat.S_IMODE(_stand_in.PLACE.stat().st_mode) & 0o022 == 0


def test_a_session_is_played_by_python_at_once(native_stage: Stage):
    """A script with an extension is never plain, so the stand-in would only be in the way."""
    fake = FakeClaudeCLI()
    begins = fake.executable.read_bytes()[:2]
    fake.close()

    assert (begins, native_stage.executable.read_bytes()[:4]) == (b"#!", b"\x7fELF")


class TestChoosing:
    @pytest.fixture
    def put(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        """Put a file where the stand-in would be."""

        def put(content: bytes | None) -> Path:
            place = tmp_path / "stand-in"
            monkeypatch.setattr(_stand_in, "PLACE", place)
            if content is not None:
                place.write_bytes(content)
                place.chmod(0o755)
            return place

        return put

    @pytest.fixture
    def built(self, native_stage: Stage) -> bytes:
        return _stand_in.PLACE.read_bytes()

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (None, "does not exist; install a wheel for this platform, or run `make native`"),
            (b"", "cannot be used on this machine"),
            (b"neither a script nor a program", "cannot be used on this machine"),
            (b"\x7fELF\x02\x01\x01" + bytes(500), "cannot be used on this machine"),
            (b"#!/bin/sh\necho api-simulator-stand-in 0\nexit 69\n", "not the stand-in of this version (exit 69"),
            (b"#!/bin/sh\nexit 0\n", "not the stand-in of this version (exit 0"),
        ],
        ids=["absent", "empty", "foreign", "another processor's", "another version", "another program"],
    )
    @pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is not looked for")
    def test_one_that_does_not_work_is_told_and_not_used(
        self, put, monkeypatch: pytest.MonkeyPatch, content: bytes | None, reason: str
    ):
        place = put(content)
        monkeypatch.delenv("API_SIMULATOR_STAND_IN", raising=False)

        with FakeProgram("tool") as tool:
            tool.write("played all the same")
            played = start("tool").stdout
        monkeypatch.setenv("API_SIMULATOR_STAND_IN", "require")
        with pytest.raises(UnsupportedPlatformError) as caught:
            FakeProgram("tool").__enter__()

        assert played == b"played all the same"
        assert str(caught.value).startswith("API_SIMULATOR_STAND_IN=require, but the native stand-in is absent: ")
        assert str(place) in str(caught.value)
        assert reason in str(caught.value)

    def test_one_that_is_cut_is_told_and_not_used(self, built: bytes, put):
        place = put(built[: len(built) // 3])

        found = _stand_in.status()

        assert found.path is None
        assert str(place) in found.detail

    def test_a_wish_that_does_not_exist_is_refused(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("API_SIMULATOR_STAND_IN", "yes")

        with pytest.raises(OptionError, match="API_SIMULATOR_STAND_IN: expected one of auto, off, require, got 'yes'"):
            FakeProgram("tool").__enter__()

    @pytest.mark.parametrize("wish", [None, "", "auto", "require"])
    def test_it_is_used_where_it_works(self, native_stage: Stage, monkeypatch: pytest.MonkeyPatch, wish: str | None):
        if wish is None:
            monkeypatch.delenv("API_SIMULATOR_STAND_IN")
        else:
            monkeypatch.setenv("API_SIMULATOR_STAND_IN", wish)

        tool = FakeProgram("tool").play(Script().write("x"))

        assert tool.executable.read_bytes()[:4] == b"\x7fELF"
        tool.close()

    def test_off_means_python(self, native_stage: Stage, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("API_SIMULATOR_STAND_IN", "off")

        tool = FakeProgram("tool").play(Script().write("x"))

        assert tool.executable.read_bytes()[:2] == b"#!"
        tool.close()
