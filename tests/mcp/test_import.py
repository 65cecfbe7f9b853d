"""What importing the middlewares does: nothing but defining them."""

import subprocess
import sys
import textwrap


def test_importing_starts_nothing_and_registers_nothing():
    program = """
        import atexit, sys
        registered = []
        atexit.register = lambda function, *rest, **more: registered.append(function) or function
        import api_simulator.mcp as mcp
        assert registered == [], registered
        loaded = {"fastmcp", "mcp", "anyio", "pydantic"} & set(sys.modules)
        assert not loaded, loaded
        mcp.McpRecordingMiddleware = mcp.McpReplayMiddleware = "set by a user"
        from api_simulator.mcp import McpRecordingMiddleware
        assert McpRecordingMiddleware == "set by a user"
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, timeout=60)
