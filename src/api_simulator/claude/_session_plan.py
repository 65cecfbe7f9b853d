"""
Which turn is for which prompt, and how that gets to the fake's process and questions back to the test.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from api_simulator._core.bodies import encode_json
from api_simulator.claude._plan import ON_BROKEN_PIPE, ON_SIGNAL
from api_simulator.claude._session.script import FORMAT, Move
from api_simulator.claude._turns import Moves, ReplyFunction, Turn, checked_function
from api_simulator.errors import ScriptError
from api_simulator.process._answers import AnswerThread
from api_simulator.process._calls import ProgramCall
from api_simulator.process.script import RunModule, Settings, encode

_PACKAGE_FOLDER = Path(__file__).parents[2]
_PROGRAM = "api_simulator.claude._session.program"


class Prompt(str):
    """
    What a function of the test is asked about: the prompt, as text that knows more.

    Attributes:
        content: The prompt as it came: text or content blocks.

        options: The parsed command line: long option names with the lists of their values.

        controls: The control messages that the host has sent so far.

        results: What tools gave in this turn so far: dicts with ``name``, ``input``, ``content``, ``is_error``.

        tools: The names of the tools that the model is offered, those of MCP servers too.

        turn: How many turns this process has played before.

        session_id: The session's id.

        model: The model in force.

        permission_mode: The permission mode in force.

        call: The invocation.
    """

    content: Any
    options: dict[str, list[str]]
    controls: list[dict[str, Any]]
    results: list[dict[str, Any]]
    tools: list[str]
    turn: int
    session_id: str
    model: str
    permission_mode: str
    call: ProgramCall

    @classmethod
    def of(cls, question: Mapping[str, Any], call: ProgramCall) -> Prompt:
        """Make one of what the fake asks."""
        prompt = cls(question["prompt"])
        prompt.options = question["options"]["values"]
        for name in ("content", "controls", "results", "tools", "turn", "session_id", "model", "permission_mode"):
            setattr(prompt, name, question[name])
        prompt.call = call
        return prompt


class SessionPlan:
    """
    What was said about sessions: turns for certain prompts, turns in order, a function for the rest.

    Args:
        on_change: Called after each change.

    Attributes:
        functions: The functions of the test, by their numbers.
    """

    def __init__(self, *, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._rules: list[tuple[str, str, Turn]] = []
        self._turns: list[Turn] = []
        self._answer: ReplyFunction | None = None
        self.functions: list[ReplyFunction] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said."""
        return not self._rules and not self._turns and self._answer is None

    def on_prompt(self, pattern: str | re.Pattern[str]) -> Turn:
        """Begin a turn for prompts with *pattern* in them."""
        if not isinstance(pattern, str | re.Pattern) or (
            isinstance(pattern, re.Pattern) and not isinstance(pattern.pattern, str)
        ):
            raise ScriptError(f"on_prompt({pattern!r}): give text that the prompt contains, or a compiled pattern")
        expression = _with_flags(pattern) if isinstance(pattern, re.Pattern) else re.escape(pattern)
        turn = Turn(on_change=self._on_change)
        self._rules.append((expression, repr(getattr(pattern, "pattern", pattern)), turn))
        return turn

    def turn(self) -> Turn:
        """Begin the next turn in order."""
        turn = Turn(on_change=self._on_change)
        self._turns.append(turn)
        return turn

    def answer(self, function: object) -> None:
        """Ask *function* for turns that nothing else is for."""
        self._answer = checked_function("answer", function)
        self._on_change()

    def to_json(self, *, seed: int, cli_version: str) -> dict[str, Any]:
        """Return the script as the fake's process reads it."""
        return {
            "format": FORMAT,
            "rules": [
                {"pattern": pattern, "shown": shown, "moves": self.numbered(turn.moves)}
                for pattern, shown, turn in reversed(self._rules)
            ],
            "turns": [self.numbered(turn.moves) for turn in self._turns],
            "answer": None if self._answer is None else self._number(self._answer),
            "seed": seed,
            "cli_version": cli_version,
        }

    def numbered(self, moves: Sequence[Move]) -> list[Move]:
        """Return *moves* with the numbers of functions in place of themselves."""
        return [self._numbered(move) for move in moves]

    def _numbered(self, move: Move) -> Move:
        if "ask" in move:
            return {**move, "ask": self._number(move["ask"])}
        return {**move, "afterwards": self.numbered(move["afterwards"])} if move.get("afterwards") else move

    def _number(self, function: ReplyFunction) -> int:
        if function not in self.functions:
            self.functions.append(function)
        return self.functions.index(function)


class SessionAnswers(AnswerThread[ReplyFunction]):
    """
    Answers the questions of sessions.

    Args:
        plan: Whose functions are asked.

        arguments: As :class:`AnswerThread` takes them.
    """

    def __init__(self, plan: SessionPlan, *arguments: Any) -> None:
        self._plan = plan
        super().__init__(*arguments)

    def _reply(self, function: ReplyFunction, call: ProgramCall, question: Path) -> bytes:
        prompt = Prompt.of(json.loads(question.read_bytes()), call)
        reply = function(prompt)
        if reply is None or isinstance(reply, str):
            reply = Turn().text("Done." if reply is None else reply)
        if not isinstance(reply, Moves):
            raise ScriptError(f"the answer {reply!r:.60} is no turn; return Turn().text(...), a text to say, or None")
        return encode_json({"moves": self._plan.numbered(reply._target().moves)})

    def _failure(self, text: str) -> bytes:
        return encode_json({"error": text})


def session_settings(script: Mapping[str, Any], *, strict: bool, places: Sequence[str]) -> bytes:
    """Return what the session's process is started with."""
    return encode_json({"script": script, "strict": strict, "places": [os.fspath(place) for place in places]})


def session_program(settings: bytes) -> bytes:
    """Return the script of a program that plays sessions."""
    # The signals as they are answered before the session begins; it answers them itself then.
    before = Settings(on_signal=ON_SIGNAL, on_broken_pipe=ON_BROKEN_PIPE)
    return encode([RunModule(str(_PACKAGE_FOLDER), _PROGRAM, settings)], before)


def _with_flags(pattern: re.Pattern[str]) -> str:
    letters = "".join(letter for letter, flag in _FLAGS.items() if pattern.flags & flag)
    return f"(?{letters}){pattern.pattern}" if letters else pattern.pattern


_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE, "a": re.ASCII}
