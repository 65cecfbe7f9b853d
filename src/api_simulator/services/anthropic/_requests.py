"""
Read and check the body of a request, and refuse it as the API does: the first thing wrong, with its place.

Texts follow those of the real API closely enough for code that looks at them. A request that names a beta may have
fields and blocks that are not known here.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from api_simulator.services._api_errors import ApiError
from api_simulator.services.anthropic._tokens import MESSAGE_TOKENS, count_block, count_json

MAX_BODY_BYTES = 32 * 1024 * 1024
IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")

_FIELDS = frozenset({
    "billing_policy", "cache_control", "container", "context_management", "diagnostics", "inference_geo", "max_tokens",
    "mcp_servers", "messages", "metadata", "model", "output_config", "output_format", "service_tier", "speed",
    "stop_sequences", "stream", "system", "temperature", "thinking", "tool_choice", "tools", "top_k", "top_p",
})  # fmt: skip
_BLOCKS = frozenset({
    "bash_code_execution_tool_result", "code_execution_tool_result", "container_upload", "document", "image",
    "mcp_tool_result", "mcp_tool_use", "redacted_thinking", "search_result", "server_tool_use", "text",
    "text_editor_code_execution_tool_result", "thinking", "tool_result", "tool_use", "tool_search_tool_result",
    "web_fetch_tool_result", "web_search_tool_result",
})  # fmt: skip


class RefusedError(Exception):
    """The request is answered with an error."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.message)
        self.error = error


def refuse(message: str) -> RefusedError:
    """Return the refusal of an invalid request."""
    return RefusedError(ApiError("invalid_request", message))


@dataclass(frozen=True)
class MessagesRequest:
    """
    A request to the Messages API, checked.

    Attributes:
        raw: The whole body.

        betas: What the ``anthropic-beta`` field names.

        key: Who asks: the API key or bearer token.
    """

    raw: dict[str, Any] = field(repr=False)
    betas: tuple[str, ...] = ()
    key: str = ""

    @property
    def model(self) -> str:
        """The model asked for."""
        model: str = self.raw["model"]
        return model

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation so far."""
        messages: list[dict[str, Any]] = self.raw["messages"]
        return messages

    @property
    def max_tokens(self) -> int:
        """How many tokens the answer may have."""
        number: int = self.raw["max_tokens"]
        return number

    @property
    def stream(self) -> bool:
        """Whether the answer is an event stream."""
        return self.raw.get("stream") is True

    @property
    def tools(self) -> list[dict[str, Any]]:
        """The tools offered."""
        return self.raw.get("tools") or []

    @cached_property
    def _last_prompt(self) -> int:
        """The place of the last message that a person wrote: a user's, without results of tools."""
        places = [
            place
            for place, message in enumerate(self.messages)
            if message["role"] == "user" and not any(block["type"] == "tool_result" for block in blocks_of(message))
        ]
        return places[-1] if places else -1

    @cached_property
    def prompt(self) -> str:
        """The text of the last message that a person wrote, empty if there is none."""
        if self._last_prompt < 0:
            return ""
        found = blocks_of(self.messages[self._last_prompt])
        return "\n".join(block["text"] for block in found if block["type"] == "text")

    @cached_property
    def turn(self) -> int:
        """How many answers the conversation has since that message: 0 for the first."""
        return sum(message["role"] == "assistant" for message in self.messages[self._last_prompt + 1 :])

    @property
    def tool_results(self) -> list[dict[str, Any]]:
        """The results of tools in the last message."""
        return [block for block in blocks_of(self.messages[-1]) if block["type"] == "tool_result"]

    def parts(self) -> Iterator[tuple[Any, int, dict[str, Any] | None]]:
        """
        Yield what the prompt is made of, in the order in which it is cached: tools, system, messages.

        Yields:
            Content, its tokens, and its ``cache_control`` if it has one.
        """
        for tool in self.tools:
            yield tool, count_json({**tool, "cache_control": None}), tool.get("cache_control")
        system = self.raw.get("system") or []
        blocks: list[dict[str, Any]] = [{"type": "text", "text": system}] if isinstance(system, str) else system
        for block in blocks:
            yield ("system", block["text"]), count_block(block), block.get("cache_control")
        for message in self.messages:
            for place, block in enumerate(blocks_of(message)):
                tokens = count_block(block) + (MESSAGE_TOKENS if place == 0 else 0)
                yield (message["role"], {**block, "cache_control": None}), tokens, block.get("cache_control")

    @cached_property
    def input_tokens(self) -> int:
        """How many tokens go in."""
        return sum(tokens for _, tokens, _ in self.parts())


