"""
A session: what comes in on standard input, the turns that follow from it, and the end.

:class:`Session` is sans-IO. Lines, signals and the time go in; :meth:`Session.take` gives what is to be done. Inside,
generators wait for things (``exchange.py``), so that control requests are answered whatever a turn is doing.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any

from api_simulator.claude._session import arguments
from api_simulator.claude._session.exchange import (
    AskTest,
    Complain,
    Emit,
    HostReply,
    Interrupted,
    Leave,
    Log,
    Output,
    Pause,
    Record,
    Unexpected,
    Wait,
    Waits,
)
from api_simulator.claude._session.hooks import Callback
from api_simulator.claude._session.host import Host
from api_simulator.claude._session.mcp import McpServer
from api_simulator.claude._session.permissions import Permissions
from api_simulator.claude._session.prompts import Prompt
from api_simulator.claude._session.script import SessionScript
from api_simulator.claude._session.surroundings import Surroundings, model_name
from api_simulator.claude._session.transcript import Transcript, leaf_of
from api_simulator.claude._session.turn import Turn
from api_simulator.claude.records import Records

#: When no script fits (EX_SOFTWARE, as the player's).
UNEXPECTED_EXIT = 70


class Session:
    """
    One invocation of the program.

    Args:
        script: The model's moves.

        options: The command line.

        around: The world.

    Attributes:
        records: Makes every record, and counts turns and costs.

        permissions: The rules in force.

        hooks: Callbacks of the host.

        servers: MCP servers by name.

        agents: Sub-agents by name.

        forwards_subagent_text: Whether the host asked for what sub-agents say.

        transcript: What is written to disk.

        heard: The control messages of the host so far, as functions of the test see them.

        turns_played: How many turns have ended.

        unruled: How many prompts came that no rule of the script is for.

        was_signalled: Whether SIGINT came.
    """

    def __init__(self, script: SessionScript, options: arguments.Options, around: Surroundings) -> None:
        self.script = script
        self.options = options
        self.around = around
        self.records = Records(
            seed=around.seed,
            profile=script.cli_version,
            session_id=self._session_id(),
            cwd=around.cwd,
            model=model_name(options.value("--model") or around.project.model),
            cost_so_far_usd=around.history.cost_usd() if around.history and not options.has("--fork-session") else 0,
        )
        self.permissions = _permissions(options, around)
        self.hooks: list[Callback] = []
        self.agents: dict[str, Mapping[str, Any]] = {str(agent["name"]): agent for agent in around.project.agents}
        self.forwards_subagent_text = options.has("--forward-subagent-text")
        self.heard: list[Record] = []
        self.host = Host(self)
        self.servers = {
            name: McpServer(name, config, send=self.host.mcp, version=self.records.version)
            for name, config in around.mcp_servers.items()
        }
        self.transcript = Transcript(
            self.records,
            around,
            self.put,
            is_kept=not options.has("--no-session-persistence"),
            mirrors=options.has("--session-mirror"),
        )
        self.turns_played = 0
        self.unruled = 0
        self.was_signalled = False
        self.exit_code: int | None = None
        self._last_result: Record | None = None
        self._outputs: list[Output] = []
        self._inbox: deque[Prompt] = deque()
        self._next_prompt: Wait | None = None
        self._input_ended = False
        self._tasks: list[tuple[Waits, Wait]] = []
        self._turn: Waits | None = None
        self._question: Wait | None = None
        self._now_ms = 0.0

    def _session_id(self) -> str | None:
        if self.options.has("--session-id"):
            return self.options.value("--session-id")
        history = self.around.history
        return history.session_id if history and not self.options.has("--fork-session") else None

    # What goes in

    def begin(self, prompt: str | None = None) -> None:
        """
        Begin.

        Args:
            prompt: The only prompt, from arguments and standard input; None if standard input holds messages.
        """
        self._begin_transcript()
        if prompt is not None:
            self._input_ended = True
            self._inbox.append(Prompt(prompt, prompt))
        self._start(self._main())

    def hear(self, line: bytes) -> None:
        """Take a line of standard input; blank lines and unknown types are passed over."""
        if not line.strip() or self.is_over:
            return
        try:
            message = json.loads(line)
        except ValueError:
            self.complain(f"Error parsing streaming input line (type=unknown, {len(line)} chars): SyntaxError")
            return self.leave(1)
        kind = message.get("type") if isinstance(message, dict) else None
        if kind in ("control_request", "control_response", "control_cancel_request"):
            self.heard.append(message)
            self.host.hear(message)
        elif kind == "user":
            self._hear_prompt(message)
        self._go_on()

    def _hear_prompt(self, message: Record) -> None:
        inner = message.get("message")
        role = inner.get("role") if isinstance(inner, Mapping) else None
        if not isinstance(inner, Mapping) or role != "user":
            self.complain(f"Error: Expected message role 'user', got '{role}'")
            return self.leave(1)
        prompt = Prompt.of(message)
        self._inbox.append(prompt)
        if prompt.uuid and self.records.has("command_lifecycle"):
            self.emit(self.records.command_lifecycle(prompt.uuid, "queued"))
        self._deliver()

    def hear_end(self) -> None:
        """Standard input has ended: no more prompts, and no more answers of the host."""
        self._input_ended = True
        self.host.hear_end()
        self._deliver()
        self._go_on()

    def interrupt(self, *, by_signal: bool = False) -> None:
        """End the running turn, and with a signal the session too."""
        self.was_signalled = self.was_signalled or by_signal
        turn, self._turn = self._turn, None
        if turn is not None:
            self._tasks = [(task, wait) for task, wait in self._tasks if task is not turn]
            self._resume(turn, Interrupted())
        elif by_signal:
            self.leave(0)
        self._go_on()

    def pass_time(self, now_ms: float) -> None:
        """Let it be *now_ms*, in milliseconds of any clock that does not go back."""
        self._now_ms = now_ms
        for _, wait in self._tasks:
            if isinstance(wait, Pause) and wait.until_ms <= now_ms:
                wait.come()
        self._go_on()

    def answered(self, answer: Any) -> None:
        """Take the test process's answer to the last :class:`AskTest`."""
        if self._question is not None:
            self._question.come(answer)
        self._go_on()

    # What comes out

    def take(self) -> list[Output]:
        """Return what is to be done now, in this order, and forget it."""
        outputs, self._outputs = self._outputs, []
        return outputs

    @property
    def wakes_at_ms(self) -> float | None:
        """When :meth:`pass_time` is to be called at the latest, None if nothing waits for time."""
        return min((wait.until_ms for _, wait in self._tasks if isinstance(wait, Pause)), default=None)

    @property
    def is_over(self) -> bool:
        """Whether the process ends."""
        return self.exit_code is not None

    # For the parts of a session

    def put(self, output: Output) -> None:
        """Have something done."""
        if isinstance(output, Log) or not self.is_over:
            self._outputs.append(output)

    def emit(self, record: Record) -> Record:
        """Print a record and return it."""
        self.put(Emit(record))
        return record

    def complain(self, text: str) -> None:
        """Write a line to standard error."""
        self.put(Complain(text))

    def unexpected(self, text: str) -> None:
        """End because no script fits; *text* says what happened."""
        self.put(Unexpected(f"{text}\n{self.script.described()}"))
        self.leave(UNEXPECTED_EXIT)

    def ask_test(self, number: int, question: Mapping[str, Any]) -> Waits:
        """Ask a function of the test and return its answer."""
        self._question = Wait()
        self.put(AskTest(number, question))
        return (yield self._question)

    def start(self, task: Waits) -> None:
        """Let a generator run beside the turns."""
        self._start(task)

    def leave(self, code: int) -> None:
        """End the process."""
        if self.is_over:
            return
        self.transcript.close()
        self._mirror()
        self.put(Leave(code))
        self.exit_code = code

    def result(self, record: Record) -> None:
        """End a turn with its result; what was written is mirrored before."""
        self._mirror()
        self.emit(record)
        self._last_result = record

    def clear(self, prompt: Prompt) -> None:
        """Forget the conversation, as ``/clear`` does: the session gets another id."""
        self.emit(self.records.conversation_reset(user_message_uuid=prompt.uuid))
        self.transcript.start_over()
        self.emit(self.records.background_tasks_changed())

    # Within

    def _main(self) -> Waits:
        if self.options.has("--name"):
            self.emit(self.records.session_title_changed(self.options.value("--name")))
            self.transcript.title(self.options.value("--name"))
        while True:
            self._next_prompt = Wait()
            self._deliver()
            prompt = yield self._next_prompt
            if prompt is None or self.is_over:
                break
            yield from self._play(prompt)
            if self.was_signalled:
                return self.leave(0)
        result = self._last_result
        self.leave(1 if result is not None and result.get("is_error") else 0)

    def _play(self, prompt: Prompt) -> Waits:
        self._state("running")
        if prompt.uuid and self.records.has("command_lifecycle"):
            self.emit(self.records.command_lifecycle(prompt.uuid, "started"))
        turn = Turn(self, prompt)
        done = Wait()
        # A task of its own, so that an interrupt can be thrown into it.
        self._turn = self._notify(turn.play(), done)
        self._start(self._turn)
        yield done
        self.turns_played += 1
        if prompt.uuid and self.records.has("command_lifecycle"):
            self.emit(self.records.command_lifecycle(prompt.uuid, "completed"))
        if not self._inbox:
            self._state("idle")

    def _notify(self, task: Waits, done: Wait) -> Waits:
        yield from task
        self._turn = None
        done.come()

    def _state(self, state: Any) -> None:
        # Only hosts that say they read it get it: who reads `running` and never sees `idle` keeps standard input open.
        if self.around.environ.get("CLAUDE_CODE_SDK_READS_SESSION_STATE") and self.records.has(
            "system/session_state_changed"
        ):
            self.emit(self.records.session_state_changed(state, sdk_host_only=True))

    def _begin_transcript(self) -> None:
        history = self.around.history
        if history is None:
            return
        if self.options.has("--fork-session"):
            self.transcript.copy(list(history.records))
        else:
            self.transcript.go_on(history.path, leaf_of(list(history.records)))

    def _mirror(self) -> None:
        for record in self.transcript.mirrored():
            self.emit(record)

    def _deliver(self) -> None:
        if self._next_prompt is None or self._next_prompt.is_over:
            return
        if self._inbox:
            self._next_prompt.come(self._inbox.popleft())
        elif self._input_ended:
            self._next_prompt.come(None)

    def _start(self, task: Waits) -> None:
        self._resume(task, None)
        self._go_on()

    def _resume(self, task: Waits, value: Any) -> None:
        try:
            wait = task.throw(value) if isinstance(value, Interrupted) else task.send(value)
        except StopIteration:
            return
        if isinstance(wait, Pause):
            wait.until_ms = self._now_ms + wait.ms
        if isinstance(wait, HostReply) and self._input_ended and not wait.is_over:
            # Nobody is left who could answer.
            wait.come(None)
        self._tasks.append((task, wait))

    def _go_on(self) -> None:
        while not self.is_over:
            ready = next(((task, wait) for task, wait in self._tasks if wait.is_over), None)
            if ready is None:
                return
            self._tasks.remove(ready)
            self._resume(ready[0], ready[1].value)


def _permissions(options: arguments.Options, around: Surroundings) -> Permissions:
    rules = around.project.permissions
    mode = options.value("--permission-mode") or str(rules.get("defaultMode") or "default")
    if options.has("--dangerously-skip-permissions"):
        mode = "bypassPermissions"
    return Permissions(
        mode=mode,
        allow=[*options.listed("--allowedTools"), *rules.get("allow", ())],
        deny=[*options.listed("--disallowedTools"), *rules.get("deny", ())],
        ask=list(rules.get("ask", ())),
    )
