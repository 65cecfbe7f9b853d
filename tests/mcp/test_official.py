"""The middlewares on the servers of the official ``mcp`` package: 2.x, and 1.x where that is installed."""

from __future__ import annotations

import importlib
import json
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("mcp", reason="needs the extra mcp")

from api_simulator.claude import make_scenario_player, make_scenario_recorder
from api_simulator.errors import OptionError
from api_simulator.mcp import McpRecordingMiddleware, McpReplayMiddleware

pytestmark = pytest.mark.asyncio

IS_1 = version("mcp").startswith("1.")
CALLS: list[tuple[str, dict[str, Any]]] = [("add", {"a": 1, "b": 2}), ("fail", {}), ("add", {"a": 3, "b": 4})]


def recorder_in(folder: Path) -> Any:
    return make_scenario_recorder(output_dir=folder / "recording", recipe_name="tools")


def player_in(folder: Path) -> Any:
    return make_scenario_player(
        scenario_dir=folder / "recording", output_dir=folder / "replay", binary_path=folder / "tool"
    )


async def answers_of_2(middleware: Any) -> list[Any]:
    from mcp.client import Client
    from mcp.server.mcpserver import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError

    server = MCPServer("tools", middleware=[middleware])

    @server.tool()
    def add(a: int, b: int) -> int:
        return a + b

    @server.tool()
    def fail() -> str:
        raise ToolError("refused")

    async with Client(server) as client:
        found: list[Any] = [await client.call_tool(tool, arguments) for tool, arguments in CALLS]
    return [(each.is_error, [block.text for block in each.content], each.structured_content) for each in found]


async def answers_of_1(middleware: Any) -> list[Any]:
    # By name, because the types of the other version are checked.
    types: Any = importlib.import_module("mcp.types")
    memory: Any = importlib.import_module("mcp.shared.memory")
    server: Any = importlib.import_module("mcp.server.lowlevel").Server("tools")

    @server.list_tools()
    async def list_tools() -> list[Any]:
        return [types.Tool(name=name, inputSchema={"type": "object"}) for name in ("add", "fail")]

    @server.call_tool()
    async def call_tool(name: str, arguments: dict[str, Any]) -> Any:
        if name == "fail":
            raise ValueError("refused")
        return {"result": arguments["a"] + arguments["b"]}

    middleware.install(server)
    async with memory.create_connected_server_and_client_session(server) as client:
        found = [await client.call_tool(tool, arguments) for tool, arguments in CALLS]
    return [(bool(each.isError), [block.text for block in each.content], each.structuredContent) for each in found]


async def test_calls_are_recorded_and_answered_again(tmp_path: Path):
    answers = answers_of_1 if IS_1 else answers_of_2
    with recorder_in(tmp_path) as recorder:
        recorded = await answers(McpRecordingMiddleware(recorder))
    player = player_in(tmp_path)

    replayed = await answers(McpReplayMiddleware(player))

    written = json.loads((tmp_path / "recording/scenario.json").read_text())["step_sequence"]
    assert [(step["tool"], step["arguments"]) for step in written] == CALLS
    assert replayed == recorded
    assert recorded[1][0]
    assert "refused" in recorded[1][1][0]
    assert player.report() == ""


async def test_a_call_that_was_not_recorded_is_an_error_of_the_protocol(tmp_path: Path):
    with recorder_in(tmp_path) as recorder:
        recorder.record_mcp_call(tool="other", arguments={}, result="x")
    answers = answers_of_1 if IS_1 else answers_of_2

    replayed = await answers(McpReplayMiddleware(player_in(tmp_path)))

    assert [is_error for is_error, *_ in replayed] == [True] * 3
    assert "the call of tool 'add' was not recorded." in replayed[0][1][0]


async def test_what_is_no_server_of_a_known_kind_is_named(tmp_path: Path):
    with recorder_in(tmp_path) as recorder:
        middleware = McpRecordingMiddleware(recorder)

        with pytest.raises(OptionError, match="called with SimpleNamespace, which is no context of FastMCP or mcp 2"):
            await middleware(SimpleNamespace(), None)  # type: ignore[arg-type]  # never reached
        with pytest.raises(OptionError, match=r"install: SimpleNamespace has no handler of tool calls; .*call_tool"):
            middleware.install(SimpleNamespace(request_handlers={}))
