"""
A Messages API with scripted answers, for the real program: a server of our own on loopback.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from api_simulator.http import MockHttpServer, ResponseSpec

_MODEL = "claude-opus-5-5"


def text(said: str = "Hello.") -> dict[str, Any]:
    """Return a text block."""
    return {"type": "text", "text": said}


def thinking(thought: str = "Let me think about this for a moment.") -> dict[str, Any]:
    """Return a thinking block."""
    return {"type": "thinking", "thinking": thought, "signature": "c2lnbmVk"}


def tool(name: str, tool_input: dict[str, Any], *, number: int = 1) -> dict[str, Any]:
    """Return a call of a tool; *number* tells calls apart."""
    return {"type": "tool_use", "id": f"toolu_01{number:04d}", "name": name, "input": tool_input}


def answer(*blocks: dict[str, Any], stop_reason: str | None = None, pieces: int = 2) -> ResponseSpec:
    """Return a streamed answer with these blocks, each in so many *pieces* at most."""
    stop = stop_reason or ("tool_use" if blocks and blocks[-1]["type"] == "tool_use" else "end_turn")
    usage = {"input_tokens": 11, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}
    message: dict[str, Any] = {
        "id": "msg_01oracle",
        "type": "message",
        "role": "assistant",
        "model": _MODEL,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
    for index, block in enumerate(blocks):
        events += _block_events(index, block, pieces)
    delta = {"stop_reason": stop, "stop_sequence": None}
    events += [{"type": "message_delta", "delta": delta, "usage": {"output_tokens": 20}}, {"type": "message_stop"}]
    body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    return ResponseSpec(body=body, headers=[("Content-Type", "text/event-stream"), ("request-id", "req_oracle")])


def _block_events(index: int, block: dict[str, Any], pieces: int) -> list[dict[str, Any]]:
    if block["type"] == "text":
        begun: dict[str, Any] = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": part} for part in _cut(block["text"], pieces)]
    elif block["type"] == "thinking":
        begun = {"type": "thinking", "thinking": "", "signature": ""}
        deltas = [
            {"type": "thinking_delta", "thinking": block["thinking"]},
            {"type": "signature_delta", "signature": block["signature"]},
        ]
    else:
        begun = {**block, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": p} for p in _cut(json.dumps(block["input"]), pieces)]
    return [
        {"type": "content_block_start", "index": index, "content_block": begun},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def _cut(said: str, pieces: int) -> list[str]:
    size = max(1, -(-len(said) // pieces))
    return [said[at : at + size] for at in range(0, len(said), size)]


def failure(status: int, kind: str, message: str = "scripted") -> ResponseSpec:
    """Return an error answer."""
    body = {"type": "error", "error": {"type": kind, "message": message}}
    return ResponseSpec(status=status, body=body, headers=[("request-id", "req_oracle")])


def serve(server: MockHttpServer, answers: Sequence[ResponseSpec]) -> None:
    """Answer successive requests for messages with *answers*; the last one repeats."""
    server.register_sequence("POST", "/v1/messages", answers)
    server.register("POST", "/v1/messages/count_tokens", ResponseSpec(body={"input_tokens": 10}))
