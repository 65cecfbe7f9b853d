"""
Calls of tools: which there are, who must agree, what hooks say, and the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from api_simulator.claude._session import agents
from api_simulator.claude._session.exchange import CreateFile, HostReply, Interrupted, Pause, Record, Waits
from api_simulator.claude._session.hooks import Outcome
from api_simulator.claude._session.host import BUILT_IN_AGENTS, BUILT_IN_COMMANDS
from api_simulator.claude._session.mcp import split_name
from api_simulator.claude._session.permissions import suggestions
from api_simulator.claude._session.prompts import text_of
from api_simulator.claude._session.script import Move
from api_simulator.claude.records._init import TOOLS

if TYPE_CHECKING:
    from api_simulator.claude._session.session import Session
    from api_simulator.claude._session.turn import Turn

_OUTPUT_TAKEN = "Structured output provided successfully"


def tool_names(session: Session) -> list[str]:
    """Return the tools that the model is offered, by the names of ``system/init``."""
    wanted = session.options.listed("--tools") if session.options.has("--tools") else ["default"]
    base = list(TOOLS) if "default" in wanted else ["Task" if name == "Agent" else name for name in wanted]
    if session.options.has("--json-schema"):
        base.append("StructuredOutput")
    named = [
        name for server in session.servers.values() if server.status == "connected" for name in server.tool_names()
    ]
    return [name for name in (*base, *named) if not session.permissions.removes(name)]


def init_record(session: Session) -> Record:
    """Return ``system/init`` as it is now."""
    project = session.around.project
    return session.records.init(
        tools=tool_names(session),
        mcp_servers=[server.shown() for server in session.servers.values()],
        permission_mode=session.permissions.mode,
        api_key_source="ANTHROPIC_API_KEY" if session.around.environ.get("ANTHROPIC_API_KEY") else "none",
        output_style=project.output_style,
        agents=list(dict.fromkeys([*BUILT_IN_AGENTS, *session.agents])),
        skills=project.skills,
        slash_commands=[*BUILT_IN_COMMANDS, *project.commands],
        additional_directories=session.options.values.get("--add-dir", ()),
    )


def block_of(session: Session, move: Move) -> Record:
    """Return the content block of a move."""
    records = session.records
    match move["do"]:
        case "text":
            return {"type": "text", "text": move["text"]}
        case "thinking":
            return records.thinking_block(move["text"])
        case "structured":
            return records.tool_use_block("StructuredOutput", move["value"])
        case "subagent":
            return records.tool_use_block("Agent", agents.tool_input(move))
        case "background":
            given = {"command": move["command"], "description": move["description"], "run_in_background": True}
            return records.tool_use_block("Bash", given)
        case _:
            return records.tool_use_block(move["name"], move["input"], tool_use_id=move.get("id"))


def fire(
    turn: Turn,
    event: str,
    subject: str,
    fields: Mapping[str, Any],
    *,
    tool_use_id: str | None = None,
    agent: Mapping[str, Any] | None = None,
) -> Waits:
    """Call the host's hooks for an event, one after the other, and return what they amount to."""
    session, outcome = turn.session, Outcome()
    for callback in [known for known in session.hooks if known.event == event and known.fits(subject)]:
        hook_input = {
            "session_id": session.records.session_id,
            "transcript_path": session.transcript.path(),
            "cwd": session.around.cwd,
            "permission_mode": session.permissions.mode,
            "hook_event_name": event,
            **({"agent_id": agent["agent_id"], "agent_type": agent["subagent_type"]} if agent else {}),
            **fields,
        }
        started = None
        if session.options.has("--include-hook-events") and session.records.has("system/hook_started"):
            started = session.emit(session.records.hook_started(event, matcher=subject))
        record = session.records.hook_callback(callback.callback_id, hook_input, tool_use_id=tool_use_id)
        reply = yield from _await(turn, session.host.request(record))
        output = reply.get("response") if isinstance(reply, Mapping) else None
        if started is not None:
            failed = not isinstance(output, Mapping)
            session.emit(session.records.hook_response(started, outcome="error" if failed else "success"))
        if isinstance(output, Mapping):
            outcome.add(output)
    return outcome


def _await(turn: Turn, reply: HostReply) -> Waits:
    try:
        return (yield reply)
    except Interrupted:
        turn.session.host.withdraw(reply)
        raise


