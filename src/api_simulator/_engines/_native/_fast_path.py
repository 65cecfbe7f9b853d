"""
Keep the library's table of plain routes as the core would decide.

A literal route is compiled when it is registered, for the form that nearly every client sends; other
forms, spellings of the path and methods are added when such a request was handed off. Whatever may change
a decision takes the entries concerned out again, so the table is never ahead of the rules.
"""

from __future__ import annotations

import itertools
import re
from functools import cache
from typing import TYPE_CHECKING

from api_simulator._core.messages import CapturedRequest
from api_simulator._core.mounted import MountedRoute
from api_simulator._core.plain import Form, form_of, plain_answers
from api_simulator._core.simulation import Simulation
from api_simulator._core.tally import LocalTally
from api_simulator._engines._native._handle import Handle
from api_simulator._engines._native._programs import form_bits, program

if TYPE_CHECKING:
    from api_simulator._core.routes import Answers, SequenceEnd

# Characters that are themselves in a target, so that one spelling of the path is known beforehand.
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9\-._~!$&'()*+,;=:@/]*")
#: Other spellings of paths that are learnt from requests: a client that invents new ones must not fill the memory.
MAX_LEARNT = 10_000
_THEN: dict[SequenceEnd, int] = {"repeat": 0, "cycle": 1, "error": 2}
#: The forms that nearly every client sends.
_COMMON, _HEAD = Form(), Form(head_only=True)


@cache
def _compiled(form: Form) -> tuple[tuple[Form, bool], ...]:
    """Return the one form of a route that has one: the same object for all routes."""
    return ((form, True),)


