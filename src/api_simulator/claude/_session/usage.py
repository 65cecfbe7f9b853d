"""
What comes before a session: the command line is read and perhaps refused, the prompt is put together.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

from api_simulator.claude._session import arguments
from api_simulator.claude.records import full_version

if TYPE_CHECKING:
    from api_simulator.process._player import Player

#: How long the real program waits for standard input that is open and silent.
STDIN_WAIT_S = 3.0


def options_of(player: Player) -> arguments.Options:
    """Return the command line of an invocation."""
    return arguments.parse([os.fsdecode(argument) for argument in player.argv[1:]])


def environ_of(player: Player) -> dict[str, str]:
    """Return its environment."""
    pairs = (entry.partition(b"=") for entry in player.environ.split(b"\0") if b"=" in entry)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def say(player: Player, text: str) -> None:
    """Write a line to standard error."""
    player.put(2, text.encode("utf-8", "surrogateescape") + b"\n")


def refuse(player: Player, text: str) -> NoReturn:
    """End the program as one that was called wrongly."""
    say(player, text)
    player.finish(1)
    raise AssertionError("finish() ends the process")


def print_version(player: Player, options: arguments.Options, cli_version: str) -> None:
    """Print the version and end the program, if that is what it was called for."""
    if options.has("--version"):
        player.put(1, f"{full_version(cli_version)} (Claude Code)\n".encode())
        player.finish(0)


def prompt_of(player: Player, options: arguments.Options, *, strict: bool) -> str | None:
    """
    Return the prompt, from the arguments and standard input; None if standard input holds messages.

    Raises:
        UsageError: If *strict*, and the program would not start.
    """
    if strict:
        sandbox = environ_of(player).get("IS_SANDBOX")
        arguments.check(options, is_root=os.geteuid() == 0, is_sandbox=bool(sandbox))
    if options.streams_input:
        return None
    parts = [part for part in (options.prompt, _heard(player, options, strict=strict)) if part]
    if not parts and strict:
        raise arguments.no_prompt(options)
    return "\n".join(parts)


def _heard(player: Player, options: arguments.Options, *, strict: bool) -> str:
    """Return what standard input holds. Where usage is lax, a prompt among the arguments needs no waiting."""
    limit_s = STDIN_WAIT_S if strict else None if options.prompt is None else 0.0
    stdin = player.stdin
    while stdin.is_open:
        # The limit is for the first bytes: who has begun to write is waited for.
        has_begun = bool(stdin.heard) and limit_s != 0.0
        if not stdin.readable(None if has_begun else limit_s):
            if strict:
                say(player, arguments.STDIN_WARNING)
            break
        stdin.read()
    return b"".join(stdin.heard).decode("utf-8", "replace")


def check(player: Player, cli_version: str) -> None:
    """Refuse what the real program refuses, for a fake that prints messages as they are."""
    options = options_of(player)
    print_version(player, options, cli_version)
    try:
        prompt_of(player, options, strict=True)
    except arguments.UsageError as error:
        refuse(player, str(error))
