"""
Scripted messages: what a user gave, as the line that the program prints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api_simulator._core.bodies import encode_json
from api_simulator.errors import ScriptError, SpecError


@dataclass(frozen=True, slots=True)
class Message:
    """
    One message as it was when it was added; changing the dict later changes nothing.

    Attributes:
        line: The JSON line with its newline.

        kind: The value of ``type``, None if it has none.

        session_id: The value of ``session_id``, None if it has none.

        uuid: The value of ``uuid``, None if it has none.

        conversation: The JSON of ``message`` if this is a user's or assistant's message: it belongs in the transcript.

        built: The record itself if it is to be printed as the output format wants it, None if it is printed as it is.
    """

    line: bytes
    kind: str | None
    session_id: str | None
    uuid: str | None
    conversation: bytes | None
    built: dict[str, Any] | None = None

    @property
    def agent_id(self) -> str | None:
        """The sub-agent that a built message is from or for: it belongs in a transcript of its own."""
        given = None if self.built is None else self.built.get("agent_id")
        return given if isinstance(given, str) and given.isalnum() else None

    @classmethod
    def of(cls, message: object, *, built: bool = False) -> Message:
        """
        Take *message* over.

        Args:
            message: A dict.

            built: Whether it is printed as the output format wants it.

        Raises:
            ScriptError: If it is not a dict, or JSON cannot hold it.
        """
        if not isinstance(message, dict):
            raise ScriptError(
                f"add_message: a message is a dict, got {type(message).__name__} {message!r:.80}; "
                "use corrupt_stream for a line that is not JSON"
            )
        kind = _text(message, "type")
        inner = message.get("message")
        is_conversation = kind in ("user", "assistant") and isinstance(inner, dict)
        return cls(
            line=encode_message(message) + b"\n",
            kind=kind,
            session_id=_text(message, "session_id"),
            uuid=_text(message, "uuid"),
            conversation=encode_message(inner) if is_conversation else None,
            built=dict(message) if built else None,
        )


def _text(message: dict[Any, Any], key: str) -> str | None:
    value = message.get(key)
    return value if isinstance(value, str) and value else None


def encode_message(value: object) -> bytes:
    """
    Return *value* as the real program writes JSON.

    Raises:
        ScriptError: If JSON cannot hold it.
    """
    try:
        encoded = encode_json(value)
    except SpecError as error:
        reason = str(error).removeprefix("body ").removesuffix(", or pass str or bytes")
        raise ScriptError(f"add_message: the message {reason}") from None
    # The real program escapes these two: JavaScript's JSON allows them, JavaScript's line splitting does not.
    return encoded.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
