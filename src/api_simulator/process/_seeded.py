"""
Ids that look random and are not: the same seed gives the same ones, on every machine and version.
"""

from __future__ import annotations

import hashlib

_JANUARY_2026_MS = 1_767_225_600_000
_YEAR_MS = 365 * 24 * 60 * 60 * 1000


def seeded_uuid7(seed: int, *purpose: object) -> str:
    """Return a version 7 UUID for *purpose*, of some moment of 2026."""
    # Not `random`: its sequences may change from version to version, and depend on how often it was asked.
    digest = hashlib.sha256(repr((seed, purpose)).encode()).digest()
    moment_ms = _JANUARY_2026_MS + int.from_bytes(digest[:5]) % _YEAR_MS
    tail = digest[6:16].hex()
    variant = "89ab"[digest[16] % 4]
    hexadecimal = f"{moment_ms:012x}7{tail[:3]}{variant}{tail[3:6]}{tail[6:18]}"
    return "-".join((hexadecimal[:8], hexadecimal[8:12], hexadecimal[12:16], hexadecimal[16:20], hexadecimal[20:32]))
