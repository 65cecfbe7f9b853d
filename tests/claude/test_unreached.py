"""Something announced for an index that never comes is a mistake in the test, and said."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from api_simulator.claude import FakeClaudeCLI, SessionResult
from api_simulator.errors import ProgramTimeoutError, UnreachedScriptError

Announce = Callable[[FakeClaudeCLI], object]

BEYOND: dict[str, Announce] = {
    "corruption": lambda cli: cli.corrupt_stream(at_message=4, error_text="x"),
    "exit": lambda cli: cli.inject_exit(4),
    "delay": lambda cli: cli.delay_message(5, 1),
    "retries": lambda cli: cli.inject_api_retry(at_message=5, error_status=429, attempts=1),
    "exhausted retries": lambda cli: cli.inject_api_retry(5, 429, 1, exhaust=True),
}

FINE: dict[str, Announce] = {
    "truncation at the end": lambda cli: cli.truncate_after(4),
    "truncation beyond the end": lambda cli: cli.truncate_after(40),
    "delay after the last": lambda cli: cli.delay_message(4, 1),
    "retries after the last": lambda cli: cli.inject_api_retry(4, 429, 1),
    "exit at the last": lambda cli: cli.inject_exit(3),
}

ENDS: dict[str, Announce] = {
    "truncation": lambda cli: cli.truncate_after(2),
    "exit": lambda cli: cli.inject_exit(2),
    "exhausted retries": lambda cli: cli.inject_api_retry(2, 429, 1, exhaust=True),
}


@pytest.mark.parametrize("announce", BEYOND.values(), ids=BEYOND)
def test_run_says_what_never_happened(scripted: FakeClaudeCLI, announce: Announce):
    announce(scripted)

    with pytest.raises(UnreachedScriptError, match=r"the script has 4 messages \(indexes 0 to 3\)") as caught:
        scripted.run()

    assert isinstance(caught.value.result, SessionResult)
    assert len(caught.value.result.stdout.splitlines()) == 4


def test_the_text_has_call_place_and_fix(cli: FakeClaudeCLI):
    cli.add_message({"n": 0})
    cli.corrupt_stream(at_message=7, error_text="x")
    line = test_the_text_has_call_place_and_fix.__code__.co_firstlineno + 2

    with pytest.raises(UnreachedScriptError) as caught:
        cli.run()

    file = Path(__file__).relative_to(Path.cwd()) if Path(__file__).is_relative_to(Path.cwd()) else Path(__file__)
    assert str(caught.value) == (
        f"corrupt_stream(at_message=7, error_text='x') at {file}:{line} never happened: "
        "the script has 1 message (indexes 0 to 0).\n"
        "  add the missing messages, or announce it for an index that exists"
    )


def test_without_messages_it_says_that(cli: FakeClaudeCLI):
    cli.inject_exit(0)

    with pytest.raises(UnreachedScriptError, match=r"never happened: the script has 0 messages\.\n"):
        cli.run()


@pytest.mark.parametrize("announce", FINE.values(), ids=FINE)
def test_the_edges_are_fine(scripted: FakeClaudeCLI, announce: Announce):
    announce(scripted)

    scripted.run()


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("announce", BEYOND.values(), ids=BEYOND)
def test_what_an_earlier_end_leaves_out_is_no_mistake(scripted: FakeClaudeCLI, end: Announce, announce: Announce):
    announce(scripted)
    end(scripted)

    scripted.run()


def test_a_message_added_later_mends_it(scripted: FakeClaudeCLI):
    scripted.corrupt_stream(at_message=4, error_text="x")
    scripted.add_message({"n": 4})

    assert scripted.run().stdout.endswith("\nx\n")


def call(cli: FakeClaudeCLI) -> None:
    subprocess.run([cli.executable], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)


def test_leaving_with_says_it_for_other_code_s_runs(scripted: FakeClaudeCLI):
    scripted.corrupt_stream(at_message=4, error_text="x")

    with pytest.raises(UnreachedScriptError, match="corrupt_stream") as caught, scripted:
        call(scripted)

    assert caught.value.result is None


def test_leaving_an_inner_with_says_nothing_yet(scripted: FakeClaudeCLI):
    """The message may still come."""
    with scripted:
        with scripted:
            call(scripted)
            scripted.corrupt_stream(at_message=4, error_text="x")
        scripted.add_message({"n": 4})


def test_leaving_with_says_nothing_when_nobody_called(scripted: FakeClaudeCLI):
    with scripted:
        scripted.corrupt_stream(at_message=4, error_text="x")


def test_leaving_with_does_not_hide_the_test_s_own_error(scripted: FakeClaudeCLI):
    scripted.corrupt_stream(at_message=4, error_text="x")

    def test() -> None:
        with scripted:
            call(scripted)
            raise LookupError("its own")

    with pytest.raises(LookupError, match="its own"):
        test()


def test_it_is_said_once(scripted: FakeClaudeCLI):
    scripted.corrupt_stream(at_message=4, error_text="x")

    with scripted, pytest.raises(UnreachedScriptError):
        scripted.run()


def test_a_run_that_was_ended_does_not_say_it(scripted: FakeClaudeCLI):
    """A timeout is the news then."""
    scripted.corrupt_stream(at_message=4, error_text="x")
    scripted.hang_after_result()

    with pytest.raises(ProgramTimeoutError), scripted:
        scripted.run(timeout_s=0.3)
