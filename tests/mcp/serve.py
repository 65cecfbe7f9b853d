"""
A FastMCP server as users have one: ``python -m tests.mcp.serve record|replay FOLDER [PORT]``.

Over standard input and output, or over HTTP on a port. ``slow`` never returns; it says in FOLDER/slow that it began.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from fastmcp import FastMCP
from fastmcp.exceptions import ToolError

from api_simulator.claude import make_scenario_player, make_scenario_recorder
from api_simulator.mcp import McpRecordingMiddleware, McpReplayMiddleware


def server(middleware: Any, folder: Path, *, tools_run: bool = True) -> FastMCP:
    """Return a server with *middleware* whose tools refuse to run if a recording must answer."""
    made = FastMCP("tools", middleware=[middleware])

    @made.tool
    def add(a: int, b: int) -> int:
        assert tools_run
        return a + b

    @made.tool
    def count(things: list[str]) -> dict[str, Any]:
        assert tools_run
        return {"count": len(things), "token": "sk-ant-api03-" + "a" * 40}

    @made.tool
    def fail(why: str) -> str:
        assert tools_run
        raise ToolError(f"refused: {why}")

    @made.tool
    async def slow() -> str:
        (folder / "slow").touch()
        await asyncio.Event().wait()
        return "never"

    return made


def main() -> None:
    mode, folder = sys.argv[1], Path(sys.argv[2])
    recording = folder / "recording"
    middleware: Any
    if mode == "record":
        middleware = McpRecordingMiddleware(make_scenario_recorder(output_dir=recording, recipe_name="tools"))
    else:
        player = make_scenario_player(scenario_dir=recording, output_dir=folder / "replay", binary_path=folder / "tool")
        middleware = McpReplayMiddleware(player)
    made = server(middleware, folder, tools_run=mode == "record")
    if len(sys.argv) > 3:
        made.run(transport="http", host="127.0.0.1", port=int(sys.argv[3]), show_banner=False)
    else:
        made.run(transport="stdio", show_banner=False)


if __name__ == "__main__":
    main()
