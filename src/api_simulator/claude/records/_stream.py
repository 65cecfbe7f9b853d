"""
Partial messages: ``stream_event`` records around those of the conversation (``--include-partial-messages``).
"""

from __future__ import annotations

from api_simulator.claude.records._results import Results

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from api_simulator.claude.records._base import Record


class Stream(Results):
    """An answer of the model, event by event."""

    def stream_event(self, event: Mapping[str, Any], *, abandoned_blocks: Mapping[str, object] | None = None) -> Record:
        """
        Return a ``stream_event`` record.

        Args:
            event: The event of the Messages API, as it is.

            abandoned_blocks: Of the ``message_stop`` that the program makes up for a stream that was cut.
        """
        kind = event.get("type")
        fields: Record = {
            "event": dict(event),
            "session_id": self.session_id,
            "parent_tool_use_id": None,
            "uuid": self.new_uuid(),
            "api_message_id": self._message["id"] if self._message else self.new_id("msg_01"),
        }
        if kind == "message_start":
            fields["ttft_ms"] = self._duration_ms("first byte", 100, 900)
        part = event.get("content_block") or event.get("delta") or {}
        if kind == "message_start" or part.get("type") in ("thinking", "thinking_delta"):
            fields["thinking_display"] = "updates"
        if abandoned_blocks is not None:
            fields["abandoned_blocks"] = dict(abandoned_blocks)
        return self._record("stream_event", fields)

    def message_start(self) -> Record:
        """Return the event that begins an API message; the blocks that follow belong to it."""
        message = self._begin_message(None)
        api_message = {
            "id": message["id"],
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": dict(message["usage"]),
        }
        return self.stream_event({"type": "message_start", "message": api_message})

    def block_start(self, index: int, block: Mapping[str, Any]) -> Record:
        """Return the event that begins content block *index*."""
        empty = {
            "text": {"type": "text", "text": ""},
            "thinking": {"type": "thinking", "thinking": "", "signature": ""},
        }
        begun = empty.get(str(block.get("type")), {**block, "input": {}})
        return self.stream_event({"type": "content_block_start", "index": index, "content_block": begun})

    def block_deltas(self, index: int, block: Mapping[str, Any], *, pieces: int = 2) -> list[Record]:
        """Return the events that bring the content of a block, text in so many *pieces* at most."""
        kind = block.get("type")
        if kind == "thinking":
            deltas = [
                {"type": "thinking_delta", "thinking": block["thinking"]},
                {"type": "signature_delta", "signature": block.get("signature", "")},
            ]
        elif kind == "text":
            deltas = [{"type": "text_delta", "text": part} for part in _cut(str(block["text"]), pieces)]
        else:
            deltas = [
                {"type": "input_json_delta", "partial_json": part}
                for part in _cut(_json(block.get("input", {})), pieces)
            ]
        return [self.stream_event({"type": "content_block_delta", "index": index, "delta": delta}) for delta in deltas]

    def block_stop(self, index: int) -> Record:
        """Return the event that ends content block *index*; it comes after the block's ``assistant`` record."""
        return self.stream_event({"type": "content_block_stop", "index": index})

    def message_delta(self, stop_reason: str | None = "end_turn") -> Record:
        """Return the event with the stop reason and the final usage."""
        usage = {"output_tokens": self._duration_ms("output", 10, 400)}
        delta = {"stop_reason": stop_reason, "stop_sequence": None}
        return self.stream_event({"type": "message_delta", "delta": delta, "usage": usage})

    def message_stop(self, *, abandoned_blocks: Mapping[str, object] | None = None) -> Record:
        """Return the event that ends an API message."""
        return self.stream_event({"type": "message_stop"}, abandoned_blocks=abandoned_blocks)

    def streamed(self, *blocks: str | Mapping[str, Any], pieces: int = 2, requesting: bool = True) -> list[Record]:
        """
        Return the records of one API message with its events, in the order of the real program.

        Args:
            blocks: Texts or content blocks.

            pieces: How many deltas a text or a tool's input comes in, at most.

            requesting: Whether ``system/status`` announces the request, where the version does that.
        """
        records = [self.status("requesting")] if requesting and self.has("system/status") else []
        records.append(self.message_start())
        stop_reason = "end_turn"
        for index, given in enumerate(blocks):
            block = {"type": "text", "text": given} if isinstance(given, str) else dict(given)
            records.append(self.block_start(index, block))
            if block.get("type") == "thinking" and self.has("system/thinking_tokens"):
                records.append(self.thinking_tokens(max(1, len(str(block["thinking"])) // 4)))
            records += self.block_deltas(index, block, pieces=pieces)
            records.append(self.assistant(block, last_block=index == len(blocks) - 1))
            records.append(self.block_stop(index))
            stop_reason = "tool_use" if block.get("type") == "tool_use" else stop_reason
        return [*records, self.message_delta(stop_reason), self.message_stop()]

    def status(
        self,
        status: str | None = "requesting",
        *,
        permission_mode: str | None = None,
        compact_result: str | None = None,
        compact_output_chars: int | None = None,
    ) -> Record:
        """
        Return ``system/status``.

        Args:
            status: ``requesting``, ``compacting`` or None.

            permission_mode: The mode that is in force from now on.

            compact_result: How a compaction ended: ``success`` or ``failed``.

            compact_output_chars: How long its summary is so far.
        """
        fields: Record = {"status": status}
        if permission_mode is not None:
            fields["permissionMode"] = permission_mode
        if compact_result is not None:
            fields["compact_result"] = compact_result
        if compact_output_chars is not None:
            fields["compact_output_chars"] = compact_output_chars
        return self._record("system/status", fields)

    def thinking_tokens(self, estimated_tokens: int = 12, *, delta: int | None = None) -> Record:
        """Return ``system/thinking_tokens``: how much the model has thought so far, and since the last one."""
        fields = {
            "estimated_tokens": estimated_tokens,
            "estimated_tokens_delta": estimated_tokens if delta is None else delta,
        }
        return self._record("system/thinking_tokens", fields)


def _cut(text: str, pieces: int) -> list[str]:
    size = max(1, -(-len(text) // max(1, pieces)))
    return [text[at : at + size] for at in range(0, len(text), size)] or [""]


def _json(value: object) -> str:
    # Only here, and only for the calls of tools: the program that prints records has an encoder of its own.
    import json

    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
