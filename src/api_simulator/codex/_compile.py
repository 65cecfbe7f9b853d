"""
From what the agent does to what the player is told: instructions for the extension, a step's all in one.

An API answer is what comes up to the end of a tool call, or up to the end of the turn: so tokens are counted and
session files written as the real program does.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, assert_never

from api_simulator._core.bodies import encode_json
from api_simulator.codex._records import Rollout, event, inside, item, search_item, whole
from api_simulator.codex._steps import (
    AgentStep,
    Begins,
    Collaborates,
    Command,
    Commands,
    Completes,
    Costs,
    Emits,
    Fails,
    McpCall,
    Patches,
    Plans,
    Reasons,
    Rejected,
    Retries,
    Says,
    Searches,
    Warns,
)
from api_simulator.process.script import Extend, Hang

Instruction = tuple[str, bytes]


def framed(instructions: Iterable[Instruction]) -> bytes:
    """Return instructions as the extension reads them."""
    return b"".join(b"%s %d\n%s\n" % (verb.encode(), len(payload), payload) for verb, payload in instructions)


class Compiler:
    """
    Turns one script's steps into steps of the player.

    Args:
        rollout: The records of the session file.
    """

    def __init__(self, rollout: Rollout) -> None:
        self._rollout = rollout
        self._keys = 0
        self._plan_key: str | None = None
        self._has_answered = False

    def steps(self, steps: Sequence[Any]) -> list[Any]:
        """Return *steps*, the agent's as instructions, the others as they are."""
        done: list[Any] = []
        for index, step in enumerate(steps):
            if type(step).__module__ != Begins.__module__:
                done.append(step)
                continue
            following = steps[index + 1] if index + 1 < len(steps) else None
            # A stream that breaks right after a tool call belongs to the answer that had the call.
            is_broken = isinstance(following, Retries) and following.streamed
            done.append(Extend(framed(self._instructions(step, is_broken=is_broken))))
        if not done or not isinstance(done[-1], Hang):
            done.append(Extend(framed([("complete", b"")])))
        return done

    def _instructions(self, step: AgentStep, *, is_broken: bool) -> Iterator[Instruction]:
        # Everywhere the state and the record come before the line: who has seen the line may send a signal at once.
        if isinstance(step, Begins) and step.streaming:
            yield "answer", b""
        if not isinstance(step, Warns | Costs):
            yield "turn", b""
        match step:
            case Begins():
                pass
            case Says(text=text, phase=phase):
                yield from self._message(text, phase)
            case Reasons(summary=summary):
                yield from self._reasoning(summary)
            case Commands(commands=commands):
                yield from self._commands(commands, is_broken=is_broken)
            case Patches():
                yield from self._patch(step)
            case McpCall():
                yield from self._mcp_call(step)
            case Searches(query=query):
                yield from self._search(query)
            case Plans(items=items):
                yield from self._plan(items)
            case Collaborates(tool=tool, prompt=prompt):
                yield from self._collaborate(tool, prompt)
            case Rejected():
                yield from self._rejected(step)
            case Warns(text=text):
                key = self._key()
                yield from self._shown(key, "completed", "error", message=text)
                yield "say-raw", f"warning: {text}\n".encode()
            case Retries():
                yield from self._retries(step)
            case Fails():
                yield from self._failure(step)
            case Emits(line=line):
                yield "print-raw", line
            case Costs(usage=usage):
                words = (
                    []
                    if usage is None
                    else [
                        usage.input_tokens,
                        usage.cached_input_tokens,
                        usage.cache_write_input_tokens,
                        usage.output_tokens,
                        usage.reasoning_output_tokens,
                    ]
                )
                yield "usage", " ".join(map(str, words)).encode()
            case Completes():
                yield "complete", b""
            case _:
                assert_never(step)

    def _key(self) -> str:
        self._keys += 1
        return str(self._keys)

    def _shown(self, key: str, phase: str, kind: str, **fields: Any) -> Iterator[Instruction]:
        # The number is taken at the first print, so that items are numbered in the order of their beginnings.
        yield "item", key.encode()
        yield "print", item(phase, key, kind, **fields)

    def _records(self, records: Iterable[bytes]) -> Iterator[Instruction]:
        for record in records:
            yield "record", record

    def _message(self, text: str, phase: str | None) -> Iterator[Instruction]:
        key = self._key()
        self._has_answered = True
        yield "answer", b""
        yield from self._records(self._rollout.agent_message(key, text, phase))
        yield "last", text.encode()
        yield from self._shown(key, "completed", "agent_message", text=text)
        yield "say-raw", f"codex\n{text}\n".encode()

    def _reasoning(self, summary: tuple[str, ...]) -> Iterator[Instruction]:
        key = self._key()
        self._has_answered = True
        yield "answer", b""
        if summary:
            text = "\n".join(summary)
            yield from self._shown(key, "completed", "reasoning", text=text)
            yield "say-raw", f"{text}\n".encode()
        yield from self._records(self._rollout.reasoning(key, summary))

    def _called(self, *, is_broken: bool = False) -> Iterator[Instruction]:
        """The answer with its calls has come."""
        self._has_answered = True
        if not is_broken:
            yield "spend", b""

    def _commands(self, commands: tuple[Command, ...], *, is_broken: bool) -> Iterator[Instruction]:
        keyed = [(self._key(), command) for command in commands]
        for key, command in keyed:
            yield "record", self._rollout.function_call(key, "exec_command", {"cmd": command.line})
        yield from self._called(is_broken=is_broken)
        for key, command in keyed:
            if command.state == "hangs":
                yield "in-tool", self._rollout.call_output(key, "Wall time: 1.0 seconds\naborted by user")
            if command.state != "hidden":
                yield from self._shown(
                    key,
                    "started",
                    "command_execution",
                    command=_shell(command.line),
                    aggregated_output="",
                    exit_code=None,
                    status="in_progress",
                )
        for key, command in keyed:
            if command.state == "hangs":
                yield "say-raw", f"exec\n{_shell(command.line)} in ".encode()
                yield "say", b"\0cwd-plain\0\n"
                return
            if command.state == "done":
                yield from self._ended(key, command)
        for key, command in keyed:
            yield "record", self._rollout.call_output(key, _told(command))
            if command.state == "left":
                yield "left", framed(self._left_behind(key, command))
        if not is_broken:
            yield "count", b""

    def _ended(self, key: str, command: Command) -> Iterator[Instruction]:
        is_good = command.exit_code == 0
        yield from self._shown(
            key,
            "completed",
            "command_execution",
            command=_shell(command.line),
            aggregated_output=command.output,
            exit_code=command.exit_code,
            status="completed" if is_good else "failed",
        )
        ended = "succeeded" if is_good else f"exited {command.exit_code}"
        yield "say-raw", f"exec\n{_shell(command.line)} in ".encode()
        yield "say", b"\0cwd-plain\0\n"
        yield "say-raw", f" {ended} in {command.duration_ms}ms:\n{command.output}\n".encode()
        yield (
            "record",
            self._rollout.command_item(key, command.line, command.output, command.exit_code, command.duration_ms),
        )

    def _left_behind(self, key: str, command: Command) -> Iterator[Instruction]:
        yield "record", self._rollout.command_item(key, command.line, command.output, -1, 0)
        yield (
            "trace",
            b"\0now-us\0 ERROR codex_core::session: failed to record rollout items: thread \0thread\0 not found\n",
        )

    def _patch(self, step: Patches) -> Iterator[Instruction]:
        key = self._key()
        texts = [f"*** {kind.title()} File: {path}" for path, kind in step.changes]
        yield "record", self._rollout.patch_call(key, "\n".join(["*** Begin Patch", *texts, "*** End Patch", ""]))
        yield from self._called()
        letters = {"add": "A", "update": "M", "delete": "D"}
        if step.accepted:
            paths = [
                (path if path.startswith("/") else f"{inside('cwd-inside')}/{path}", kind)
                for path, kind in step.changes
            ]
            changes = [{"path": path, "kind": kind} for path, kind in paths]
            yield from self._shown(key, "started", "file_change", changes=changes, status="in_progress")
            yield from self._shown(key, "completed", "file_change", changes=changes, status="completed")
            yield "say-raw", b"apply patch\npatch: completed\n"
            for path, _ in step.changes:
                if not path.startswith("/"):
                    yield "say", b"\0cwd-plain\0/"
                yield "say-raw", f"{path}\ndiff --git a/{path} b/{path}\n\n".encode()
            listed = "".join(f"{letters[kind]} {path}\n" for path, kind in step.changes)
            output = f"Success. Updated the following files:\n{listed}"
            yield "record", self._rollout.patch_item(key, dict(paths), output)
        else:
            path = step.changes[0][0]
            output = f"apply_patch verification failed: Failed to find expected lines in {path}"
            yield "trace", b"\0now-us\0 ERROR codex_core::tools::router: error=apply_patch verification failed\n"
        told = f"Exit code: 0\nWall time: 0.1 seconds\nOutput:\n{output}" if step.accepted else output
        yield "record", self._rollout.call_output(key, told, custom=True)
        yield "count", b""

    def _mcp_call(self, step: McpCall) -> Iterator[Instruction]:
        key = self._key()
        fields: dict[str, Any] = {"server": step.server, "tool": step.tool, "arguments": dict(step.arguments)}
        result = None
        if step.content is not None:
            result = {"content": [dict(block) for block in step.content], "structured_content": step.structured}
        error = {"message": step.error} if step.error is not None else None
        status = "failed" if step.is_error or step.error is not None else "completed"
        yield (
            "record",
            self._rollout.function_call(key, step.tool, step.arguments, namespace=f"mcp__{step.server}"),
        )
        yield from self._called()
        pending = {"result": None, "error": None, "status": "in_progress"}
        yield from self._shown(key, "started", "mcp_tool_call", **fields, **pending)
        yield "say-raw", f"mcp: {step.server}/{step.tool} started\n".encode()
        yield from self._shown(key, "completed", "mcp_tool_call", **fields, result=result, error=error, status=status)
        yield "say-raw", f"mcp: {step.server}/{step.tool} ({status})\n".encode()
        recorded = {"result": result} if error is None else {"error": error}
        yield "record", self._rollout.mcp_item(key, {**fields, "status": status, **recorded})
        yield "record", self._rollout.call_output(key, encode_json(result if error is None else error).decode())
        yield "count", b""

    def _search(self, query: str) -> Iterator[Instruction]:
        key = self._key()
        self._has_answered = True
        yield "answer", b""
        yield "item", key.encode()
        for phase in ("started", "completed"):
            yield "print", search_item(phase, key, self._rollout.search_id(key), query)
            yield "say-raw", f"web search: {query}\n".encode()
        yield from self._records(self._rollout.search(key, query))

    def _plan(self, items: tuple[tuple[str, bool], ...]) -> Iterator[Instruction]:
        call = self._key()
        shown = [{"text": text, "completed": done} for text, done in items]
        plan = [{"step": text, "status": "completed" if done else "pending"} for text, done in items]
        yield "record", self._rollout.function_call(call, "update_plan", {"plan": plan})
        yield from self._called()
        phase = "started" if self._plan_key is None else "updated"
        self._plan_key = self._plan_key or call
        yield from self._shown(self._plan_key, phase, "todo_list", items=shown)
        yield "todo", framed([("print", item("completed", self._plan_key, "todo_list", items=shown))])
        yield "record", self._rollout.call_output(call, "Plan updated")
        yield "count", b""

    def _collaborate(self, tool: str, prompt: str | None) -> Iterator[Instruction]:
        key = self._key()
        receiver = self._rollout.fresh("agent", key)
        fields: dict[str, Any] = {"tool": tool, "sender_thread_id": inside("thread")}
        state = {"status": "pending_init", "message": None}
        yield "record", self._rollout.function_call(key, tool, {"message": prompt})
        yield from self._called()
        yield from self._shown(
            key,
            "started",
            "collab_tool_call",
            **fields,
            receiver_thread_ids=[],
            prompt=prompt,
            agents_states={},
            status="in_progress",
        )
        yield from self._shown(
            key,
            "completed",
            "collab_tool_call",
            **fields,
            receiver_thread_ids=[receiver],
            prompt=prompt,
            agents_states={receiver: state},
            status="completed",
        )
        yield "record", self._rollout.call_output(key, "{}")
        yield "count", b""

    def _rejected(self, step: Rejected) -> Iterator[Instruction]:
        key = self._key()
        yield "record", self._rollout.function_call(key, step.tool, step.arguments)
        yield from self._called()
        if step.log is not None:
            yield "trace", b"\0now-us\0 ERROR codex_core::tools::router: error="
            yield "trace", step.log.replace("\0", "").encode() + b"\n"
        yield "record", self._rollout.call_output(key, step.log or "")
        yield "count", b""

    def _retries(self, step: Retries) -> Iterator[Instruction]:
        for attempt in range(1, step.times + 1):
            number = "waiting for network" if step.is_network else f"{attempt}/{step.limit}"
            yield "print", event("error", message=f"Reconnecting... {number} ({step.reason})")
            yield "say-raw", f"ERROR: Reconnecting... {number}\n".encode()
            if step.streamed:
                yield "count", b""

    def _failure(self, step: Fails) -> Iterator[Instruction]:
        if step.is_full:
            yield "fill", b""
        for _ in range(step.counts):
            yield "count", b""
        error = {"message": step.message, "codex_error_info": step.info}
        yield "print", event("error", message=step.message)
        yield (
            "fail",
            framed([("record", self._rollout.task_complete(error, answered=self._has_answered or step.answered))]),
        )
        yield "print", event("turn.failed", error={"message": step.message})
        yield "say-raw", f"ERROR: {step.message}\nERROR: {step.message}\n".encode()
        yield "say-used", b""


