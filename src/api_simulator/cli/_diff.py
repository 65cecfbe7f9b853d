"""
``api-simulator diff A B``: what differs between two recordings, step by step.

Exit status 0 if nothing differs, 1 if something does. Times are no difference.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
from typing import Any

from api_simulator.cli._outcome import Outcome, counted
from api_simulator.scenario import Step, read_scenario

#: So many lines of a difference are shown; the numbers of lines are always exact.
_MAX_LINES = 20

#: Of an output so many bytes are compared line by line; whether they differ at all is looked at in full.
_MAX_BYTES = 1024 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("first", metavar="A", help="a recording")
    parser.add_argument("second", metavar="B", help="another one")


def run(options: argparse.Namespace) -> Outcome:
    """Compare the recordings."""
    first, second = read_scenario(options.first), read_scenario(options.second)
    ours, theirs = list(first.step_sequence), list(second.step_sequence)
    differences: list[dict[str, Any]] = []
    names = [[(step.kind, step.step_name) for step in steps] for steps in (ours, theirs)]
    for tag, i, i_end, j, j_end in difflib.SequenceMatcher(a=names[0], b=names[1], autojunk=False).get_opcodes():
        if tag == "equal":
            for one, other in zip(ours[i:i_end], theirs[j:j_end], strict=True):
                differences += _between(one, other)
            continue
        differences += [_only(step, "A") for step in ours[i:i_end]] + [_only(step, "B") for step in theirs[j:j_end]]
    text = "\n".join(_text(each) for each in differences) or "no difference"
    return Outcome(not differences, text, {"differences": differences})


def _only(step: Step, side: str) -> dict[str, Any]:
    return {"step": step.step_name, "number": step.index + 1, "what": f"only in {side}", "lines": []}


def _between(one: Step, other: Step) -> list[dict[str, Any]]:
    """Return what differs between two steps of one name."""
    found = []
    for what, ours, theirs in _parts(one, other):
        if ours != theirs:
            lines = [line for line in difflib.ndiff(ours, theirs) if line[:1] in "+-"]
            found.append({"step": one.step_name, "number": one.index + 1, "what": what, "lines": lines})
    return found


def _parts(one: Step, other: Step) -> list[tuple[str, list[str], list[str]]]:
    def pretty(value: Any) -> list[str]:
        return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).splitlines()

    parts = [(name, [str(getattr(one, name))], [str(getattr(other, name))]) for name in ("tool", "model")]
    if one.kind == "program":
        parts.append(("args", list(one.args or ()), list(other.args or ())))
        parts.append(("exit_code", [str(one.cassette.exit_code)], [str(other.cassette.exit_code)]))
        parts += [("stdout", _output(one, "stdout"), _output(other, "stdout"))]
        parts += [("stderr", _output(one, "stderr"), _output(other, "stderr"))]
    else:
        for name in ("result_summary", "arguments", "result", "error"):
            parts.append((name, pretty(getattr(one, name)), pretty(getattr(other, name))))
    return parts


def _output(step: Step, stream: Any) -> list[str]:
    file = step.cassette.output(stream)
    with file.open("rb") as source:
        begin = source.read(_MAX_BYTES).decode(errors="backslashreplace").splitlines()
        rest = hashlib.file_digest(source, "sha256").hexdigest() if file.stat().st_size > _MAX_BYTES else ""
    return [*begin, f"(the rest: sha256 {rest})"] if rest else begin


def _text(difference: dict[str, Any]) -> str:
    head = f"{difference['number']:>3}  {difference['step']}: {difference['what']}"
    lines = difference["lines"]
    shown = [f"     {line[:160]}" for line in lines[:_MAX_LINES]]
    more = [f"     ... {counted(len(lines) - _MAX_LINES, 'more line')}"] if len(lines) > _MAX_LINES else []
    return "\n".join([head, *shown, *more])
