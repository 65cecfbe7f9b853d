"""A fake program in use: which script is played, what is on record, and what fails a test."""

import asyncio
import contextlib
import os
import pty
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pexpect
import pytest

from api_simulator import render_timeline
from api_simulator._core import live, timeline
from api_simulator.claude import FakeClaudeCLI
from api_simulator.errors import (
    OptionError,
    ProgramStateError,
    ScriptError,
    UnexpectedCallError,
    UnsupportedPlatformError,
    VerificationError,
    WaitTimeoutError,
)
from api_simulator.http import MockHttpServer, ResponseSpec
from api_simulator.process import FakeProgram, FakePrograms, Script
from tests.process.programs import line_of, opened, start

pytestmark = pytest.mark.usefixtures("player")

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


@pytest.fixture
def git() -> Iterator[FakeProgram]:
    """A program on PATH, closed at the end without a verdict: the tests that want one ask for it."""
    program = FakeProgram("git")
    program.__enter__()
    yield program
    program.close()


def outcome(done: "subprocess.CompletedProcess[bytes]") -> tuple[bytes, int]:
    return done.stdout, done.returncode


class TestChoice:
    def test_without_a_script_it_exits_with_0(self, git: FakeProgram):
        assert outcome(start("git", "anything")) == (b"", 0)
        assert git.verdict() == ""

    @pytest.mark.parametrize(
        ("conditions", "fitting", "other"),
        [
            ({"args": ["push"]}, ["push", "-f"], ["-f", "push"]),
            ({"args": ["push", "-f"]}, ["push", "-f"], ["push"]),
            ({"args": ["push"], "exact": True}, ["push"], ["push", ""]),
            ({"args": [], "exact": True}, [], [""]),
            ({"args": [""]}, [""], ["x"]),
            ({"containing": ["-C", "push"]}, ["-C", "x", "push", "y"], ["push", "-C"]),
            ({"args": ["a"], "containing": ["b"]}, ["a", "c", "b"], ["a", "c"]),
            ({"args": ["h\u00e9", "a\nb"]}, ["h\u00e9", "a\nb"], ["he", "a\nb"]),
        ],
        ids=str,
    )
    def test_by_arguments(self, git: FakeProgram, conditions: dict[str, Any], fitting: list[str], other: list[str]):
        git.write("default")
        git.when(**conditions).write("chosen")

        assert start("git", *fitting).stdout == b"chosen"
        assert start("git", *other).stdout == b"default"

    def test_by_environment(self, git: FakeProgram):
        git.write("default")
        git.when(env={"MODE": "fast", "DEBUG": None}).write("chosen")
        path = {"PATH": os.environ["PATH"]}

        assert start("git", env=path | {"MODE": "fast"}).stdout == b"chosen"
        assert start("git", env=path | {"MODE": "fast", "DEBUG": ""}).stdout == b"default"
        assert start("git", env=path | {"MODE": "faster"}).stdout == b"default"
        assert start("git", env=path | {"XMODE": "fast"}).stdout == b"default"

    def test_by_standard_input(self, git: FakeProgram):
        git.write("default")
        git.when(stdin="needle").write("chosen")

        assert start("git", input=b"x" * 200_000 + b"needle" + b"x" * 200_000).stdout == b"chosen"
        assert start("git", input=b"need le").stdout == b"default"
        assert start("git").stdout == b"default"

    def test_an_invocation_counts_while_its_input_is_read(self, git: FakeProgram):
        """Code that never closes the input is seen to have started the program."""
        git.when(stdin="x").write("chosen")

        with opened("git") as process:
            call = git.wait_for_call(timeout_s=30)
            process.kill()

        assert call.exit_code is None

    def test_the_one_said_last_wins(self, git: FakeProgram):
        git.when(["push"]).write("general")
        git.when(["push", "-f"]).write("special")
        git.when(["pull"]).write("old")
        git.when(["pull"]).write("new")

        assert start("git", "push").stdout == b"general"
        assert start("git", "push", "-f").stdout == b"special"
        assert start("git", "pull").stdout == b"new"

    def test_the_nth_invocation_of_its_kind(self, git: FakeProgram):
        """It wins over scripts without a number whatever the order; other kinds are not counted."""
        git.when(["push"], call=2).write("second")
        git.when(["push"], call=1).write("first")
        git.when(["push"]).write("later")
        git.when(["pull"], call=1).write("pulled")
        git.write("default")

        got = [start("git", word).stdout for word in ("push", "pull", "x", "push", "push", "pull")]

        assert got == [b"first", b"pulled", b"default", b"second", b"later", b"default"]

    def test_kinds_that_overlap_are_each_counted(self, git: FakeProgram):
        git.write("default")
        git.when(["push"], call=2).write("second push")
        git.when(containing=["-f"], call=1).write("first with -f")

        assert start("git", "push", "-f").stdout == b"first with -f"
        assert start("git", "push").stdout == b"second push"

    def test_a_script_may_fail_at_first(self, git: FakeProgram):
        git.when(["push"]).fail_first(2, code=75, stderr="busy\n").write("pushed")
        git.fail_first(1).write("default")

        assert [start("git", "push").returncode for _ in range(3)] == [75, 75, 0]
        assert [outcome(start("git", "x")) for _ in range(2)] == [(b"", 1), (b"default", 0)]
        assert git.calls[0].exit_code == 75

    def test_many_at_once_are_counted_right(self, git: FakeProgram):
        git.when(["x"]).fail_first(7).write("fine")
        git.when(["x"], call=3).exit(3)

        with ThreadPoolExecutor(20) as pool:
            codes = sorted(pool.map(lambda _: start("git", "x").returncode, range(20)))

        assert codes == [0] * 12 + [1] * 7 + [3]

    def test_a_large_script_is_passed_over(self, git: FakeProgram):
        git.when(["small"]).write("small")
        git.when(["large"]).write("x" * 5_000_000)

        assert start("git", "small").stdout == b"small"
        assert len(start("git", "large").stdout) == 5_000_000

    def test_what_is_said_later_holds_for_later_invocations(self, git: FakeProgram):
        push = git.when(["push"])
        before = start("git", "push").stdout
        push.write("more")

        assert (before, start("git", "push").stdout) == (b"", b"more")

    def test_reset_forgets_everything_but_the_place(self, git: FakeProgram):
        git.when(["a"], call=1).write("first")
        start("git", "a")
        start("git", "b")
        executable = git.executable

        git.reset()
        git.when(["a"], call=1).write("again the first")

        assert (git.calls, git.verdict()) == ([], "")
        assert start("git", "a").stdout == b"again the first"
        assert git.executable == executable


