"""
Moves that go wrong: failed API requests, refused answers, conversations that are too long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from api_simulator.claude._session import tools
from api_simulator.claude._session.exchange import Pause, Waits
from api_simulator.claude._session.script import Move
from api_simulator.claude.records import MAX_RETRIES, failure_for

if TYPE_CHECKING:
    from api_simulator.claude._session.turn import Turn

_SUMMARY = "The conversation so far."
_COMPACTED = "This session is being continued from a previous conversation that ran out of context.\n\n"


def retries(turn: Turn, move: Move) -> Waits:
    """Print the records of requests that are tried again; waits only if the script says so."""
    session, failure = turn.session, failure_for(move["what"])
    limit = max(_max_retries(turn), move["times"])
    for attempt in range(1, move["times"] + 1):
        if session.records.has("system/api_retry"):
            printed = session.emit(session.records.api_retry(attempt, error_status=failure.status, max_retries=limit))
            session.transcript.api_error(printed, message=failure.api_message)
        if move.get("gap_ms"):
            yield Pause(ms=move["gap_ms"])


def api_error(turn: Turn, move: Move) -> Waits:
    """Give up: the turn ends as one whose last API request failed."""
    session, failure = turn.session, failure_for(move["what"])
    times = min(failure.retries, _max_retries(turn)) if move.get("retries") is None else move["retries"]
    yield from retries(turn, {"what": move["what"], "times": times, "gap_ms": move.get("gap_ms")})
    if failure.name == "usage_limit":
        session.emit(session.records.rate_limit_event("rejected"))
    printed = session.emit(session.records.api_error(move["what"], message=move.get("message")))
    session.transcript.assistant(printed, stop_reason="stop_sequence")
    turn.end_failed()


def _max_retries(turn: Turn) -> int:
    """Return how often a request is tried again: what the environment says, or the program's own number."""
    given = turn.session.around.environ.get("CLAUDE_CODE_MAX_RETRIES", "")
    return int(given) if given.isdecimal() else MAX_RETRIES


def rate_limit(turn: Turn, move: Move) -> Waits:
    """Print how much of the account's limit is used."""
    yield from ()
    session = turn.session
    session.emit(session.records.rate_limit_event(move["status"], utilization=move["utilization"]))


def compact(turn: Turn, move: Move) -> Waits:
    """Compact the conversation because it is too long."""
    session, records = turn.session, turn.session.records
    yield from _begin_compaction(turn, move["trigger"], move["summary"])
    boundary = session.emit(records.compact_boundary(trigger=move["trigger"], pre_tokens=move["pre_tokens"]))
    summary = session.emit(records.user(f"{_COMPACTED}{move['summary']}", synthetic=True))
    session.transcript.compacted(boundary, summary)


def compact_on_demand(turn: Turn) -> Waits:
    """Compact the conversation because the user said ``/compact``."""
    session, records = turn.session, turn.session.records
    yield from _begin_compaction(turn, "manual", _SUMMARY)
    turn.introduce()
    boundary = session.emit(records.compact_boundary(trigger="manual"))
    summary = session.emit(records.user(f"{_COMPACTED}{_SUMMARY}", synthetic=True, replay=True))
    session.emit(records.user("<local-command-stdout>Compacted</local-command-stdout>", replay=True))
    session.transcript.compacted(boundary, summary)
    session.result(records.local_result(local_command="compact"))


def _begin_compaction(turn: Turn, trigger: str, summary: str) -> Waits:
    session, records = turn.session, turn.session.records
    yield from tools.fire(turn, "PreCompact", trigger, {"trigger": trigger, "custom_instructions": None})
    if records.has("system/status"):
        session.emit(records.status("compacting", compact_output_chars=len(summary)))
        session.emit(records.status(None, compact_result="success"))


def nudge(turn: Turn, move: Move) -> Waits:
    """Tell the model to go on after an answer that was cut; another request follows."""
    yield from ()
    turn.say_to_model(move["text"])
