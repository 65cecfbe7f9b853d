"""
The fake program that replays: one executable at a path, for all players that share the path.

It is nothing but files, in the first player's folder: players are rarely closed, and an executable whose player was
forgotten still has to play.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from api_simulator.process._calls import ProgramCall
from api_simulator.process._executable import write_executable
from api_simulator.process._stage import Stage
from api_simulator.process.script import Extend, Settings, Step, encode
from api_simulator.scenario._placeholders import as_patterns, has_placeholder

#: Names one cassette to the fake program; ``cli.run()`` sets it.
VARIABLE = "API_SIMULATOR_CASSETTE"

#: How it matches, the arguments, the cassettes, and the counter of those played.
Group: TypeAlias = tuple[str, list[bytes], list[bytes], bytes]

#: What fits exactly comes before patterns, and what fits everything last.
_ORDER = ("exact", "pattern", "any")

_lock = threading.Lock()
_binaries: dict[Path, ReplayBinary] = {}


@dataclass(frozen=True, slots=True)
class Playable:
    """A step as the fake program needs it: its cassette's name, its script, and the arguments that it fits."""

    cassette: str
    step_name: str
    args: tuple[str, ...] | None
    steps: tuple[Step, ...]


class ReplayBinary:
    """The executable at a path and the steps that it plays."""

    def __init__(self, place: Path, folder: Path) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._players: dict[str, list[Playable]] = {}
        self._next_player = 1
        self._stage = Stage(place.name, extension="api_simulator.scenario._player", parent=folder, leash=False)
        place.parent.mkdir(parents=True, exist_ok=True)
        self._content = self._stage.executable.read_bytes()
        fresh = place.with_name(f".{place.name}.{os.getpid()}.new")
        write_executable(fresh, self._content)
        fresh.replace(place)

    @property
    def executable(self) -> Path:
        """The same program, at a place that nobody else writes to."""
        return self._stage.executable

    @property
    def is_there(self) -> bool:
        """Whether its files are still there: the folder of a test may be gone."""
        return self._stage.executable.exists()

    def new_player(self) -> str:
        """Return the name of one more player."""
        with self._lock:
            self._next_player += 1
            return str(self._next_player - 1)

    def play(self, player: str, playables: list[Playable]) -> None:
        """Let a player's steps be played from now on, in place of those it had; after those of earlier players."""
        with self._lock:
            for playable in playables:
                script = self._stage.data / playable.cassette.replace("/", "-")
                script.write_bytes(encode(playable.steps))
            self._players[player] = playables
            self._write()

    def remove(self, player: str) -> bool:
        """Forget a player; return whether it was the last one: then everything is removed."""
        with self._lock:
            self._players.pop(player, None)
            if self._players:
                self._write()
                return False
            self._stage.close()
            with contextlib.suppress(FileNotFoundError):
                # Not what somebody else has put there meanwhile.
                if self._place.read_bytes() == self._content:
                    self._place.unlink()
            return True

    def calls(self) -> list[ProgramCall]:
        """Return the invocations so far."""
        return self._stage.calls()

    def _write(self) -> None:
        playables = [playable for each in self._players.values() for playable in each]
        # A player's own counters: what one has played stays played when another one comes or goes.
        groups = [group for player, each in self._players.items() for group in _groups(player, each)]
        plan = {
            "variable": VARIABLE.encode(),
            "cassettes": {
                playable.cassette.encode(): os.fsencode(self._stage.data / playable.cassette.replace("/", "-"))
                for playable in playables
            },
            "groups": sorted(groups, key=lambda group: _ORDER.index(group[0])),
            "recorded": [(each.step_name, list(each.args[1:])) for each in playables if each.args is not None],
        }
        self._stage.write_script(encode([Extend(b"")], Settings(extension=marshal.dumps(plan))))


def _groups(player: str, playables: list[Playable]) -> list[Group]:
    """Return a player's cassettes by the arguments that they fit."""
    found: dict[tuple[str, ...] | None, list[bytes]] = {}
    for playable in playables:
        args = None if playable.args is None else playable.args[1:]
        found.setdefault(args, []).append(playable.cassette.encode())
    groups: list[Group] = []
    for number, (args, names) in enumerate(found.items()):
        counter = f"{player}-{number}".encode()
        arguments = [os.fsencode(argument) for argument in args or ()]
        if args is None:
            groups.append(("any", [], names, counter))
        elif any(map(has_placeholder, arguments)):
            groups.append(("pattern", as_patterns(arguments), names, counter))
        else:
            groups.append(("exact", arguments, names, counter))
    return groups


def open_binary(place: Path, folder: Path) -> ReplayBinary:
    """Return the program at *place*, made in *folder* if no open player has one there."""
    with _lock:
        binary = _binaries.get(place)
        if binary is None or not binary.is_there:
            binary = _binaries[place] = ReplayBinary(place, folder)
        return binary


def close_player(place: Path, binary: ReplayBinary, player: str) -> None:
    """Take a player from the program at *place*."""
    with _lock:
        if binary.remove(player) and _binaries.get(place) is binary:
            del _binaries[place]
