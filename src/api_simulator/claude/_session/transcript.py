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
        self._prompt_id: str | None = None
        self._prompts = 0
        self._uncompacted: list[str] = []
        self._title = ""
        self._answer: tuple[object, int] = (None, 0)

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
        self._uncompacted.clear()

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
        operations: list[Record] = [{"operation": "enqueue", "content": text}, {"operation": "dequeue"}]
        kept = (entry for entry in operations if self._has(entry["operation"]))
        self._write(self._file(""), *({**queued, **entry} for entry in kept))
        self._last_prompt = text
        self._prompt_id = self._records.new_uuid()
        self._prompts += 1
        record: Record = {
            "type": "user",
            "message": {"role": "user", "content": content},
            "promptId": self._prompt_id,
            "permissionMode": mode,
            "promptSource": "sdk",
            "turnPosition": self._position(),
        }
        if origin is not None:
            record["origin"] = origin
        own = self._add(record, uuid)
        self._uncompacted.append(own)
        return own

    def assistant(self, printed: Mapping[str, Any], *, stop_reason: str | None, agent_id: str = "") -> None:
        """Write what the model said, with the final stop reason, which the printed record lacks."""
        message = {**printed["message"]}
        if stop_reason is not None:
            message["stop_reason"] = stop_reason
        record: Record = {"type": "assistant", "message": message}
        request_id = printed.get("request_id") or self._records.request_id
        if request_id is not None:
            record["requestId"] = request_id
        # Not by `is_api_error_message`: old versions do not print it.
        is_failure = message["model"] == "<synthetic>"
        record |= _failure(printed) if is_failure else self._answered(message)
        if printed.get("aborted"):
            record["isAbortedMidStream"] = True
        for name, said in (("thinkingDurationMs", "thinking_duration_ms"), ("thinkingDisplay", "thinking_display")):
            if said in printed:
                record[name] = printed[said]
        self._add(record, printed.get("uuid"), agent_id)

    def _answered(self, message: Record) -> Record:
        """Return what is said of a block of the model's answer."""
        last_id, index = self._answer
        self._answer = (message["id"], index + 1 if message["id"] == last_id else 0)
        fields: Record = {
            "apiBlockIndex": self._answer[1],
            "effort": None,
            "promptCacheRequested": True,
            "requestedModel": self._records.model,
        }
        (block,) = message["content"]
        if block["type"] == "tool_use":
            fields["toolInputStreamMs"] = 0
            if block["name"].startswith("mcp__"):
                _, server, tool = (*block["name"].split("__", 2), "")[:3]
                fields |= {"attributionMcpServer": server, "attributionMcpTool": tool}
        return fields

    def user(self, printed: Mapping[str, Any], *, agent_id: str = "") -> None:
        """Write what the program said to the model: the result of a tool, a nudge."""
        record: Record = {"type": "user", "message": printed["message"], "promptId": self._prompt_id}
        if "tool_use_result" in printed:
            result = record["toolUseResult"] = printed["tool_use_result"]
            record["sourceToolAssistantUUID"] = self._parents.get(agent_id)
            if isinstance(result, dict) and "stdout" in result:
                record["sandboxed"] = False
        for meta in printed.get("tool_result_meta", ()):
            record["permissionDecision"] = {
                "reasonType" if name == "reason_type" else name: value
                for name, value in meta["permission_decision"].items()
            }
            if "non_execution_kind" in meta:
                record["toolDenialKind"] = meta["non_execution_kind"]
        if printed.get("isSynthetic"):
            record["isMeta"] = True
        self._add(record, printed.get("uuid"), agent_id)

    def api_error(self, retry: Mapping[str, Any], *, message: str) -> None:
        """Write that a request failed and is tried again, as the printed record *retry* says."""
        if not self._has("api_error"):
            return
        record: Record = {
            "type": "system",
            "subtype": "api_error",
            "level": "error",
            "error": {"message": message, "status": retry["error_status"]},
            "retryInMs": retry["retry_delay_ms"],
            "retryAttempt": retry["attempt"],
            "maxRetries": retry["max_retries"],
            "source": "request_retry",
        }
        self._add(record, None)

    def compacted(self, boundary: Mapping[str, Any], summary: Mapping[str, Any]) -> None:
        """Write that the conversation was compacted: the chain begins anew."""
        last, self._parents[""] = self._parents.get(""), None
        metadata = {
            "trigger": boundary["compact_metadata"]["trigger"],
            "preTokens": boundary["compact_metadata"]["pre_tokens"],
        }
        record = {"type": "system", "subtype": "compact_boundary", "content": "Conversation compacted", "level": "info"}
        self._add({**record, "compactMetadata": metadata, "logicalParentUuid": last}, boundary.get("uuid"))
        told: Record = {
            "type": "user",
            "message": summary["message"],
            "promptId": self._prompt_id,
            "turnPosition": self._position(),
            "isCompactSummary": True,
            "isVisibleInTranscriptOnly": True,
            "summarizedTurnPromptUuids": list(self._uncompacted),
        }
        self._uncompacted.clear()
        self._add(told, summary.get("uuid"))

    def _position(self) -> Record:
        return {"promptIndex": max(0, self._prompts - 1), "turnIndex": 0}

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
        """Write the title of the session; it is written once more at the end."""
        self._title = title
        named = [{"type": "custom-title", "customTitle": title}, {"type": "agent-name", "agentName": title}]
        self._state(*named)

    def close(self) -> None:
        """Write the last records, if there is anything at all."""
        if not self._prompts:
            return
        self._state({"type": "last-prompt", "lastPrompt": self._last_prompt, "leafUuid": self._parents.get("")})
        if self._title:
            self.title(self._title)
        self._state({"type": "cost-state", **self._records.spent()})

    def _state(self, *records: Record) -> None:
        """Write records that belong to no conversation, those that this version has."""
        session = {"sessionId": self._records.session_id}
        self._write(self._file(""), *({**record, **session} for record in records if self._has(record["type"])))

    def _has(self, kind: str) -> bool:
        return self._records.has(f"transcript/{kind}")

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

    def _write(self, path: str, *entries: Record) -> None:
        absent = self._records.profile.absent_keys.get("transcript", ())
        records = tuple({key: value for key, value in entry.items() if key not in absent} for entry in entries)
        if self._is_kept and records:
            self._put(Log(path, records))
        if self._mirrors and records:
            self._mirrored.setdefault(path, []).extend(records)


def _failure(printed: Mapping[str, Any]) -> Record:
    """Return what is said of an API request that failed for good."""
    fields: Record = {"isApiErrorMessage": True, "error": printed.get("error"), "failedResponseHadNoToolCall": True}
    names = {
        "apiError": "api_error",
        "apiErrorParams": "api_error_params",
        "apiErrorStatus": "api_error_status",
        "apiErrorType": "api_error_type",
    }
    return fields | {name: printed[said] for name, said in names.items() if said in printed}


def leaf_of(records: list[Record]) -> str | None:
    """Return the uuid of the last record of the conversation."""
    for record in reversed(records):
        if record.get("type") in _CONVERSATION and not record.get("isSidechain") and record.get("uuid"):
            return str(record["uuid"])
    return None


def _json(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)
