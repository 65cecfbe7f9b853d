"""
The records that the real program prints, as builders.

:class:`Records` has a method for each type; every one returns a plain dict that may be changed before it is added.
The texts are invented, the shapes measured (version 2.1.329 and three older ones); ids, times and costs come from
the seed.

This package is also loaded by the fake program in its own process: it imports no more than itself, ``_seeded``
and ``time``, and ``json`` only for streamed calls of tools.
"""

from __future__ import annotations

from api_simulator.claude.records._api_errors import (
    API_FAILURES,
    MAX_RETRIES,
    ApiFailure,
    failure_for,
    request_failure,
    retry_category,
    retry_delay_ms,
)
from api_simulator.claude.records._control import Control
from api_simulator.claude.records._formats import json_of, text_of
from api_simulator.claude.records._profiles import PROFILES, Profile, full_version, profile_for


class Records(Control):
    """
    Builders for every type of record, for one session.

    Records know what came before them: the blocks of one API message share its id, a tool's result belongs to the
    oldest call without one, and a result adds up its turn.

    Args:
        seed: Determines ids, times and costs; the same calls give the same records.

        profile: The version of the program: ``"2.1.329"``, ``"2.0"``, or any other since 1.0, which has the habits of
            the nearest measured one before it.

        session_id: Made from the seed if None.

        cwd: The folder that records name.

        model: The model that records name.

        cost_so_far_usd: What a resumed session has cost before.

    Raises:
        ValueError: If *profile* is no version, or older than every known one.
    """


__all__ = [
    "API_FAILURES",
    "MAX_RETRIES",
    "PROFILES",
    "ApiFailure",
    "Profile",
    "Records",
    "failure_for",
    "full_version",
    "json_of",
    "profile_for",
    "request_failure",
    "retry_category",
    "retry_delay_ms",
    "text_of",
]
