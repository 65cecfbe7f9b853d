"""
Record what the tools of an MCP server are asked and answer.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from api_simulator.mcp._middleware import CallNext, ToolCallMiddleware
from api_simulator.mcp._servers import Dialect, Outcome, ToolCall
from api_simulator.mcp._waiting import in_thread

if TYPE_CHECKING:
    from api_simulator.scenario._recorder import ScenarioRecorder


class McpRecordingMiddleware(ToolCallMiddleware):
    """
    Record each tool call with its arguments, its result or error, and its duration.

    A call is on disk before its answer leaves, redacted; calls stand in the order of their answers. A call that is
    cancelled has no answer and is not recorded; what was recorded before it stays.

    Args:
        recorder: Where to: a :class:`~api_simulator.claude.ScenarioRecorder`. The middleware does not finalize it.
    """

    def __init__(self, recorder: ScenarioRecorder) -> None:
        self._recorder = recorder

    async def _handle(self, dialect: Dialect, call: ToolCall, context: Any, call_next: CallNext) -> Any:
        begin_ns = time.monotonic_ns()
        try:
            result = await call_next(context)
        except Exception as error:
            await self._record(call, Outcome(error=str(error)), begin_ns)
            raise
        await self._record(call, dialect.outcome(result), begin_ns)
        return result

    async def _record(self, call: ToolCall, outcome: Outcome, begin_ns: int) -> None:
        record = partial(
            self._recorder.record_mcp_call,
            tool=call.tool,
            arguments=call.arguments,
            result=outcome.result,
            error=outcome.error,
            duration_ms=(time.monotonic_ns() - begin_ns) // 1_000_000,
        )
        # It waits for the disk.
        await in_thread(record)
