"""
Whole runs by one call: what the real program prints when something happens to it, from first record to exit code.

Each appends to the script, so two calls play one after the other. Measured on version 2.1.329; older versions print
what they had.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from api_simulator.claude.records import MAX_RETRIES, ApiFailure, Records, request_failure
from api_simulator.errors import ScriptError

#: So many answers that do not fit the schema end the run.
_STRUCTURED_OUTPUT_ATTEMPTS = 5


class Behaviours(ABC):
    """Runs of the program, made of its records."""

    @property
    @abstractmethod
    def records(self) -> Records:
        """The builders."""

    @abstractmethod
    def add(self, *records: Mapping[str, object] | Iterable[Mapping[str, object]]) -> None:
        """Append records to the script."""

    def says(self, *blocks: str | Mapping[str, object]) -> None:
        """The model answers: text, or content blocks. Exit code 0."""
        r = self.records
        self.add(r.init(), r.message(*(blocks or ("Done.",))), r.result())

    # Failed requests

    def rate_limited(self, *, times: int | None = None, text: str = "Done.", oauth: bool = False) -> None:
        """
        The API answers 429.

        Args:
            times: How often, before it answers; None for ever: the program gives up after 10 retries, with exit code 1.

            text: The answer in the end.

            oauth: The program is logged in with an account whose limit is reached: it does not try again, and prints a
                ``rate_limit_event``.
        """
        if not oauth:
            self.api_failure("rate_limited", times=times, text=text)
            return
        if times is not None:
            raise ScriptError(
                f"rate_limited(times={times!r}, oauth=True): an account's limit is not tried again; drop one"
            )
        r = self.records
        event = [r.rate_limit_event("rejected")] if r.has("rate_limit_event") else []
        self.add(r.init(), event, r.api_error("usage_limit"), r.result())

    def overloaded(self, *, times: int | None = None, text: str = "Done.") -> None:
        """The API answers 529 so many *times*, then *text*. At the third one the program gives up, with exit code 1."""
        self.api_failure("overloaded", times=times, text=text)

    def credit_exhausted(self) -> None:
        """The API says that the credit balance is too low; the program does not try again. Exit code 1."""
        self.api_failure("credit_exhausted")

    def prompt_too_long(self) -> None:
        """The API refuses a first prompt as too long; the program does not try again. Exit code 1."""
        self.api_failure("prompt_too_long")

    def invalid_api_key(self) -> None:
        """The API answers 401, which the program tries 10 times more, waiting three minutes in all. Exit code 1."""
        self.api_failure("invalid_api_key")

    def api_failure(
        self,
        what: str | int | None,
        *,
        times: int | None = None,
        text: str = "Done.",
        message: str | None = None,
        max_retries: int = MAX_RETRIES,
    ) -> None:
        """
        Requests to the API fail. Waits are printed, not made.

        Args:
            what: ``"rate_limited"``, ``"overloaded"``, ``"server_error"``, ``"forbidden"``, ``"connection_refused"``,
                …, an HTTP status, or None for a connection that is refused.

            times: How often, before *text* is answered; None for ever.

            text: The answer in the end.

            message: ``error.message`` of the API's answer.

            max_retries: As the program was told by CLAUDE_CODE_MAX_RETRIES.

        Raises:
            ScriptError: If there is no such failure.
        """
        call = f"api_failure({what!r}, times={times!r})"
        try:
            failure = request_failure(what)
        except ValueError as error:
            raise ScriptError(f"{call}: {error}") from None
        if times is not None and (not isinstance(times, int) or times < 0):
            raise ScriptError(f"{call}: expected how often, 0 or more, or None for ever")
        r = self.records
        allowed = min(failure.retries, max_retries)
        gives_up = times is None or times > allowed
        retries = self._retries(failure, allowed if times is None else min(times, allowed), max_retries)
        end = [r.api_error(failure, message=message)] if gives_up else r.message(text)
        self.add(r.init(), retries, end, r.result())

    def _retries(self, failure: ApiFailure, count: int, max_retries: int) -> list[dict[str, Any]]:
        r = self.records
        if not r.has("system/api_retry"):
            return []
        return [r.api_retry(attempt, failure.status, max_retries=max_retries) for attempt in range(1, count + 1)]

    # Ends of runs

    def max_turns(self, limit: int = 1) -> None:
        """The run ends at ``--max-turns``, while the model still calls tools. Exit code 1; 0 before version 2.1."""
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise ScriptError(f"max_turns({limit!r}): expected a number of turns, 1 or more")
        r = self.records
        turns = [[r.tool_use(), r.tool_result()] for _ in range(limit)]
        self.add(r.init(), *turns, r.error_result("error_max_turns", limit=limit))

    def max_budget(self, limit_usd: float = 0.0001) -> None:
        """The run ends at ``--max-budget-usd``, after the answer that cost too much. Exit code 1."""
        r = self.records
        self.add(r.init(), r.message("Done."), r.error_result("error_max_budget_usd", limit=limit_usd))

    def structured_output(self, value: object, *, invalid_attempts: int = 0) -> None:
        """
        The model gives structured output (``--json-schema``).

        Args:
            value: What ``result.structured_output`` has.

            invalid_attempts: How often it gives something first that does not fit the schema; with 5 the run
                fails, with exit code 1.
        """
        r = self.records
        records: list[Any] = [r.init()]
        for _ in range(min(invalid_attempts, _STRUCTURED_OUTPUT_ATTEMPTS)):
            refusal = "Output does not match required schema"
            records += [r.tool_use("StructuredOutput", {"wrong": True})]
            records += [r.tool_result(refusal, is_error=True, permission="config")]
        if invalid_attempts >= _STRUCTURED_OUTPUT_ATTEMPTS:
            self.add(records, r.error_result("error_max_structured_output_retries"))
            return
        tool_input = value if isinstance(value, dict) else {"value": value}
        records += [
            r.tool_use("StructuredOutput", tool_input),
            r.tool_result("Structured output provided successfully"),
        ]
        if not r.profile.structured_output_ends_run:
            records += r.message("Done.")
        text = json.dumps(value, separators=(",", ":")) if r.profile.structured_output_ends_run else None
        self.add(records, r.result(text, structured_output=value))

    # Tools

    def permission_denied(
        self,
        tool: str = "Bash",
        tool_input: Mapping[str, object] | None = None,
        *,
        by_rule: bool = False,
        text: str = "I may not do that.",
    ) -> None:
        """
        The model calls a tool that it may not use; ``permission_denials`` of the result has it. Exit code 0.

        Args:
            tool: Its name.

            tool_input: Its arguments.

            by_rule: Whether a rule forbids it (``--disallowedTools``), or nobody is there to allow it.

            text: What the model says then.
        """
        r = self.records
        call = r.tool_use(tool, tool_input)
        said = f"Permission to use {tool} has been denied." if by_rule else f"{tool} needs approval."
        reason = "rule" if by_rule else None
        has_notice = r.has("system/permission_denied")
        notice = [r.permission_denied(call, reason_type=reason, message=said)] if has_notice else []
        refused = r.tool_result(said, tool_use=call, is_error=True, permission="rule" if by_rule else "ungranted")
        self.add(r.init(), call, notice, refused, r.message(text), r.result())

    def subagent(
        self,
        report: str = "Looked around.",
        *,
        prompt: str = "Look around.",
        description: str = "Look around",
        subagent_type: str = "general-purpose",
        before: str | None = None,
        text: str = "Done.",
    ) -> None:
        """
        The model hands a task to a sub-agent, which calls one tool and reports; then it answers. Exit code 0.

        Args:
            report: What the sub-agent says in the end.

            prompt: What it is told.

            description: The task in a few words.

            subagent_type: Which agent.

            before: What the model says before it calls the tool, None for nothing.

            text: The answer.
        """
        r = self.records
        *said, call = self._calls("Agent", _agent_input(prompt, description, subagent_type), before)
        task = r.agent_task(description, subagent_type=subagent_type, tool_use=call)
        begun = [*said, call, r.task_started(task, prompt=prompt), r.user(prompt, agent=task), r.task_progress(task)]
        its_call = r.tool_use(agent=task)
        its_result = r.tool_result(tool_use=its_call, agent=task)
        ended = [r.task_updated(task)] if r.has("system/task_updated") else []
        notice = r.task_notification(task, summary=description, tool_uses=1)
        reported = r.tool_result([{"type": "text", "text": report}], tool_use=call)
        self.add(r.init(), begun, its_call, its_result, ended, notice, reported, r.message(text), r.result())

    def background_task(
        self,
        report: str = "Looked around.",
        *,
        prompt: str = "Look around.",
        description: str = "Look around",
        subagent_type: str = "general-purpose",
        before: str | None = None,
        text: str = "It is at work.",
        final_text: str = "It is done.",
    ) -> None:
        """
        A sub-agent works in the background and ends after the model has answered: one run, two results. Exit code 0.

        The second ``result`` has ``origin.kind`` ``task-notification``; both come at the end.

        Args:
            report: What the sub-agent says in the end.

            prompt: What it is told.

            description: The task in a few words.

            subagent_type: Which agent.

            before: What the model says before it calls the tool, None for nothing.

            text: The first answer.

            final_text: The answer to the report.
        """
        r = self.records
        tool_input = {**_agent_input(prompt, description, subagent_type), "run_in_background": True}
        *said, call = self._calls("Agent", tool_input, before)
        task = r.agent_task(description, subagent_type=subagent_type, tool_use=call)
        changes = r.has("system/background_tasks_changed")
        begun = [r.background_tasks_changed(task)] if changes else []
        begun.append(r.task_started(task, prompt=prompt, is_backgrounded=True))
        first = [r.tool_result("Started in the background.", tool_use=call), *r.message(text)]
        first_result = r.result()
        its_report = r.message(report, agent=task)
        ended = [r.task_updated(task)] if r.has("system/task_updated") else []
        ended.append(r.task_notification(task, summary=report, summary_is_report=True))
        ended += [r.background_tasks_changed()] if changes else []
        second = [r.init(), *r.message(final_text)]
        origin = {"kind": "task-notification", "producer": "session-task", "runId": task["run_id"]}
        self.add(r.init(), said, call, begun, first, its_report, ended, second, first_result, r.result(origin=origin))

    def _calls(self, tool: str, tool_input: Mapping[str, object], before: str | None) -> list[dict[str, Any]]:
        r = self.records
        block = r.tool_use_block(tool, tool_input)
        return r.message(block) if before is None else r.message(before, block)

    # The conversation

    def compaction(
        self,
        trigger: Literal["auto", "manual"] = "auto",
        *,
        summary: str = "So far: nothing much.",
        text: str = "Done.",
    ) -> None:
        """
        The conversation is compacted. Exit code 0.

        Args:
            trigger: ``auto``: the API finds the second request too long, the program compacts and goes on;
                ``manual``: the prompt was ``/compact``.

            summary: What the conversation is replaced by.

            text: The answer, if it goes on.
        """
        r = self.records
        if trigger == "manual":
            self.add(
                self._statuses(None),
                r.init(),
                r.compact_boundary(trigger="manual"),
                r.user(summary, synthetic=True, replay=True),
                r.user("<local-command-stdout>Compacted</local-command-stdout>", replay=True),
                r.local_result(local_command="compact"),
            )
            return
        called = [r.tool_use(), r.tool_result()]
        statuses = self._statuses(len(summary))
        boundary = r.compact_boundary(trigger="auto")
        self.add(r.init(), called, statuses, boundary, r.user(summary, synthetic=True), r.message(text), r.result())

    def _statuses(self, output_chars: int | None) -> list[dict[str, Any]]:
        r = self.records
        if not r.has("system/status"):
            return []
        return [r.status("compacting", compact_output_chars=output_chars), r.status(None, compact_result="success")]


def _agent_input(prompt: str, description: str, subagent_type: str) -> dict[str, object]:
    return {"description": description, "prompt": prompt, "subagent_type": subagent_type}
