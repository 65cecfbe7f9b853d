"""
``api-simulator show DIR``: what a recording holds, step by step.
"""

from __future__ import annotations

import argparse
import json
import shlex
from typing import Any

from api_simulator.cli._outcome import Outcome, counted
from api_simulator.scenario import Step, read_scenario

_WIDTH = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("folder", metavar="DIR", help="the recording")
    parser.add_argument("--lines", type=int, default=3, metavar="N", help="lines of output shown per program (3)")


def run(options: argparse.Namespace) -> Outcome:
    """Read the recording and describe it."""
    scenario = read_scenario(options.folder)
    steps = [_described(step) for step in scenario.step_sequence]
    total_ms = sum(step.get("duration_ms", 0) for step in steps)
    state = "" if scenario.finalized else ", not finalized"
    lines = [f"{scenario.recipe}: {counted(len(steps), 'step')}, {_duration(total_ms)}{state}"]
    for step, described in zip(scenario.step_sequence, steps, strict=True):
        lines += _lines(step, described, options.lines)
    value = {"recipe": scenario.recipe, "finalized": scenario.finalized, "duration_ms": total_ms, "steps": steps}
    return Outcome(True, "\n".join(lines), value)


def _described(step: Step) -> dict[str, Any]:
    described: dict[str, Any] = {"step": step.step_name, "kind": step.kind, "tool": step.tool}
    if step.kind == "program":
        conditions = step.cassette.conditions
        described |= {
            "args": None if step.args is None else list(step.args),
            "model": step.model,
            "exit_code": conditions.exit_code,
            "ended_by": conditions.ended_by,
            "duration_ms": conditions.duration_ms,
            "stdout_bytes": conditions.stdout_bytes,
            "stderr_bytes": conditions.stderr_bytes,
            "files": conditions.files,
            "transcripts": conditions.transcripts,
        }
    elif step.kind == "summary":
        described["result_summary"] = dict(step.result_summary or {})
    else:
        described |= {
            "arguments": dict(step.arguments or {}),
            "result": step.result,
            "error": step.error,
            "duration_ms": step.duration_ms,
        }
    return described


def _lines(step: Step, described: dict[str, Any], shown: int) -> list[str]:
    head = f"{step.index + 1:>3}  {step.step_name}"
    if step.kind == "summary":
        return [f"{head}  {step.tool}: {json.dumps(described['result_summary'], ensure_ascii=False)}"[:_WIDTH]]
    if step.kind == "mcp_call":
        outcome = f"error: {step.error}" if step.error is not None else json.dumps(step.result, ensure_ascii=False)
        call = f"{step.tool}({json.dumps(described['arguments'], ensure_ascii=False)})"
        return [f"{head}  {call}"[:_WIDTH], f"     = {outcome}  ({_duration(step.duration_ms or 0)})"[:_WIDTH]]
    command = "(any command)" if step.args is None else shlex.join(step.args).replace("\n", "\\n")
    model = f", {step.model}" if step.model else ""
    ended = "" if described["ended_by"] == "exit" else f", {described['ended_by']}"
    sizes = f"{counted(described['stdout_bytes'], 'byte')} out, {counted(described['stderr_bytes'], 'byte')} err"
    lines = [
        f"{head}  {command}"[:_WIDTH],
        f"     exit {described['exit_code']}{ended} after {_duration(described['duration_ms'])}, {sizes}{model}",
    ]
    with step.cassette.output("stdout").open("rb") as file:
        begin = file.read(65536).decode(errors="replace").splitlines()
    lines += [f"     | {line}"[:_WIDTH] for line in begin[: max(0, shown)]]
    rest = len(begin) - shown
    return lines + ([f"     | ... {counted(rest, 'more line')}"] if 0 < shown < len(begin) else [])


def _duration(duration_ms: int) -> str:
    return f"{duration_ms} ms" if duration_ms < 10_000 else f"{duration_ms / 1000:.1f} s"