def blocks_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the content of a message as blocks."""
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def read_request(
    raw: dict[str, Any], *, betas: tuple[str, ...], key: str, counts_only: bool = False
) -> MessagesRequest:
    """
    Return a request, checked.

    Args:
        raw: Its body, see :func:`read_object`.

        betas: What the ``anthropic-beta`` field names.

        key: Who asks.

        counts_only: For ``count_tokens``, which takes no ``max_tokens``.

    Raises:
        RefusedError: With the API's error for the first thing that is wrong.
    """
    if not betas:
        for name in raw:
            if name not in _FIELDS:
                raise refuse(f"{name}: Extra inputs are not permitted")
    _require(raw, "model", str, "Input should be a valid string")
    _check_numbers(raw, counts_only=counts_only)
    _require(raw, "messages", list, "Input should be a valid list")
    if not raw["messages"]:
        raise refuse("messages: at least one message is required")
    for place, message in enumerate(raw["messages"]):
        _check_message(f"messages.{place}", message, lenient=bool(betas))
    _check_tool_results(raw["messages"])
    _check_system(raw.get("system"))
    _check_tools(raw.get("tools"), raw.get("tool_choice"), lenient=bool(betas))
    return MessagesRequest(raw, betas, key)


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in *body*, or refuse it."""
    if len(body) > MAX_BODY_BYTES:
        raise RefusedError(ApiError("request_too_large"))
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise refuse("The request body is not valid JSON") from None
    if not isinstance(value, dict):
        raise refuse("Input should be a valid dictionary or object to extract fields from")
    return value


def _require(raw: dict[str, Any], name: str, kind: type, complaint: str, where: str = "") -> None:
    if name not in raw:
        raise refuse(f"{where}{name}: Field required")
    if not isinstance(raw[name], kind):
        raise refuse(f"{where}{name}: {complaint}")


def _check_numbers(raw: dict[str, Any], *, counts_only: bool) -> None:
    thinking = raw.get("thinking") or {}
    if not isinstance(thinking, dict):
        raise refuse("thinking: Input should be a valid dictionary")
    if not counts_only:
        _require(raw, "max_tokens", int, "Input should be a valid integer")
        if isinstance(raw["max_tokens"], bool) or raw["max_tokens"] < 1:
            raise refuse("max_tokens: Input should be greater than or equal to 1")
        if thinking.get("type") == "enabled":
            _check_budget(thinking.get("budget_tokens"), raw["max_tokens"])
    for name, high in (("temperature", 1), ("top_p", 1)):
        value = raw.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise refuse(f"{name}: Input should be a valid number")
        if value is not None and not 0 <= value <= high:
            raise refuse(f"{name}: range: 0..{high}")
    if "stream" in raw and not isinstance(raw["stream"], bool | None):
        raise refuse("stream: Input should be a valid boolean")
    stops = raw.get("stop_sequences") or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise refuse("stop_sequences: Input should be a valid list")
    if any(not stop.strip() for stop in stops):
        raise refuse("stop_sequences: each stop sequence must contain non-whitespace")