class NativeRoute:
    """
    A route in the library: the tally of what it answers there, and how it is reached.

    One object for both, and small ones in it: a suite with many routes pays for each by every collection of garbage.
    The route ends there with the last reference to this: until then somebody may be reading its counters.

    Attributes:
        forms: The forms that were compiled, and whether requests of each can be answered there.

        keys: What leads to it, method and path as they are received, with the number of the entry, which is the same
            when a key was taken out and comes back.

    Args:
        answers: What it answers with.
    """

    __slots__ = ("_call", "_has_turns", "_here", "forms", "keys", "number")

    def __init__(self, call: Handle, number: int, answers: Answers, forms: tuple[tuple[Form, bool], ...] = ()) -> None:
        self._call = call
        self.number = number
        self.forms = forms
        self.keys: tuple[tuple[bytes, int], ...] = ()
        # Whether it matters to one request how many others there were: not where all get the one answer.
        self._has_turns = len(answers.items) > 1 or answers.then == "error"
        # Calls that the library has not counted: asking it is most of what a call without a socket costs.
        self._here = 0

    def entry(self, key: bytes) -> int | None:
        """Return the number of the entry of a key, None if this one never led here."""
        return next((number for known, number in self.keys if known == key), None)

    @property
    def calls(self) -> int:
        """How many requests it answered."""
        return self._call.turn(self.number, 0) + self._here

    @property
    def position(self) -> int:
        """How many of its answers were used."""
        return self._call.turn(self.number, 1) + self._here

    def count_call(self) -> int:
        """Count a request and return its number, from 1."""
        return self._call.turn(self.number, 2) + self._here

    def take_answer(self) -> int:
        """Use up an answer and return its place, from 0."""
        return self._call.turn(self.number, 3) + self._here

    def take_turn(self) -> int:
        """Count a request and use up an answer; return its place, from 0."""
        if self._has_turns:
            return self._call.turn(self.number, 2, 3)
        self._here += 1
        # The place of the last one, of which there is one.
        return 0

    def __del__(self) -> None:
        if not self._call.is_forked:
            self._call("asim_route_end", self.number)


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
        self.entries: dict[int, tuple[str, str, MountedRoute]] = {}
        self._numbers = itertools.count()
        # Entries that no request will have any more, but perhaps one that the library has still to tell of.
        self._retired: list[int] = []
        self._compiled: dict[MountedRoute, NativeRoute] = {}
        self._keys_of_path: dict[str, tuple[bytes, ...]] = {}
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
            self._put_in(pattern.method, path, path, _HEAD if pattern.method == "HEAD" else _COMMON)

    def changed(self, mounted: MountedRoute) -> None:
        """Take out a route for good: something goes wrong with it, or its requests wait."""
        compiled = self._compiled.get(mounted)
        for key, _ in compiled.keys if compiled is not None else ():
            self._call_with_bytes("asim_forget", key)

    def unmounted(self, mounted: MountedRoute) -> None:
        """Take out a route with everything that was compiled of it; its counters go on in Python."""
        self.changed(mounted)
        there = self._compiled.pop(mounted, None)
        if there is None:
            return
        mounted.tally = LocalTally(there.calls, there.position)
        for key, number in there.keys:
            self._retired.append(number)
            path = self.entries[number][1]
            keys = tuple(each for each in self._keys_of_path.get(path, ()) if each != key)
            if keys:
                self._keys_of_path[path] = keys
            else:
                self._keys_of_path.pop(path, None)

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

    def drained(self) -> None:
        """Forget the entries of routes that are gone: everything that the library had to tell was taken in."""
        for number in self._retired:
            del self.entries[number]
        self._retired.clear()

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
        key = f"{method} {raw_path}".encode()
        known = self._compiled.get(winner)
        number = known.entry(key) if known is not None else None
        if number is None:
            number = next(self._numbers)
        there = self._add_at_once(winner, form, key, number) if known is None else None
        if there is None:
            there = known or self._add(winner)
            if not self._answers(winner, there, form):
                return
            self._call_with_bytes("asim_entry", key, number, there.number)
        if number not in self.entries:
            self.entries[number] = method, path, winner
            there.keys += ((key, number),)
        keys = self._keys_of_path.get(path, ())
        if key not in keys:
            self._keys_of_path[path] = (*keys, key)

    def _add_at_once(self, mounted: MountedRoute, form: Form, key: bytes, entry: int) -> NativeRoute | None:
        """Add a route of one plain answer together with its first key; None if it is not such a route."""
        answers, tally = mounted.route.answers, mounted.tally
        actions = plain_answers(mounted.route, form) if len(answers.items) == 1 else None
        if actions is None:
            return None
        # One call instead of three: for a suite that registers much, calls are what registering costs.
        steps, counts = program(actions[0]), (_THEN[answers.then], tally.calls, tally.position)
        number = self._call("asim_mount", *counts, form_bits(form), steps, len(steps), entry, key, len(key))
        there = self._compiled[mounted] = mounted.tally = NativeRoute(self._call, number, answers, _compiled(form))
        return there

    def _add(self, mounted: MountedRoute) -> NativeRoute:
        answers, tally = mounted.route.answers, mounted.tally
        number = self._call("asim_route", len(answers.items), _THEN[answers.then], tally.calls, tally.position)
        there = self._compiled[mounted] = mounted.tally = NativeRoute(self._call, number, answers)
        return there

    def _answers(self, mounted: MountedRoute, there: NativeRoute, form: Form) -> bool:
        """Return whether requests of that form can be answered there, compiling what they get."""
        for known, answered in there.forms:
            if known == form:
                return answered
        answers = plain_answers(mounted.route, form)
        for actions in answers or ():
            self._call_with_bytes("asim_program", program(actions), there.number, form_bits(form))
        there.forms += ((form, answers is not None),)
        return answers is not None

    def _take_out_all(self) -> None:
        self._call_with_bytes("asim_forget", None)
        self._keys_of_path.clear()

    def _call_with_bytes(self, name: str, data: bytes | None, *arguments: int) -> None:
        if data is None:
            self._call(name, *arguments, self._call.null, 0)
        else:
            self._call(name, *arguments, data, len(data))
