"""
Cut points: every place at which a program's output may stop, so that a test can try them all.

A place is a number of bytes of standard output; what happens there is one of four things. Both together are
a :class:`CutPoint`, whose id is short enough for a test's name and says all that is needed to try it again.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, TypeAlias, get_args

from api_simulator.errors import ScriptError
from api_simulator.process._steps import Die, Exit, Hang, Repeat, Write

CutAction: TypeAlias = Literal["end", "kill", "corrupt", "hang"]
ACTIONS: tuple[CutAction, ...] = get_args(CutAction)

_SIGKILL = 9

#: Neither UTF-8 nor JSON, and visible in a report.
CORRUPTION = b"\xff<corrupt>"


@dataclass(frozen=True, slots=True)
class CutPoint:
    """
    A place in a program's standard output and what happens there.

    In a ``with`` block, a failure is told at which point it happened.

    Attributes:
        action: ``"end"`` (exit with 0), ``"kill"`` (end by SIGKILL), ``"corrupt"`` (the rest of the line is bytes
            that are no text, then the script goes on) or ``"hang"``.

        offset: How many bytes come before it.

        line: The line that is cut, from 1; None if unknown.

        is_complete: Whether all of the output has come then.
    """

    action: CutAction
    offset: int
    line: int | None = None
    is_complete: bool = False

    @property
    def id(self) -> str:
        """The point as text, which ``cut_at`` takes: for instance ``kill@120``."""
        return f"{self.action}@{self.offset}"

    @classmethod
    def parse(cls, text: str) -> CutPoint:
        """
        Return the point with this id.

        Raises:
            ScriptError: If it is none.
        """
        action, _, offset = text.partition("@")
        for known in ACTIONS:
            if action == known and offset.isdecimal():
                return cls(known, int(offset))
        raise ScriptError(f"cut point {text!r}: expected one of {', '.join(ACTIONS)}, '@', and a number of bytes")

    def __str__(self) -> str:
        return self.id

    def __enter__(self) -> CutPoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            line = f" (in line {self.line} of the output)" if self.line is not None else ""
            error.add_note(f"at cut point {self.id}{line}; try it alone with cut_at({self.id!r})")


def cut_points(steps: Sequence[object], *, offsets: int, seed: int) -> list[CutPoint]:
    """
    Return the cut points of a script, by offset, then by action.

    Every boundary between lines is one, before the first and after the last too. Of the other bytes
    *offsets* are taken, by *seed*. What is written by other steps than ``write`` and ``write_repeated`` is not
    counted, since its size is not known.
    """
    if not isinstance(offsets, int) or isinstance(offsets, bool) or offsets < 0:
        raise ScriptError(f"cut_points(offsets={offsets!r}): expected how many places within lines, 0 or more")
    boundaries = {0}
    at = 0
    for data, times in _outputs(steps):
        ends = [found.end() for found in re.finditer(b"\n", data)]
        if ends and len(ends) * times > 100_000:
            raise ScriptError("cut_points(): more than 100000 lines; cut a shorter script")
        boundaries.update(at + turn * len(data) + end for turn in range(times if ends else 0) for end in ends)
        at += len(data) * times
    total = at
    boundaries.add(total)
    within = _within(boundaries, total, offsets, seed)
    places = sorted(boundaries | within)
    lines = sorted(boundaries - {total}) or [0]
    points = []
    line = 0
    for place in places:
        while line < len(lines) and lines[line] <= place:
            line += 1
        points += [CutPoint(action, place, line, is_complete=place == total) for action in ACTIONS]
    return points


def _within(boundaries: set[int], total: int, offsets: int, seed: int) -> set[int]:
    wanted = min(offsets, total + 1 - len(boundaries))
    if wanted == total + 1 - len(boundaries):
        return {place for place in range(total) if place not in boundaries}
    # Not random.sample over all places: the output may be large.
    generator = random.Random(seed)
    found: set[int] = set()
    while len(found) < wanted:
        place = generator.randrange(1, total)
        if place not in boundaries:
            found.add(place)
    return found


def _outputs(steps: Sequence[object]) -> Iterator[tuple[bytes, int]]:
    for step in steps:
        match step:
            case Write(data=data, stream="stdout"):
                yield data, 1
            case Repeat(data=data, times=times, stream="stdout"):
                yield data, times


def cut_steps(steps: Sequence[Any], point: CutPoint) -> list[Any]:
    """
    Return *steps* with the cut made.

    Raises:
        ScriptError: If so much is never written.
    """
    if point.action not in ACTIONS:
        raise ScriptError(f"cut point {point.id!r}: expected one of {', '.join(ACTIONS)}, got {point.action!r}")
    before: list[Any] = []
    left = point.offset
    for index, step in enumerate(steps):
        size = sum(len(data) * times for data, times in _outputs([step]))
        if left == 0 or (size and left <= size):
            head, tail = _split(step, left) if left else ([], [step])
            return [*before, *head, *_after(point, [*tail, *steps[index + 1 :]])]
        left -= size
        before.append(step)
    if left == 0:
        return [*before, *_after(point, [])]
    raise ScriptError(f"cut point {point.id!r}: the script writes {point.offset - left} bytes only")


def _split(step: Write | Repeat, size: int) -> tuple[list[Any], list[Any]]:
    data = step.data
    times = step.times if isinstance(step, Repeat) else 1
    turns, rest = divmod(size, len(data))
    head: list[Any] = [Repeat(data, turns, step.stream)] if turns else []
    head += [Write(data[:rest], step.stream)] if rest else []
    tail: list[Any] = [Write(data[rest:], step.stream)] if rest else []
    turns += bool(rest)
    tail += [Repeat(data, times - turns, step.stream)] if turns < times else []
    return head, tail


def _after(point: CutPoint, rest: list[Any]) -> list[Any]:
    if point.action == "end":
        return [Exit(0)]
    if point.action == "kill":
        return [Die(_SIGKILL)]
    if point.action == "hang":
        return [Hang()]
    return [Write(CORRUPTION), *_without_line(rest)]


def _without_line(steps: list[Any]) -> list[Any]:
    """Return *steps* without the output up to the next end of a line."""
    kept: list[Any] = []
    for index, step in enumerate(steps):
        for data, times in _outputs([step]):
            end = data.find(b"\n")
            if times and end >= 0:
                again = [Repeat(data, times - 1)] if times > 1 else []
                return [*kept, Write(data[end:]), *again, *steps[index + 1 :]]
            break
        else:
            kept.append(step)
    # The output ends without a newline; so does what stands in its place.
    return kept
