"""
Answer the tool calls of an MCP server from a recording, without its tools.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api_simulator.errors import UnrecordedStepError
from api_simulator.mcp._middleware import CallNext, ToolCallMiddleware
from api_simulator.mcp._servers import Dialect, Outcome, ToolCall

if TYPE_CHECKING:
    from api_simulator.scenario import ScenarioPlayer, Step


class McpReplayMiddleware(ToolCallMiddleware):
    """
    Answer each tool call as it was answered when it was recorded; no tool runs.

    A call is found by its tool and arguments, the same call again gets the next recorded answer. One that
    was not recorded is answered with an error that has the nearest recorded call and the difference; the player keeps
    it in ``divergences``, and the calls that nobody made in ``leftovers``.

    Args:
        player: Of the recording: a :class:`~api_simulator.scenario.ScenarioPlayer`.

        in_order: Calls must come in exactly the recorded order.
    """

    def __init__(self, player: ScenarioPlayer, *, in_order: bool = False) -> None:
        self._player = player
        self._in_order = in_order

    async def _handle(self, dialect: Dialect, call: ToolCall, context: Any, call_next: CallNext) -> Any:  # noqa: ARG002  # the form of all
        try:
            step = self._player.mcp_calls.take(call.tool, call.arguments, in_order=self._in_order)
        except UnrecordedStepError as error:
            # In the server's own words: a client must see a failed call, not a broken connection.
            return dialect.give(Outcome(error=str(error)))
        return dialect.give(_outcome(step))


def _outcome(step: Step) -> Outcome:
    if step.error is not None:
        return Outcome(error=step.error)
    # What was recorded by hand may be any JSON value; an answer of the protocol has content.
    if isinstance(step.result, dict) and "content" in step.result:
        return Outcome(result=step.result)
    return Outcome(result={"content": [{"type": "text", "text": str(step.result)}]})
