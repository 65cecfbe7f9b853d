"""
The command line of ``claude`` 2.1.329: what it means, and what the program says when it is wrong.

Parsing follows commander.js: an option with several values takes all that follow up to the next option, a
prompt too. Unknown options are kept, and are an error only where usage is strict.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_FORMATS = ("text", "json", "stream-json")
_MODES = ("acceptEdits", "auto", "bypassPermissions", "default", "dontAsk", "manual", "plan")

#: Options with one value; the placeholder is how messages call it.
_WITH_VALUE = {
    "--output-format": "<format>",
    "--input-format": "<format>",
    "--model": "<model>",
    "--fallback-model": "<model>",
    "--max-turns": "<turns>",
    "--max-budget-usd": "<amount>",
    "--permission-mode": "<mode>",
    "--permission-prompt-tool": "<tool>",
    "--permission-prompts": "<mode>",
    "--session-id": "<uuid>",
    "--resume-session-at": "<message id>",
    "--resume-drops-turn": "<prompt id>",
    "--system-prompt": "<prompt>",
    "--system-prompt-file": "<file>",
    "--append-system-prompt": "<prompt>",
    "--append-system-prompt-file": "<file>",
    "--system-prompt-snapshot": "<mode>",
    "--settings": "<file-or-json>",
    "--setting-sources": "<sources>",
    "--agents": "<json>",
    "--agent": "<agent>",
    "--json-schema": "<schema>",
    "--effort": "<level>",
    "--thinking": "<mode>",
    "--thinking-display": "<mode>",
    "--max-thinking-tokens": "<tokens>",
    "--task-budget": "<tokens>",
    "--plugin-dir": "<path>",
    "--plugin-url": "<url>",
    "--name": "<name>",
    "--debug-file": "<path>",
    "--autocompact": "<mode>",
}
_WITH_OPTIONAL_VALUE = {"--resume": "[value]", "--debug": "[filter]", "--prompt-suggestions": "[value]"}
_WITH_VALUES = {
    "--allowedTools": "<tools...>",
    "--disallowedTools": "<tools...>",
    "--tools": "<tools...>",
    "--add-dir": "<directories...>",
    "--mcp-config": "<configs...>",
    "--betas": "<betas...>",
    "--file": "<specs...>",
}
_WITHOUT_VALUE = frozenset(
    [
        "--print",
        "--verbose",
        "--continue",
        "--fork-session",
        "--include-partial-messages",
        "--include-hook-events",
        "--replay-user-messages",
        "--no-session-persistence",
        "--dangerously-skip-permissions",
        "--allow-dangerously-skip-permissions",
        "--strict-mcp-config",
        "--session-mirror",
        "--forward-subagent-text",
        "--bare",
        "--safe-mode",
        "--restricted",
        "--brief",
        "--disable-slash-commands",
        "--exclude-dynamic-system-prompt-sections",
        "--version",
        "--help",
    ]
)
_ALIASES = {
    "-p": "--print",
    "-c": "--continue",
    "-r": "--resume",
    "-n": "--name",
    "-v": "--version",
    "-h": "--help",
    "-d": "--debug",
    "--allowed-tools": "--allowedTools",
    "--disallowed-tools": "--disallowedTools",
}
_CHOICES = {
    "--output-format": _FORMATS,
    "--input-format": ("text", "stream-json"),
    "--permission-mode": _MODES,
}
_NUMBERS = ("--max-turns", "--max-budget-usd", "--max-thinking-tokens", "--task-budget")

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

NO_PROMPT = "Error: Input must be provided either through stdin or as a prompt argument when using --print"
STDIN_WARNING = (
    "Warning: no stdin data received in 3s, proceeding without it. If piping from a slow command, redirect stdin "
    "explicitly: < /dev/null to skip, or wait longer."
)


class UsageError(Exception):
    """The command line is refused; the text is what the program says on standard error."""


@dataclass(frozen=True, slots=True)
class Options:
    """
    A parsed command line.

    Attributes:
        values: By option (its long name) the values given, in their order; none for an option without value.

        positional: The arguments that belong to no option.

        unknown: Options that the program does not have.

        swallowed: Option and value where an option with several values took something that looks like a prompt.
    """

    values: Mapping[str, Sequence[str]]
    positional: Sequence[str]
    unknown: Sequence[str] = ()
    swallowed: tuple[str, str] | None = None

    def has(self, option: str) -> bool:
        """Whether *option* was given."""
        return option in self.values

    def value(self, option: str, default: str = "") -> str:
        """Return the last value of *option*."""
        return (self.values.get(option) or [default])[-1]

    def listed(self, option: str) -> list[str]:
        """Return the values of an option with several, those joined by commas or spaces taken apart."""
        return [part for value in self.values.get(option, ()) for part in split_rules(value)]

    def number(self, option: str) -> float | None:
        """Return the value of *option* as a number, None if it was not given or is none."""
        try:
            return float(self.value(option)) if self.has(option) else None
        except ValueError:
            return None

    @property
    def output_format(self) -> str:
        """``text``, ``json`` or ``stream-json``."""
        given = self.value("--output-format", "text")
        return given if given in _FORMATS else "text"

    @property
    def streams_input(self) -> bool:
        """Whether standard input holds messages, a line each."""
        return self.value("--input-format") == "stream-json"

    @property
    def prompt(self) -> str | None:
        """The prompt among the arguments: the first of those that belong to no option."""
        return self.positional[0] if self.positional else None

    def to_json(self) -> dict[str, Any]:
        """Return what a function of the test sees."""
        return {"values": {name: list(values) for name, values in self.values.items()}, "prompt": self.prompt}


def split_rules(text: str) -> list[str]:
    """Take tool rules apart: they are joined by commas or spaces, those in brackets do not count."""
    parts, depth, part = [], 0, ""
    for character in text:
        depth += (character == "(") - (character == ")")
        if character in ", " and depth <= 0:
            parts.append(part)
            part = ""
        else:
            part += character
    return [found for found in [*parts, part] if found]


@dataclass(slots=True)
class _Parser:
    arguments: list[str]
    values: dict[str, list[str]] = field(default_factory=dict)
    positional: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    swallowed: tuple[str, str] | None = None

    def parse(self) -> Options:
        while self.arguments:
            argument = self.arguments.pop(0)
            if argument == "--":
                self.positional += self.arguments
                break
            if not argument.startswith("-") or argument == "-":
                self.positional.append(argument)
            else:
                self._option(*argument.partition("="))
        return Options(self.values, self.positional, self.unknown, self.swallowed)

    def _option(self, given: str, equals: str, value: str) -> None:
        name = _ALIASES.get(given, given)
        values = self.values.setdefault(name, [])
        if equals:
            values.append(value)
        elif name in _WITH_VALUE:
            values += [self.arguments.pop(0)] if self.arguments else []
        elif name in _WITH_OPTIONAL_VALUE:
            values += [self.arguments.pop(0)] if self._next_is_value() else []
        elif name in _WITH_VALUES:
            while self._next_is_value():
                values.append(self.arguments.pop(0))
            # A rule has no spaces outside its brackets, a prompt has.
            if values and " " in re.sub(r"\(.*?\)", "", values[-1]):
                self.swallowed = (given, values[-1])
        if not any(name in known for known in (_WITH_VALUE, _WITH_OPTIONAL_VALUE, _WITH_VALUES, _WITHOUT_VALUE)):
            self.unknown.append(given)

    def _next_is_value(self) -> bool:
        return bool(self.arguments) and (not self.arguments[0].startswith("-") or self.arguments[0] == "-")


def parse(arguments: Sequence[str]) -> Options:
    """Return what *arguments*, without the program's name, mean."""
    return _Parser(list(arguments)).parse()


