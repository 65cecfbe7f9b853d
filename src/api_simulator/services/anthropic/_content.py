"""
What an answer is made of: blocks, and the whole message as a body and as a sequence of events.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

from api_simulator.services.anthropic._tokens import pieces

#: Name and data of an event, and whether it carries a token.
Event: TypeAlias = tuple[str, dict[str, Any], bool]

# Made once: json.dumps with options makes an encoder for each call, and there is a call for each token.
_TO_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Block(ABC):
    """One content block of an answer."""

    @abstractmethod
    def body(self) -> dict[str, Any]:
        """Return it as it stands in a whole message."""

    @abstractmethod
    def opening(self) -> dict[str, Any]:
        """Return it as ``content_block_start`` shows it: still empty."""

    @abstractmethod
    def deltas(self) -> Iterator[tuple[dict[str, Any], bool]]:
        """Yield its deltas, each with whether it carries a token."""

    @cached_property
    def tokens(self) -> int:
        """How many tokens it has: as many as deltas that carry one."""
        return sum(counted for _, counted in self.deltas())


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

    def deltas(self) -> Iterator[tuple[dict[str, Any], bool]]:
        """Yield its tokens, then its citations."""
        for piece in pieces(self.text):
            yield {"type": "text_delta", "text": piece}, True
        for citation in self.citations:
            yield {"type": "citations_delta", "citation": citation}, False


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

    def deltas(self) -> Iterator[tuple[dict[str, Any], bool]]:
        """Yield its tokens, then its signature."""
        for piece in pieces(self.thinking):
            yield {"type": "thinking_delta", "thinking": piece}, True
        yield {"type": "signature_delta", "signature": self.signature}, False


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

    def deltas(self) -> Iterator[tuple[dict[str, Any], bool]]:
        """Yield an empty piece, as the real API does, then the tokens of the input."""
        yield {"type": "input_json_delta", "partial_json": ""}, False
        for piece in pieces(json.dumps(self.input, ensure_ascii=False)):
            yield {"type": "input_json_delta", "partial_json": piece}, True


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

    def deltas(self) -> Iterator[tuple[dict[str, Any], bool]]:
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
        yield "message_start", {"message": {**empty, "usage": {**self.usage, "output_tokens": 1}}}, False
        for index, block in enumerate(self.blocks):
            yield "content_block_start", {"index": index, "content_block": block.opening()}, False
            if index == 0:
                yield "ping", {}, False
            for delta, counted in block.deltas():
                yield "content_block_delta", {"index": index, "delta": delta}, counted
            yield "content_block_stop", {"index": index}, False
        delta = {"stop_reason": self.stop_reason, "stop_sequence": self.stop_sequence}
        usage = {**self.usage, "output_tokens": self.output_tokens}
        yield "message_delta", {"delta": delta, "usage": usage}, False
        yield "message_stop", {}, False

    def _head(self) -> dict[str, Any]:
        return {"id": self.id, "type": "message", "role": "assistant", "model": self.model}


def encoded(name: str, data: dict[str, Any]) -> bytes:
    """Return an event as it stands on the wire (WHATWG HTML, section 9.2)."""
    return f"event: {name}\ndata: {_TO_JSON({'type': name, **data})}\n\n".encode()
