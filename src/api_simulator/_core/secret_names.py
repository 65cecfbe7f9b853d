"""
Names whose values are secret, and where in a text they end.

As they stand in JSON, in queries, in settings and on command lines. A name may have more words before these
(``GITHUB_TOKEN``), but none behind: ``token_count`` and ``max_tokens`` are numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

SECRET_NAMES = (
    rb"(?:password|passwd|passphrase|secret|token|credentials?|authorization|cookie|auth"
    rb"|(?:api|access|private|signing|secret|encryption|session)[_-]?key|access[_-]?key[_-]?id|client[_-]?secret"
    rb"|x-(?:amz|goog)-signature|connection[_-]?string)"
)

#: What follows a name that is searched for: a quote, an equals sign (also as ``%3D``), space.
_BEHIND = rb"(?=[\"'\\=\s%])"

# A pattern for each ending, and each begins with a literal: `re` searches for that at gigabytes a second. One
# expression for all has no literal to begin with, and takes seven times as long as these nine together.
_ENDINGS = tuple(
    re.compile(ending + _BEHIND)
    for ending in (
        *(rb"pass(?:word|wd|phrase)", rb"secret", rb"token", rb"credentials?", rb"auth(?:orization)?", rb"cookie"),
        *(rb"key(?:[_-]?id)?", rb"-signature", rb"connection[_-]?string"),
    )
)

_SECRET_NAME = re.compile(rf"[A-Za-z0-9_.-]*?(?:{SECRET_NAMES.decode()}|[._-]key)", re.IGNORECASE)


def is_secret_name(name: str) -> bool:
    """Return whether the value of a field, a header, a variable or an option of this name is secret."""
    return _SECRET_NAME.fullmatch(name) is not None


def name_ends(lower: bytes) -> list[int]:
    """Return the places at which a secret name may end, in order: none is missing, some are of other words."""
    return sorted({match.end() for ending in _ENDINGS for match in ending.finditer(lower)})


class Searched:
    """
    A text in which many rules look for secrets, and what several of them want to know of it, found out once.

    Attributes:
        data: The text.
    """

    __slots__ = ("_has", "_lower", "_name_ends", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._lower: bytes | None = None
        self._name_ends: list[int] | None = None
        self._has: dict[bytes, bool] = {}

    @property
    def lower(self) -> bytes:
        """The text in lower case, which is as long."""
        if self._lower is None:
            self._lower = self.data.lower()
        return self._lower

    @property
    def name_ends(self) -> list[int]:
        """Where secret names may end."""
        if self._name_ends is None:
            self._name_ends = name_ends(self.lower)
        return self._name_ends

    def has(self, needle: bytes) -> bool:
        """Return whether *needle* stands in the text, in any case."""
        if needle not in self._has:
            self._has[needle] = needle in self.lower
        return self._has[needle]

    def matches_at_names(self, pattern: re.Pattern[bytes], head: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
        """
        Find what ``pattern.finditer(data)`` finds, but look only where a name ends.

        Args:
            pattern: It begins with *head*, and what follows there is a quote, an equals sign or space.

            head: Ends with a secret name and with the end of the text, and is no longer than 100 bytes; none of the
                characters that follow a name stands in it. It is searched in the text in lower case.
        """
        # A match at an earlier name begins earlier: its head cannot reach over the character behind another name.
        at = 0
        for end in self.name_ends:
            start = max(at, end - 100)
            while start < end and (begin := head.search(self.lower, start, end)) is not None:
                match = pattern.match(self.data, begin.start())
                if match is not None:
                    yield match
                    at = match.end()
                    break
                start = begin.start() + 1
