"""
What an answer is made of: blocks, and the whole message as a body and as a sequence of events.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

from api_simulator.services.anthropic._tokens import count, pieces

#: An event as it stands on the wire, and whether it carries a token.
Event: TypeAlias = tuple[bytes, bool]

# Made once: json.dumps with options makes an encoder for each call.
_TO_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
# A list's items with a line end between them, which no encoded text contains: cut there, all are encoded in one call.
_TO_LINES = json.JSONEncoder(ensure_ascii=False, separators=("\n", ":")).encode


class Block(ABC):
    """One content block of an answer."""

    @abstractmethod
    def body(self) -> dict[str, Any]:
        """Return it as it stands in a whole message."""

    @abstractmethod
    def opening(self) -> dict[str, Any]:
        """Return it as ``content_block_start`` shows it: still empty."""

    @abstractmethod
    def deltas(self, index: int) -> Iterator[Event]:
        """Yield the events between its start and its end, as the block of that *index*."""

    @cached_property
    def tokens(self) -> int:
        """How many tokens it has: as many as deltas that carry one."""
        return 0


@dataclass(frozen=True)
class Text(Block):
    """Text, perhaps with citations (dicts of the API)."""

    text: str
    citations: tuple[dict[str, Any], ...] = ()

    def body(self) -> dict[str, Any]:
        """Return it whole."""
        body: dict[str, Any] = {"type": "text", "text": self.text}
        return {**body, "citations": list(self.citations)} if self.citations else body

    def opening(self) -> dict[str, Any]:
        """Return it empty."""
        return {"type": "text", "text": "", **({"citations": []} if self.citations else {})}

    def deltas(self, index: int) -> Iterator[Event]:
        """Yield its tokens, then its citations."""
        yield from _token_deltas(index, "text_delta", "text", self.text)
        for citation in self.citations:
            yield _delta(index, {"type": "citations_delta", "citation": citation}), False

    @cached_property
    def tokens(self) -> int:
        """Those of the text."""
        return count(self.text)


@dataclass(frozen=True)
class Thinking(Block):
    """What the model thought first, with the signature that must come back unchanged."""

    thinking: str
    signature: str

    def body(self) -> dict[str, Any]:
        """Return it whole."""
        return {"type": "thinking", "thinking": self.thinking, "signature": self.signature}

    def opening(self) -> dict[str, Any]:
        """Return it empty."""
        return {"type": "thinking", "thinking": "", "signature": ""}

    def deltas(self, index: int) -> Iterator[Event]:
        """Yield its tokens, then its signature."""
        yield from _token_deltas(index, "thinking_delta", "thinking", self.thinking)
        yield _delta(index, {"type": "signature_delta", "signature": self.signature}), False

    @cached_property
    def tokens(self) -> int:
        """Those of the thinking."""
        return count(self.thinking)


@dataclass(frozen=True)
class ToolUse(Block):
    """The use of a tool; its input is streamed as pieces of JSON."""

    name: str
    input: dict[str, Any] = field(hash=False)
    id: str = ""

    def body(self) -> dict[str, Any]:
        """Return it whole."""
        return {"type": "tool_use", "id": self.id, "name": self.name, "input": self.input}

    def opening(self) -> dict[str, Any]:
        """Return it with an empty input."""
        return {"type": "tool_use", "id": self.id, "name": self.name, "input": {}}

    def deltas(self, index: int) -> Iterator[Event]:
        """Yield an empty piece, as the real API does, then the tokens of the input."""
        yield _delta(index, {"type": "input_json_delta", "partial_json": ""}), False
        yield from _token_deltas(index, "input_json_delta", "partial_json", self._written())

    @cached_property
    def tokens(self) -> int:
        """Those of the input."""
        return count(self._written())

    def _written(self) -> str:
        return json.dumps(self.input, ensure_ascii=False)


@dataclass(frozen=True)
class RawBlock(Block):
    """Any other block, as a dict of the API; a stream shows it whole when it begins."""

    content: dict[str, Any] = field(hash=False)

    def body(self) -> dict[str, Any]:
        """Return it whole."""
        return self.content

    def opening(self) -> dict[str, Any]:
        """Return it whole."""
        return self.content

    def deltas(self, index: int) -> Iterator[Event]:  # noqa: ARG002  # the base class says so
        """Yield nothing."""
        return iter(())


@dataclass(frozen=True)
class Message:
    """
    A whole answer.

    Attributes:
        usage: Of the finished answer; ``output_tokens`` are counted from the blocks.
    """

    id: str
    model: str
    blocks: Sequence[Block]
    stop_reason: str
    stop_sequence: str | None = None
    usage: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def output_tokens(self) -> int:
        """How many tokens come out; the API never says 0."""
        return max(1, sum(block.tokens for block in self.blocks))

    def body(self) -> dict[str, Any]:
        """Return the answer to a request that did not ask for a stream."""
        return {
            **self._head(),
            "content": [block.body() for block in self.blocks],
            "stop_reason": self.stop_reason,
            "stop_sequence": self.stop_sequence,
            "usage": {**self.usage, "output_tokens": self.output_tokens},
        }

    def events(self) -> Iterator[Event]:
        """Yield the events of a stream; the usage of the last ones is that of :meth:`body`."""
        # The first usage is not final: the real API sends a small number there, and clients must not trust it.
        empty = {**self._head(), "content": [], "stop_reason": None, "stop_sequence": None}
        yield encoded("message_start", {"message": {**empty, "usage": {**self.usage, "output_tokens": 1}}}), False
        for index, block in enumerate(self.blocks):
            yield encoded("content_block_start", {"index": index, "content_block": block.opening()}), False
            if index == 0:
                yield _PING, False
            yield from block.deltas(index)
            yield _block_stop(index), False
        delta = {"stop_reason": self.stop_reason, "stop_sequence": self.stop_sequence}
        usage = {**self.usage, "output_tokens": self.output_tokens}
        yield encoded("message_delta", {"delta": delta, "usage": usage}), False
        yield _MESSAGE_STOP, False

    def _head(self) -> dict[str, Any]:
        return {"id": self.id, "type": "message", "role": "assistant", "model": self.model}


def encoded(name: str, data: dict[str, Any]) -> bytes:
    """Return an event as it stands on the wire (WHATWG HTML, section 9.2)."""
    return f"event: {name}\ndata: {_TO_JSON({'type': name, **data})}\n\n".encode()


# What is the same in many streams is encoded once: of a short answer the frame costs more than its tokens.
_PING = encoded("ping", {})
_MESSAGE_STOP = encoded("message_stop", {})


@lru_cache
def _block_stop(index: int) -> bytes:
    return encoded("content_block_stop", {"index": index})


def _delta(index: int, delta: dict[str, Any]) -> bytes:
    return encoded("content_block_delta", {"index": index, "delta": delta})


@lru_cache
def _around_token(index: int, kind: str, name: str) -> tuple[str, str]:
    head, _, tail = _delta(index, {"type": kind, name: ""}).decode().rpartition('""')
    return head, tail


def _token_deltas(index: int, kind: str, name: str, text: str) -> Iterator[Event]:
    # Making and encoding a dict for each token takes ten times as long.
    head, tail = _around_token(index, kind, name)
    tokens = pieces(text)
    for quoted in _TO_LINES(tokens)[1:-1].split("\n") if tokens else ():
        yield f"{head}{quoted}{tail}".encode(), True
