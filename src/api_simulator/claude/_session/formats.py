"""
The three output formats: what of a session's records is printed, and when.
"""

from __future__ import annotations

import json
from typing import Any

from api_simulator.claude._session.arguments import Options
from api_simulator.claude._session.exchange import Record
from api_simulator.claude.records import json_of, text_of


def encode(value: Any) -> bytes:
    """Return one line of JSON as the real program writes it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # JavaScript's JSON allows these two, JavaScript's line splitting does not.
    text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return text.encode("utf-8", "surrogatepass") + b"\n"


class Printer:
    """
    What goes to standard output.

    Args:
        options: The command line.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._records: list[Record] = []

    def record(self, record: Record) -> bytes:
        """Return what is printed when *record* comes."""
        if self._options.output_format == "stream-json":
            return encode(record)
        self._records.append(record)
        return b""

    def end(self) -> bytes:
        """Return what is printed at the end."""
        results = [record for record in self._records if record.get("type") == "result"]
        if not results:
            return b""
        if self._options.output_format == "json":
            value = json_of(self._records, verbose=self._options.has("--verbose"))
            return b"" if value is None else encode(value)
        return text_of(results[-1]).encode("utf-8", "surrogatepass")
