"""
May a tool run? The program's rules, modes and what it takes for harmless.

Pure: asking the host is the turn's business.
"""

from __future__ import annotations

import fnmatch
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Behavior: TypeAlias = Literal["allow", "deny", "ask"]

_READ_ONLY_TOOLS = frozenset(
    [
        "Agent",
        "Glob",
        "Grep",
        "LS",
        "NotebookRead",
        "Read",
        "Skill",
        "StructuredOutput",
        "Task",
        "TaskOutput",
        "TaskStop",
        "TodoWrite",
        "ToolSearch",
        "ListMcpResourcesTool",
        "ReadMcpResourceTool",
    ]
)
_EDITING_TOOLS = frozenset(["Edit", "MultiEdit", "NotebookEdit", "Write"])
_READ_ONLY_COMMANDS = frozenset(
    [
        "cat",
        "cd",
        "date",
        "df",
        "du",
        "echo",
        "env",
        "false",
        "file",
        "find",
        "grep",
        "head",
        "hostname",
        "id",
        "ls",
        "ps",
        "printf",
        "pwd",
        "sleep",
        "sort",
        "stat",
        "tail",
        "test",
        "tree",
        "true",
        "uname",
        "uptime",
        "wc",
        "which",
        "whoami",
    ]
)
_READ_ONLY_GIT = frozenset(["branch", "diff", "log", "show", "status"])
_EDITING_COMMANDS = frozenset(["cp", "mkdir", "mv", "rm", "rmdir", "sed", "touch"])

_RULE = re.compile(r"([^()]+)(?:\((.*)\))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What becomes of a tool call before anybody is asked.

    Attributes:
        behavior: What happens.

        reason_type: ``decision_reason_type`` of a denial: ``rule``, ``mode``, ...
    """

    behavior: Behavior
    reason_type: str = "other"


@dataclass(slots=True)
class Permissions:
    """
    The rules in force; a host may add some while the session runs.

    Attributes:
        mode: The permission mode.

        allow: Rules like ``Bash(git:*)`` for what runs without asking.

        deny: Rules for what never runs.

        ask: Rules for what is always asked for.
    """

    mode: str = "default"
    allow: list[str] = field(default_factory=list)
    deny: list[str] = field(default_factory=list)
    ask: list[str] = field(default_factory=list)

    def verdict(self, tool: str, given: Mapping[str, Any]) -> Verdict:
        """Return what becomes of a call of *tool* with the input *given*."""
        if _any_fits(self.deny, tool, given):
            return Verdict("deny", "rule")
        if self.mode == "bypassPermissions":
            return Verdict("allow", "mode")
        if _any_fits(self.ask, tool, given):
            return Verdict("ask", "rule")
        if _any_fits(self.allow, tool, given):
            return Verdict("allow", "rule")
        if is_read_only(tool, given):
            return Verdict("allow")
        if self.mode == "acceptEdits" and _edits(tool, given):
            return Verdict("allow", "mode")
        return Verdict("deny", "mode") if self.mode == "dontAsk" else Verdict("ask")

    def update(self, changes: Sequence[Mapping[str, Any]]) -> None:
        """Apply ``updatedPermissions`` of a host; changes of an unknown type do nothing."""
        for change in changes:
            kind = change.get("type")
            if kind == "setMode":
                self.mode = str(change.get("mode", self.mode))
            rules = getattr(self, str(change.get("behavior")), None)
            if not isinstance(rules, list):
                continue
            named = [_rule_text(rule) for rule in change.get("rules", ())]
            if kind == "replaceRules":
                rules[:] = named
            elif kind == "addRules":
                rules += named
            elif kind == "removeRules":
                rules[:] = [rule for rule in rules if rule not in named]

    def removes(self, tool: str) -> bool:
        """Whether a rule takes the whole of *tool* away, so that the model does not even see it."""
        return any("(" not in rule and _names(rule, tool) for rule in self.deny)


def is_read_only(tool: str, given: Mapping[str, Any]) -> bool:
    """Whether a call changes nothing, so that the program never asks for it."""
    if tool in _READ_ONLY_TOOLS:
        return True
    words = _words(given) if tool == "Bash" else []
    if not words:
        return False
    return words[0] in _READ_ONLY_COMMANDS or (words[0] == "git" and words[1:2] != [] and words[1] in _READ_ONLY_GIT)


def suggestions(tool: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the ``permission_suggestions`` that go with a question."""
    if tool in _EDITING_TOOLS:
        return [{"type": "setMode", "mode": "acceptEdits", "destination": "session"}]
    rule: dict[str, Any] = {"toolName": tool}
    if tool == "Bash":
        rule["ruleContent"] = str(given.get("command", ""))
    return [{"type": "addRules", "rules": [rule], "behavior": "allow", "destination": "localSettings"}]


def _edits(tool: str, given: Mapping[str, Any]) -> bool:
    words = _words(given) if tool == "Bash" else []
    return tool in _EDITING_TOOLS or (bool(words) and words[0] in _EDITING_COMMANDS)


def _words(given: Mapping[str, Any]) -> list[str]:
    """Return the words of a shell command that is one simple command, none for any other."""
    command = str(given.get("command", ""))
    if re.search(r"[;&|<>`\n]|\$\(", command):
        return []
    try:
        return shlex.split(command)
    except ValueError:
        return []


def _any_fits(rules: Sequence[str], tool: str, given: Mapping[str, Any]) -> bool:
    return any(_fits(rule, tool, given) for rule in rules)


def _fits(rule: str, tool: str, given: Mapping[str, Any]) -> bool:
    parsed = _RULE.fullmatch(rule.strip())
    if parsed is None or not _names(parsed[1], tool):
        return False
    content = parsed[2]
    if content in (None, "", "*"):
        return True
    if tool == "Bash":
        command = str(given.get("command", ""))
        if content.endswith(":*"):
            prefix = content[:-2]
            return command == prefix or command.startswith(prefix + " ")
        return fnmatch.fnmatchcase(command, content)
    subjects = (given.get(name) for name in ("file_path", "path", "pattern", "url", "subagent_type", "skill"))
    return any(isinstance(subject, str) and _is_like(subject, content) for subject in subjects)


def _is_like(subject: str, content: str) -> bool:
    # A rule begins with two slashes for an absolute path.
    return subject == content or fnmatch.fnmatchcase(subject.lstrip("/"), content.lstrip("/"))


def _names(named: str, tool: str) -> bool:
    if named in ("Task", "Agent"):
        return tool in ("Task", "Agent")
    # `mcp__server` stands for all tools of that server.
    return named in (tool, "*") or (
        named.startswith("mcp__") and tool.startswith(named.removesuffix("*").rstrip("_") + "__")
    )


def _rule_text(rule: Mapping[str, Any]) -> str:
    content = rule.get("ruleContent")
    return f"{rule.get('toolName', '')}({content})" if content else str(rule.get("toolName", ""))
