"""
Turns as users write them: what the model does, move by move.

The fake derives the rest from them: which records are printed in which order, who is asked for permission, which
hooks are called, what the transcript holds. A :class:`Turn` is a plain value that belongs to no fake.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from api_simulator._core.bodies import encode_json
from api_simulator.claude._session.script import Move
from api_simulator.claude.records import request_failure
from api_simulator.errors import ScriptError, SpecError
from api_simulator.process.script import exit_code_problem, wait_problem

if TYPE_CHECKING:
    from typing import Self

    from api_simulator.claude._session_plan import Prompt

#: What a function of the test may answer: a turn, a text to say, or nothing (``Done.``).
Reply: TypeAlias = "Turn | str | None"
ReplyFunction: TypeAlias = "Callable[[Prompt], Reply]"


class Moves(ABC):
    """
    The model's moves, in the order of their calls; each call returns what it was called on.

    Texts and thinking are blocks of one API message up to the next tool; after the tool's result the next message
    begins. A turn that ends with a tool is given the last text ``Done.``, since the model has to say something.
    """

    @abstractmethod
    def _target(self) -> Turn:
        """Return the turn that the calls extend."""

    # What the model says

    def text(self, text: str, *, pieces: int = 2, gap_ms: int = 0) -> Self:
        """
        Say *text*.

        Args:
            text: The last one of a turn is its result.

            pieces: How many deltas it comes in, with partial messages.

            gap_ms: The wait before each piece: for a long answer that somebody may interrupt.
        """
        call = f"text({text!r:.40})"
        if not isinstance(pieces, int) or isinstance(pieces, bool) or pieces < 1:
            raise ScriptError(f"{call}: pieces={pieces!r}: a text comes in at least 1 piece")
        _require_no(call, wait_problem(gap_ms))
        return self._add({"do": "text", "text": _text(call, text), "pieces": pieces, "gap_ms": gap_ms})

    def thinking(self, text: str) -> Self:
        """Think *text*."""
        return self._add({"do": "thinking", "text": _text(f"thinking({text!r:.40})", text)})

    # Tools

    def tool(
        self,
        name: str,
        tool_input: Mapping[str, Any] | None = None,
        *,
        result: str | Sequence[Mapping[str, Any]] | None = None,
        is_error: bool = False,
        together: bool = False,
        permission: Literal["allow", "ask"] | None = None,
        takes_ms: int = 0,
        writes: bool = False,
        structured: Any = None,
    ) -> Self:
        """
        Call a tool.

        The fake decides by the command line, the settings, hooks and the host whether it may run, as the real
        program does; it runs nothing itself, but for MCP servers that live in the host: these are called for real.

        Args:
            name: ``Bash``, ``Write``, ..., ``mcp__server__tool`` for one of an MCP server.

            tool_input: Its arguments.

            result: What it gives. None: what the MCP server answers, else a likely text.

            is_error: Whether it fails with *result*; a Bash that fails begins its text with ``Exit code 1``.

            together: The next call belongs to the same API message: the two are parallel.

            permission: ``"ask"`` and ``"allow"`` go past the rules; hooks are called in any case.

            takes_ms: How long it runs, for somebody to interrupt it.

            writes: For ``Write``: make the file, if the tool was allowed to run.

            structured: ``tool_use_result``; made up from *result* if None.
        """
        call = f"tool({name!r})"
        if not isinstance(name, str) or not name:
            raise ScriptError(f"{call}: a tool has a name, for instance 'Bash'")
        if tool_input is not None and not isinstance(tool_input, Mapping):
            raise ScriptError(f"{call}: the input is a dict, got {tool_input!r}; for Bash {{'command': 'ls'}}")
        if permission not in (None, "allow", "ask"):
            raise ScriptError(f"{call}: permission={permission!r} does not exist; give 'allow', 'ask' or None")
        if writes and name != "Write":
            raise ScriptError(f"{call}: only Write makes a file; leave out writes=True")
        _require_no(call, wait_problem(takes_ms))
        move = {
            "do": "tool",
            "name": name,
            "input": dict(tool_input or {}),
            "result": result if result is None or isinstance(result, str) else [dict(part) for part in result],
            "is_error": bool(is_error),
            "together": bool(together),
            "permission": permission,
            "takes_ms": takes_ms,
            "writes": bool(writes),
            "structured": structured,
        }
        return self._add(move)

    def structured_output(self, value: Mapping[str, Any], *, problem: str | None = None) -> Self:
        """
        Give the output that ``--json-schema`` asked for.

        Args:
            value: It is ``structured_output`` of the result.

            problem: Why it does not meet the schema: the model is told, and goes on. The fifth time ends the run.
        """
        return self._add({"do": "structured", "value": dict(value), "problem": problem})

    def subagent(
        self,
        moves: Moves | None = None,
        *,
        description: str = "Look around",
        prompt: str = "Look around.",
        agent: str = "general-purpose",
        background: bool = False,
        afterwards: Moves | None = None,
    ) -> Self:
        """
        Let a sub-agent work.

        Args:
            moves: What it does: texts, thinking and tools. Its last text is its report.

            description: What it is for, in a few words.

            prompt: What it is told.

            agent: Its type.

            background: The model goes on meanwhile; the end of the sub-agent wakes it for a turn of its own.

            afterwards: That turn.
        """
        call = f"subagent(description={description!r})"
        if afterwards is not None and not background:
            raise ScriptError(
                f"{call}: afterwards is the turn after a sub-agent in the background; add background=True"
            )
        inner = (moves or Turn().text("Done."))._target().moves
        for move in inner:
            if move["do"] not in ("text", "thinking", "tool"):
                raise ScriptError(f"{call}: a sub-agent's moves are text, thinking and tool, got {move['do']!r}")
        move = {
            "do": "subagent",
            "moves": inner,
            "description": description,
            "prompt": prompt,
            "type": agent,
            "background": bool(background),
            "afterwards": afterwards._target().moves if afterwards is not None else None,
        }
        return self._add(move)

    def background_task(
        self, command: str, *, output: str = "", description: str = "Run it", afterwards: Moves | None = None
    ) -> Self:
        """
        Start a shell command in the background; its end wakes the model for a turn of its own.

        Args:
            command: The command.

            output: What it is said to have printed.

            description: What it is for.

            afterwards: The turn that follows; by default it says ``Done.``
        """
        move = {
            "do": "background",
            "command": command,
            "output": output,
            "description": description,
            "afterwards": afterwards._target().moves if afterwards is not None else None,
        }
        return self._add(move)

    # What goes wrong

    def api_retry(self, error: str | int | None = 529, *, times: int = 1, gap_ms: int = 0) -> Self:
        """
        Let API requests fail that are tried again; nobody waits the times that the records name.

        Args:
            error: An HTTP status, None for a failed connection, or a name of ``records.API_FAILURES``.

            times: How often.

            gap_ms: A wait after each.
        """
        call = f"api_retry({error!r}, times={times!r})"
        _known_failure(call, error)
        if not isinstance(times, int) or isinstance(times, bool) or times < 1:
            raise ScriptError(f"{call}: nothing is tried again {times!r} times; give at least 1")
        _require_no(call, wait_problem(gap_ms))
        return self._add({"do": "retries", "what": error, "times": times, "gap_ms": gap_ms})

    def api_error(
        self, error: str | int | None = 529, *, message: str | None = None, retries: int | None = None
    ) -> Self:
        """
        Let the API fail for good: the turn ends with an error result, and the program with exit code 1.

        Args:
            error: An HTTP status, None for a failed connection, or a name of ``records.API_FAILURES`` such as
                ``"credit_exhausted"``.

            message: What the API said.

            retries: How many records of retries come before; None for as many as the real program tries.
        """
        call = f"api_error({error!r})"
        _known_failure(call, error)
        return self._add({"do": "api_error", "what": error, "message": message, "retries": retries})

    def rate_limit_event(
        self, status: Literal["allowed", "allowed_warning", "rejected"] = "allowed", *, utilization: float = 0.5
    ) -> Self:
        """Say how much of the account's limit is used, as a program logged in with OAuth does."""
        return self._add({"do": "rate_limit", "status": status, "utilization": utilization})

    def compaction(
        self,
        summary: str = "The conversation so far.",
        *,
        trigger: Literal["auto", "manual"] = "auto",
        pre_tokens: int = 168_000,
    ) -> Self:
        """Compact the conversation: what was said is replaced by *summary*."""
        return self._add({"do": "compact", "summary": summary, "trigger": trigger, "pre_tokens": pre_tokens})

    def nudge(self, text: str = "Output token limit hit. Resume directly.") -> Self:
        """Let the program tell the model to go on, after an answer that was cut or refused."""
        return self._add({"do": "nudge", "text": text})

    # Beside the conversation

    def notification(self, message: str, *, kind: str = "permission_prompt") -> Self:
        """Call the host's ``Notification`` hooks."""
        return self._add({"do": "notify", "message": message, "type": kind})

    def wait(self, ms: int) -> Self:
        """Let *ms* milliseconds pass; control requests are answered meanwhile."""
        _require_no(f"wait({ms!r})", wait_problem(ms))
        return self._add({"do": "wait", "ms": ms})

    def record(self, record: Mapping[str, Any]) -> Self:
        """Print *record* as it is; one of type ``result`` ends the turn."""
        return self._add({"do": "record", "record": dict(record)})

    def write(self, data: str | bytes) -> Self:
        """Write *data* to standard output as it is: a broken line, invalid UTF-8."""
        written = data if isinstance(data, bytes) else _text(f"write({data!r:.40})", data).encode()
        # JSON holds text only; in Latin-1 each byte is a character.
        return self._add({"do": "raw", "data": written.decode("latin-1")})

    def stderr(self, text: str) -> Self:
        """Write a line to standard error."""
        return self._add({"do": "stderr", "text": _text(f"stderr({text!r:.40})", text)})

    def exit(self, code: int) -> Self:
        """Exit with *code*, without a result."""
        _require_no(f"exit({code!r})", exit_code_problem(code))
        return self._add({"do": "exit", "code": code})

    def hang(self) -> Self:
        """Do nothing more until an interrupt or a signal comes."""
        return self._add({"do": "hang"})

    def then(self, function: ReplyFunction) -> Self:
        """
        Ask a function in the test process what comes next.

        Args:
            function: Takes the :class:`Prompt`, whose ``results`` are those of the tools so far.
        """
        return self._add({"do": "then", "ask": checked_function("then", function)})

    def _add(self, move: Move) -> Self:
        target = self._target()
        try:
            encode_json({key: value for key, value in move.items() if key not in ("ask", "moves", "afterwards")})
        except SpecError as error:
            raise ScriptError(f"{move['do']}: {error}") from None
        target.moves.append(move)
        target.changed()
        return self