class TestMistakes:
    @pytest.mark.parametrize("name", ["", "a/b", "/git", ".", "..", "a\0b", None, 3])
    def test_a_name_that_no_file_can_have(self, name: Any):
        with pytest.raises(OptionError, match=r"is not the name of a program; give one as on PATH, for instance 'git'"):
            FakeProgram(name)

    @pytest.mark.parametrize("name", ["-x", "two words", "h\u00e9", "a'b", "rp-cli", "g++", "python"])
    def test_an_odd_name_is_fine(self, name: str):
        with FakeProgram(name) as program:
            program.write("hello")

            assert start(name).stdout == b"hello"
            program.close()

    @pytest.mark.parametrize(
        ("conditions", "text"),
        [
            ({}, r"when\(\): no condition; say the steps of the program itself"),
            ({"args": "push -f"}, r"when\(args='push -f'\): args is a list of arguments; write \['push', '--force'\]"),
            ({"args": ["a\0"]}, r"in args is no argument"),
            ({"containing": [3]}, r"3 in containing is no argument"),
            ({"exact": True}, r"when\(exact=True\): exact needs args"),
            ({"env": {"A=B": "x"}}, r"'A=B': 'x' is no variable"),
            ({"env": {"A": 1}}, r"'A': 1 is no variable; give a name and its value, or None if unset"),
            ({"call": 0}, r"when\(call=0\): invocations are counted from 1"),
            ({"call": True}, r"invocations are counted from 1"),
        ],
    )
    def test_a_condition_that_cannot_be_met(self, conditions: dict[str, Any], text: str):
        with pytest.raises(ScriptError, match=text):
            FakeProgram("git").when(**conditions)

    def test_two_of_one_name_on_path(self, git: FakeProgram):
        with pytest.raises(ProgramStateError, match=r"a fake program 'git' is on PATH already.* when\(\)"):
            FakeProgram("git").__enter__()

    def test_one_that_would_hide_the_session_fake(self):
        with FakeClaudeCLI() as claude, contextlib.closing(claude), pytest.raises(ProgramStateError, match="'claude'"):
            FakeProgram("claude").__enter__()

    def test_a_name_is_free_again_afterwards(self):
        for _ in range(2):
            with FakeProgram("git"):
                pass
        with FakeProgram("git") as one:
            one.close()
            with FakeProgram("git") as two:
                two.close()

    def test_a_closed_one_cannot_be_entered(self):
        program = FakeProgram("git")
        program.close()

        with pytest.raises(ProgramStateError, match="this FakeProgram is closed and its executable removed"):
            program.__enter__()

    def test_windows_is_refused_with_a_way_out(self, monkeypatch: pytest.MonkeyPatch):
        """A double for the operating system: there is no Windows here."""
        monkeypatch.setattr(os, "name", "nt")

        with pytest.raises(UnsupportedPlatformError, match=r"the fake 'git' needs FIFOs, .* WSL"):
            FakeProgram("git").__enter__()

    def test_a_script_with_an_unknown_step_names_line_and_step(self, git: FakeProgram):
        """Also behind payloads with newlines in them, and far into a large file."""
        script = git.executable.parents[1] / "script"
        for size in (3, 200_000):
            text = b"\n" * size
            script.write_bytes(b"api-simulator-script 1\nwrite stdout %d\n%s\nfly 3\n" % (size, text))
            done = start("git")
            assert done.returncode == 70
            assert b"line %d of the script: unknown step 'fly'" % (size + 4) in done.stderr

        assert "its script could not be played" in git.verdict()


