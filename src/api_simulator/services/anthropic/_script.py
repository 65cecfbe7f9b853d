"""
What the model says to which prompt: rules with turns, written by tests.

Which turn of a rule answers follows from the conversation that the request carries, not from a count of calls: a
retry gets the same turn again, and two conversations do not disturb each other. Only errors are counted.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from api_simulator._core.delays import DelayInput, checked_delay
from api_simulator._core.specs import HeaderInput
from api_simulator.errors import OptionError
from api_simulator.services._api_errors import ApiError, ErrorKind, api_error
from api_simulator.services.anthropic._content import Block, RawBlock, Text, Thinking, ToolUse
from api_simulator.services.anthropic._requests import MessagesRequest

#: What a callable may return: text, blocks, dicts of the API, or several of them.
Content: TypeAlias = str | Block | dict[str, Any] | Sequence[Any]
Responder: TypeAlias = Callable[[MessagesRequest], Content]
Match: TypeAlias = str | re.Pattern[str] | Callable[[MessagesRequest], object]

STOP_REASONS = (
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
)


@dataclass
class Failing:
    """An error that takes the place of a turn, so many times (None: always)."""

    error: ApiError
    left: int | None


@dataclass
class Turn:
    """
    One answer, and what goes wrong with it.

    Attributes:
        blocks: Its content; empty with a *responder*.

        responder: Makes the content from the request.

        stop_reason: None takes the one that follows from the content.

        failing: Errors before the answer, in order.

        cut_after: End the connection after so many events of the stream.

        stall_after: Send nothing more after so many events of the stream.

        broken: So many events of the stream, and the error event after them.

        ttft_ms: Time to the first token, in place of the service's.

        tokens_per_s: Pace of the stream, in place of the service's.
    """

    blocks: list[Block] = field(default_factory=list)
    responder: Responder | None = None
    stop_reason: str | None = None
    failing: list[Failing] = field(default_factory=list)
    cut_after: int | None = None
    stall_after: int | None = None
    broken: tuple[int, ApiError] | None = None
    ttft_ms: DelayInput | None = None
    tokens_per_s: float | None = None

    @property
    def answers(self) -> bool:
        """Whether there is an answer behind the errors."""
        return bool(self.blocks) or self.responder is not None

    def take_error(self) -> ApiError | None:
        """Return the error that this request gets, None if it gets the answer."""
        for failing in self.failing:
            if failing.left is None:
                return failing.error
            if failing.left > 0:
                failing.left -= 1
                return failing.error
        return None


class PromptScript:
    """
    The answers to prompts of one kind: each ``then…`` begins the answer to the next request of the conversation.

    When the turns are used up, the last one repeats.
    """

    def __init__(self, match: Match) -> None:
        if not (isinstance(match, str | re.Pattern) or callable(match)):
            raise OptionError(f"on_prompt: expected text, a compiled expression or a function, got {match!r}")
        self._match = match
        self._lock = threading.Lock()
        self._turns = [Turn()]

    # What is said

    def text(self, text: str, *, citations: Sequence[dict[str, Any]] = ()) -> PromptScript:
        """Say *text* in this turn."""
        return self._add(Text(_text("text", text), tuple(citations)))

    def json(self, value: Any) -> PromptScript:
        """Say a JSON value, as the model does when it is asked for structured output."""
        return self._add(Text(json.dumps(value)))

    def thinking(self, thinking: str, *, signature: str = "c2lnbmF0dXJl") -> PromptScript:
        """Think first."""
        return self._add(Thinking(_text("thinking", thinking), signature))

    def tool(self, name: str, tool_input: dict[str, Any] | None = None, *, tool_use_id: str = "") -> PromptScript:
        """
        Use a tool in this turn; several uses in one turn are parallel.

        Args:
            name: Of the tool.

            tool_input: Its arguments.

            tool_use_id: A fixed id; by default the service numbers them.
        """
        given = {} if tool_input is None else tool_input
        if not isinstance(given, dict):
            raise OptionError(f"tool: the input of {name!r} is a dict, got {given!r}")
        return self._add(ToolUse(_text("tool", name), given, tool_use_id))

    def block(self, block: dict[str, Any]) -> PromptScript:
        """Send any content block, as a dict of the API."""
        return self._add(_block(block))

    def reply(self, responder: Responder) -> PromptScript:
        """Say what a function of the :class:`MessagesRequest` returns; it may block, and is called for each request."""
        if not callable(responder):
            raise OptionError(f"reply: expected a function of the request, got {responder!r}")
        turn = self._turns[-1]
        if turn.answers:
            raise OptionError("reply: this turn has its answer already; begin the next one with then()")
        turn.responder = responder
        return self

    # The next turn

    def then(self) -> PromptScript:
        """Begin the answer to the next request of the conversation."""
        if not (self._turns[-1].answers or self._turns[-1].failing):
            raise OptionError("then: this turn says nothing yet; give it text(), tool(), reply() or error() first")
        self._turns.append(Turn())
        return self

    def then_text(self, text: str) -> PromptScript:
        """Say *text* in the next turn."""
        return self.then().text(text)

    def then_tool(self, name: str, tool_input: dict[str, Any] | None = None) -> PromptScript:
        """Use a tool in the next turn."""
        return self.then().tool(name, tool_input)

    # How it ends and what goes wrong

    def stop(self, reason: str) -> PromptScript:
        """End this turn with *reason* (``refusal``, ``pause_turn`` …), not with the one that its content means."""
        if reason not in STOP_REASONS:
            raise OptionError(f"stop: expected one of {', '.join(STOP_REASONS)}, got {reason!r}")
        self._turns[-1].stop_reason = reason
        return self

    def error(
        self,
        kind: ErrorKind | int,
        message: str = "",
        *,
        times: int | None = None,
        retry_after_s: int | None = None,
        headers: HeaderInput | None = None,
    ) -> PromptScript:
        """Answer with an error in place of this turn, the first *times* times; without *times* always."""
        if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
            raise OptionError(f"error: times is a whole number, 1 or more, got {times!r}")
        error = api_error(kind, message, retry_after_s=retry_after_s, headers=headers)
        self._turns[-1].failing.append(Failing(error, times))
        return self

    def cut(self, after_events: int) -> PromptScript:
        """Close the connection after so many events of the stream."""
        self._turns[-1].cut_after = _events("cut", after_events)
        return self

    def stall(self, after_events: int) -> PromptScript:
        """Send nothing more after so many events of the stream, with the connection open."""
        self._turns[-1].stall_after = _events("stall", after_events, least=1)
        return self

    def break_stream(self, after_events: int, kind: ErrorKind | int = "overloaded", message: str = "") -> PromptScript:
        """Send an ``error`` event after so many events of the stream, and end it."""
        self._turns[-1].broken = _events("break_stream", after_events), api_error(kind, message)
        return self

    def pace(self, *, ttft_ms: DelayInput | None = None, tokens_per_s: float | None = None) -> PromptScript:
        """Give this turn a time to the first token and a rate of its own."""
        turn = self._turns[-1]
        turn.ttft_ms = None if ttft_ms is None else checked_delay(ttft_ms, "ttft_ms")
        if tokens_per_s is not None and not (isinstance(tokens_per_s, int | float) and tokens_per_s > 0):
            raise OptionError(f"pace: tokens_per_s is a number above 0, got {tokens_per_s!r}")
        turn.tokens_per_s = tokens_per_s
        return self

    # What the service asks

    def matches(self, request: MessagesRequest) -> bool:
        """Return whether this script is for *request*."""
        if isinstance(self._match, str):
            return self._match in request.prompt
        if isinstance(self._match, re.Pattern):
            return self._match.search(request.prompt) is not None
        return bool(self._match(request))

    def turn_of(self, request: MessagesRequest) -> tuple[Turn, ApiError | None]:
        """Return the turn that answers *request*, and the error that takes its place this time."""
        with self._lock:
            turn = self._turns[min(request.turn, len(self._turns) - 1)]
            return turn, turn.take_error()

    def _add(self, block: Block) -> PromptScript:
        turn = self._turns[-1]
        if turn.responder is not None:
            raise OptionError("this turn is made by a function already; begin the next one with then()")
        turn.blocks.append(block)
        return self

    def __repr__(self) -> str:
        match = self._match.pattern if isinstance(self._match, re.Pattern) else self._match
        return f"<script for {match!r}, turns: {len(self._turns)}>"


def blocks_from(content: object) -> list[Block]:
    """
    Return what a callable said as blocks.

    Raises:
        OptionError: If it is none of the forms of :data:`Content`.
    """
    if isinstance(content, str):
        return [Text(content)]
    if isinstance(content, Block | dict):
        return [_block(content)]
    if isinstance(content, list | tuple):
        return [block for each in content for block in blocks_from(each)]
    raise OptionError(f"an answer is text, a block, a dict of the API or a list of these; got {content!r}")


def _block(block: Block | dict[str, Any]) -> Block:
    if isinstance(block, Block):
        return block
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        raise OptionError(f"block: expected a dict of the API with a type, got {block!r}")
    try:
        if block["type"] == "text":
            return Text(block["text"], tuple(block.get("citations") or ()))
        if block["type"] == "thinking":
            return Thinking(block["thinking"], block["signature"])
        if block["type"] == "tool_use":
            return ToolUse(block["name"], block["input"], block.get("id", ""))
    except KeyError as error:
        raise OptionError(f"block: a {block['type']} block needs {error}; got {block!r}") from None
    return RawBlock(block)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise OptionError(f"{name}: expected text that is not empty, got {value!r}")
    return value


def _events(name: str, value: object, *, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise OptionError(f"{name}: after_events is a whole number, {least} or more, got {value!r}")
    return value
