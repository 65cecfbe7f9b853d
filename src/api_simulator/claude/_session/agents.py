"""
Sub-agents, and what runs in the background.

A sub-agent's calls of tools are printed, what it says only where the host asked for it or it runs in the background.
What ends in the background wakes the model for another turn, with a result of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from api_simulator.claude._session import tools
from api_simulator.claude._session.exchange import Record, Waits
from api_simulator.claude._session.script import Move

if TYPE_CHECKING:
    from api_simulator.claude._session.tools import Call
    from api_simulator.claude._session.turn import Turn

_WOKEN_BY = {"kind": "task-notification"}
_NOTHING_SAID = "Done."


@dataclass(frozen=True, slots=True)
class Background:
    """
    A task that is still running when the turn that began it ends.

    Attributes:
        task: What names it.

        call: The call that began it.

        move: What the script has for it.
    """

    task: Record
    call: Call
    move: Move


def tool_input(move: Move) -> Record:
    """Return the input of the tool that begins a sub-agent."""
    given = {"description": move["description"], "prompt": move["prompt"], "subagent_type": move["type"]}
    return {**given, "run_in_background": True} if move.get("background") else given


def execute(call: Call, turn: Turn) -> Waits:
    """Run the tool: the whole task, or its beginning in the background."""
    session, records, move = turn.session, turn.session.records, call.move
    is_shell = move["do"] == "background"
    in_background = is_shell or bool(move.get("background"))
    description = move["description"]
    if is_shell:
        task = records.shell_task(description, tool_use=call.block)
    else:
        task = records.agent_task(description, subagent_type=move["type"], tool_use=call.block)
    if in_background:
        session.emit(records.background_tasks_changed(task))
    if records.has("system/task_started"):
        kind = "local_bash" if is_shell else "local_agent"
        session.emit(
            records.task_started(task, prompt=move.get("prompt", ""), task_type=kind, is_backgrounded=in_background)
        )
    if not is_shell:
        session.transcript.agent_began(task, move["prompt"])
    if in_background:
        turn.follow_ups.append(Background(task, call, move))
        text = f"Running in the background with ID: {task['agent_id']}"
        return tools.Given(text)
    given = yield from _play_agent(turn, task, move)
    return given


def _play_agent(turn: Turn, task: Record, move: Move) -> Waits:
    session, records = turn.session, turn.session.records
    session.emit(records.user(move["prompt"], agent=task))
    said, used = yield from _play_moves(turn, task, move["moves"], speaks=session.forwards_subagent_text)
    _report_end(turn, task, said, used)
    yield from tools.fire(turn, "SubagentStop", move["type"], {"stop_hook_active": False}, agent=task)
    return tools.Given([{"type": "text", "text": move.get("result") or said}])


def _play_moves(turn: Turn, task: Record, moves: Sequence[Move], *, speaks: bool) -> Waits:
    """Play what a sub-agent does; return its last text, and how many tools it called."""
    session, records, agent_id = turn.session, turn.session.records, str(task["agent_id"])
    said, used = _NOTHING_SAID, 0
    for move in moves:
        block = tools.block_of(session, move)
        is_call = block["type"] == "tool_use"
        if is_call:
            used += 1
            if records.has("system/task_progress"):
                session.emit(records.task_progress(task, last_tool_name=block["name"], tool_uses=used))
        printed = records.assistant(block, agent=task)
        if is_call or speaks:
            session.emit(printed)
        session.transcript.assistant(printed, stop_reason="tool_use" if is_call else "end_turn", agent_id=agent_id)
        if is_call:
            yield from tools.Call(block, move, printed, task).run(turn)
        elif block["type"] == "text":
            said = block["text"]
    return said, used


def _report_end(turn: Turn, task: Record, said: str, used: int, *, is_report: bool = False) -> None:
    session, records = turn.session, turn.session.records
    if not records.has("system/task_started"):
        return
    session.emit(records.task_updated(task))
    session.emit(records.task_notification(task, summary=said, summary_is_report=is_report, tool_uses=used))


def finish_background(turn: Turn) -> Waits:
    """Let what runs in the background end, and play the turns that this wakes the model for."""
    session, records = turn.session, turn.session.records
    while turn.follow_ups:
        background = turn.follow_ups.pop(0)
        move = background.move
        if move["do"] == "background":
            said, used = move["output"], 0
        else:
            said, used = yield from _play_moves(turn, background.task, move["moves"], speaks=True)
        _report_end(turn, background.task, said, used, is_report=True)
        session.emit(records.background_tasks_changed(*(other.task for other in turn.follow_ups)))
        turn.introduce()
        yield from turn.play_follow_up(move.get("afterwards") or [{"do": "text", "text": _NOTHING_SAID}], _WOKEN_BY)