class TestVerdict:
    def test_an_invocation_that_no_script_fits(self):
        git = FakeProgram("git")
        git.when(["status"]).write("clean\n")
        line = TestVerdict.test_an_invocation_that_no_script_fits.__code__.co_firstlineno + 2
        outcomes = []

        with pytest.raises(UnexpectedCallError) as caught, git:
            outcomes.append(start("git", "push", "a b"))
        git.close()

        text, done = str(caught.value), outcomes[0]
        assert "'git' was called in a way that no script fits:\n  <ProgramCall #1 git push 'a b' -> exit 127>" in text
        assert f"when(args=['status']) at {Path(__file__).relative_to(Path.cwd())}:{line}\n" in text
        assert "add one with when(...)" in text
        assert done.returncode == 127
        assert done.stderr.startswith(
            b"api-simulator: no script of this fake fits: git push a b\n  its scripts are for:"
        )

    def test_it_is_said_once(self, git: FakeProgram):
        git.when(["a"])
        start("git")

        assert "no script fits" in git.verdict()
        assert git.verdict() == ""
        assert [call.problem for call in git.unexpected] == ["no script fits"]

    def test_it_may_be_allowed(self):
        with FakeProgram("git", strict=False) as git:
            git.when(["a"])
            assert start("git", "b").returncode == 127
            assert [call.args for call in git.unexpected] == [["b"]]
            git.close()

    def test_an_error_of_the_test_comes_first(self):
        def test() -> None:
            with FakeProgram("git") as git, contextlib.closing(git):
                git.when(["a"])
                start("git")
                raise LookupError("its own")

        with pytest.raises(LookupError, match="its own"):
            test()

    def test_a_step_that_failed_is_told_even_if_not_strict(self):
        """The folder of a file cannot be made: the test learns it from the verdict, the code under test from 70."""
        git = FakeProgram("git", strict=False).create_file("/dev/null/file", "x")
        with pytest.raises(UnexpectedCallError, match=r"'git', call 1 \(git\): its script could not be played: "), git:
            start("git")

        assert git.calls[0].exit_code == 70
        git.close()

    def test_several_programs_are_judged_together(self):
        def test() -> None:
            with FakePrograms() as fake_program:
                for name in ("one", "two", "three"):
                    fake_program(name).when(["x"])
                start("one")
                start("two")
                start("three", "x")

        with pytest.raises(UnexpectedCallError) as caught:
            test()

        assert "'one' was called" in str(caught.value)
        assert "'two' was called" in str(caught.value)
        assert "'three'" not in str(caught.value)


