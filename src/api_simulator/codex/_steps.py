"""
What the agent does, as values: the steps that only ``codex`` scripts have.

They say what happened in the words of a test; how it is printed, recorded and counted by the real program
is written in ``_records.py`` and ``_compile.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

ChangeKind: TypeAlias = Literal["add", "update", "delete"]


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """
    The tokens of one API answer, as the real program names them.

    Attributes:
        input_tokens: All of the input, cached tokens included.

        cached_input_tokens: Those of the input that were cached.

        cache_write_input_tokens: Those of the input that were written to the cache.

        output_tokens: All of the output, reasoning included.

        reasoning_output_tokens: Those of the output that were reasoning.
    """

    input_tokens: int = 11
    cached_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    output_tokens: int = 5
    reasoning_output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Begins:
    """The turn begins: ``streaming`` if an answer of the API has begun too."""

    streaming: bool


@dataclass(frozen=True, slots=True)
class Says:
    """The agent says something; ``phase`` is what the API says of it, if anything."""

    text: str
    phase: str | None


@dataclass(frozen=True, slots=True)
class Reasons:
    """The agent thinks; parts of the summary."""

    summary: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """
    A shell command of the agent.

    Attributes:
        line: As the model wrote it.

        output: What it printed, None if it hangs.

        exit_code: Its exit code.

        duration_ms: As reported.

        state: ``"done"``; ``"hangs"``: never ends; ``"left"``: still runs when the turn ends; ``"hidden"``: ends and is
            not shown, as what the sandbox stopped.
    """

    line: str
    output: str
    exit_code: int
    duration_ms: int
    state: Literal["done", "hangs", "left", "hidden"]


@dataclass(frozen=True, slots=True)
class Commands:
    """Commands of one API answer, in the order of their beginnings; they end in it too."""

    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True)
class Patches:
    """The agent changes files: path to kind; ``accepted`` unless the patch did not apply."""

    changes: tuple[tuple[str, ChangeKind], ...]
    accepted: bool


@dataclass(frozen=True, slots=True)
class McpCall:
    """A call of an MCP server's tool; ``content`` is None where the call itself failed, with ``error``."""

    server: str
    tool: str
    arguments: Mapping[str, Any]
    content: tuple[Mapping[str, Any], ...] | None
    structured: Any
    is_error: bool
    error: str | None


@dataclass(frozen=True, slots=True)
class Searches:
    """A search on the web."""

    query: str


@dataclass(frozen=True, slots=True)
class Plans:
    """The agent's plan as it is now: texts, and whether each is done."""

    items: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class Collaborates:
    """A call of a tool for sub-agents."""

    tool: str
    prompt: str | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A tool call that the program does not carry out; ``log`` says why on standard error, None for nothing there."""

    tool: str
    arguments: Mapping[str, Any]
    log: str | None


@dataclass(frozen=True, slots=True)
class Warns:
    """A warning: an item of type ``error``."""

    text: str


@dataclass(frozen=True, slots=True)
class Retries:
    """
    Attempts that failed and were announced.

    Attributes:
        reason: In the brackets of the message.

        times: How many.

        limit: The allowed number.

        streamed: Whether each had begun to stream: that leaves a record.

        is_network: Whether the network is waited for, without a limit.
    """

    reason: str
    times: int
    limit: int
    streamed: bool
    is_network: bool = False


@dataclass(frozen=True, slots=True)
class Fails:
    """
    The turn fails, and the program exits with 1.

    Attributes:
        message: What it says.

        info: The kind of error in the session file.

        counts: How many ``token_count`` records the last attempt leaves.

        answered: Whether a part of the answer had come.

        is_full: Whether the context window was full: it counts as used then.
    """

    message: str
    info: str | Mapping[str, Any]
    counts: int = 0
    answered: bool = False
    is_full: bool = False


@dataclass(frozen=True, slots=True)
class Emits:
    """A line of JSON as it is, in JSON mode."""

    line: bytes


@dataclass(frozen=True, slots=True)
class Costs:
    """From here on an API answer costs this, None if the API does not say."""

    usage: TokenUsage | None


@dataclass(frozen=True, slots=True)
class Completes:
    """The turn ends well; what comes after it comes after ``turn.completed``."""


AgentStep: TypeAlias = (
    Begins
    | Says
    | Reasons
    | Commands
    | Patches
    | McpCall
    | Searches
    | Plans
    | Collaborates
    | Rejected
    | Warns
    | Retries
    | Fails
    | Emits
    | Costs
    | Completes
)
