"""
``system/init``, the record with which a turn begins.
"""

from __future__ import annotations

from api_simulator.claude.records._base import Base

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from api_simulator.claude.records._base import Record

#: What the program offers its model unless told otherwise. The sub-agent tool is shown as Task.
TOOLS = ("Task", "Bash", "Edit", "Glob", "Grep", "Read", "TodoWrite", "WebFetch", "WebSearch", "Write")


class Init(Base):
    """What the program says of itself before each turn."""

    def init(
        self,
        *,
        tools: Sequence[str] = TOOLS,
        mcp_servers: Sequence[Mapping[str, object]] = (),
        permission_mode: str = "default",
        api_key_source: str = "ANTHROPIC_API_KEY",
        output_style: str = "default",
        agents: Sequence[str] = ("general-purpose",),
        skills: Sequence[str] = (),
        slash_commands: Sequence[str] = ("clear", "compact", "context", "cost"),
        plugins: Sequence[Mapping[str, object]] = (),
        additional_directories: Sequence[str] = (),
    ) -> Record:
        """
        Return ``system/init``, with which every turn begins.

        Args:
            tools: Names as the model sees them, except that the sub-agent tool is ``Task``.

            mcp_servers: Each with ``name`` and ``status`` (connected, failed, pending, needs-auth, disabled).

            permission_mode: ``default``, ``acceptEdits``, ``plan`` or ``bypassPermissions``.

            api_key_source: ``ANTHROPIC_API_KEY``, ``none``, ``apiKeyHelper`` or ``/login managed key``.

            output_style: The name of the style in force.

            agents: Names of sub-agents.

            skills: Names.

            slash_commands: Names without the slash.

            plugins: Each with ``name`` and ``path``.

            additional_directories: From ``--add-dir``.
        """
        self._message = None
        prompt = {} if self._prompt_uuid is None else {"user_message_uuids": [self._prompt_uuid]}
        return self._record(
            "system/init",
            {
                "cwd": self.cwd,
                "session_id": self.session_id,
                "tools": list(tools),
                "mcp_servers": [dict(server) for server in mcp_servers],
                "model": self.model,
                "permissionMode": permission_mode,
                "slash_commands": list(slash_commands),
                "terminal_slash_commands": [],
                "apiKeySource": api_key_source,
                "claude_code_version": self.version,
                "output_style": output_style,
                "agents": list(agents),
                "skills": list(skills),
                "plugins": [dict(plugin) for plugin in plugins],
                "capabilities": [],
                "analytics_disabled": True,
                "product_feedback_disabled": True,
                "served_by_anthropic": False,
                "uuid": self.new_uuid(),
                "memory_paths": {"auto": f"{self.cwd}/.claude/memory/"},
                "original_cwd": self.cwd,
                "additional_directories": list(additional_directories),
                "messaging_socket_path": f"/tmp/claude-{self.session_id[:8]}.sock",
                "fast_mode_state": "off",
                "fast_mode_disabled_reason": "sdk_opt_in_required",
                "per_turn_effort_active": True,
                "ultrathink_available": False,
                "ultrathink_typed_raises": False,
                "view_mode": "default",
                **prompt,
            },
        )
