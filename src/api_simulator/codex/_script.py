"""
Scripts of the fake ``codex`` as users write them: what the agent does, besides what every program may do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from api_simulator._core.bodies import encode_json
from api_simulator.codex._failures import LIMIT, StreamFailure, http_failure, stream_failure
from api_simulator.codex._steps import (
    Begins,
    ChangeKind,
    Collaborates,
    Command,
    Commands,
    Completes,
    Costs,
    Emits,
    Fails,
    McpCall,
    Patches,
    Plans,
    Reasons,
    Rejected,
    Retries,
    Says,
    Searches,
    TokenUsage,
    Warns,
)
from api_simulator.errors import ScriptError, SpecError
from api_simulator.process._builder import Script, Steps
from api_simulator.process._steps import exit_code_problem

if TYPE_CHECKING:
    from typing import Self


class AgentSteps(Steps):
    """
    Steps of the agent, in the order of their calls; each call returns what it was called on.

    They are shown as the invocation asks: as events with ``--json``, else as text. The first one begins the turn, and
    the turn is completed at the end of the script unless the script ends it before.
    """

    # What the agent does

    def begins(self, *, streaming: bool = False) -> Self:
        """
        Begin the turn: what follows (a :meth:`hang`, a :meth:`wait`) happens before the agent has done anything.

        Args:
            streaming: Whether the API has begun to answer; a signal then leaves one record more.
        """
        return self._act(f"begins(streaming={streaming!r})", Begins(bool(streaming)))

    def message(self, text: str, *, phase: str | None = None) -> Self:
        """Say *text*; the turn's last message is the answer. *phase* is what the API says of it, on record only."""
        return self._act(f"message({text!r:.40})", Says(_text("message", text), phase))

    def reasoning(self, *summary: str) -> Self:
        """Think; the parts of the summary are shown as one item, and no item is shown without any."""
        return self._act(
            f"reasoning({', '.join(map(repr, summary)):.40})",
            Reasons(tuple(_text("reasoning", part) for part in summary)),
        )

    def command(self, line: str, *, output: str = "", exit_code: int = 0, duration_ms: int = 0) -> Self:
        """
        Run a shell command; nothing is really run.

        Args:
            line: As the model wrote it; it is shown as ``/bin/bash -lc '...'``.

            output: What it printed, to either stream.

            exit_code: 0 to 255; not 0 is shown as failed.

            duration_ms: What is said of its duration.
        """
        call = f"command({line!r:.40})"
        return self._act(call, Commands((_command(call, line, output, exit_code, duration_ms, "done"),)))

    def command_hangs(self, line: str, *, output: str = "") -> Self:
        """Begin a command that never ends, and stay alive until a signal comes."""
        call = f"command_hangs({line!r:.40})"
        return self._act(call, Commands((_command(call, line, output, 0, 0, "hangs"),))).hang()

    def command_left_running(self, line: str, *, output: str = "") -> Self:
        """Begin a command that still runs when the turn ends: its item is never completed."""
        call = f"command_left_running({line!r:.40})"
        return self._act(call, Commands((_command(call, line, output, 0, 0, "left"),)))

    def command_stopped(self, line: str, *, output: str = "", exit_code: int = 1) -> Self:
        """Run a command that the sandbox stops: no item is shown for it."""
        call = f"command_stopped({line!r:.40})"
        return self._act(call, Commands((_command(call, line, output, exit_code, 0, "hidden"),)))

    def parallel_commands(self, lines: Mapping[str, str]) -> Self:
        """Run several commands at once: line to output, in the order in which they begin and end."""
        call = f"parallel_commands({lines!r:.40})"
        if not isinstance(lines, Mapping) or len(lines) < 2:
            raise ScriptError(f"{call}: expected at least two commands, each with its output")
        return self._act(
            call, Commands(tuple(_command(call, line, output, 0, 0, "done") for line, output in lines.items()))
        )

    def patch(self, changes: Mapping[str, ChangeKind], *, accepted: bool = True) -> Self:
        """
        Change files; nothing is really written (``create_file`` does that).

        Args:
            changes: Path to ``"add"``, ``"update"`` or ``"delete"``; a relative one is in the invocation's folder.

            accepted: False for a patch that does not apply: no item is shown for it.
        """
        call = f"patch({changes!r:.60})"
        if not isinstance(changes, Mapping) or not changes:
            raise ScriptError(f"{call}: expected the changed files, as {{'a.py': 'update'}}")
        for path, kind in changes.items():
            if not isinstance(path, str) or not path or kind not in get_args(ChangeKind):
                raise ScriptError(
                    f"{call}: {path!r}: {kind!r} is no change; give a path and 'add', 'update' or 'delete'"
                )
        return self._act(call, Patches(tuple(changes.items()), bool(accepted)))

    def mcp_call(
        self,
        server: str,
        tool: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        result: str | Sequence[Mapping[str, Any]] = "",
        structured: Any = None,
        is_error: bool = False,
        error: str | None = None,
    ) -> Self:
        """
        Call a tool of an MCP server.

        Args:
            server: Its name in the configuration.

            tool: The tool's name.

            arguments: What it is given.

            result: A text, or content blocks of the protocol.

            structured: Its ``structured_content``.

            is_error: Whether the tool says that it failed.

            error: Why the call itself failed; then there is no result.
        """
        call = f"mcp_call({server!r}, {tool!r})"
        blocks = ({"type": "text", "text": result},) if isinstance(result, str) else tuple(result)
        step = McpCall(
            _text(call, server),
            _text(call, tool),
            _object(call, arguments or {}),
            None if error is not None else tuple(_object(call, block) for block in blocks),
            structured,
            bool(is_error),
            error,
        )
        return self._act(call, step)

    def web_search(self, query: str) -> Self:
        """Search the web."""
        return self._act(f"web_search({query!r:.40})", Searches(_text("web_search", query)))

    def plan(self, items: Mapping[str, bool]) -> Self:
        """Make the plan, or change it: the text of each item, and whether it is done."""
        call = f"plan({items!r:.60})"
        if not isinstance(items, Mapping) or not all(isinstance(done, bool) for done in items.values()):
            raise ScriptError(f"{call}: expected the items with whether each is done, as {{'Look': True}}")
        return self._act(call, Plans(tuple((_text(call, text), done) for text, done in items.items())))

    def collab_call(self, tool: str, *, prompt: str | None = None) -> Self:
        """Call a tool for sub-agents, for instance ``"spawn_agent"``; the sub-agent's own events are not shown."""
        return self._act(f"collab_call({tool!r})", Collaborates(_text("collab_call", tool), prompt))

    def rejected_tool(self, tool: str, arguments: Mapping[str, Any] | None = None, *, log: str | None = "") -> Self:
        """
        Call a tool that is not carried out: standard output shows nothing, the turn goes on.

        Args:
            tool: Its name.

            arguments: What it is given.

            log: The error on standard error; ``unsupported call: TOOL`` by default, None for no line.
        """
        call = f"rejected_tool({tool!r})"
        text = f"unsupported call: {tool}" if log == "" else log
        return self._act(call, Rejected(_text(call, tool), _object(call, arguments or {}), text))

    def warning(self, text: str) -> Self:
        """Warn, by an item of type ``error``; said first, it comes before the turn begins."""
        return self._act(f"warning({text!r:.40})", Warns(_text("warning", text)))

    def event(self, event: Mapping[str, Any]) -> Self:
        """Print *event* as it is, in JSON mode; nothing of it is recorded."""
        call = f"event({event!r:.40})"
        _object(call, event)
        return self._act(call, Emits(_encoded(call, event) + b"\n"))

    # What goes wrong

    def retries(self, reason: str, times: int = 1, *, limit: int = LIMIT) -> Self:
        """Announce *times* failed attempts (``Reconnecting... 1/5 (reason)``), and go on; nobody waits."""
        call = f"retries({reason!r:.40}, {times!r})"
        if not isinstance(times, int) or isinstance(times, bool) or not 1 <= times <= limit:
            raise ScriptError(f"{call}: give 1 to {limit} attempts, the limit")
        return self._act(call, Retries(_text(call, reason), times, limit, streamed=False))

    def fails(self, message: str, *, info: str | Mapping[str, Any] = "other") -> Self:
        """End the turn with a fatal error: it is said twice, and the program exits with 1."""
        return self._act(f"fails({message!r:.40})", Fails(_text("fails", message), info)).exit(1)

    def api_error(
        self,
        status: int,
        *,
        times: int | None = None,
        message: str = "Something went wrong.",
        retry_after: bool = False,
        code: str | None = None,
        limit: int = LIMIT,
    ) -> Self:
        """
        Let the API answer with an HTTP error; what follows from it is as measured.

        Args:
            status: 400 to 599.

            times: How often, so that the turn goes on afterwards; None for always, and the turn fails.

            message: What the API says; for status 400 the whole body.

            retry_after: Whether a 429 says when to try again; without that it is fatal at once.

            code: The code in the body where it matters: ``"context_length_exceeded"``, ``"server_is_overloaded"``,
                ``"insufficient_quota"``, ``"usage_limit_reached"``, ``"model_not_found"`` ...

            limit: How often the program tries again (``stream_max_retries``).
        """
        call = f"api_error({status!r}, times={times!r})"
        return self._fail(
            call,
            http_failure(
                call, status, times, _text(call, message), retry_after=bool(retry_after), code=code, limit=limit
            ),
        )

    def error_401(self, *, times: int | None = None) -> Self:
        """Let the API refuse the key: five announced attempts, and the turn fails, unless *times* says less."""
        return self.api_error(401, times=times, message="Incorrect API key provided.")

    def rate_limited(self, *, times: int | None = None, retry_after: bool = False) -> Self:
        """Let the API answer 429: fatal at once without ``retry-after``, else tried again five times."""
        return self.api_error(429, times=times, retry_after=retry_after)

    def stream_error(self, kind: StreamFailure, *, times: int | None = None, limit: int = LIMIT) -> Self:
        """
        Let the API's stream of events go wrong.

        Args:
            kind: ``"cut"`` (the connection), ``"closed"`` (without its end), ``"idle"``, or the code of a failed or
                incomplete response, for instance ``"server_error"`` or ``"context_length_exceeded"``.

            times: How often, so that the turn goes on afterwards; None for always, and the turn fails.

            limit: How often the program tries again (``stream_max_retries``).
        """
        call = f"stream_error({kind!r}, times={times!r})"
        return self._fail(call, stream_failure(call, kind, times, limit))

    def cut_stream(self, *, times: int | None = None) -> Self:
        """Cut the API's connection in the middle of its answer; right after a command, of the answer that had it."""
        return self.stream_error("cut", times=times)

    def no_connection(self, *, times: int = 3) -> Self:
        """Find nobody at the API's address: it says so *times* times, and is then waited for without end."""
        call = f"no_connection(times={times!r})"
        if not isinstance(times, int) or isinstance(times, bool) or times < 1:
            raise ScriptError(f"{call}: expected how often it is said, 1 or more")
        reason = "Connection failed: error sending request"
        return self._act(call, Retries(reason, times, LIMIT, streamed=False, is_network=True)).hang()

    # Counts and the end

    def usage(
        self,
        input_tokens: int = 11,
        output_tokens: int = 5,
        *,
        cached_input_tokens: int = 0,
        cache_write_input_tokens: int = 0,
        reasoning_output_tokens: int = 0,
    ) -> Self:
        """Say what each API answer from here on costs; what is printed is the thread's total, resumed turns too."""
        values = (input_tokens, cached_input_tokens, cache_write_input_tokens, output_tokens, reasoning_output_tokens)
        call = f"usage({input_tokens!r}, {output_tokens!r})"
        for value in values:
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise ScriptError(f"{call}: tokens are whole numbers from 0, got {value!r}")
        return self._act(call, Costs(TokenUsage(*values)))

    def no_usage(self) -> Self:
        """Let the API's answers from here on not say what they cost."""
        return self._act("no_usage()", Costs(None))

    def completes(self) -> Self:
        """Complete the turn here, so that what follows comes after ``turn.completed``, for instance :meth:`hang`."""
        return self._act("completes()", Completes())

    def _act(self, call: str, *steps: object) -> Self:
        return self._add(call, *steps)  # type: ignore[arg-type]  # written as plain steps before they are played

    def _fail(self, call: str, steps: Iterable[Retries | Fails]) -> Self:
        listed = list(steps)
        # Nothing to show is something said all the same: the turn begins.
        self._act(call, *(listed or (Begins(streaming=False),)))
        return self.exit(1) if listed and isinstance(listed[-1], Fails) else self


