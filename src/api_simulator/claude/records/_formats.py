"""
The output formats ``text`` and ``json``, made from the records of a run.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from api_simulator.claude.records._base import Record

#: Subtype to what the format ``text`` prints; no newline at the end.
_ERROR_TEXTS = {
    "error_during_execution": "Execution error",
    "error_max_turns": "Error: Reached max turns ({limit})",
    "error_max_budget_usd": "Error: Exceeded USD budget ({limit})",
    "error_max_structured_output_retries": "Error: {said}",
}


def is_startup_error(result: Record) -> bool:
    """Whether *result* is that of a program that did not get to its first turn."""
    return result.get("subtype") == "error_during_execution" and result.get("num_turns") == 0


def text_of(result: Record) -> str:
    """Return what ``--output-format text`` prints for *result*, the last one of a run."""
    if is_startup_error(result):
        return ""
    subtype = str(result.get("subtype"))
    if subtype == "success":
        return f"{result.get('result', '')}\n"
    said = str((result.get("errors") or [""])[0])
    limit = said.rpartition("(")[2].removesuffix(")").removeprefix("$") or 1
    return _ERROR_TEXTS.get(subtype, "Execution error").format(limit=limit, said=said)


def json_of(records: Sequence[Record], *, verbose: bool = False) -> Record | list[Record] | None:
    """
    Return what ``--output-format json`` prints on its one line: the last result, or with *verbose* all records.

    None: nothing is printed.
    """
    results = [record for record in records if record.get("type") == "result"]
    if not results or is_startup_error(results[-1]):
        return None
    return [_without_stream_key(record) for record in records] if verbose else _without_stream_key(results[-1])


def _without_stream_key(record: Record) -> Record:
    # Printed under stream-json only.
    return {key: value for key, value in record.items() if key != "model_usage_since_last_result"}