class TestRecord:
    def test_it_has_what_the_caller_gave(self, git: FakeProgram, tmp_path: Path):
        git.wait_for_eof().exit(3)
        before_ns = time.monotonic_ns()

        start("git", "a b", cwd=tmp_path, input=b"in", env={"PATH": os.environ["PATH"], "API_TOKEN": "hidden"})

        (call,) = git.calls
        assert (call.args, call.cwd, call.stdin, call.exit_code) == (["a b"], str(tmp_path), b"in", 3)
        assert call.env["API_TOKEN"] == "hidden"
        assert "hidden" not in call.describe()
        assert before_ns < call.started_ns < call.stdin_chunks[0][0] < (call.exited_ns or 0) < time.monotonic_ns()

    def test_assertions(self, git: FakeProgram):
        git.assert_not_called()
        start("git", "push", "-f", "origin")

        git.assert_called_with("push", "origin")
        with pytest.raises(
            VerificationError, match=r"no call of 'git' has the arguments \['pull'\].*\n  <ProgramCall #1"
        ):
            git.assert_called_with("pull")
        with pytest.raises(VerificationError, match=r"'git' was called 1 times:\n  <ProgramCall #1 git push -f origin"):
            git.assert_not_called()

    def test_waiting_for_a_certain_call(self, git: FakeProgram):
        git.hang()
        with opened("git", "status") as other, ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(git.wait_for_call, "push", timeout_s=30)
            with opened("git", "push") as process:
                found = waiting.result(30)
                process.kill()
            other.kill()

        assert found.pid == process.pid

    def test_waiting_for_an_end(self, git: FakeProgram):
        git.wait_for_line().exit(5)

        with opened("git") as process, ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(git.wait_for_call, ended=True, timeout_s=30)
            git.wait_for_call(timeout_s=30)
            assert not waiting.done()
            process.communicate(b"\n", timeout=30)
            assert waiting.result(30).exit_code == 5

    @BACKENDS
    def test_waiting_in_a_loop(self, git: FakeProgram, backend: str):
        async def main() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(git.wait_for_calls_async, 1, 30.0)
                group.start_soon(partial(git.wait_for_call_async, "push", ended=True, timeout_s=30))
                await anyio.run_process(["git", "push"], stdin=subprocess.DEVNULL)

        anyio.run(main, backend=backend)

    def test_a_wait_that_fails_says_what_came_and_where_the_program_is(
        self, git: FakeProgram, monkeypatch: pytest.MonkeyPatch
    ):
        start("git", "status")

        with pytest.raises(
            WaitTimeoutError, match=r"for 1 calls of 'git' with \['push'\], 0 came\.\n  <ProgramCall #1"
        ):
            git.wait_for_call("push", timeout_s=0.05)
        with monkeypatch.context() as patch:
            patch.setenv("PATH", "/usr/bin")
            with pytest.raises(WaitTimeoutError, match=r"which is not on PATH: start it within `with`"):
                git.wait_for_calls(2, timeout_s=0.05)
            patch.setenv("PATH", "")
            with pytest.raises(WaitTimeoutError, match=r"PATH is empty in this process: nothing is found by its name"):
                git.wait_for_calls(2, timeout_s=0.05)
            patch.delenv("PATH")
            with pytest.raises(WaitTimeoutError, match=r"PATH is not set in this process"):
                git.wait_for_calls(2, timeout_s=0.05)

    @pytest.mark.parametrize("path", ["", None])
    def test_it_is_found_where_path_was_empty_or_absent(self, path: str | None, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.delenv("PATH") if path is None else monkeypatch.setenv("PATH", path)

        with FakeProgram("git") as git, contextlib.closing(git):
            git.write("found")
            assert start("git").stdout == b"found"
        assert os.environ.get("PATH") == path

    def test_order_against_http_requests(self, git: FakeProgram):
        """The program ends after the request that it answers, and before the next: by one clock."""
        with MockHttpServer() as server:
            server.register("GET", "/a", ResponseSpec(body="x"))
            server.register("GET", "/b", ResponseSpec(body="x"))

            urllib.request.urlopen(server.url("/a")).read()
            start("git", "push")
            urllib.request.urlopen(server.url("/b")).read()
            texts = [event.text for event in timeline.merge([server, git])]

        begun = next(i for i, text in enumerate(texts) if text.startswith("call 1 began: git push (pid "))
        ended = texts.index("call 1 ended: exit 0, 0 lines written")
        assert max(i for i, text in enumerate(texts) if "/a" in text) < begun < ended
        assert ended < min(i for i, text in enumerate(texts) if "/b" in text)

    def test_signals_are_on_the_timeline(self, git: FakeProgram):
        git.trap_signal("SIGTERM", exit_code=1).write_line("ready").hang()
        with opened("git") as process:
            line_of(process)
            process.terminate()
            process.wait(30)

        assert [
            line.split("git  ")[1].split(" (pid")[0].split(",")[0] for line in render_timeline(git).splitlines()
        ] == [
            "call 1 began: git",
            "call 1 got signal 15",
            "call 1 ended: exit 1 at signal 15",
        ]

    def test_the_record_stays_after_the_end(self):
        with FakeProgram("git") as git, git:
            start("git", "push")

        assert [call.args for call in git.calls] == [["push"]]
        with pytest.raises(ProgramStateError, match="is closed"):
            git.executable  # noqa: B018 (the look is the act)
        assert git not in live.of_type(FakeProgram)


async def by_asyncio() -> bytes:
    process = await asyncio.create_subprocess_exec(
        "git", "x", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    stdout, _ = await process.communicate(b"question\n")
    return stdout


async def by_anyio() -> bytes:
    async with await anyio.open_process(["git", "x"], stderr=None) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        await process.stdin.send(b"question\n")
        return b"".join([chunk async for chunk in process.stdout])


def by_terminal() -> bytes:
    """A program on a terminal of its own, as pexpect starts it."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp("git", ["git", "x"])
    os.write(terminal, b"question\n")
    heard = b""
    with contextlib.suppress(OSError):  # EIO: the other side has gone
        while piece := os.read(terminal, 1024):
            heard += piece
    os.close(terminal)
    os.waitpid(pid, 0)
    return heard.removeprefix(b"question\r\n").replace(b"\r\n", b"\n")


def by_pexpect() -> bytes:
    with pexpect.spawn("git", ["x"], timeout=30) as terminal:
        terminal.sendline("question")
        terminal.expect(pexpect.EOF)
    assert isinstance(terminal.before, bytes)
    return terminal.before.removeprefix(b"question\r\n").replace(b"\r\n", b"\n")


def by_cleared_environment() -> bytes:
    return start("git", "x", input=b"question\n", env={"PATH": os.environ["PATH"]}).stdout


def by_shell() -> bytes:
    done = subprocess.run("echo question | git x | cat", shell=True, capture_output=True, timeout=30)
    return done.stdout


WAYS: dict[str, Callable[[], bytes]] = {
    "subprocess": lambda: start("git", "x", input=b"question\n").stdout,
    "asyncio": lambda: asyncio.run(by_asyncio()),
    "anyio on asyncio": lambda: anyio.run(by_anyio, backend="asyncio"),
    "anyio on trio": lambda: anyio.run(by_anyio, backend="trio"),
    "a terminal": by_terminal,
    "pexpect": by_pexpect,
    "a shell": by_shell,
    "a cleared environment": by_cleared_environment,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_dialogue_works_however_it_is_started(git: FakeProgram, way: Callable[[], bytes]):
    git.when(["x"]).wait_for_line("question").write_line("answer")

    assert way() == b"answer\n"
    assert git.verdict() == ""


@BACKENDS
def test_it_runs_by_itself_too(backend: str):
    """Without PATH: by its own ``run``, or its path."""
    program = FakeProgram("git")
    program.wait_for_eof().write("ran").exit(4)

    done = program.run(["x"], stdin="in")
    again = anyio.run(partial(program.run_async, ["y"]), backend=backend)
    third = start(program.executable)
    program.close()

    assert (done.stdout, done.returncode, again.stdout, third.returncode) == ("ran", 4, "ran", 4)
    assert repr(program) == "<FakeProgram 'git', closed>"


def test_a_script_that_is_no_program_s_is_a_value():
    assert repr(Script().write("a").hang()) == "<Script 2 steps>"
    assert Script().is_empty
