"""
What every builder shares: ids, a clock, and what has been said so far.

Records are made from a count of what came before, so the same calls with the same seed give the same records.
"""

from __future__ import annotations

import time

from api_simulator.claude._seeded import seeded_fraction, seeded_letters, seeded_uuid
from api_simulator.claude.records._profiles import full_version, profile_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    #: One line of the program's output.
    Record: TypeAlias = dict[str, Any]

#: When the first record is made, in milliseconds since 1970: 2026-01-05T09:00:00Z, a Monday.
_EPOCH_MS = 1_767_603_600_000

#: US dollars for a million tokens: read, answered. Invented, and of a likely size.
_PRICES = (5.0, 25.0)


class Base:
    """
    The state of one session.

    Args:
        seed: Determines ids, times and costs.

        profile: The version of the program, for instance ``"2.0"``; see
            :func:`~api_simulator.claude.records.profile_for`.

        session_id: Made from the seed if None.

        cwd: The folder that records name.

        model: The model that records name.

        cost_so_far_usd: What a resumed session has cost before.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        profile: str = "2.1.329",
        session_id: str | None = None,
        cwd: str = "/workspace",
        model: str = "claude-opus-5-5",
        cost_so_far_usd: float = 0,
    ) -> None:
        self.seed = seed
        self.profile = profile_for(profile)
        self.version = full_version(profile)
        self.session_id = session_id or seeded_uuid(seed, "session")
        self.cwd = cwd
        self.model = model
        #: Of the whole session; results report it.
        self.total_cost_usd = cost_so_far_usd
        self._counts: dict[str, int] = {}
        self._now_ms = self._began_ms = _EPOCH_MS + int(86_400_000 * seeded_fraction(seed, "clock"))
        self._result_index = 0
        self._prompt_uuid: str | None = None
        self._is_first_answer = True
        self._model_usage: dict[str, dict[str, Any]] = {}
        self._api_ms = 0
        self._forget_turn()

    def _forget_turn(self) -> None:
        self._turn_began_ms = self._now_ms
        self._turn_model_usage: dict[str, dict[str, Any]] = {}
        self._turn_tokens = [0, 0, 0]
        self._turn_users = 0
        self._turn_requests = 0
        self._turn_denials: list[Record] = []
        self._last_text = ""
        self._last_stop_reason: str | None = None
        self._last_failure: Record | None = None
        self._message: Record | None = None
        self._unanswered: list[Record] = []

    def prompted_by(self, user_message_uuid: str | None) -> None:
        """
        Say which uuid the prompt of the turn that begins had, None for none.

        The turn's ``system/init``, its first ``assistant`` and its ``result`` name it.
        """
        self._prompt_uuid = user_message_uuid
        self._is_first_answer = True

    # Ids and times

    def new_uuid(self) -> str:
        """Return the next UUID."""
        return seeded_uuid(self.seed, "uuid", self.session_id, self._next("uuid"))

    def new_id(self, prefix: str, length: int = 22) -> str:
        """Return the next id of a kind, for instance ``msg_01…`` for the prefix ``msg_01``."""
        return prefix + seeded_letters(self.seed, length, prefix, self.session_id, self._next(prefix))

    def timestamp(self) -> str:
        """Return the time of the next record, ISO 8601 in UTC with milliseconds; the clock goes on by up to 0.4 s."""
        self._now_ms += self._duration_ms("tick", 20, 400)
        return _iso(self._now_ms)

    def _next(self, what: str) -> int:
        count = self._counts.get(what, 0)
        self._counts[what] = count + 1
        return count

    def _fraction(self, purpose: str) -> float:
        return seeded_fraction(self.seed, purpose, self._next(purpose))

    def _duration_ms(self, purpose: str, least: int, most: int) -> int:
        return least + int((most - least) * self._fraction(purpose))

    # Envelope

    def has(self, kind: str) -> bool:
        """Whether this version of the program writes records of *kind*: a ``type``, or ``system/`` and a subtype."""
        return kind not in self.profile.absent_records

    def _record(self, kind: str, fields: Record) -> Record:
        """Return a record of *kind* with its envelope, without the keys that this version lacks."""
        if not self.has(kind):
            raise ValueError(f"{kind}: version {self.version} writes no such record; ask `has({kind!r})` first")
        kind_type, _, subtype = kind.partition("/")
        record: Record = {"type": kind_type}
        if subtype:
            record["subtype"] = subtype
        record |= fields
        record.setdefault("uuid", self.new_uuid())
        record.setdefault("session_id", self.session_id)
        return self._without(kind, record)

    def _without(self, kind: str, record: Record) -> Record:
        absent = self.profile.absent_keys.get(kind)
        return {key: value for key, value in record.items() if key not in absent} if absent else record

    # Tokens and costs

    def _spend(self, usage: Record) -> None:
        """Count an answered request."""
        read, written = usage["input_tokens"], usage["output_tokens"]
        cost = (read * _PRICES[0] + written * _PRICES[1]) / 1_000_000
        self.total_cost_usd = round(self.total_cost_usd + cost, 9)
        self._turn_tokens[0] += read
        self._turn_tokens[1] += written
        waited_ms = self._duration_ms("api", 300, 1500)
        self._api_ms += waited_ms
        self._now_ms += waited_ms
        self._turn_requests += 1
        for account in (self._model_usage, self._turn_model_usage):
            entry = account.setdefault(self.model, self._without("model", _model_usage(self.model)))
            entry["inputTokens"] += read
            entry["outputTokens"] += written
            entry["costUSD"] = round(entry["costUSD"] + cost, 9)

    def spent(self) -> Record:
        """Return what the session has spent so far, as the last record of its transcript says it; times in ms."""
        return {
            "totalCostUSD": self.total_cost_usd,
            "hasUnknownModelCost": False,
            "startTime": self._began_ms,
            "totalDuration": self._now_ms - self._began_ms,
            "totalAPIDuration": self._api_ms,
            "totalAPIDurationWithoutRetries": self._api_ms,
            "totalToolDuration": 0,
            "totalLinesAdded": 0,
            "totalLinesRemoved": 0,
            "modelUsage": {model: dict(entry) for model, entry in self._model_usage.items()},
        }


def _model_usage(model: str) -> Record:
    return {
        "inputTokens": 0,
        "outputTokens": 0,
        "cacheReadInputTokens": 0,
        "cacheCreationInputTokens": 0,
        "webSearchRequests": 0,
        "costUSD": 0,
        "contextWindow": 200_000,
        "maxOutputTokens": 64_000,
        "thinkingTokens": 0,
        "cacheCreationEphemeral5mInputTokens": 0,
        "cacheCreationEphemeral1hInputTokens": 0,
        "canonicalModel": model,
        "provider": "firstParty",
        "costBasis": "list",
    }


def _iso(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:03d}Z"
