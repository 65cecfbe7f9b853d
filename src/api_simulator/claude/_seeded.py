"""
Values that look random and are not: the same seed gives the same ones, on every machine and version.
"""

from __future__ import annotations

import hashlib
import uuid


def seeded_uuid(seed: int, *purpose: object) -> str:
    """Return a version 4 UUID for *purpose*."""
    return str(uuid.UUID(bytes=_digest(seed, purpose)[:16], version=4))


def seeded_fraction(seed: int, *purpose: object) -> float:
    """Return a number from 0 to below 1 for *purpose*."""
    return int.from_bytes(_digest(seed, purpose)[:7]) / 2**56


def _digest(seed: int, purpose: tuple[object, ...]) -> bytes:
    # Not `random`: its sequences may change from version to version, and depend on how often it was asked.
    return hashlib.sha256(repr((seed, purpose)).encode()).digest()