class Turn(Moves):
    """
    What the model does after one prompt.

    Args:
        on_change: Called after each move that is added.

    Attributes:
        moves: The moves so far, as the fake's process reads them.
    """

    def __init__(self, *, on_change: Callable[[], None] | None = None) -> None:
        self.moves: list[Move] = []
        self._on_change = on_change

    def _target(self) -> Turn:
        return self

    def changed(self) -> None:
        """Tell whoever plays the turn that it has one more move."""
        if self._on_change is not None:
            self._on_change()

    def __repr__(self) -> str:
        return f"<Turn {' '.join(str(move['do']) for move in self.moves)}>"


def checked_function(name: str, function: object) -> ReplyFunction:
    """Return *function* if it can be asked."""
    if not callable(function):
        raise ScriptError(f"{name}: expected a function of a Prompt, got {type(function).__name__} {function!r:.60}")
    if inspect.iscoroutinefunction(function):
        raise ScriptError(f"{name}: the function runs in a thread without a loop; give a plain function")
    return function


def _known_failure(call: str, error: Any) -> None:
    try:
        request_failure(error)
    except (ValueError, TypeError) as problem:
        raise ScriptError(f"{call}: {problem}") from None


def _text(call: str, text: object) -> str:
    if not isinstance(text, str):
        raise ScriptError(f"{call}: expected text, got {type(text).__name__}")
    return text


def _require_no(call: str, problem: str | None) -> None:
    if problem is not None:
        raise ScriptError(f"{call}: {problem}")
