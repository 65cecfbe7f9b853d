"""
The classic bug: a timeout that is computed but not enforced, shown by a program that hangs.

Three ways to run a program with a timeout. Each looks right, and passes every test with a program that ends.
A fake that hangs, and one whose child keeps the pipe, tell them apart. Run it:

    python examples/hanging_timeout.py
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable

from api_simulator.process import FakeProgram, Script

Runner = Callable[[float], str]

# Code under test


def looks_between_lines(timeout_s: float) -> str:
    """Compute a deadline and look at it after each line: a line that never comes is waited for without end."""
    deadline = time.monotonic() + timeout_s
    with subprocess.Popen(["reporter"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        report = ""
        for line in process.stdout:
            report += line
            if time.monotonic() > deadline:
                process.kill()
                raise TimeoutError
    return report


def kills_the_program_only(timeout_s: float) -> str:
    """Follow the recipe of many code bases: after the kill it waits for whoever else holds the pipe."""
    with subprocess.Popen(["reporter"], stdout=subprocess.PIPE, text=True) as process:
        try:
            return process.communicate(timeout=timeout_s)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise TimeoutError from None


def ends_the_process_group(timeout_s: float) -> str:
    """Start a process group, and end all of it."""
    with subprocess.Popen(["reporter"], stdout=subprocess.PIPE, text=True, process_group=0) as process:
        try:
            return process.communicate(timeout=timeout_s)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise TimeoutError from None


# The check


def is_enforced(runner: Runner, script: Script, *, timeout_s: float = 0.3, patience_s: float = 1.5) -> bool:
    """Return whether *runner* gives up on a program with this *script* soon after its timeout."""
    raised = threading.Event()

    def run() -> None:
        with contextlib.suppress(TimeoutError):
            runner(timeout_s)
            return
        raised.set()

    with FakeProgram("reporter").play(script) as reporter:
        thread = threading.Thread(target=run)
        thread.start()
        in_time = raised.wait(timeout_s + patience_s)
        # Ends the program and its child, so that also a runner that waits without end comes back.
        reporter.close()
        thread.join()
    return in_time


ENDS = Script().write_line("all is well")
HANGS = Script().write_line("half a rep").write("ort").hang()
LEAVES_A_CHILD = Script().write_line("half a report").spawn_child().hang()

RUNNERS = [looks_between_lines, kills_the_program_only, ends_the_process_group]


def main() -> None:
    """Print what becomes of each runner's timeout."""
    for runner in RUNNERS:
        with FakeProgram("reporter").play(ENDS):
            assert runner(10.0) == "all is well\n"
        print(f"{runner.__name__}: fine with a program that ends")
        for text, script in [("that hangs", HANGS), ("whose child keeps the pipe", LEAVES_A_CHILD)]:
            print(f"  with one {text}: {'gives up' if is_enforced(runner, script) else 'NEVER COMES BACK'}")


if __name__ == "__main__":
    main()
