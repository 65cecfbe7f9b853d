"""
What the program reads from files: settings, agents, commands, and the transcript to resume.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from api_simulator.claude._session.arguments import Options, UsageError
from api_simulator.claude._session.exchange import Record
from api_simulator.claude._session.surroundings import History, Project

SOURCES = ("user", "project", "local")


class ResumeError(Exception):
    """The session to resume is not there, or may not be cut as asked; the text says it."""


def read_text(path: str) -> str:
    """Return the text of the file at *path*."""
    with open(path, encoding="utf-8-sig") as file:
        return file.read()


def read_project(options: Options, *, cwd: str, config: str) -> Project:
    """
    Read settings, agents and commands of the sources that are loaded.

    Args:
        options: ``--setting-sources`` and ``--settings`` of these; all sources without the first.

        cwd: The working folder.

        config: The user's configuration folder.

    Raises:
        UsageError: If ``--settings`` names no file, and is no JSON.
    """
    given = options.value("--setting-sources") if options.has("--setting-sources") else ",".join(SOURCES)
    sources = [source for source in given.split(",") if source in SOURCES]
    settings: dict[str, Any] = {}
    files = {
        "user": f"{config}/settings.json",
        "project": f"{cwd}/.claude/settings.json",
        "local": f"{cwd}/.claude/settings.local.json",
    }
    for source in sources:
        _merge(settings, _json_file(files[source]))
    if options.has("--settings"):
        _merge(settings, _given_settings(options.value("--settings"), cwd))
    folders = [folder for source, folder in (("user", config), ("project", f"{cwd}/.claude")) if source in sources]
    agents = [agent for folder in folders for agent in _agents(f"{folder}/agents")]
    permissions = settings.get("permissions")
    return Project(
        output_style=str(settings.get("outputStyle") or "default"),
        model=str(settings.get("model") or ""),
        permissions=permissions if isinstance(permissions, dict) else {},
        agents=[*agents, *_given_agents(options)],
        commands=[name for folder in folders for name in _markdown_names(f"{folder}/commands")],
        skills=[name for folder in folders for name in _skills(f"{folder}/skills")],
    )


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        if name == "permissions" and isinstance(value, dict):
            rules = into.setdefault(name, {})
            for kind, given in value.items():
                rules[kind] = [*rules.get(kind, ()), *given] if isinstance(given, list) else given
        else:
            into[name] = value


def _json_file(path: str) -> dict[str, Any]:
    try:
        value = json.loads(read_text(path))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _given_settings(given: str, cwd: str) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        value = json.loads(given)
        if isinstance(value, dict):
            return value
    path = os.path.join(cwd, given)
    if not os.path.isfile(path):
        raise UsageError(f"Error: Settings file not found: {path}")
    return _json_file(path)


def _given_agents(options: Options) -> Iterator[dict[str, str]]:
    with contextlib.suppress(ValueError):
        agents = json.loads(options.value("--agents", "{}"))
        for name, agent in agents.items() if isinstance(agents, dict) else ():
            yield {"name": name, "description": str(agent.get("description", ""))}


def _agents(folder: str) -> Iterator[dict[str, str]]:
    for name in _markdown_names(folder):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            matter = front_matter(read_text(f"{folder}/{name}.md"))
            if matter.get("name"):
                yield matter


def front_matter(text: str) -> dict[str, str]:
    """Return the ``key: value`` lines between the dashes at the beginning of a Markdown text."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != "---":
        return {}
    found: dict[str, str] = {}
    for line in lines[1:]:
        if line.strip() == "---":
            return found
        key, colon, value = line.partition(":")
        if colon and not key.startswith((" ", "\t", "#")):
            found[key.strip()] = value.strip().strip("\"'")
    return {}


def _markdown_names(folder: str) -> list[str]:
    with contextlib.suppress(OSError):
        return sorted(name.removesuffix(".md") for name in os.listdir(folder) if name.endswith(".md"))
    return []


