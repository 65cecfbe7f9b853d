"""Functions of the test that running programs ask."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api_simulator.errors import UnexpectedCallError
from api_simulator.process import FakeProgram, ProgramCall, Script
from tests.process.programs import line_of, opened, start

pytestmark = pytest.mark.usefixtures("player")


def serving() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "api-simulator answers"]


@pytest.fixture
def tool() -> Iterator[FakeProgram]:
    program = FakeProgram("tool")
    program.__enter__()
    yield program
    program.close()


@pytest.mark.parametrize(
    ("answer", "stdout", "code"),
    [
        ("text\n", b"text\n", 0),
        (b"\xff", b"\xff", 0),
        ({"a": 1}, b'{"a":1}\n', 0),
        ([], b"[]\n", 0),
        (None, b"", 0),
        (7, b"", 7),
        (Script().write("a").wait(1).write("b").exit(9), b"ab", 9),
    ],
    ids=str,
)
def test_what_a_function_returns_is_what_the_program_does(tool: FakeProgram, answer: Any, stdout: bytes, code: int):
    tool.write("<").answer(lambda call: answer).write(">")

    done = start("tool")

    assert (done.stdout, done.returncode) == (b"<" + stdout + (b"" if code else b">"), code)


def test_the_function_sees_the_invocation_so_far(tool: FakeProgram):
    def echo(call: ProgramCall) -> str:
        return f"{call.args} {call.stdin.decode()}"

    tool.wait_for_line().answer(echo).wait_for_line().answer(echo)

    assert start("tool", "x", input=b"one\ntwo\n").stdout.startswith(b"['x'] one\n")


def test_several_functions_and_many_programs_at_once(tool: FakeProgram):
    """Functions run one after the other, so what they count needs no lock."""
    counted: list[str] = []

    def count(call: ProgramCall) -> str:
        counted.append(call.args[0])
        return f"{len(counted)} "

    tool.answer(count).answer(lambda call: call.args[0])

    with ThreadPoolExecutor(10) as pool:
        outputs = list(pool.map(lambda number: start("tool", str(number)).stdout, range(30)))

    assert sorted(int(output.split()[0]) for output in outputs) == list(range(1, 31))
    assert [int(output.split()[1]) for output in outputs] == list(range(30))


def test_the_thread_lives_as_long_as_it_is_needed(tool: FakeProgram):
    before = len(serving())
    start("tool")
    without = len(serving())
    tool.answer(lambda call: "x")
    with_answers = len(serving())
    tool.reset()
    after_reset = len(serving())
    tool.answer(lambda call: "y")
    again = start("tool").stdout
    tool.close()

    assert (without, with_answers, after_reset, len(serving())) == (before, before + 1, before, before)
    assert again == b"y"


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda call: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda call: 3.5, r"ScriptError: the answer 3\.5 means nothing to the program"),
        (lambda call: True, r"ScriptError: the answer True means nothing"),
        (lambda call: 256, r"ScriptError: the answer 256: exit code 256 does not exist"),
        (lambda call: Script().leave_stdin(), r"ScriptError: a script that is an answer has steps only"),
        (lambda call: {"a": {1}}, r"SpecError: "),
    ],
)
def test_a_function_that_fails_fails_the_test(function: Any, text: str):
    program = FakeProgram("tool").answer(function).write("never")
    outcomes = []
    said = rf"'tool', call 1 \(tool\): the answer's function raised {text}"

    with pytest.raises(UnexpectedCallError, match=said), program:
        outcomes.append(start("tool"))
    program.close()

    assert (outcomes[0].stdout, outcomes[0].returncode) == (b"", 70)
    assert b"api-simulator: the answer failed: " in outcomes[0].stderr


def test_a_program_that_was_killed_while_it_asked_is_no_trouble(tool: FakeProgram):
    asked, go_on = threading.Event(), threading.Event()

    def slow(call: ProgramCall) -> str:
        if call.args == ["slow"]:
            asked.set()
            assert go_on.wait(30)
        return "answered"

    tool.write_line("ready").answer(slow)
    with opened("tool", "slow") as process:
        line_of(process)
        assert asked.wait(30)
        process.kill()
    go_on.set()

    assert start("tool", "fast").stdout == b"ready\nanswered"
    assert tool.verdict() == ""


def test_closing_ends_a_program_that_waits_for_its_answer(tool: FakeProgram):
    asked, go_on = threading.Event(), threading.Event()

    def slow(call: ProgramCall) -> None:
        asked.set()
        go_on.wait(30)

    tool.answer(slow)
    with opened("tool") as process, ThreadPoolExecutor(1) as pool:
        assert asked.wait(30)
        closing = pool.submit(tool.close)
        go_on.set()
        closing.result(30)
        # By the leash, or because what it was to read next has gone.
        assert process.wait(30) in (0, 1, 70)


def test_a_function_may_use_the_program(tool: FakeProgram):
    """It may say more steps for later invocations, and look at the calls."""

    def extend(call: ProgramCall) -> str:
        tool.when(["again"]).write("said by the function")
        return f"{tool.call_count} so far"

    tool.answer(extend)
    began = time.monotonic()

    assert start("tool").stdout == b"1 so far"
    assert start("tool", "again").stdout == b"said by the function"
    assert time.monotonic() - began < 5
