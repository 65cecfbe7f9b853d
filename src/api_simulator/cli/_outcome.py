"""What a command found, in the two forms in which it can be printed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    The result of a command.

    Attributes:
        ok: Whether it succeeded: decides the exit status, and ``ok`` in JSON.

        text: For people.

        value: For programs; JSON types only.

        status: The exit status where it says more than *ok*; 0 exactly if *ok*.

        is_said: Whether everything was printed already.
    """

    ok: bool
    text: str
    value: dict[str, Any] = field(default_factory=dict)
    status: int | None = None
    is_said: bool = False


class UsageError(Exception):
    """The command line was not understood: it is said with the command's usage, and the exit status is 2."""


def counted(number: int, singular: str, plural: str = "") -> str:
    """Return ``1 step``, ``2 steps``."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
