"""
Find the code blocks of a Markdown page and what is promised about them.

- ```` ```python ```` with a test function: passes under pytest; without one: runs as a program.
- ```` ```python fails ````: its test fails.
- ```` ```console ````: lines after ``$`` are commands; the rest is their output.
- ```` ```text ```` right after any of these: what the block prints.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\S*)(?: +(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, its extra word, its text, its line, and the output shown after it."""

    page: Path
    line: int
    language: str
    word: str
    text: str
    output: str | None

    @property
    def is_test(self) -> bool:
        """Whether pytest runs it."""
        return self.language == "python" and re.search(r"^\s*(async )?def test_", self.text, re.MULTILINE) is not None

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of *page* in order, output blocks attached to those they belong to."""
    text = page.read_text(encoding="utf-8")
    found = list(_FENCE.finditer(text))
    outputs = {
        before.end(): after.group(3)
        for before, after in itertools.pairwise(found)
        if after.group(1) == "text" and _is_between(text[before.end() : after.start()])
    }
    return [
        Block(page, 1 + text.count("\n", 0, m.start()), m[1], m[2] or "", m[3], outputs.get(m.end())) for m in found
    ]


def _is_between(text: str) -> bool:
    """Whether there is at most one line of prose between a block and its output."""
    return len([line for line in text.splitlines() if line.strip()]) <= 1


_CHANGING = [
    (re.compile(r"[+-]\d+\.\d{3} s"), "+T s"),
    (re.compile(r"after \d+\.\d ms"), "after T ms"),
    (re.compile(r"after \d+\.\d{3} s"), "after T s"),
    (re.compile(r"pid \d+"), "pid N"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:PORT"),
    (re.compile(r"/\S*/pytest-of-\S*?/"), "/tmp/"),
    (re.compile(r"-{3,}|={3,}|_{3,}"), "---"),
    (re.compile(r"(?m)\s+$"), ""),
]


def comparable(text: str) -> str:
    """Return *text* without what differs from run to run: times, ports, process numbers, rule lengths."""
    for pattern, replacement in _CHANGING:
        text = pattern.sub(replacement, text)
    return text
