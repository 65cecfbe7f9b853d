"""
The process of a session: standard streams, signals, files and the clock around the sans-IO part.

Runs in the fake program's process, after ``process/_player.py`` has put the invocation on record.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from api_simulator.claude._player import projects_folder, slug
from api_simulator.claude._seeded import seeded_uuid
from api_simulator.claude._session import arguments, usage
from api_simulator.claude._session.exchange import (
    AskTest,
    Complain,
    CreateFile,
    Emit,
    Leave,
    Log,
    Output,
    RawLine,
    Unexpected,
)
from api_simulator.claude._session.formats import Printer, encode
from api_simulator.claude._session.project import ResumeError, find_history, read_project, read_text, session_exists
from api_simulator.claude._session.script import SessionScript
from api_simulator.claude._session.session import Session
from api_simulator.claude._session.surroundings import Project, Surroundings
from api_simulator.claude.records import Records

if TYPE_CHECKING:
    from api_simulator.process._player import Player

#: Below a configuration folder: what only a program that somebody really uses leaves there.
_SIGNS_OF_USE = (".credentials.json", ".claude.json", "history.jsonl")


class _Woken(Exception):
    """SIGINT came while the program was waiting."""


class Program:
    """
    One invocation.

    Args:
        player: Standard input, output and the record of the call.

        given: What ``claude/_session_plan.py`` wrote: the script and the places of transcripts.
    """

    def __init__(self, player: Player, given: Mapping[str, Any]) -> None:
        self._player = player
        self._given = given
        self._script = SessionScript.of(given["script"])
        self._environ = usage.environ_of(player)
        self._options = usage.options_of(player)
        self._printer = Printer(self._options)
        self._session: Session | None = None
        self._files: dict[str, int] = {}
        self._writes_files = True
        self._unread = b""
        self._answer: tuple[int, bytes] | None = None
        self._ended = False
        self._is_waiting = False
        self._is_interrupted = False

    def run(self) -> NoReturn:
        """Play the invocation to its end."""
        options = self._options
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._terminate)
        signal.signal(signal.SIGINT, self._interrupt)
        usage.print_version(self._player, options, self._script.cli_version)
        try:
            prompt = usage.prompt_of(self._player, options, strict=self._given["strict"])
            around = self._surroundings()
        except arguments.UsageError as error:
            usage.refuse(self._player, str(error))
        except ResumeError as error:
            self._refuse_resume(str(error))
        self._session = Session(self._script, options, around)
        self._session.pass_time(_now_ms())
        self._session.begin(prompt)
        while True:
            self._carry_out()
            self._wait()

    # Before the session

    def _surroundings(self) -> Surroundings:
        options, environ, strict = self._options, self._environ, self._given["strict"]
        cwd = os.fsdecode(self._player.cwd) or "/"
        projects = self._projects()
        self._player.call.add((b"session-log-dir", os.fsencode(projects)))
        config = environ.get("CLAUDE_CONFIG_DIR") or f"{environ.get('HOME', '')}/.claude"
        try:
            servers = arguments.mcp_servers(options, read_text)
            project = read_project(options, cwd=cwd, config=config)
        except arguments.UsageError:
            if strict:
                raise
            servers, project = {}, Project()
        folder = slug(cwd)
        if strict and options.has("--session-id") and session_exists(options.value("--session-id"), projects):
            raise arguments.UsageError(f"Error: Session ID {options.value('--session-id')} is already in use.")
        return Surroundings(
            cwd=cwd,
            environ=environ,
            projects=projects,
            folder=folder,
            shown_projects=f"{config}/projects",
            pid=os.getpid(),
            seed=self._seed(projects),
            project=project,
            history=find_history(options, projects=projects, folder=folder),
            branch=_branch(cwd),
            mcp_servers=servers,
        )

    def _seed(self, projects: str) -> int:
        """Return a seed of this invocation's own: one whose session is not there yet."""
        run = self._player.call.number
        while True:
            seed = self._script.seed if run == 1 else self._script.seed * 1_000_003 + run
            if not session_exists(seeded_uuid(seed, "session"), projects):
                return seed
            run += 1

    def _projects(self) -> str:
        own, test_config, test_home, real = (os.fsencode(place) for place in self._given["places"])
        environ = {os.fsencode(name): os.fsencode(value) for name, value in self._environ.items()}
        config = self._environ.get("CLAUDE_CONFIG_DIR") or f"{self._environ.get('HOME', '')}/.claude"
        signs = [*(f"{config}/{sign}" for sign in _SIGNS_OF_USE), f"{os.path.dirname(config)}/.claude.json"]
        if not any(os.path.exists(sign) for sign in signs):
            # Nobody's: SDKs read transcripts where the environment says, and a test may have changed its own.
            test_config = test_home = b""
        folder = os.fsdecode(projects_folder(environ, own, test_config, test_home, real))
        return os.path.join(os.fsdecode(self._player.cwd), folder)

    def _refuse_resume(self, text: str) -> NoReturn:
        if self._options.value("--input-format") == "stream-json":
            # The real program takes a second to start: by then its host has sent the first line. One that finds its
            # program gone before that tells another story.
            self._select([0], _HOST_PATIENCE_S)
        records = Records(seed=self._script.seed, profile=self._script.cli_version)
        if self._options.output_format == "stream-json" and records.profile.startup_error_on_stdout:
            self._player.put(1, encode(records.startup_error(text)))
        if records.profile.startup_error_on_stderr:
            usage.say(self._player, text)
        self._player.finish(1)
        raise AssertionError("finish() ends the process")

    # Waiting

    def _wait(self) -> None:
        """Wait for input, the test's answer or the time, and tell the session."""
        session, stdin = self._session, self._player.stdin
        assert session is not None
        wake_ms = session.wakes_at_ms
        wait_s = None if wake_ms is None else max(0.0, (wake_ms - _now_ms()) / 1000)
        watched = [0] if stdin.is_open else []
        watched += [self._answer[0]] if self._answer else []
        ready = self._select(watched, 0.0 if self._has_more(stdin.unread) else wait_s)
        session.pass_time(_now_ms())
        if self._is_interrupted:
            self._is_interrupted = False
            session.interrupt(by_signal=True)
        if self._answer and self._answer[0] in ready:
            self._take_answer(session)
        if 0 in ready:
            stdin.read()
        self._hear(session)

    def _has_more(self, unread: list[bytes]) -> bool:
        return any(unread) or (not self._player.stdin.is_open and not self._ended)

    def _select(self, watched: list[int], wait_s: float | None) -> list[int]:
        self._is_waiting = True
        try:
            if self._is_interrupted:
                return []
            return select.select(watched, [], [], wait_s)[0]
        except _Woken:
            return []
        finally:
            self._is_waiting = False

    def _hear(self, session: Session) -> None:
        if not self._options.streams_input:
            # It was read before the session began; what comes later is only on record.
            self._player.stdin.take_unread()
            self._ended = True
            return
        self._unread += self._player.stdin.take_unread()
        *lines, self._unread = self._unread.split(b"\n")
        for line in lines:
            session.hear(line)
            self._carry_out()
        if not self._player.stdin.is_open and not self._ended:
            self._ended = True
            if self._unread:
                session.hear(self._unread)
            session.hear_end()

    # Signals

    def _interrupt(self, number: int, _frame: FrameType | None) -> None:
        self._player.call.add((b"caught", b"%d" % number))
        self._is_interrupted = True
        if self._session is None:
            self._player.finish(0)
        if self._is_waiting:
            self._is_waiting = False
            raise _Woken

    def _terminate(self, number: int, _frame: FrameType | None) -> None:
        self._player.call.add((b"signal", b"%d" % number))
        if self._session is not None and not self._session.is_over:
            # No result, but the transcript gets its proper end.
            self._session.take()
            self._session.transcript.close()
            for output in self._session.take():
                if isinstance(output, Log):
                    self._log(output)
        self._player.finish(128 + number)

    # Outputs

    def _carry_out(self) -> None:
        session = self._session
        assert session is not None
        for output in session.take():
            self._do(output)

    def _do(self, output: Output) -> None:
        match output:
            case Emit(record=record):
                self._player.put(1, self._printer.record(record))
            case RawLine(data=data):
                self._player.put(1, data)
            case Complain(text=text):
                usage.say(self._player, text)
            case Log():
                self._log(output)
            case CreateFile(path=path, text=text):
                self._create(path, text)
            case AskTest(number=number, question=question):
                self._ask(number, question)
            case Unexpected(text=text):
                self._player.call.add((b"unexpected", text.encode("utf-8", "replace")))
                usage.say(self._player, f"api-simulator: {text}")
            case Leave(code=code):
                self._player.put(1, self._printer.end())
                self._player.finish(code)

    def _log(self, log: Log) -> None:
        if not self._writes_files:
            return
        try:
            fd = self._files.get(log.path)
            if fd is None:
                path = os.path.join(self._given_projects(), log.path)
                os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
                fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
                self._files[log.path] = fd
                size = os.lseek(fd, 0, os.SEEK_END)
                if size and os.pread(fd, 1, size - 1) != b"\n":
                    # The invocation before this one was killed in the middle of a record.
                    os.write(fd, b"\n")
            os.write(fd, b"".join(encode(record) for record in log.records))
        except OSError:
            # A home that cannot be written to, as tests give: the real program goes on without a transcript.
            self._writes_files = False

    def _given_projects(self) -> str:
        assert self._session is not None
        return self._session.around.projects

    def _create(self, path: str, text: str) -> None:
        place = os.path.join(os.fsdecode(self._player.cwd), path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "w", encoding="utf-8") as file:
            file.write(text)

    # The test process

    def _ask(self, number: int, question: Mapping[str, Any]) -> None:
        player = self._player
        name = b"%d-%d" % (player.call.number, player.next_question())
        path = player.stage + b"/answers/" + name
        with open(path + b".question", "wb") as file:
            file.write(encode(question))
        os.mkfifo(path, 0o600)
        # Read and write: with a read end only, its opening would wait for the writer.
        answered = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        questions = os.open(player.stage + b"/questions", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.write(questions, b"%d %d %s\n" % (number, player.call.number, name))
        os.close(questions)
        self._answer = (answered, path)

    def _take_answer(self, session: Session) -> None:
        assert self._answer is not None
        (fd, path), self._answer = self._answer, None
        os.read(fd, 1)
        os.close(fd)
        with open(path + b".script", "rb") as file:
            answer = json.load(file)
        session.answered(answer)


#: How long a host is given to send its first line to a program that is about to refuse.
_HOST_PATIENCE_S = 1.0


def _now_ms() -> float:
    return time.monotonic() * 1000


def _branch(cwd: str) -> str:
    """Return the git branch of *cwd*, read from its files: starting git would cost more than all the rest."""
    folder = cwd
    while True:
        try:
            with open(f"{folder}/.git/HEAD", encoding="utf-8") as file:
                head = file.read().strip()
        except OSError:
            above = os.path.dirname(folder)
            if above == folder:
                return "HEAD"
            folder = above
        else:
            return head.removeprefix("ref: refs/heads/") if head.startswith("ref: ") else "HEAD"


def main(player: Player, settings: bytes) -> NoReturn:
    """Play an invocation: the entry point for the player."""
    Program(player, json.loads(settings)).run()
