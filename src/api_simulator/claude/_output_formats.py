"""
The scripts of one fake for the output formats that an invocation may ask for.

Only what builders made is rendered; a message that was given as a dict is printed as it is, whatever the format.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from api_simulator.claude._messages import Message, encode_message
from api_simulator.claude.records import json_of, text_of

OutputFormat: TypeAlias = Literal["stream-json", "json", "json-verbose", "text"]

#: Format to the arguments that ask for it, each in the order given; the first that fits counts. Text is what is left.
ASKED_BY: Mapping[OutputFormat, Sequence[Sequence[str]]] = {
    "stream-json": [["--output-format", "stream-json"], ["--output-format=stream-json"]],
    "json-verbose": [
        ["--output-format", "json", "--verbose"],
        ["--verbose", "--output-format", "json"],
        ["--output-format=json", "--verbose"],
        ["--verbose", "--output-format=json"],
    ],
    "json": [["--output-format", "json"], ["--output-format=json"]],
    "text": [[]],
}


def rendered(messages: Iterable[Message], output_format: OutputFormat) -> bytes:
    """Return what a format other than stream-json prints for the built ones among *messages*, once and for all."""
    records: list[dict[str, Any]] = [message.built for message in messages if message.built is not None]
    if output_format == "text":
        results = [record for record in records if record.get("type") == "result"]
        return text_of(results[-1]).encode() if results else b""
    printed = json_of(records, verbose=output_format == "json-verbose")
    return b"" if printed is None else encode_message(printed) + b"\n"


def exit_code(messages: Iterable[Message]) -> int:
    """Return the exit code of a run that came to its end: whether the last result is a failure."""
    results = [message.built for message in messages if message.built is not None and message.kind == "result"]
    return int(bool(results and results[-1].get("is_error")))
