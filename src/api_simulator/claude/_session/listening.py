"""
A host that talks to a fake which prints messages as they are: its control requests are answered, its prompts counted.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from api_simulator.claude._session import usage
from api_simulator.claude._session.exchange import Emit
from api_simulator.claude._session.formats import encode
from api_simulator.claude._session.script import SessionScript
from api_simulator.claude._session.session import UNEXPECTED_EXIT, Session
from api_simulator.claude._session.surroundings import Surroundings

if TYPE_CHECKING:
    from api_simulator.process._player import Player

_NO_TURN = (
    "a prompt came, and the script has no turn for it: each scripted result ends a turn\n"
    "  add the messages of another turn, up to its result"
)


class Listener:
    """
    Standard input of an invocation under ``--input-format stream-json``.

    Args:
        player: The invocation.

        cli_version: Which version answers.

        seed: Determines the ids of its records.
    """

    def __init__(self, player: Player, cli_version: str, seed: int) -> None:
        self._player = player
        self._rest = b""
        self._prompts = 0
        self._has_heard_prompt = False
        cwd = os.fsdecode(player.cwd)
        around = Surroundings(cwd=cwd, environ={}, projects="", folder="", pid=os.getpid(), seed=seed)
        # For its answers only: it plays nothing.
        self._session = Session(SessionScript(seed=seed, cli_version=cli_version), usage.options_of(player), around)
        player.stdin.on_read = self.hear
        self.hear()

    def hear(self) -> None:
        """Take what came, and answer it."""
        *lines, self._rest = (self._rest + self._player.stdin.take_unread()).split(b"\n")
        if not self._player.stdin.is_open and self._rest:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._hear_line(line)

    def _hear_line(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return
        if isinstance(message, dict) and message.get("type") == "user":
            self._prompts += 1
            self._has_heard_prompt = True
            return
        self._session.hear(line)
        for output in self._session.take():
            if isinstance(output, Emit):
                self._player.put(1, encode(output.record))

    def wait_for_turn(self, exit_code: int) -> None:
        """
        Wait for a prompt.

        If standard input ends before, the program ends; but where no prompt came at all the turns play at once, since
        nobody is there to take turns with.
        """
        self._wait()
        if self._prompts:
            self._prompts -= 1
        elif self._has_heard_prompt:
            self._player.finish(exit_code)

    def wait_for_end(self) -> None:
        """Wait for the end of standard input after the last turn."""
        self._wait()
        if self._prompts:
            self._player.call.add((b"unexpected", _NO_TURN.encode()))
            usage.say(self._player, f"api-simulator: {_NO_TURN}")
            self._player.finish(UNEXPECTED_EXIT)

    def _wait(self) -> None:
        while not self._prompts and self._player.stdin.is_open:
            self._player.wait_for_input(None)