@dataclass(slots=True)
class Given:
    """
    What a call of a tool came to.

    Attributes:
        content: What the model gets.

        is_error: Whether it failed, or was not executed.

        permission: Who decided, as :meth:`Records.tool_result` takes it.

        structured: ``tool_use_result``, None to have it made up.

        ran: Whether the tool ran at all.
    """

    content: Any
    is_error: bool = False
    permission: Any = None
    structured: Any = None
    ran: bool = True


@dataclass(slots=True)
class Call:
    """
    A call of a tool by the model, or by a sub-agent.

    Attributes:
        block: Its content block.

        move: What the script has for it.

        printed: The ``assistant`` record with it.

        agent: The sub-agent's task, None for the model itself.

        denied_because: ``decision_reason_type`` if it was denied, None to leave it out.
    """

    block: Record
    move: Move
    printed: Record
    agent: Mapping[str, Any] | None = None
    denied_because: str | None = "other"

    @property
    def name(self) -> str:
        """The tool."""
        return str(self.block["name"])

    @property
    def tool_input(self) -> dict[str, Any]:
        """Its arguments; a hook or a host may have changed them."""
        given: dict[str, Any] = self.block["input"]
        return given

    def run(self, turn: Turn) -> Waits:
        """Get permission, run the tool, print its result."""
        given = yield from self._given(turn)
        self.report(turn, given)
        yield from self._after(turn, given)

    def report(self, turn: Turn, given: Given) -> None:
        """Print the result and put it on record."""
        session = turn.session
        if (
            given.permission in ("rule", "ungranted")
            and not self.agent
            and session.records.has("system/permission_denied")
        ):
            message = given.content if isinstance(given.content, str) else None
            reason = self.denied_because
            session.emit(session.records.permission_denied(self.block, reason_type=reason, message=message))
        record = session.records.tool_result(
            given.content,
            tool_use=self.block,
            is_error=given.is_error,
            structured=given.structured,
            permission=given.permission,
            agent=self.agent,
        )
        session.emit(record)
        session.transcript.user(record, agent_id=str(self.agent["agent_id"]) if self.agent else "")
        result = {
            "name": self.name,
            "input": self.tool_input,
            "content": text_of(given.content),
            "is_error": given.is_error,
        }
        turn.results.append(result)

    def _given(self, turn: Turn) -> Waits:
        problem = self._problem(turn.session)
        if problem is not None:
            return Given(problem, is_error=True, permission="none", ran=False)
        fields = {"tool_name": self.name, "tool_input": self.tool_input, "tool_use_id": self.block["id"]}
        before = yield from fire(turn, "PreToolUse", self.name, fields, tool_use_id=self.block["id"], agent=self.agent)
        if before.updated_input is not None:
            self.block["input"] = before.updated_input
        refused = yield from self._refusal(turn, before)
        if refused is not None:
            return refused
        source = "hook" if before.decision == "allow" else None
        if before.stops:
            turn.stop_text = before.stop_reason
        if self.move.get("takes_ms"):
            yield Pause(ms=self.move["takes_ms"])
        given = yield from self._execute(turn)
        given.permission = given.permission or source
        return given

    def _problem(self, session: Session) -> str | None:
        offered = [*tool_names(session), "Agent", "Task"]
        is_gone = session.permissions.removes(self.name) or (
            self.name not in offered and (session.options.has("--tools") or split_name(self.name) is not None)
        )
        if not is_gone or self.name == "StructuredOutput":
            return None
        return f"<tool_use_error>Error: No such tool available: {self.name}</tool_use_error>"

    def _refusal(self, turn: Turn, before: Outcome) -> Waits:
        """Return why the tool may not run, None if it may."""
        if before.decision == "deny":
            return Given(before.reason or "Denied by hook", is_error=True, permission="hook", ran=False)
        if before.decision == "defer":
            turn.defer(self.block)
        asked = "ask" if before.decision == "ask" else self.move.get("permission")
        verdict = turn.session.permissions.verdict(self.name, self.tool_input)
        behavior = asked or verdict.behavior
        if before.decision == "allow" and verdict.behavior != "deny":
            behavior = "allow"
        if behavior == "ask":
            refused = yield from self._ask_host(turn)
            return refused
        if behavior == "deny":
            self.denied_because = verdict.reason_type
            text = f"Permission to use {self.name} has been denied."
            return Given(text, is_error=True, permission="rule", ran=False)
        return None

    def _ask_host(self, turn: Turn) -> Waits:
        session = turn.session
        options = session.options
        if options.value("--permission-prompt-tool") != "stdio" or options.value("--permission-prompts") == "none":
            self.denied_because = None
            text = f"Claude requested permissions to use {self.name}, but you haven't granted it yet."
            return Given(text, is_error=True, permission="ungranted", ran=False)
        record = session.records.can_use_tool(
            self.block, permission_suggestions=suggestions(self.name, self.tool_input)
        )
        if self.agent:
            record["request"]["agent_id"] = self.agent["agent_id"]
        reply = yield from _await(turn, session.host.request(record))
        return self._host_said(turn, reply)

    def _host_said(self, turn: Turn, reply: object) -> Given | None:
        if reply is None:
            text = "Tool permission request failed: AbortError: Tool permission stream closed before response received"
            return Given(text, is_error=True, permission="unanswered", ran=False)
        assert isinstance(reply, Mapping)
        if reply.get("subtype") == "error":
            text = f"Tool permission request failed: Error: {reply.get('error')}"
            return Given(text, is_error=True, permission="unanswered", ran=False)
        answer = reply.get("response")
        answer = answer if isinstance(answer, Mapping) else {}
        if answer.get("behavior") == "allow":
            if isinstance(answer.get("updatedInput"), Mapping):
                self.block["input"] = dict(answer["updatedInput"])
            turn.session.permissions.update(answer.get("updatedPermissions") or ())
            self.move.setdefault("granted", "user_temporary")
            return None
        if answer.get("behavior") == "deny":
            given = Given(str(answer.get("message", "")), is_error=True, permission="user_reject", ran=False)
            if answer.get("interrupt"):
                self.report(turn, given)
                turn.fail("error_during_execution", terminal_reason="aborted_tools")
            return given
        text = (
            "Tool permission request failed: the host returned an invalid permission result: expected "
            '{"behavior": "allow", "updatedInput": {…}} or {"behavior": "deny", "message": "…"}'
        )
        return Given(text, is_error=True, permission="unanswered", ran=False)

    def _execute(self, turn: Turn) -> Waits:
        match self.move["do"]:
            case "structured":
                return self._take_output(turn)
            case "subagent" | "background":
                given = yield from agents.execute(self, turn)
                return given
        name = split_name(self.name)
        server = turn.session.servers.get(name[0]) if name else None
        if name and server is not None and server.lives_in_host and self.move.get("result") is None:
            result = yield from server.call(name[1], self.tool_input, self.block["id"])
            return Given(result.get("content", ""), is_error=bool(result.get("isError")))
        if self.name == "Write" and self.move.get("writes"):
            turn.session.put(CreateFile(str(self.tool_input["file_path"]), str(self.tool_input.get("content", ""))))
        content = self.move.get("result")
        permission = self.move.get("granted")
        if content is None:
            content = default_result(self.name, self.tool_input)
        is_error = bool(self.move.get("is_error"))
        return Given(content, is_error=is_error, permission=permission, structured=self.move.get("structured"))

    def _take_output(self, turn: Turn) -> Given:
        problem = self.move.get("problem")
        if problem is not None:
            turn.failed_outputs += 1
            return Given(f"Output does not match required schema: {problem}", is_error=True)
        turn.structured, turn.has_structured = self.tool_input, True
        return Given(_OUTPUT_TAKEN)

    def _after(self, turn: Turn, given: Given) -> Waits:
        if not given.ran:
            return
        fields = {"tool_name": self.name, "tool_input": self.tool_input, "tool_use_id": self.block["id"]}
        event = "PostToolUseFailure" if given.is_error else "PostToolUse"
        fields |= {"error": given.content} if given.is_error else {"tool_response": given.content}
        after = yield from fire(
            turn, event, self.name, fields | {"duration_ms": 5}, tool_use_id=self.block["id"], agent=self.agent
        )
        if after.stops or turn.stop_text is not None:
            turn.stop_by_hook(after.stop_reason or turn.stop_text or "")


def default_result(name: str, given: Mapping[str, Any]) -> str:
    """Return what a tool gives for which the script has no result."""
    match name:
        case "Write":
            return f"File created successfully at: {given.get('file_path', '')}"
        case "Edit" | "MultiEdit":
            return f"The file {given.get('file_path', '')} has been updated."
        case _:
            return ""
