"""The ways in which code under test starts a program, each for real."""

import asyncio
import os
import pty
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import pytest

from api_simulator._core import live, timeline
from api_simulator.claude import FakeClaudeCLI
from api_simulator.errors import ProgramTimeoutError, UnreachedScriptError, VerificationError, WaitTimeoutError
from tests.claude.conftest import MESSAGES
from tests.claude.test_contract import LINES

ALL = "".join(LINES)
BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


class TestStarting:
    def test_subprocess_run(self, scripted: FakeClaudeCLI):
        with scripted:
            done = subprocess.run(["claude", "-p", "hi"], capture_output=True, text=True, input="")

        assert (done.stdout, done.stderr, done.returncode) == (ALL, "", 0)

    def test_popen_reading_the_lines_as_they_come(self, scripted: FakeClaudeCLI):
        """The reader answers each line before the next: nothing is held back."""
        with (
            scripted,
            subprocess.Popen(["claude"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
        ):
            assert process.stdout is not None
            lines = list(process.stdout)

        assert lines == LINES

    def test_asyncio(self, scripted: FakeClaudeCLI):
        async def main() -> tuple[list[bytes], int]:
            process = await asyncio.create_subprocess_exec(
                "claude", "-p", "hi", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
            assert process.stdout is not None
            lines = [line async for line in process.stdout]
            return lines, await process.wait()

        with scripted:
            lines, code = asyncio.run(main())

        assert (b"".join(lines).decode(), code) == (ALL, 0)

    @BACKENDS
    def test_anyio(self, scripted: FakeClaudeCLI, backend: str):
        async def main() -> tuple[str, int]:
            async with await anyio.open_process(["claude", "-p", "hi"], stderr=None) as process:
                assert process.stdout is not None
                chunks = [chunk async for chunk in process.stdout]
                return b"".join(chunks).decode(), await process.wait()

        with scripted:
            stdout, code = anyio.run(main, backend=backend)

        assert (stdout, code) == (ALL, 0)

    def test_a_shell(self, scripted: FakeClaudeCLI):
        with scripted:
            done = subprocess.run("claude -p 'two words' < /dev/null | cat", shell=True, capture_output=True, text=True)

        assert done.stdout == ALL
        assert scripted.calls[0].args == ["-p", "two words"]

    def test_a_cleared_environment_with_only_path(self, scripted: FakeClaudeCLI):
        with scripted:
            environment = {"PATH": os.environ["PATH"]}
            done = subprocess.run(["claude"], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)

        assert done.stdout == ALL
        assert scripted.calls[0].env == environment

    def test_an_environment_meant_for_another_python(self, scripted: FakeClaudeCLI):
        """Variables that would break or slow the interpreter do not reach the player."""
        hostile = {
            "PYTHONHOME": "/nonexistent",
            "PYTHONPATH": "/nonexistent",
            "PYTHONSTARTUP": "x",
            "PYTHONVERBOSE": "1",
        }

        result = scripted.run(env=hostile)

        assert (result.stdout, result.stderr) == (ALL, "")
        assert scripted.calls[0].env.items() >= hostile.items()

    def test_a_terminal_as_output(self, scripted: FakeClaudeCLI):
        master, slave = pty.openpty()

        with subprocess.Popen([scripted.executable], stdin=subprocess.DEVNULL, stdout=slave) as process:
            os.close(slave)
            received = b""
            while received.count(b"\n") < len(LINES):
                received += os.read(master, 65536)
            code = process.wait(30)
        os.close(master)

        assert received.decode().replace("\r\n", "\n") == ALL
        assert code == 0

    def test_a_terminal_as_input(self, scripted: FakeClaudeCLI):
        master, slave = pty.openpty()
        os.write(master, b"typed\n")

        done = subprocess.run([scripted.executable], stdin=slave, capture_output=True, text=True, timeout=30)
        os.close(slave)
        os.close(master)

        assert done.stdout == ALL
        assert scripted.calls[0].stdin == b"typed\n"

    def test_a_link_elsewhere(self, scripted: FakeClaudeCLI, tmp_path: Path):
        """Some code looks the program up in a folder of its own."""
        link = tmp_path / "my-claude"
        link.symlink_to(scripted.executable)

        done = subprocess.run([link], stdin=subprocess.DEVNULL, capture_output=True, text=True)

        assert done.stdout == ALL
        assert scripted.calls[0].argv == [str(link)]


class TestSignals:
    @pytest.mark.parametrize(
        ("number", "code"),
        [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
        ids=lambda value: value.name if isinstance(value, signal.Signals) else str(value),
    )
    def test_it_exits_as_the_real_program(self, scripted: FakeClaudeCLI, number: signal.Signals, code: int):
        """A normal exit with these codes; the call says which signal it was."""
        scripted.delay_message(1, 60_000)

        with subprocess.Popen([scripted.executable], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(number)
            assert process.wait(30) == code

        (call,) = scripted.calls
        assert (call.signal, call.exit_code) == (number, code)

    def test_an_ignored_interrupt_is_answered_all_the_same(self, scripted: FakeClaudeCLI):
        """A shell starts background programs with SIGINT ignored; the real program answers it."""
        scripted.delay_message(1, 60_000)
        with subprocess.Popen(
            ["/bin/sh", "-c", "trap '' INT; exec \"$0\"", scripted.executable],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGINT)

            assert process.wait(30) == 0

    def test_a_reader_that_leaves_early_is_no_error(self, cli: FakeClaudeCLI):
        """As ``claude | head -1``: the real program exits with 0."""
        for _ in range(100):
            cli.add_message({"text": "x" * 10_000})

        with subprocess.Popen(
            [cli.executable], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            code = process.wait(30)
            stderr = process.stderr.read()

        assert (code, stderr) == (0, b"")
        assert cli.calls[0].exit_code == 0


class TestStandardInput:
    def test_reading_it_first_can_be_asked_for(self):
        fake = FakeClaudeCLI(read_stdin=True)
        fake.add_message({"n": 0})

        with subprocess.Popen([fake.executable], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            fake.wait_for_calls(1)
            assert process.stdin is not None
            process.stdin.write(b"a prompt ")
            process.stdin.flush()
            process.stdin.write(b"in two parts")
            process.stdin.close()
            assert process.wait(30) == 0

        assert fake.calls[0].stdin == b"a prompt in two parts"
        fake.close()

    def test_it_is_there_for_a_run(self, cli: FakeClaudeCLI):
        cli.run(stdin=b"x" * 1_000_000)
        cli.run(stdin="text")
        cli.run()

        assert [len(call.stdin) for call in cli.calls] == [1_000_000, 4, 0]


class TestCalls:
    def test_concurrent_invocations_are_all_there(self, scripted: FakeClaudeCLI):
        with ThreadPoolExecutor(20) as pool:
            results = list(pool.map(lambda number: scripted.run([str(number)]), range(20)))

        calls = scripted.calls
        assert {result.stdout for result in results} == {ALL}
        assert [call.number for call in calls] == list(range(1, 21))
        assert sorted(int(call.args[0]) for call in calls) == list(range(20))
        assert scripted.call_count == 20

    def test_waiting_for_calls_of_other_code(self, scripted: FakeClaudeCLI):
        process = subprocess.Popen([scripted.executable], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

        scripted.wait_for_calls(1)

        assert scripted.calls[0].pid == process.pid
        process.wait(30)

    def test_waiting_in_vain_names_what_came(self, cli: FakeClaudeCLI):
        with pytest.raises(WaitTimeoutError, match="for 1 calls of 'claude', 0 came"):
            cli.wait_for_calls(1, timeout_s=0.05)

    @BACKENDS
    def test_waiting_in_an_event_loop(self, scripted: FakeClaudeCLI, backend: str):
        async def main() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(scripted.wait_for_calls_async, 1)
                await anyio.run_process([scripted.executable], stdin=subprocess.DEVNULL)

        anyio.run(main, backend=backend)

    def test_arguments_can_be_asserted(self, cli: FakeClaudeCLI):
        with pytest.raises(VerificationError, match="it was not called"):
            cli.assert_called_with("-p")
        cli.run(["-p", "hi", "--model", "opus"])

        cli.assert_called_with()
        cli.assert_called_with("-p", "--model", "opus")
        with pytest.raises(VerificationError, match=r"has the arguments \['--model', '-p'\] in this order:\n.*-p hi"):
            cli.assert_called_with("--model", "-p")

    def test_the_timeline_has_beginnings_and_ends(self, scripted: FakeClaudeCLI):
        scripted.run(["-p", "hi"])
        scripted.inject_exit(0, 3)
        scripted.run()

        events = timeline.merge([scripted])

        first, second = scripted.calls
        assert [(event.source, event.text) for event in events] == [
            ("claude", f"call 1 began: claude -p hi (pid {first.pid})"),
            ("claude", "call 1 ended: exit 0, 4 lines written"),
            ("claude", f"call 2 began: claude (pid {second.pid})"),
            ("claude", "call 2 ended: exit 3, 1 lines written"),
        ]

    def test_an_open_fake_is_known_to_reports(self, cli: FakeClaudeCLI):
        assert cli not in live.of_type(FakeClaudeCLI)

        cli.executable  # noqa: B018 (opens it)
        assert cli in live.of_type(FakeClaudeCLI)

        cli.close()
        assert cli not in live.of_type(FakeClaudeCLI)

    def test_the_repr_is_short(self, scripted: FakeClaudeCLI):
        result = scripted.run()

        assert repr(scripted) == "<FakeClaudeCLI 4 messages, 1 calls>"
        assert repr(result).startswith("<SessionResult ")
        assert len(repr(result)) < 200


class TestRunAsync:
    @BACKENDS
    def test_it_does_what_run_does(self, scripted: FakeClaudeCLI, backend: str):
        async def main() -> None:
            result = await scripted.run_async(["-p", "hi"], {"EXTRA": "1"}, stdin="in")
            assert (result.stdout, result.args) == (ALL, ["-p", "hi"])

        anyio.run(main, backend=backend)

        assert (scripted.calls[0].env["EXTRA"], scripted.calls[0].stdin) == ("1", b"in")

    @BACKENDS
    def test_its_errors_are_the_same(self, scripted: FakeClaudeCLI, backend: str):
        scripted.inject_exit(7)

        async def main() -> None:
            with pytest.raises(UnreachedScriptError):
                await scripted.run_async()
            scripted.hang_after_result()
            with pytest.raises(ProgramTimeoutError):
                await scripted.run_async(timeout_s=0.3)

        anyio.run(main, backend=backend)

    @BACKENDS
    def test_cancelling_ends_the_program(self, scripted: FakeClaudeCLI, backend: str):
        """Before the cancelled task goes on."""
        scripted.hang_after_result()

        async def main() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(scripted.run_async)
                await scripted.wait_for_calls_async(1)
                group.cancel_scope.cancel()
            with pytest.raises(ProcessLookupError):
                os.kill(scripted.calls[0].pid, 0)

        anyio.run(main, backend=backend)

    def test_asyncio_s_own_timeout_ends_the_program(self, scripted: FakeClaudeCLI):
        scripted.hang_after_result()

        async def main() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await scripted.run_async()
            with pytest.raises(ProcessLookupError):
                os.kill(scripted.calls[0].pid, 0)

        asyncio.run(main())


def test_it_works_without_pytest():
    program = (
        "from api_simulator.claude import FakeClaudeCLI\n"
        "import subprocess, sys\n"
        "cli = FakeClaudeCLI()\n"
        f"cli.add_message({MESSAGES[0]!r})\n"
        "with cli:\n"
        "    print(subprocess.run(['claude'], capture_output=True, text=True).stdout, end='')\n"
        "cli.close()\n"
        "print('pytest' in sys.modules)\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == LINES[0] + "False\n"
