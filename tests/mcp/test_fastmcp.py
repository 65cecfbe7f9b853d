"""Recording and replay through a real FastMCP server and client: in memory, over stdio, and over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

fastmcp = pytest.importorskip("fastmcp", reason="needs the extra mcp")
# Its clients are another matter: they need httpx2.
pytest.importorskip("fastmcp.client", reason="needs the clients of fastmcp", exc_type=ImportError)

from fastmcp import Client  # noqa: E402  # after the check that it is there
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport  # noqa: E402

from api_simulator.claude import make_scenario_player, make_scenario_recorder  # noqa: E402
from api_simulator.mcp import McpRecordingMiddleware, McpReplayMiddleware  # noqa: E402
from tests.mcp.serve import server  # noqa: E402

ROOT = Path(__file__).parents[2]
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("add", {"a": 1, "b": 2}),
    ("count", {"things": ["x", "y"]}),
    ("fail", {"why": "because"}),
    ("add", {"b": 2, "a": 1}),
    ("add", {"a": 5, "b": 5}),
]
pytestmark = pytest.mark.asyncio

Connect = Callable[[str, Path], AbstractAsyncContextManager[Any]]


@contextlib.asynccontextmanager
async def in_memory(mode: str, folder: Path) -> AsyncIterator[Any]:
    recording = folder / "recording"
    middleware: Any
    if mode == "record":
        recorder = make_scenario_recorder(output_dir=recording, recipe_name="tools")
        middleware = McpRecordingMiddleware(recorder)
    else:
        recorder = None
        player = make_scenario_player(scenario_dir=recording, output_dir=folder / "replay", binary_path=folder / "tool")
        middleware = McpReplayMiddleware(player)
    async with Client(server(middleware, folder, tools_run=mode == "record")) as client:
        yield client
    if recorder is not None:
        recorder.finalize()


@contextlib.asynccontextmanager
async def over_stdio(mode: str, folder: Path) -> AsyncIterator[Any]:
    command = ["-m", "tests.mcp.serve", mode, str(folder)]
    transport = StdioTransport(sys.executable, command, cwd=str(ROOT), env=dict(os.environ), keep_alive=False)
    async with Client(transport) as client:
        yield client


@contextlib.asynccontextmanager
async def over_http(mode: str, folder: Path) -> AsyncIterator[Any]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["-m", "tests.mcp.serve", mode, str(folder), str(port)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        await until(lambda: process.returncode is not None or accepts(port))
        async with Client(StreamableHttpTransport(f"http://127.0.0.1:{port}/mcp")) as client:
            yield client
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def until(holds: Callable[[], object]) -> None:
    """Wait for something that another process does and nothing announces."""
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110  # there is no event to wait for
            await asyncio.sleep(0.02)


def accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


async def answers(client: Any, calls: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    """Call the tools one after the other and return what a client sees of each."""
    seen = []
    for tool, arguments in calls:
        result = await client.call_tool(tool, arguments, raise_on_error=False)
        seen.append((result.is_error, [block.text for block in result.content], result.structured_content, result.data))
    return seen


@pytest.mark.parametrize("connect", [in_memory, over_stdio, over_http])
async def test_what_was_recorded_is_answered_again_without_the_tools(connect: Connect, tmp_path: Path):
    async with connect("record", tmp_path) as client:
        recorded = await answers(client, CALLS)
    async with connect("replay", tmp_path) as client:
        replayed = await answers(client, CALLS)

    written = json.loads((tmp_path / "recording/scenario.json").read_text())["step_sequence"]
    assert [(step["tool"], step["arguments"]) for step in written] == CALLS
    assert [step["error"] for step in written] == [None, None, "refused: because", None, None]
    assert replayed[0] == recorded[0] == (False, ["3"], {"result": 3}, 3)
    assert replayed[2:] == recorded[2:]
    # The same but for the secret, which never reached the disk.
    assert replayed[1][2]["count"] == recorded[1][2]["count"] == 2
    assert "sk-ant" in recorded[1][2]["token"]
    assert "sk-ant" not in replayed[1][2]["token"]


async def test_a_call_that_was_not_recorded_is_an_error_with_the_nearest_and_the_difference(tmp_path: Path):
    async with in_memory("record", tmp_path) as client:
        await answers(client, CALLS)
    player = make_scenario_player(
        scenario_dir=tmp_path / "recording", output_dir=tmp_path / "replay", binary_path=tmp_path / "tool"
    )

    async with Client(server(McpReplayMiddleware(player), tmp_path, tools_run=False)) as client:
        [(is_error, [text], *_)] = await answers(client, [("add", {"a": 5, "b": 6})])

    assert is_error
    assert "the call of tool 'add' was not recorded." in text
    assert "nearest: call 5 of the scenario (- recorded, + given):" in text
    assert '    -  "b": 5' in text
    assert '    +  "b": 6' in text
    assert player.divergences == [text]
    assert len(player.leftovers) == len(CALLS)


async def test_the_same_call_once_more_than_recorded_is_an_error(tmp_path: Path):
    async with in_memory("record", tmp_path) as client:
        await answers(client, [CALLS[0]])

    async with in_memory("replay", tmp_path) as client:
        first, (is_error, [text], *_) = await answers(client, [CALLS[0], CALLS[0]])

    assert not first[0]
    assert is_error
    assert "was recorded once with these arguments, and is called once more" in text


@pytest.mark.parametrize("in_order", [False, True])
async def test_calls_may_come_in_another_order_unless_order_was_asked_for(
    tmp_path: Path, in_order: bool
):  # a parameter of the test
    async with in_memory("record", tmp_path) as client:
        await answers(client, CALLS)
    player = make_scenario_player(
        scenario_dir=tmp_path / "recording", output_dir=tmp_path / "replay", binary_path=tmp_path / "tool"
    )

    middleware = McpReplayMiddleware(player, in_order=in_order)
    async with Client(server(middleware, tmp_path, tools_run=False)) as client:
        [(is_error, *_)] = await answers(client, [CALLS[-1]])

    assert is_error == in_order


async def test_other_messages_pass(tmp_path: Path):
    async with in_memory("record", tmp_path) as client:
        tools = [tool.name for tool in await client.list_tools()]

    assert tools == ["add", "count", "fail", "slow"]
    assert json.loads((tmp_path / "recording/scenario.json").read_text())["step_sequence"] == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM")
async def test_a_sigterm_in_the_middle_of_a_call_loses_nothing_that_was_answered(tmp_path: Path):
    async with over_http("record", tmp_path) as client:
        await answers(client, CALLS[:3])
        under_way = asyncio.create_task(client.call_tool("slow", {}))
        await until((tmp_path / "slow").exists)

        os.kill(pid_of_server(tmp_path), signal.SIGTERM)
        under_way.cancel()
        with contextlib.suppress(BaseException):
            await under_way

    written = json.loads((tmp_path / "recording/scenario.json").read_text())["step_sequence"]
    assert [step["tool"] for step in written] == ["add", "count", "fail"]


async def test_a_cancelled_call_is_not_recorded_and_the_next_one_is(tmp_path: Path):
    async with in_memory("record", tmp_path) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.call_tool("slow", {})
        await answers(client, CALLS[:1])

    written = json.loads((tmp_path / "recording/scenario.json").read_text())["step_sequence"]
    assert [step["tool"] for step in written] == ["add"]


def pid_of_server(folder: Path) -> int:
    """Return the process that holds the recording's lock."""
    import psutil

    [server_process] = [
        child for child in psutil.Process().children(recursive=True) if str(folder) in " ".join(child.cmdline())
    ]
    return int(server_process.pid)