def _command(call: str, line: str, output: str, exit_code: int, duration_ms: int, state: Any) -> Command:
    problem = exit_code_problem(exit_code)
    if problem is not None:
        raise ScriptError(f"{call}: {problem}")
    if not isinstance(duration_ms, int) or isinstance(duration_ms, bool) or duration_ms < 0:
        raise ScriptError(f"{call}: duration_ms is a whole number from 0, got {duration_ms!r}")
    return Command(_text(call, line), _text(call, output), exit_code, duration_ms, state)


def _text(call: str, text: object) -> str:
    if not isinstance(text, str):
        raise ScriptError(f"{call}: expected text, got {type(text).__name__} {text!r:.60}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ScriptError(f"{call}: the text has a lone surrogate, which UTF-8 cannot hold") from None
    return text


def _object(call: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ScriptError(f"{call}: expected a dict, got {type(value).__name__} {value!r:.60}")
    _encoded(call, value)
    return dict(value)


def _encoded(call: str, value: object) -> bytes:
    try:
        return encode_json(value)
    except SpecError as error:
        raise ScriptError(f"{call}: {error}") from None


class CodexScript(AgentSteps, Script):
    """What a fake ``codex`` does, step by step: a plain value, made by ``when`` or by itself."""

    def _target(self) -> Script:
        return self

    @property
    def is_agents(self) -> bool:
        """Whether the agent does something, or nothing at all is said: else the script is played as it is."""
        return not self._steps or any(type(step).__module__ == Begins.__module__ for step in self._steps)
