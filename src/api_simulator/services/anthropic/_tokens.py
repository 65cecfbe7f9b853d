"""
Count tokens, and cut text into them: an estimate that is the same everywhere.

Not the real tokenizer, which is not public. What counts is that a stream has as many deltas as its usage says, and
that the same text costs the same in a request, in its answer and in ``count_tokens``.
"""

from __future__ import annotations

import json
import re
from typing import Any

# Up to four letters with the space before them, one other sign, or spaces at the end: about four bytes of prose.
_PIECE = re.compile(r"\s*(?:\w{1,4}|[^\w\s])|\s+")
#: What a message costs besides its text: role and separators.
MESSAGE_TOKENS = 3
#: An image of the size that the documentation calls typical (1,092 × 1,092 pixels), whatever is in it.
IMAGE_TOKENS = 1_590
#: A page of a document that is no text.
DOCUMENT_TOKENS = 1_500


def pieces(text: str) -> list[str]:
    """Cut *text* into tokens; joined they are the text again."""
    return _PIECE.findall(text)


def count(text: str) -> int:
    """Return how many tokens *text* has."""
    return len(_PIECE.findall(text))


def count_block(block: Any) -> int:
    """Return how many tokens a content block of a request has (a dict of the API, or text)."""
    if isinstance(block, str):
        return count(block)
    kind = block.get("type")
    if kind == "text":
        return count(block["text"])
    if kind == "image":
        return IMAGE_TOKENS
    if kind == "document":
        source = block.get("source", {})
        return count(source["data"]) if source.get("type") == "text" else DOCUMENT_TOKENS
    if kind == "tool_result":
        content = block.get("content") or ""
        return MESSAGE_TOKENS + (count(content) if isinstance(content, str) else sum(map(count_block, content)))
    if kind == "tool_use":
        return MESSAGE_TOKENS + count(block["name"]) + count_json(block["input"])
    return count_json(block)


def count_json(value: Any) -> int:
    """Return how many tokens *value* has, written as JSON."""
    return count(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
