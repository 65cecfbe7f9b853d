"""
What a session needs to know of the world, as plain values; ``program.py`` finds them out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from api_simulator.claude._session.exchange import Record

_MODELS = {"opus": "claude-opus-5-5", "sonnet": "claude-sonnet-5-5", "haiku": "claude-haiku-4-5-20251001"}
DEFAULT_MODEL = _MODELS["opus"]


def model_name(given: str) -> str:
    """Return the full name of a model that may be given by a short one."""
    return _MODELS.get(given, given) if given not in ("", "default") else DEFAULT_MODEL


@dataclass(frozen=True, slots=True)
class Project:
    """
    What the program's files say: settings, agents and commands of the sources that are loaded.

    Attributes:
        output_style: ``outputStyle`` of the settings.

        model: ``model`` of the settings, empty if none.

        permissions: ``permissions`` of the settings: ``allow``, ``deny``, ``ask``, ``defaultMode``.

        agents: Agents of ``agents/*.md``, each with ``name``, ``description``, and what else its front matter has.

        commands: Commands of ``commands/*.md``: their names.

        skills: Skills of ``skills/*/SKILL.md``: their names.
    """

    output_style: str = "default"
    model: str = ""
    permissions: Mapping[str, Any] = field(default_factory=dict)
    agents: Sequence[Mapping[str, str]] = ()
    commands: Sequence[str] = ()
    skills: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class History:
    """
    A transcript that is resumed.

    Attributes:
        path: Its file, relative to the folder of all transcripts.

        session_id: The session's id.

        records: Its records, as far as they are whole.
    """

    path: str
    session_id: str
    records: Sequence[Record]

    def cost_usd(self) -> float:
        """Return what the session has cost so far."""
        costs = [record.get("totalCostUSD") for record in self.records if record.get("type") == "cost-state"]
        return float(costs[-1]) if costs and isinstance(costs[-1], int | float) else 0.0

    def title(self) -> str:
        """Return the title that the session was given, empty if none."""
        titles = [record.get("customTitle") for record in self.records if record.get("type") == "custom-title"]
        return str(titles[-1]) if titles else ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """
    The invocation.

    Attributes:
        cwd: The working folder, symbolic links resolved.

        environ: The environment.

        projects: The folder of all transcripts.

        folder: The transcripts' folder of this working folder, relative to *projects*.

        shown_projects: What the host is told *projects* is, empty for just that: where the real program would have it.

        pid: The process id.

        seed: Determines ids, times and costs of this invocation.

        project: What files say.

        history: The transcript to resume, None to begin a new one.

        branch: The git branch, ``HEAD`` outside a repository.

        mcp_servers: Configurations of ``--mcp-config`` by name.
    """

    cwd: str
    environ: Mapping[str, str]
    projects: str
    folder: str
    shown_projects: str = ""
    pid: int = 1
    seed: int = 0
    project: Project = field(default_factory=Project)
    history: History | None = None
    branch: str = "HEAD"
    mcp_servers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
