"""
What a user says: a line of standard input, or the prompt of the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Prompt:
    """
    One message of the user.

    Attributes:
        text: Its text; of blocks, those with text, a line each.

        content: As it came: text or content blocks.

        uuid: As the host gave it, None if it gave none.

        origin: As the host gave it.
    """

    text: str
    content: Any
    uuid: str | None = None
    origin: Any = None

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Prompt:
        """Take a line of type ``user``."""
        content = message["message"].get("content", "")
        uuid = message.get("uuid")
        return cls(text_of(content), content, uuid if isinstance(uuid, str) else None, message.get("origin"))


def text_of(content: object) -> str:
    """Return the text of *content*: itself, or of its blocks."""
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    return "\n".join(str(block.get("text", "")) for block in blocks if isinstance(block, dict) and "text" in block)