def check(options: Options, *, is_root: bool, is_sandbox: bool) -> None:
    """
    Refuse what the program refuses before it reads anything.

    Args:
        options: The parsed command line.

        is_root: Whether the user is the superuser, who may not skip permissions.

        is_sandbox: Whether ``IS_SANDBOX`` says that this does not matter.

    Raises:
        UsageError: With the program's text.
    """
    if options.unknown:
        raise UsageError(f"error: unknown option '{options.unknown[0]}'")
    for name, placeholder in _WITH_VALUE.items():
        if options.has(name):
            _check_value(options, name, placeholder)
    if options.streams_input and options.output_format != "stream-json":
        raise UsageError("Error: --input-format=stream-json requires output-format=stream-json.")
    if options.output_format == "stream-json" and not options.has("--verbose"):
        raise UsageError("Error: When using --print, --output-format=stream-json requires --verbose")
    _check_session(options)
    skips = options.has("--dangerously-skip-permissions") or options.value("--permission-mode") == "bypassPermissions"
    if skips and is_root and not is_sandbox:
        raise UsageError("--dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons")


def _check_value(options: Options, name: str, placeholder: str) -> None:
    if not options.values[name]:
        raise UsageError(f"error: option '{_shown(name)} {placeholder}' argument missing")
    value = options.value(name)
    what = f"error: option '{_shown(name)} {placeholder}' argument '{value}' is invalid."
    if name in _CHOICES and value not in _CHOICES[name]:
        raise UsageError(f"{what} Allowed choices are {', '.join(_CHOICES[name])}.")
    if name in _NUMBERS and options.number(name) is None:
        raise UsageError(f"{what} must be a number")


def _shown(name: str) -> str:
    return "-n, --name" if name == "--name" else name


def _check_session(options: Options) -> None:
    if not options.has("--session-id"):
        return
    if not _UUID.fullmatch(options.value("--session-id")):
        raise UsageError("Error: Invalid session ID. Must be a valid UUID.")
    continues = options.has("--resume") or options.has("--continue")
    if continues and not options.has("--fork-session"):
        raise UsageError("Error: --session-id with --continue or --resume also needs --fork-session.")


def no_prompt(options: Options) -> UsageError:
    """Return what the program says when it has no prompt."""
    if options.swallowed is None:
        return UsageError(NO_PROMPT)
    option, value = options.swallowed
    return UsageError(
        f'"{value}" was read as a value of {option}, not as a prompt · put a prompt before {option} or after --\n'
        f"{NO_PROMPT}"
    )


def mcp_servers(options: Options, read: Any) -> dict[str, Any]:
    """
    Return the MCP servers of ``--mcp-config``: name to configuration.

    Args:
        options: The parsed command line.

        read: Returns the text of a file, or raises OSError.

    Raises:
        UsageError: If a file is missing or holds no JSON.
    """
    servers: dict[str, Any] = {}
    for config in options.values.get("--mcp-config", ()):
        text = config
        if not config.lstrip().startswith("{"):
            try:
                text = read(config)
            except OSError:
                raise UsageError(f"Error: Invalid MCP configuration:\nMCP config file not found: {config}") from None
        try:
            servers |= json.loads(text).get("mcpServers", {})
        except (ValueError, AttributeError, TypeError):
            raise UsageError(f"Error: Invalid MCP configuration:\nMCP config is not valid JSON: {config}") from None
    return servers
