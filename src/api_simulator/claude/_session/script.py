"""
The script of a session as its process gets it: JSON that ``claude/_session_plan.py`` writes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

#: One move of the model: ``do`` says which, the rest depends on it.
Move: TypeAlias = dict[str, Any]

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Rule:
    """
    Moves for prompts that fit.

    Attributes:
        pattern: A regular expression that is searched for in the prompt.

        shown: The pattern as the test wrote it, for messages.

        moves: The turn.
    """

    pattern: str
    shown: str
    moves: Sequence[Move]

    def fits(self, prompt: str) -> bool:
        """Whether the rule is for *prompt*."""
        return re.search(self.pattern, prompt) is not None


@dataclass(frozen=True, slots=True)
class SessionScript:
    """
    What the model does.

    Attributes:
        rules: For certain prompts; the first that fits is played.

        turns: For the others, in order.

        answer: The number of the function of the test that is asked for the rest, None if there is none.

        seed: Determines ids, times and costs.

        cli_version: Which version of the program is played.
    """

    rules: Sequence[Rule] = ()
    turns: Sequence[Sequence[Move]] = ()
    answer: int | None = None
    seed: int = 0
    cli_version: str = "2.1.329"

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> SessionScript:
        """Read the JSON value."""
        if given.get("format") != FORMAT:
            raise ValueError(f"this session knows format {FORMAT} of its script only, not {given.get('format')!r}")
        return cls(
            rules=[Rule(rule["pattern"], rule["shown"], rule["moves"]) for rule in given["rules"]],
            turns=given["turns"],
            answer=given["answer"],
            seed=given["seed"],
            cli_version=given["cli_version"],
        )

    def moves_for(self, prompt: str, place: int) -> Sequence[Move] | None:
        """Return the moves for *prompt*, which is number *place* of those without a rule; None if there are none."""
        for rule in self.rules:
            if rule.fits(prompt):
                return rule.moves
        return self.turns[place] if place < len(self.turns) else None

    def has_rule(self, prompt: str) -> bool:
        """Whether a rule is for *prompt*."""
        return any(rule.fits(prompt) for rule in self.rules)

    def described(self) -> str:
        """Return what there is, for the message that nothing fits."""
        rules = "".join(f"    on_prompt({rule.shown})\n" for rule in self.rules)
        return (
            f"  the script has {len(self.turns)} turns in order and these prompts:\n{rules}"
            "  add fake_claude.on_prompt(...), another fake_claude.turn(), or fake_claude.answer(function) for the rest"
        )