def _skills(folder: str) -> list[str]:
    with contextlib.suppress(OSError):
        return sorted(name for name in os.listdir(folder) if os.path.isfile(f"{folder}/{name}/SKILL.md"))
    return []


# Resuming


def find_history(options: Options, *, projects: str, folder: str) -> History | None:
    """
    Return the transcript that the command line asks for, None for a new session.

    Args:
        options: ``--resume``, ``--continue`` and what belongs to them.

        projects: The folder of all transcripts.

        folder: That of this working folder, relative to *projects*.

    Raises:
        ResumeError: If it is not there, or may not be cut as asked.
    """
    if options.has("--resume") and options.value("--resume"):
        history = _by_name(options.value("--resume"), projects)
        if history is None:
            raise ResumeError(f"No conversation found with session ID: {options.value('--resume')}")
        return _cut(history, options)
    if options.has("--continue") or options.has("--resume"):
        newest = max(
            _transcripts(projects, [folder]), key=lambda path: os.stat(f"{projects}/{path}").st_mtime_ns, default=None
        )
        return None if newest is None else _cut(_read(projects, newest), options)
    return None


def session_exists(session_id: str, projects: str) -> bool:
    """Whether there is a transcript of a session with this id."""
    return any(path.endswith(f"/{session_id}.jsonl") for path in _transcripts(projects))


def _by_name(name: str, projects: str) -> History | None:
    paths = list(_transcripts(projects))
    for path in paths:
        if path.endswith(f"/{name}.jsonl"):
            return _read(projects, path)
    titled = (_read(projects, path) for path in paths)
    return next((history for history in titled if history.title() == name), None)


def _transcripts(projects: str, folders: Sequence[str] | None = None) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for folder in sorted(os.listdir(projects)) if folders is None else folders:
            with contextlib.suppress(OSError):
                for name in sorted(os.listdir(f"{projects}/{folder}")):
                    if name.endswith(".jsonl"):
                        yield f"{folder}/{name}"


def _read(projects: str, path: str) -> History:
    records: list[Record] = []
    with open(f"{projects}/{path}", encoding="utf-8", errors="replace") as file:
        for line in file:
            # The last line of a program that was killed may be cut.
            with contextlib.suppress(ValueError):
                record = json.loads(line)
                if isinstance(record, dict):
                    records.append(record)
    return History(path, os.path.basename(path).removesuffix(".jsonl"), records)


def _cut(history: History, options: Options) -> History:
    if not options.has("--resume-session-at"):
        return history
    last = options.value("--resume-session-at")
    places = [index for index, record in enumerate(history.records) if record.get("uuid") == last]
    if not places:
        raise ResumeError(f"No message found with message.uuid of: {last}")
    kept, dropped = history.records[: places[0] + 1], history.records[places[0] + 1 :]
    if options.has("--resume-drops-turn"):
        _check_dropped(dropped, options.value("--resume-drops-turn"))
    return History(history.path, history.session_id, kept)


def _check_dropped(dropped: Sequence[Record], prompt: str) -> None:
    """Refuse to drop anything that does not belong to the turn of *prompt*."""
    prompts = [record.get("uuid") for record in dropped if is_prompt(record)]
    if prompts != [prompt]:
        found = ", ".join(str(uuid) for uuid in prompts) or "no prompt at all"
        raise ResumeError(
            f"Resume rejected by --resume-drops-turn: the records after the point to resume at belong to {found}, "
            f"not to the turn of {prompt!r} alone"
        )


def is_prompt(record: Mapping[str, Any]) -> bool:
    """Whether a transcript's record is what a user said: no result of a tool, and nothing the program said itself."""
    if record.get("type") != "user" or record.get("isMeta") or record.get("isSidechain") or "toolUseResult" in record:
        return False
    content = record.get("message", {}).get("content")
    blocks = content if isinstance(content, list) else []
    return not any(isinstance(block, dict) and block.get("type") == "tool_result" for block in blocks)
