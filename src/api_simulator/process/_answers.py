"""
Answer the questions of running fake programs with functions of the test.

An invocation that comes to such a step writes a line to the stage's ``questions`` FIFO and waits at a FIFO
of its own. A thread of this process reads the line, calls the function with the invocation so far, and puts the
steps that the answer means where the invocation finds them.
"""

from __future__ import annotations

import contextlib
import os
import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from api_simulator.process._builder import AnswerFunction, answer_steps
from api_simulator.process._calls import ProgramCall
from api_simulator.process._stage import Stage
from api_simulator.process.script import Exit, Step, Write, encode

#: What an invocation exits with whose question could not be answered (EX_SOFTWARE, as the player's).
BROKEN_EXIT = 70

#: A function that never returns must not keep the test from ending; its thread is a daemon.
_JOIN_S = 5.0


FunctionT = TypeVar("FunctionT")


class AnswerThread(ABC, Generic[FunctionT]):
    """
    The thread that answers; it exists while this is open.

    Args:
        stage: Where the questions come from.

        functions: Functions by their numbers; may grow.

        on_error: Told when a function raised, or answered nothing that has a meaning.
    """

    def __init__(
        self, stage: Stage, functions: Sequence[FunctionT], on_error: Callable[[ProgramCall, Exception], None]
    ) -> None:
        self._stage = stage
        self._functions = functions
        self._on_error = on_error
        os.mkfifo(stage.folder / "questions", 0o600)
        # Read and write: with a read end only, the first invocation that leaves would look like the end.
        self._fd = os.open(stage.folder / "questions", os.O_RDWR | os.O_CLOEXEC)
        self._owner_pid = os.getpid()
        self._thread = threading.Thread(target=self._serve, name="api-simulator answers", daemon=True)
        self._thread.start()

    @abstractmethod
    def _reply(self, function: FunctionT, call: ProgramCall, question: Path) -> bytes:
        """Ask *function*; return what the invocation reads. It may have left more in the file *question*."""

    @abstractmethod
    def _failure(self, text: str) -> bytes:
        """Return what the invocation reads whose question could not be answered."""

    def close(self) -> None:
        """End the thread; a function that is running comes to its end first, if that takes no more than 5 s."""
        if os.getpid() != self._owner_pid or self._thread is threading.current_thread():
            return
        # From now on a question is an error that the asking program can see.
        (self._stage.folder / "questions").unlink(missing_ok=True)
        os.write(self._fd, b"\n")
        self._thread.join(_JOIN_S)

    def _serve(self) -> None:
        rest = b""
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, self._fd)
            while True:
                *lines, rest = (rest + os.read(self._fd, 65536)).split(b"\n")
                for line in lines:
                    if not line:
                        return
                    number, call, name = line.split(b" ")
                    self._answer(int(number), int(call), os.fsdecode(name))

    def _answer(self, number: int, call_number: int, name: str) -> None:
        call = next((call for call in self._stage.calls() if call.number == call_number), None)
        if call is None:
            return
        folder = self._stage.folder / "answers"
        try:
            script = self._reply(self._functions[number], call, folder / f"{name}.question")
        except Exception as error:  # noqa: BLE001 (the user's function; the test is told)
            self._on_error(call, error)
            script = self._failure("".join(traceback.format_exception_only(error)))
        # The invocation may have been killed meanwhile, and the stage closed.
        with contextlib.suppress(OSError):
            (folder / f"{name}.script").write_bytes(script)
            fd = os.open(folder / name, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.write(fd, b"\n")
            finally:
                os.close(fd)


class Answers(AnswerThread[AnswerFunction]):
    """Answers of a :class:`FakeProgram`'s functions: steps to play."""

    def _reply(self, function: AnswerFunction, call: ProgramCall, question: Path) -> bytes:  # noqa: ARG002 (it has none)
        return encode(answer_steps(function(call)))

    def _failure(self, text: str) -> bytes:
        message = b"api-simulator: the answer failed: " + text.encode(errors="backslashreplace")
        steps: list[Step] = [Write(message, "stderr"), Exit(BROKEN_EXIT)]
        return encode(steps)
