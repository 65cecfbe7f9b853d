"""
Recorded MCP calls, looked up by tool, arguments and occurrence.
"""

from __future__ import annotations

import difflib
import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from api_simulator.errors import UnrecordedStepError
from api_simulator.scenario._placeholders import same_value
from api_simulator.scenario._scenario import Step


class McpCalls:
    """
    The MCP calls of a scenario, each to be used once. Safe to use from several threads.

    Args:
        steps: In recorded order.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self._lock = threading.Lock()
        self._left = list(steps)
        self._steps = list(steps)
        self._missed: list[str] = []

    def take(self, tool: str, arguments: Mapping[str, Any], *, in_order: bool = False) -> Step:
        """
        Return the recorded call that this one replays: ``.result``, or ``.error`` if it failed, and ``.duration_ms``.

        The same call again gets the next recorded one; where a recorded text has a placeholder, any text fits.

        Args:
            tool: The tool's name.

            arguments: A JSON object; the order of its keys does not matter.

            in_order: Only the first call that is left counts: calls come in exactly the recorded order.

        Raises:
            UnrecordedStepError: If there is none; the text has the nearest recorded call and the difference.
        """
        with self._lock:
            for step in self._left[:1] if in_order else self._left:
                if step.tool == tool and same_value(step.arguments, arguments):
                    self._left.remove(step)
                    return step
            explanation = self._explain(tool, arguments, in_order=in_order)
            self._missed.append(explanation)
        raise UnrecordedStepError(explanation)

    @property
    def left(self) -> list[Step]:
        """The recorded calls that were not taken."""
        with self._lock:
            return list(self._left)

    @property
    def missed(self) -> list[str]:
        """What was asked for and not recorded, explained."""
        with self._lock:
            return list(self._missed)

    def _explain(self, tool: str, arguments: Mapping[str, Any], *, in_order: bool) -> str:
        again = "record the scenario again if the tools or their order have changed"
        times = sum(step.tool == tool and same_value(step.arguments, arguments) for step in self._steps)
        if times and not in_order:
            count = "once" if times == 1 else f"{times} times"
            return f"tool {tool!r} was recorded {count} with these arguments, and is called once more; {again}"
        text = f"the call of tool {tool!r} was not recorded{' at this place' if in_order else ''}.\n"
        if not self._steps or (in_order and not self._left):
            return text + f"  no recorded call is left; {again}"
        given = _lines(tool, arguments)
        candidates = self._left[:1] if in_order else self._steps
        nearest = max(candidates, key=lambda step: _likeness(_lines(step.tool, step.arguments or {}), given))
        text += f"  nearest: call {nearest.index + 1} of the scenario (- recorded, + given):\n"
        recorded = _lines(nearest.tool, nearest.arguments or {})
        text += "".join(f"    {line[:200]}\n" for line in difflib.ndiff(recorded, given) if not line.startswith("?"))
        return text + f"  {again}"


def _lines(tool: str, arguments: Mapping[str, Any]) -> list[str]:
    return [tool, *json.dumps(arguments, indent=1, sort_keys=True, ensure_ascii=False, default=repr).splitlines()]


def _likeness(recorded: list[str], given: list[str]) -> float:
    return difflib.SequenceMatcher(None, recorded, given, autojunk=False).ratio() + (recorded[0] == given[0])
