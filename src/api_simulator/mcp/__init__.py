"""
Record the tool calls of an MCP server, and replay them.

Both middlewares fit FastMCP 3.2 to 4.x and the servers of the official ``mcp`` package. Nothing of either is
imported here, and importing this registers nothing at exit.
"""

from api_simulator.mcp._recording import McpRecordingMiddleware
from api_simulator.mcp._replay import McpReplayMiddleware

__all__ = ["McpRecordingMiddleware", "McpReplayMiddleware"]
