"""
The transcript of a session, record by record, in the layout of the real program.

A record of the conversation names the one before it (``parentUuid``), so that the file is a chain; a sub-agent has a
file, and a chain, of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from api_simulator.claude._session.exchange import CreateFile, Log, Output, Record
from api_simulator.claude._session.surroundings import Surroundings
from api_simulator.claude.records import Records

_CONVERSATION = ("user", "assistant", "system", "attachment")


class Transcript:
    """
    What a session writes to disk.

    Args:
        records: Makes ids and times, and knows the session's id.

        around: The invocation.

        put: Takes what is to be written.

        is_kept: Whether anything is written at all (``--no-session-persistence``).

        mirrors: Whether the host gets a copy (``--session-mirror``).
    """

    def __init__(
        self,
        records: Records,
        around: Surroundings,
        put: Callable[[Output], None],
        *,
        is_kept: bool = True,
        mirrors: bool = False,
    ) -> None:
        self._records = records
        self._around = around
        self._put = put
        self._is_kept = is_kept
        self._mirrors = mirrors
        self._mirrored: dict[str, list[Record]] = {}
        self._parents: dict[str, str | None] = {}
        self._path: str | None = None
        self._last_prompt = ""
        self._prompts = 0

    # Which file

    def go_on(self, path: str, leaf: str | None) -> None:
        """Append to the file at *path*, whose last record of the conversation is *leaf*."""
        self._path = path
        self._parents[""] = leaf

    def copy(self, records: list[Record]) -> None:
        """Begin a new file with the records of another session, which keep their uuids."""
        own = [{**record, "sessionId": self._records.session_id} for record in records if "sessionId" in record]
        self._write(self._file(""), *own)
        self._parents[""] = leaf_of(own)

    def start_over(self) -> None:
        """Begin a new file for the session's new id."""
        self._path = None
        self._parents.clear()
        self._prompts = 0

    def path(self) -> str:
        """Return the file of the session, as a full path."""
        return f"{self._around.projects}/{self._file('')}"

    def _file(self, agent_id: str) -> str:
        session = self._path or f"{self._around.folder}/{self._records.session_id}.jsonl"
        return f"{session.removesuffix('.jsonl')}/subagents/agent-{agent_id}.jsonl" if agent_id else session

    # The conversation

    def prompt(self, content: object, text: str, *, uuid: str | None, mode: str, origin: object = None) -> str:
        """Write a prompt and return its uuid."""
        queued = {
            "type": "queue-operation",
            "timestamp": self._records.timestamp(),
            "sessionId": self._records.session_id,
        }
        self._write(
            self._file(""), {**queued, "operation": "enqueue", "content": text}, {**queued, "operation": "dequeue"}
        )
        self._last_prompt = text
        self._prompts += 1
        record: Record = {
            "type": "user",
            "message": {"role": "user", "content": content},
            "promptId": self._records.new_uuid(),
            "permissionMode": mode,
            "promptSource": "sdk",
            "turnPosition": {"promptIndex": self._prompts - 1, "turnIndex": 0},
        }
        if origin is not None:
            record["origin"] = origin
        return self._add(record, uuid)

    def assistant(self, printed: Mapping[str, Any], *, stop_reason: str | None, agent_id: str = "") -> None:
        """Write what the model said, with the final stop reason, which the printed record lacks."""
        message = {**printed["message"]}
        if stop_reason is not None:
            message["stop_reason"] = stop_reason
        record: Record = {"type": "assistant", "message": message, "apiBlockIndex": 0, "effort": None}
        if "request_id" in printed:
            record["requestId"] = printed["request_id"]
        if printed.get("is_api_error_message"):
            record |= {"isApiErrorMessage": True, "error": printed.get("error")}
        if printed.get("aborted"):
            record["isAbortedMidStream"] = True
        self._add(record, printed.get("uuid"), agent_id)

    def user(self, printed: Mapping[str, Any], *, agent_id: str = "") -> None:
        """Write what the program said to the model: the result of a tool, a nudge."""
        record: Record = {"type": "user", "message": printed["message"]}
        if "tool_use_result" in printed:
            record["toolUseResult"] = printed["tool_use_result"]
            record["sourceToolAssistantUUID"] = self._parents.get(agent_id)
        if printed.get("isSynthetic"):
            record["isMeta"] = True
        self._add(record, printed.get("uuid"), agent_id)

    def system(self, subtype: str, fields: Mapping[str, Any]) -> None:
        """Write a ``system`` record."""
        self._add({"type": "system", "subtype": subtype, **fields}, None)

    def compacted(self, boundary: Mapping[str, Any], summary: Mapping[str, Any]) -> None:
        """Write that the conversation was compacted: the chain begins anew."""
        last, self._parents[""] = self._parents.get(""), None
        metadata = {
            "trigger": boundary["compact_metadata"]["trigger"],
            "preTokens": boundary["compact_metadata"]["pre_tokens"],
        }
        record = {"type": "system", "subtype": "compact_boundary", "content": "Conversation compacted", "level": "info"}
        self._add({**record, "compactMetadata": metadata, "logicalParentUuid": last}, boundary.get("uuid"))
        told: Record = {"type": "user", "message": summary["message"], "isCompactSummary": True}
        self._add({**told, "isVisibleInTranscriptOnly": True}, summary.get("uuid"))

    def agent_began(self, task: Mapping[str, Any], prompt: str) -> None:
        """Write the two files of a sub-agent: its chain and what it is."""
        agent_id = str(task["agent_id"])
        meta = {
            "agentType": task["subagent_type"],
            "isBuiltIn": task["subagent_type"] == "general-purpose",
            "description": task["task_description"],
            "toolUseId": task["parent_tool_use_id"],
            "spawnDepth": 1,
            "model": self._records.model,
        }
        path = self._file(agent_id)
        if self._is_kept:
            text = _json(meta)
            self._put(CreateFile(f"{self._around.projects}/{path.removesuffix('.jsonl')}.meta.json", text))
        if self._mirrors:
            self._mirrored.setdefault(path, []).append({"type": "agent_metadata", **meta})
        self._add({"type": "user", "message": {"role": "user", "content": prompt}}, None, agent_id)

    def title(self, title: str) -> None:
        """Write the title of the session."""
        self._write(
            self._file(""), {"type": "custom-title", "customTitle": title, "sessionId": self._records.session_id}
        )

    def close(self, *, cost_usd: float) -> None:
        """Write the last records, if there is anything at all."""
        if not self._prompts:
            return
        session = {"sessionId": self._records.session_id}
        leaf = {"lastPrompt": self._last_prompt, "leafUuid": self._parents.get("")}
        self._write(
            self._file(""),
            {"type": "last-prompt", **leaf, **session},
            {"type": "cost-state", "totalCostUSD": cost_usd, "totalAPIDuration": 0, "modelUsage": {}, **session},
        )

    def mirrored(self) -> list[Record]:
        """Return the records that bring the host what was written since the last time."""
        batches, self._mirrored = self._mirrored, {}
        # A host makes a key of the path's part below the folder where it expects transcripts.
        projects = self._around.shown_projects or self._around.projects
        return [self._records.transcript_mirror(f"{projects}/{path}", entries) for path, entries in batches.items()]

    def _add(self, record: Record, uuid: object, agent_id: str = "") -> str:
        own = str(uuid) if uuid else self._records.new_uuid()
        entrypoint = self._around.environ.get("CLAUDE_CODE_ENTRYPOINT", "sdk-cli")
        envelope: Record = {
            "parentUuid": self._parents.get(agent_id),
            "isSidechain": bool(agent_id),
            "userType": "external",
            "entrypoint": entrypoint,
            "cwd": self._around.cwd,
            "sessionId": self._records.session_id,
            "version": self._records.version,
            "gitBranch": self._around.branch,
        }
        if agent_id:
            envelope["agentId"] = agent_id
        self._write(self._file(agent_id), {**envelope, **record, "uuid": own, "timestamp": self._records.timestamp()})
        self._parents[agent_id] = own
        return own

    def _write(self, path: str, *records: Record) -> None:
        if self._is_kept and records:
            self._put(Log(path, records))
        if self._mirrors and records:
            self._mirrored.setdefault(path, []).extend(records)


def leaf_of(records: list[Record]) -> str | None:
    """Return the uuid of the last record of the conversation."""
    for record in reversed(records):
        if record.get("type") in _CONVERSATION and not record.get("isSidechain") and record.get("uuid"):
            return str(record["uuid"])
    return None


def _json(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)
