"""
Values that look random and are not: the same seed gives the same ones, on every machine and version.

Also loaded by the fake program in its own process, where ``hashlib`` (which loads OpenSSL) and ``uuid`` would cost more
than everything that is printed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import sha256
else:
    try:
        from _sha2 import sha256
    except ImportError:
        try:
            from _sha256 import sha256  # Python 3.11
        except ImportError:
            from hashlib import sha256

_LETTERS = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def seeded_uuid(seed: int, *purpose: object) -> str:
    """Return a version 4 UUID for *purpose*."""
    digits = _digest(seed, purpose).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def seeded_fraction(seed: int, *purpose: object) -> float:
    """Return a number from 0 to below 1 for *purpose*."""
    return int.from_bytes(_digest(seed, purpose)[:7], "big") / 2**56


def seeded_letters(seed: int, length: int, *purpose: object) -> str:
    """Return up to 40 letters and digits for *purpose*, as in the ids of the Messages API."""
    number = int.from_bytes(_digest(seed, purpose), "big")
    text = ""
    for _ in range(length):
        number, index = divmod(number, len(_LETTERS))
        text += _LETTERS[index]
    return text


def _digest(seed: int, purpose: tuple[object, ...]) -> bytes:
    # Not `random`: its sequences may change from version to version, and depend on how often it was asked.
    return sha256(repr((seed, purpose)).encode()).digest()
