"""
Keep the library's table of plain routes as the core would decide.

A literal route is compiled when it is registered, for the form that nearly every client sends; other
forms, spellings of the path and methods are added when such a request was handed off. Whatever may change
a decision takes the entries concerned out again, so the table is never ahead of the rules.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from api_simulator._core.messages import CapturedRequest
from api_simulator._core.mounted import MountedRoute
from api_simulator._core.plain import Form, form_of, plain_answers
from api_simulator._core.simulation import Simulation
from api_simulator._engines._native._handle import Handle
from api_simulator._engines._native._programs import form_bits, program

if TYPE_CHECKING:
    from api_simulator._core.routes import SequenceEnd

# Characters that are themselves in a target, so that one spelling of the path is known beforehand.
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9\-._~!$&'()*+,;=:@/]*")
#: Other spellings of paths that are learnt from requests: a client that invents new ones must not fill the memory.
MAX_LEARNT = 10_000
_THEN: dict[SequenceEnd, int] = {"repeat": 0, "cycle": 1, "error": 2}


class NativeTally:
    """
    The counters of a route in the library, which answers its plain requests.

    Args:
        handle: The server.

        route: The route's number there.

        has_turns: Whether it matters to one request how many others there were: not where all get the one answer.
    """

    __slots__ = ("_handle", "_has_turns", "_here", "_route")

    def __init__(self, handle: Handle, route: int, *, has_turns: bool) -> None:
        self._handle = handle
        self._route = route
        self._has_turns = has_turns
        # Calls that the library has not counted: asking it is most of what a call without a socket costs.
        self._here = 0

    @property
    def calls(self) -> int:
        """How many requests it answered."""
        return self._handle.turn(self._route, 0) + self._here

    @property
    def position(self) -> int:
        """How many of its answers were used."""
        return self._handle.turn(self._route, 1) + self._here

    def count_call(self) -> int:
        """Count a request and return its number, from 1."""
        return self._handle.turn(self._route, 2) + self._here

    def take_answer(self) -> int:
        """Use up an answer and return its place, from 0."""
        return self._handle.turn(self._route, 3) + self._here

    def take_turn(self) -> int:
        """Count a request and use up an answer; return its place, from 0."""
        if self._has_turns:
            return self._handle.turn(self._route, 2, 3)
        self._here += 1
        # The place of the last one, of which there is one.
        return 0


class _Compiled:
    """A route in the library: its number there, the forms that were compiled, the keys that lead to it."""

    __slots__ = ("forms", "keys", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        # Whether requests of that form can be answered there.
        self.forms: dict[Form, bool] = {}
        self.keys: set[bytes] = set()


class FastPath:
    """
    The table of one server; called with the simulation's lock held.

    Args:
        simulation: Decides what is plain.

        call: Calls a function of the library on the server.
    """

    def __init__(self, simulation: Simulation, call: Handle) -> None:
        self._simulation = simulation
        self._call = call
        self._forget()

    def _forget(self) -> None:
        # By the number that records have: method and path as the journal counts them, and the route.
        self.entries: list[tuple[str, str, MountedRoute]] = []
        self._compiled: dict[MountedRoute, _Compiled] = {}
        self._keys_of_path: dict[str, set[bytes]] = {}
        self._learnt = 0
        self._suspended = False

    # What the simulation tells

    def mounted(self, mounted: MountedRoute) -> None:
        """Take in a route: what was compiled for paths that it may answer is looked at anew."""
        pattern = mounted.route.pattern
        path = pattern.path.literal
        if path is None:
            self._take_out_all()
            return
        for key in self._keys_of_path.pop(path, ()):
            self._call_with_bytes("asim_forget", key)
        if not self._suspended and pattern.method != "*" and not pattern.conditions and _PLAIN_PATH.fullmatch(path):
            self._put_in(pattern.method, path, path, Form(head_only=pattern.method == "HEAD"))

    def changed(self, mounted: MountedRoute) -> None:
        """Take out a route for good: something goes wrong with it, or its requests wait."""
        compiled = self._compiled.get(mounted)
        for key in compiled.keys if compiled is not None else ():
            self._call_with_bytes("asim_forget", key)

    def suspend(self) -> None:
        """Take out everything until the next reset."""
        self._suspended = True
        self._take_out_all()

    def reset(self, generation: int) -> None:
        """Forget everything."""
        self._call("asim_reset", generation)
        self._forget()

    def intake_changed(self) -> None:
        """Tell the library how connections and bodies are to be read."""
        simulation = self._simulation
        for setting, value in enumerate(
            (simulation.accept_delay_ms, simulation.upload_bytes_per_s or 0, simulation.answers_early)
        ):
            self._call("asim_set", setting, value)

    # What the engine tells

    def learn(self, request: CapturedRequest) -> None:
        """Answer requests like this one, which was handed off, in the library from now on, if they are plain."""
        target = request.raw_target
        if self._suspended or self._learnt >= MAX_LEARNT or request.route is None or not target.startswith("/"):
            return
        raw_path = target.partition("?")[0]
        if raw_path.isascii() and request.method.isupper() and request.http_version in ("1.0", "1.1"):
            self._learnt += 1
            self._put_in(request.method, raw_path, request.path, form_of(request))

    def _put_in(self, method: str, raw_path: str, path: str, form: Form) -> None:
        winner = self._simulation.routes.find_plain(method, path)
        if winner is None or not winner.is_undisturbed:
            return
        compiled = self._compiled.get(winner)
        if compiled is None:
            compiled = self._compiled[winner] = self._add_route(winner)
        if form not in compiled.forms:
            compiled.forms[form] = self._compile(winner, compiled.number, form)
        key = f"{method} {raw_path}".encode()
        if compiled.forms[form]:
            self._call_with_bytes("asim_entry", key, len(self.entries), compiled.number)
            self.entries.append((method, path, winner))
            compiled.keys.add(key)
            self._keys_of_path.setdefault(path, set()).add(key)

    def _add_route(self, mounted: MountedRoute) -> _Compiled:
        answers, tally = mounted.route.answers, mounted.tally
        number = self._call("asim_route", len(answers.items), _THEN[answers.then], tally.calls, tally.position)
        has_turns = len(answers.items) > 1 or answers.then == "error"
        mounted.tally = NativeTally(self._call, number, has_turns=has_turns)
        return _Compiled(number)

    def _compile(self, mounted: MountedRoute, number: int, form: Form) -> bool:
        answers = plain_answers(mounted.route, form)
        for actions in answers or ():
            self._call_with_bytes("asim_program", program(actions), number, form_bits(form))
        return answers is not None

    def _take_out_all(self) -> None:
        self._call_with_bytes("asim_forget", None)
        self._keys_of_path.clear()

    def _call_with_bytes(self, name: str, data: bytes | None, *arguments: int) -> None:
        if data is None:
            self._call(name, *arguments, self._call.null, 0)
        else:
            self._call(name, *arguments, data, len(data))