def settings(rollout: Rollout) -> list[Instruction]:
    """Return the parts of the extension's settings that hold records: what every turn has."""
    environment = f"<environment_context>\n  <cwd>{inside('cwd-inside')}</cwd>\n</environment_context>"
    developer = rollout.input_message(
        "developer", "developer", "<permissions instructions>made up</permissions instructions>"
    )
    surroundings = rollout.input_message("environment", "user", environment)
    applied, started, context = rollout.settings_applied(), rollout.task_started(), rollout.turn_context()

    def records(*listed: bytes) -> bytes:
        return framed([("record", record) for record in listed])

    aborted = rollout.input_message(
        "aborted", "user", "<turn_aborted>\nThe user interrupted the turn.\n</turn_aborted>"
    )
    full, part = rollout.world_state(full=True), rollout.world_state(full=False)
    return [
        ("meta", rollout.session_meta(forked=False)),
        ("meta-forked", rollout.session_meta(forked=True)),
        ("git", rollout.git()),
        *(
            (f"profile-{name}", rollout.sandbox_profile(name))
            for name in ("", "read-only", "workspace-write", "danger-full-access")
        ),
        ("begin", framed([("print", event("thread.started", thread_id=inside("thread"))), ("say", _header())])),
        ("turn-new", records(started, developer, surroundings, full, context, applied)),
        ("turn-resume", records(applied, started, context)),
        ("turn-resume-sandbox", records(applied, applied, started, developer, surroundings, part, context)),
        ("turn-resume-cwd", records(applied, applied, started, surroundings, part, context)),
        ("turn-fork", records(applied, applied, started, surroundings, part, context)),
        (
            "turn-begun",
            framed(
                [
                    ("record", rollout.input_message("prompt", "user", whole("prompt"))),
                    ("record", rollout.user_item()),
                    ("print", event("turn.started")),
                ]
            ),
        ),
        ("spent", records(rollout.usage_record())),
        ("counted", records(rollout.token_count())),
        ("info", rollout.info()),
        ("completed", records(rollout.task_complete(answered=True))),
        ("turn-completed", event("turn.completed", usage=whole("usage"))),
        (
            "aborted",
            framed([("record", aborted), ("record", rollout.turn_aborted()), ("say-raw", b"turn interrupted\n")]),
        ),
    ]


def _header() -> bytes:
    lines = [
        "OpenAI Codex v\0version\0",
        "--------",
        "workdir: \0cwd-plain\0",
        "model: \0model-plain\0",
        "provider: \0provider\0",
        "approval: never",
        "sandbox: \0sandbox-plain\0",
        "reasoning effort: none",
        "reasoning summaries: none",
        "session id: \0thread\0",
        "--------",
        "user",
        "\0prompt-plain\0",
        "",
    ]
    return "\n".join(lines).encode()


def _shell(line: str) -> str:
    return f"/bin/bash -lc {shlex.quote(line)}"


def _told(command: Command) -> str:
    if command.state == "left":
        return (
            "Chunk ID: 0ae97a\nWall time: 1.0000 seconds\nProcess running with session ID 4711\n"
            f"Output:\n{command.output}"
        )
    return (
        f"Chunk ID: 0ae97a\nWall time: 0.0000 seconds\nProcess exited with code {command.exit_code}\n"
        f"Original token count: {len(command.output) // 4 + 1}\nOutput:\n{command.output}"
    )