def _check_budget(budget: object, max_tokens: int) -> None:
    if isinstance(budget, bool) or not isinstance(budget, int):
        raise refuse("thinking.enabled.budget_tokens: Field required")
    if budget < 1024:
        raise refuse("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    if budget >= max_tokens:
        raise refuse("`max_tokens` must be greater than `thinking.budget_tokens`.")


def _check_message(where: str, message: Any, *, lenient: bool) -> None:
    if not isinstance(message, dict):
        raise refuse(f"{where}: Input should be a valid dictionary or object to extract fields from")
    _require(message, "role", str, "Input should be a valid string", f"{where}.")
    if message["role"] not in ("user", "assistant") and not (lenient and message["role"] == "system"):
        raise refuse(f"{where}.role: Input should be 'user' or 'assistant'")
    _require(message, "content", str | list, "Input should be a valid list", f"{where}.")  # type: ignore[arg-type]  # isinstance takes unions
    if isinstance(message["content"], str):
        if not message["content"] and message["role"] == "user":
            raise refuse(f"{where}: user messages must have non-empty content")
        return
    if not message["content"] and message["role"] == "user":
        raise refuse(f"{where}: user messages must have non-empty content")
    for place, block in enumerate(message["content"]):
        _check_block(f"{where}.content.{place}", block, lenient=lenient)


def _check_block(where: str, block: Any, *, lenient: bool) -> None:
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        raise refuse(f"{where}.type: Field required")
    kind = block["type"]
    if kind not in _BLOCKS and not lenient:
        expected = ", ".join(f"'{known}'" for known in sorted(_BLOCKS))
        raise refuse(
            f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {expected}"
        )
    if kind == "text":
        _require(block, "text", str, "Input should be a valid string", f"{where}.text.")
        if not block["text"]:
            raise refuse("messages: text content blocks must be non-empty")
    elif kind == "image":
        _check_image(f"{where}.image.source", block.get("source"))
    elif kind == "document":
        _check_document(f"{where}.document.source", block.get("source"))
    elif kind == "tool_use":
        _require(block, "id", str, "Input should be a valid string", f"{where}.tool_use.")
        _require(block, "name", str, "Input should be a valid string", f"{where}.tool_use.")
        _require(block, "input", dict, "Input should be a valid dictionary", f"{where}.tool_use.")
    elif kind == "tool_result":
        _require(block, "tool_use_id", str, "Input should be a valid string", f"{where}.tool_result.")
        content = block.get("content")
        if content is not None and not isinstance(content, str | list):
            raise refuse(f"{where}.tool_result.content: Input should be a valid list")
        for place, inner in enumerate(content if isinstance(content, list) else ()):
            _check_block(f"{where}.tool_result.content.{place}", inner, lenient=lenient)


def _check_image(where: str, source: Any) -> None:
    if not isinstance(source, dict):
        raise refuse(f"{where}: Field required")
    if source.get("type") != "base64":
        return
    if source.get("media_type") not in IMAGE_TYPES:
        expected = ", ".join(f"'{known}'" for known in IMAGE_TYPES[:-1])
        raise refuse(f"{where}.base64.media_type: Input should be {expected} or '{IMAGE_TYPES[-1]}'")
    _check_base64(f"{where}.base64", source)


def _check_document(where: str, source: Any) -> None:
    if not isinstance(source, dict):
        raise refuse(f"{where}: Field required")
    if source.get("type") == "base64":
        _check_base64(f"{where}.base64", source)
    elif source.get("type") == "text":
        _require(source, "data", str, "Input should be a valid string", f"{where}.text.")


def _check_base64(where: str, source: dict[str, Any]) -> None:
    _require(source, "data", str, "Input should be a valid string", f"{where}.")
    try:
        base64.b64decode(source["data"], validate=True)
    except (binascii.Error, ValueError):
        raise refuse(f"{where}.data: Invalid base64 data") from None


def _check_tool_results(messages: list[dict[str, Any]]) -> None:
    """Each use of a tool has its result in the next message, and each result its use in the one before."""
    used: list[str] = []
    for place, message in enumerate(messages):
        found = blocks_of(message)
        results = [block["tool_use_id"] for block in found if block["type"] == "tool_result"]
        missing = [tool for tool in used if tool not in results]
        if missing:
            raise refuse(
                f"messages.{place - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the "
                "next message."
            )
        for result in results:
            if result not in used:
                raise refuse(
                    f"messages.{place}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: {result}. "
                    "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                )
        used = [block["id"] for block in found if block["type"] == "tool_use"]


def _check_system(system: Any) -> None:
    if system is None or isinstance(system, str):
        return
    if not isinstance(system, list):
        raise refuse("system: Input should be a valid list")
    for place, block in enumerate(system):
        if not isinstance(block, dict) or not isinstance(block.get("text"), str):
            raise refuse(f"system.{place}.text: Field required")


def _check_tools(tools: Any, choice: Any, *, lenient: bool) -> None:
    if tools is not None and not isinstance(tools, list):
        raise refuse("tools: Input should be a valid list")
    names = []
    for place, tool in enumerate(tools or ()):
        if not isinstance(tool, dict):
            raise refuse(f"tools.{place}: Input should be a valid dictionary or object to extract fields from")
        if tool.get("type", "custom") == "custom":
            _require(tool, "name", str, "Input should be a valid string", f"tools.{place}.custom.")
            if "input_schema" not in tool and not lenient:
                raise refuse(f"tools.{place}.custom.input_schema: Field required")
        names.append(tool.get("name"))
    if any(name is not None and names.count(name) > 1 for name in names):
        raise refuse("tools: Tool names must be unique.")
    if isinstance(choice, dict) and choice.get("type") == "tool" and choice.get("name") not in names:
        raise refuse(f"tool_choice: Tool '{choice.get('name')}' not found in provided tools")
