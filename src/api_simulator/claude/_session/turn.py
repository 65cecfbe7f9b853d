"""
One turn: from a prompt to its result, by the moves that the script has for it.

Moves become API messages: what the model says up to the call of a tool is one message, its blocks are lines of
their own, and after the tool's result the next message begins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from api_simulator.claude._session import agents, failures, tools
from api_simulator.claude._session.exchange import (
    Complain,
    Interrupted,
    Pause,
    RawLine,
    Record,
    Wait,
    Waits,
)
from api_simulator.claude._session.prompts import Prompt
from api_simulator.claude._session.script import Move

if TYPE_CHECKING:
    from api_simulator.claude._session.session import Session

#: What the model says when the script ends with a tool: it has to say something.
LAST_WORDS = "Done."

_BLOCKS = ("text", "thinking", "tool", "structured", "subagent", "background")


class Ended(Exception):
    """The turn has its result already."""


class Turn:
    """
    A turn that is being played.

    Args:
        session: Whose turn it is.

        prompt: What the user said.

    Attributes:
        results: What tools gave so far, as functions of the test see it.

        structured: The output that a JSON schema asked for, None before it was given.

        follow_ups: What wakes the model after the turn: tasks that ran in the background.
    """

    def __init__(self, session: Session, prompt: Prompt) -> None:
        self.session = session
        self.prompt = prompt
        self.results: list[Record] = []
        self.structured: Any = None
        self.has_structured = False
        self.failed_outputs = 0
        self.follow_ups: list[agents.Background] = []
        self.stop_text: str | None = None
        self._requests = 0
        self._moves: deque[Move] = deque()
        self._said: str | None = None
        self._is_in_tool = False
        self._last_text = ""
        self._ends_with_tool = False
        self._others: dict[str, Callable[[Move], Waits]] = {
            "wait": self._wait,
            "then": self._then,
            "record": self._record,
            "raw": self._raw,
            "stderr": self._stderr,
            "exit": self._exit,
            "hang": self._hang,
            "notify": self._notify,
            "retries": lambda move: failures.retries(self, move),
            "api_error": lambda move: failures.api_error(self, move),
            "compact": lambda move: failures.compact(self, move),
            "nudge": lambda move: failures.nudge(self, move),
            "rate_limit": lambda move: failures.rate_limit(self, move),
        }

    def play(self) -> Waits:
        """Play it."""
        try:
            yield from self._converse()
            yield from agents.finish_background(self)
        except Interrupted:
            self._abort()
        except Ended:
            yield from agents.finish_background(self)

    # The frame

    def _converse(self) -> Waits:
        session = self.session
        yield from session.host.connect()
        command = self.prompt.text.strip()
        if command == "/clear":
            return self._clear()
        if command == "/compact" and not session.script.has_rule(command):
            yield from failures.compact_on_demand(self)
            return
        submitted = yield from tools.fire(self, "UserPromptSubmit", "", {"prompt": self.prompt.text})
        uuid = session.transcript.prompt(
            self.prompt.content,
            self.prompt.text,
            uuid=self.prompt.uuid,
            mode=session.permissions.mode,
            origin=self.prompt.origin,
        )
        if session.options.has("--replay-user-messages"):
            session.emit(session.records.user(self.prompt.content, replay=True) | {"uuid": uuid})
        self.introduce()
        if submitted.blocks or submitted.stops:
            return self._refuse_prompt(submitted.reason or submitted.stop_reason)
        moves = yield from self._script()
        if moves is None:
            session.unexpected(f"no turn of the script fits the prompt {self.prompt.text!r:.200}")
            raise Ended
        yield from self.play_moves(moves)
        yield from self._end()

    def introduce(self) -> None:
        """Print ``system/init``."""
        if self.session.records.has("command_lifecycle"):
            self.session.records.prompted_by(self.prompt.uuid or None)
        self.session.emit(tools.init_record(self.session))

    def _script(self) -> Waits:
        session = self.session
        place = session.unruled
        moves = session.script.moves_for(self.prompt.text, place)
        if not session.script.has_rule(self.prompt.text):
            session.unruled += 1
        if moves is None and session.script.answer is not None:
            moves = yield from self.ask(session.script.answer)
        return moves

    def ask(self, number: int) -> Waits:
        """Ask a function of the test for moves."""
        session = self.session
        question = {
            "prompt": self.prompt.text,
            "content": self.prompt.content,
            "options": session.options.to_json(),
            "controls": session.heard,
            "results": self.results,
            "turn": session.turns_played,
            "session_id": session.records.session_id,
            "model": session.records.model,
            "permission_mode": session.permissions.mode,
            "tools": tools.tool_names(session),
        }
        answer = yield from session.ask_test(number, question)
        if not isinstance(answer, Mapping) or "moves" not in answer:
            said = answer.get("error") if isinstance(answer, Mapping) else answer
            session.unexpected(f"the function that was asked for this turn failed: {said}")
            raise Ended
        return answer["moves"]

    def play_moves(self, moves: Sequence[Move]) -> Waits:
        """Play *moves*, and those that functions of the test add meanwhile."""
        self._moves.extendleft(reversed(moves))
        while self._moves:
            if self._moves[0]["do"] in _BLOCKS:
                yield from self._message(self._next_message())
            else:
                move = self._moves.popleft()
                yield from self._others[move["do"]](move)

    def _next_message(self) -> list[Move]:
        """Take the moves that are blocks of one API message: up to the last of its calls of tools."""
        group: list[Move] = []
        while self._moves and self._moves[0]["do"] in _BLOCKS:
            move = self._moves.popleft()
            group.append(move)
            if move["do"] not in ("text", "thinking") and not move.get("together"):
                break
        return group

    def _end(self) -> Waits:
        if self._ends_with_tool and not self.has_structured:
            yield from self._message([{"do": "text", "text": LAST_WORDS}])
        stopped = yield from tools.fire(
            self, "Stop", "", {"stop_hook_active": False, "last_assistant_message": self._last_text}
        )
        if stopped.blocks:
            # What the hook says is for the model, whose next words the script does not have.
            self.say_to_model(f"Stop hook feedback:\n{stopped.reason}")
        self.finish()

    def finish(self, **fields: Any) -> None:
        """Print the result of a turn that ended by itself."""
        session = self.session
        text = self.stop_text
        result = session.records.result(
            text,
            structured_output=self.structured if self.has_structured else None,
            origin=self.prompt.origin if isinstance(self.prompt.origin, Mapping) else None,
        )
        session.result(result | fields)

    def end_failed(self) -> None:
        """Print the result after a failed API request."""
        self.finish()
        raise Ended

    def play_follow_up(self, moves: Sequence[Move], origin: Record) -> Waits:
        """Play one more turn, for which nobody gave a prompt."""
        self._requests, self.stop_text, self.has_structured = 0, None, False
        self.prompt = Prompt("", "", origin=origin)
        try:
            yield from self.play_moves(moves)
            yield from self._end()
        except Ended:
            return

    def defer(self, block: Record) -> None:
        """End the turn because a hook put the call of a tool off."""
        deferred = {"id": block["id"], "name": block["name"], "input": block["input"]}
        self.finish(terminal_reason="tool_deferred", stop_reason="tool_deferred", deferred_tool_use=deferred)
        raise Ended

    def stop_by_hook(self, reason: str) -> None:
        """End the turn because a hook said so."""
        self.stop_text = reason
        self.finish(terminal_reason="hook_stopped")
        raise Ended

    def fail(self, subtype: Any, **arguments: Any) -> None:
        """Print the result of a turn that was ended."""
        result = self.session.records.error_result(subtype, **arguments)
        if isinstance(self.prompt.origin, Mapping):
            result["origin"] = dict(self.prompt.origin)
        self.session.result(result)
        raise Ended

    def _clear(self) -> None:
        self.session.clear(self.prompt)
        self.introduce()
        self.session.result(self.session.records.local_result(local_command="clear"))

    def _refuse_prompt(self, reason: str) -> None:
        session = self.session
        text = f"Operation stopped by hook: {reason}"
        outcome = {"outcome": "blocked", "reason": reason}
        session.emit(session.records.informational(text, prevent_continuation=True, prompt_submit_outcome=outcome))
        session.result(session.records.local_result(text))

    # Messages

    def _message(self, group: Sequence[Move]) -> Waits:
        session, records = self.session, self.session.records
        calls: list[tools.Call] = []
        is_partial = self._is_partial
        stop_reason = "tool_use" if group[-1]["do"] not in ("text", "thinking") else "end_turn"
        if is_partial:
            if records.has("system/status"):
                session.emit(records.status("requesting"))
            session.emit(records.message_start())
        self._requests += 1
        for index, move in enumerate(group):
            block = tools.block_of(session, move)
            yield from self._block(index, move, block)
            printed = self._print(block, last_block=index == len(group) - 1)
            session.transcript.assistant(printed, stop_reason=stop_reason)
            if is_partial:
                session.emit(records.block_stop(index))
            if block["type"] == "tool_use":
                calls.append(tools.Call(block, move, printed))
        if is_partial:
            session.emit(records.message_delta(stop_reason))
            session.emit(records.message_stop())
        self._said = None
        self._ends_with_tool = bool(calls)
        yield from self._run(calls)
        self._check_limits(goes_on=bool(calls))

    @property
    def _is_partial(self) -> bool:
        return self.session.options.has("--include-partial-messages")

    def _block(self, index: int, move: Move, block: Record) -> Waits:
        """Let a block arrive: with its events, and in its time."""
        session, records = self.session, self.session.records
        pieces = int(move.get("pieces", 2))
        events: Sequence[Record | None] = [None] * pieces
        if self._is_partial:
            session.emit(records.block_start(index, block))
        if block["type"] == "thinking" and records.has("system/thinking_tokens"):
            session.emit(records.thinking_tokens(max(1, len(block["thinking"]) // 4)))
        if self._is_partial:
            events = records.block_deltas(index, block, pieces=pieces)
        text = str(move.get("text", ""))
        for at, event in enumerate(events):
            if move.get("gap_ms"):
                yield Pause(ms=move["gap_ms"])
            if event is not None:
                session.emit(event)
            if block["type"] == "text":
                self._said = text[: len(text) * (at + 1) // len(events)]

    def _print(self, block: Record, *, last_block: bool) -> Record:
        records = self.session.records
        if block["type"] == "tool_use":
            printed = records.tool_use(block["name"], block["input"], tool_use_id=block["id"], last_block=last_block)
        else:
            printed = records.assistant(block, last_block=last_block)
        if block["type"] == "text":
            self._last_text = block["text"]
            self._said = None
        return self.session.emit(printed)

    def _run(self, calls: Sequence[tools.Call]) -> Waits:
        self._is_in_tool = True
        for call in calls:
            yield from call.run(self)
        self._is_in_tool = False

    def _check_limits(self, *, goes_on: bool) -> None:
        options, records = self.session.options, self.session.records
        budget = options.number("--max-budget-usd")
        if budget is not None and records.total_cost_usd >= budget:
            self.fail("error_max_budget_usd", limit=budget)
        if self.failed_outputs >= 5:
            self.fail("error_max_structured_output_retries")
        if self.has_structured and records.profile.structured_output_ends_run:
            self._moves.clear()
            return
        turns = options.number("--max-turns")
        if goes_on and turns is not None and self._requests >= turns:
            self.fail("error_max_turns", limit=int(turns))

    def say_to_model(self, text: str) -> Record:
        """Print what the program says to the model on its own account."""
        record = self.session.emit(self.session.records.user(text, synthetic=True))
        self.session.transcript.user(record)
        return record

    # Other moves

    def _wait(self, move: Move) -> Waits:
        yield Pause(ms=move["ms"])

    def _then(self, move: Move) -> Waits:
        moves = yield from self.ask(move["ask"])
        self._moves.extendleft(reversed(moves))

    def _record(self, move: Move) -> Waits:
        yield from ()
        record = move["record"]
        if record.get("type") == "result":
            self.session.result(record)
            raise Ended
        self.session.emit(record)

    def _raw(self, move: Move) -> Waits:
        yield from ()
        self.session.put(RawLine(move["data"].encode("latin-1")))

    def _stderr(self, move: Move) -> Waits:
        yield from ()
        self.session.put(Complain(move["text"]))

    def _exit(self, move: Move) -> Waits:
        yield from ()
        self.session.leave(move["code"])
        raise Ended

    def _hang(self, _move: Move) -> Waits:
        # Nothing ends this wait but a signal, an interrupt or the end of the test.
        yield Wait()

    def _notify(self, move: Move) -> Waits:
        fields = {"message": move["message"], "notification_type": move["type"]}
        yield from tools.fire(self, "Notification", move["type"], fields)

    # Interrupts

    def _abort(self) -> None:
        session, records = self.session, self.session.records
        has_begun = bool(self._requests) and (self._said is not None or self._is_in_tool or bool(self._last_text))
        if session.was_signalled and not records.profile.sigint_result:
            return
        if self._said is not None:
            printed = session.emit(records.assistant(self._said, aborted=True))
            session.transcript.assistant(printed, stop_reason=None)
        told = session.emit(records.interrupted(for_tool_use=self._is_in_tool))
        session.transcript.user(told)
        if self._is_partial and self._said is not None:
            session.emit(records.block_stop(0))
            session.emit(records.message_delta(None))
            session.emit(records.message_stop(abandoned_blocks={"count": 1}))
        if has_begun or not session.was_signalled:
            reason = "aborted_tools" if self._is_in_tool else "aborted_streaming"
            session.result(records.error_result(terminal_reason=reason))
