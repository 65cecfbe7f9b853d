"""
Secrets that are known because somebody said so, in every form in which they may be written.

As they are, escaped for JSON, URL-encoded, and in base64, there also broken into lines, as ``base64``, PEM and MIME do.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import quote, quote_plus

#: Shorter values (``1``, ``yes``, ``root``) stand everywhere, and are no secrets.
MIN_DECLARED = 6

_BASE64 = b"base64"

#: Where base64 may go on in the next line: also in the text of a JSON string, and indented.
_BREAK = rb"(?:(?:\r|\\r)?(?:\n|\\n)[ \t]*)"
# Each begins with a literal, by which `re` finds it: nothing is looked for in a text whose lines end otherwise.
_BREAKS = (
    re.compile(rb"\n(?<=[A-Za-z0-9+/_\r-]\n)[ \t]*[A-Za-z0-9+/_-]"),
    re.compile(rb"\\n(?<=[A-Za-z0-9+/_-]\\n)"),
)

#: A line whose end is as base64 that goes on in the next: nobody breaks it into shorter ones.
_BROKEN_OFF = re.compile(rb"[A-Za-z0-9+/_-]{16}\r?\n\Z")
_BLANK = b" \t\r\n"


class DeclaredSecrets:
    """The values that were declared. Adding is for one thread at a time; looking for them is for any number."""

    def __init__(self) -> None:
        self._forms: dict[bytes, tuple[bytes, bytes]] = {}
        self._longest_first: tuple[bytes, ...] = ()
        self._spanning: tuple[bytes, ...] = ()
        self._cores: tuple[bytes, ...] = ()
        self._across: dict[bytes, re.Pattern[bytes]] = {}

    def add(self, values: Iterable[bytes]) -> None:
        """Add values; what is shorter than 6 bytes is passed over."""
        known = len(self._forms)
        for value in values:
            if len(value) >= MIN_DECLARED and value not in self._forms:
                for form, name in encoded_forms(value):
                    self._forms.setdefault(form, (value, name))
        if len(self._forms) > known:
            longest_first = tuple(sorted(self._forms, key=len, reverse=True))
            self._spanning = tuple(form for form in longest_first if b"\n" in form.rstrip(b"\n"))
            self._cores = tuple(form for form in longest_first if self._forms[form][1] == _BASE64)
            self._longest_first = longest_first

    def replace(self, data: bytes, placeholder: Callable[[bytes, bytes], bytes]) -> bytes:
        """Return *data* with what *placeholder* returns for a secret and the name of its encoding in its place."""
        for pattern in self._patterns(data):
            data = pattern.sub(lambda match: placeholder(*self._secret_in(match[0])), data)
        return data

    def matches(self, data: bytes) -> Iterator[re.Match[bytes]]:
        """Find them, first what is in one piece, and then base64 that is broken into lines."""
        for number, pattern in enumerate(self._patterns(data)):
            for match in pattern.finditer(data):
                if number == 0 or _unbroken(match[0]) != match[0]:
                    yield match

    def _secret_in(self, found: bytes) -> tuple[bytes, bytes]:
        return self._forms.get(found) or self._forms[_unbroken(found)]

    def _patterns(self, data: bytes) -> Iterator[re.Pattern[bytes]]:
        # One by one: several times as fast as an alternation of them all, even for a hundred forms.
        if present := [form for form in self._longest_first if form in data]:
            yield re.compile(b"|".join(map(re.escape, present)))
        if self._cores and any(pattern.search(data) for pattern in _BREAKS):
            unbroken = data.replace(b"\\n", b"").replace(b"\\r", b"").translate(None, _BLANK)
            for core in self._cores:
                if core in unbroken:
                    yield self._across_lines(core)

    def _across_lines(self, core: bytes) -> re.Pattern[bytes]:
        # Made when it is needed: a break may be anywhere, and the expression of a long secret is slow to compile.
        if core not in self._across:
            characters = [re.escape(core[at : at + 1]) for at in range(len(core))]
            self._across[core] = re.compile((_BREAK + b"?").join(characters))
        return self._across[core]

    def begins_before(self, data: bytes, cut: int) -> int:
        """Return where a secret may begin that goes on after *cut*, the end of a line, or else *cut*."""
        for form in self._spanning:
            cut = min(cut, cut - _overlap(data[max(0, cut - len(form)) : cut], form))
        if self._cores and _BROKEN_OFF.search(data, max(0, cut - 18), cut):
            # Twice the longest is enough for it and its line ends, and the indentation of a reasonable man.
            window = data[max(0, cut - 2 * len(self._cores[0]) - 100) : cut]
            unbroken = window.translate(None, _BLANK)
            cut -= _with_blanks(window, max(_overlap(unbroken, core) for core in self._cores))
        return cut


def _unbroken(data: bytes) -> bytes:
    return re.sub(_BREAK, b"", data)


def _overlap(data: bytes, form: bytes) -> int:
    """Return how many bytes at the end of *data* are the beginning of *form*, but not all of it."""
    for size in range(min(len(form) - 1, len(data)), 0, -1):
        if data.endswith(form[:size]):
            return size
    return 0


def _with_blanks(data: bytes, count: int) -> int:
    """Return how many bytes at the end of *data* hold *count* that are not blank."""
    at = len(data)
    while count:
        at -= 1
        count -= data[at] not in _BLANK
    return len(data) - at


def encoded_forms(secret: bytes) -> list[tuple[bytes, bytes]]:
    """
    Return how a secret may be written, each with the name of its encoding, empty for none.

    Base64 depends on where in the encoded text the secret stands: at each of three offsets, the characters that hold
    nothing of its neighbours are given.
    """
    text = secret.decode("latin-1")
    forms = [(secret, b"")]
    forms += [(quoted.encode(), b"url") for quoted in _quoted_forms(text)]
    escaped = secret.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n").replace(b"\t", b"\\t")
    forms.append((escaped, b"json"))
    for offset in range(3):
        core = _base64_core(secret, offset)
        if len(core) >= MIN_DECLARED:
            forms.append((core, _BASE64))
            forms.append((core.replace(b"+", b"-").replace(b"/", b"_"), _BASE64))
    return forms


def _quoted_forms(text: str) -> Sequence[str]:
    upper = [quote(text, safe="", encoding="latin-1"), quote_plus(text, encoding="latin-1")]
    upper += [quote(text, safe="/", encoding="latin-1")]
    lower = [re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), form) for form in upper]
    return [*upper, *lower]


def _base64_core(secret: bytes, offset: int) -> bytes:
    encoded = base64.b64encode(b"\0" * offset + secret).rstrip(b"=")
    first = (0, 2, 3)[offset]
    # The last character holds bits of what follows unless the bits come out even.
    last = len(encoded) if (offset + len(secret)) % 3 == 0 else len(encoded) - 1
    return encoded[first:last]
