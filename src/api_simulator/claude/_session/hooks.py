"""
Hooks that a host registered in ``initialize``: which are called for an event, and what their outputs mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Callback:
    """
    One registered function of the host.

    Attributes:
        callback_id: What the host calls it.

        event: The event that it is for.

        matcher: A pattern for the event's subject (a tool's name, a source), None for all.
    """

    callback_id: str
    event: str
    matcher: str | None

    def fits(self, subject: str) -> bool:
        """Whether the callback is for *subject*."""
        if self.matcher in (None, "", "*"):
            return True
        assert self.matcher is not None
        if subject in self.matcher.split("|"):
            return True
        try:
            return re.fullmatch(self.matcher, subject) is not None
        except re.error:
            return False


def registered(hooks: object) -> list[Callback]:
    """Return the callbacks of ``initialize.hooks``; parts that are none are passed over."""
    if not isinstance(hooks, Mapping):
        return []
    return list(_callbacks(hooks))


def _callbacks(hooks: Mapping[str, Any]) -> Iterator[Callback]:
    for event, matchers in hooks.items():
        for matcher in matchers if isinstance(matchers, Sequence) else ():
            if isinstance(matcher, Mapping):
                for callback_id in matcher.get("hookCallbackIds") or ():
                    yield Callback(str(callback_id), event, matcher.get("matcher"))


@dataclass(slots=True)
class Outcome:
    """
    What the outputs of all hooks of an event amount to.

    Attributes:
        decision: ``allow``, ``deny``, ``ask``, ``defer`` or None; the strictest wins.

        reason: Why.

        updated_input: What the tool gets in place of its input.

        stops: Whether the turn ends here.

        stop_reason: Why.

        blocks: Whether the event itself is refused (a prompt, the end of a turn).

        updated_output: What a tool is said to have given, in place of its result.
    """

    decision: str | None = None
    reason: str = ""
    updated_input: dict[str, Any] | None = None
    stops: bool = False
    stop_reason: str = ""
    blocks: bool = False
    updated_output: Any = None
    contexts: list[str] = field(default_factory=list)

    _STRICTNESS = ("allow", "ask", "defer", "deny")

    def add(self, output: Mapping[str, Any]) -> None:
        """Take the output of one more hook."""
        specific = output.get("hookSpecificOutput")
        specific = specific if isinstance(specific, Mapping) else {}
        if output.get("continue") is False:
            self.stops, self.stop_reason = True, str(output.get("stopReason", ""))
        if output.get("decision") == "block":
            self.blocks, self.reason = True, str(output.get("reason", ""))
        decision = specific.get("permissionDecision")
        if decision is None:
            decision = {"block": "deny", "approve": "allow"}.get(str(output.get("decision")))
        if decision in self._STRICTNESS and self._is_stricter(decision):
            self.decision = decision
            self.reason = str(specific.get("permissionDecisionReason") or output.get("reason") or "")
        if isinstance(specific.get("updatedInput"), Mapping):
            self.updated_input = dict(specific["updatedInput"])
        for name in ("updatedToolOutput", "updatedMCPToolOutput"):
            self.updated_output = specific.get(name, self.updated_output)
        if specific.get("additionalContext"):
            self.contexts.append(str(specific["additionalContext"]))

    def _is_stricter(self, decision: str) -> bool:
        return self.decision is None or self._STRICTNESS.index(decision) > self._STRICTNESS.index(self.decision)
