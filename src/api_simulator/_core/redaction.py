"""
Replace secrets by placeholders, in whole values and in streams.

One :class:`Redaction` serves all of a recording, so that equal secrets stay equal in it: a placeholder has
the number of its secret, by first appearance. No hash: a short password could be guessed from it. The rules are in
``secrets.py``; what the user declares (values of variables, own secrets) is also found in base64 and URL-encoded.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote, quote_plus

from api_simulator._core.secrets import ALL_RULES, PLACEHOLDER_START, RedactionRule, is_secret_name

#: A placeholder as it stands in a recording: kind, number, and the encoding if there was one.
PLACEHOLDER = re.compile(rb"\[redacted:[a-z0-9-]+:[0-9]+(?::[a-z0-9]+)?\]")

#: Shorter values (``1``, ``yes``, ``root``) stand everywhere, and are no secrets.
MIN_DECLARED = 6

#: Of a line longer than this, the beginning is given out before its end has come.
MAX_LINE = 1024 * 1024

#: So much of such a line is held back: no secret that is found there is longer.
HOLD = 64 * 1024

_NAME_AT_END = re.compile(rb"[:=]\s*\Z")


class Redaction:
    """
    The secrets of one recording. Safe to use from several threads.

    Args:
        secrets: Values that are secret, whatever they look like; at least 6 characters.

        rules: Kinds of secrets besides the known ones.

        enabled: False lets everything pass.
    """

    def __init__(
        self,
        secrets: Iterable[str | bytes] = (),
        *,
        rules: Iterable[RedactionRule] = (),
        enabled: bool = True,
    ) -> None:
        self.enabled = enabled
        self._rules = (*rules, *ALL_RULES)
        self._lock = threading.Lock()
        self._numbers: dict[bytes, bytes] = {}
        self._declared: dict[bytes, tuple[bytes, bytes]] = {}
        self._pattern: re.Pattern[bytes] | None = None
        self._spanning: tuple[bytes, ...] = ()
        self.declare(secrets)

    def declare(self, secrets: Iterable[str | bytes]) -> None:
        """Add values that are secret; what is shorter than 6 bytes is passed over."""
        values = [value.encode(errors="surrogateescape") if isinstance(value, str) else value for value in secrets]
        with self._lock:
            known = len(self._declared)
            for value in values:
                if len(value) >= MIN_DECLARED and value not in self._declared:
                    for form, name in encoded_forms(value):
                        self._declared.setdefault(form, (value, name))
            if len(self._declared) > known:
                longest_first = sorted(self._declared, key=len, reverse=True)
                self._pattern = re.compile(b"|".join(map(re.escape, longest_first)))
                self._spanning = tuple(form for form in longest_first if b"\n" in form.rstrip(b"\n"))

    def declare_environment(self, environment: Mapping[str, str | None]) -> None:
        """Add the values of variables whose names say that they are secret."""
        self.declare(value for name, value in environment.items() if value and is_secret_name(name))

    # Whole values

    def clean(self, data: bytes) -> bytes:
        """Return *data* with its secrets replaced."""
        if not self.enabled:
            return data
        if self._pattern is not None:
            data = self._pattern.sub(self._declared_placeholder, data)
        lower = data.lower()
        probed: dict[re.Pattern[bytes] | None, bool] = {None: True}
        for rule in self._rules:
            if rule.probe not in probed:
                probed[rule.probe] = rule.may_match(lower)  # several rules share one
            if probed[rule.probe] and (rule.probe is not None or rule.may_match(lower)):
                data = rule.pattern.sub(partial(self._found, rule), data)
        return data

    def text(self, text: str) -> str:
        """Return *text* with its secrets replaced."""
        data = text.encode(errors="surrogateescape")
        return self.clean(data).decode(errors="surrogateescape")

    def named(self, name: str, value: str) -> str:
        """Return *value*, which belongs to *name*, with its secrets replaced: all of it if the name says so."""
        replaced = self.text(value)
        if not self.enabled or replaced != value or not value or not is_secret_name(name):
            return replaced
        return self._placeholder("field", value.encode(errors="surrogateescape")).decode()

    def arguments(self, argv: Sequence[str]) -> list[str]:
        """Return a command line with its secrets replaced: also what follows an option that takes a secret."""
        replaced: list[str] = []
        option = ""
        for argument in argv:
            replaced.append(self.named(option, argument) if not argument.startswith("-") else self.text(argument))
            option = argument.lstrip("-") if argument.startswith("-") and "=" not in argument else ""
        return replaced

    def value(self, value: Any, name: str = "") -> Any:
        """Return a JSON value with the secrets of its texts and keys replaced, and those that their key gives away."""
        if isinstance(value, str):
            return self.named(name, value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(item, str(key)) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item, name) for item in value]
        return value

    def stream(self) -> RedactingStream:
        """Return what redacts a stream as it comes."""
        return RedactingStream(self)

    def find(self, data: bytes) -> list[tuple[int, str]]:
        """Return place and kind of what looks like a secret in *data*, in the order of the places."""
        found = []
        if self._pattern is not None:
            found += [(match.start(), "declared") for match in self._pattern.finditer(data)]
        lower = data.lower()
        for rule in self._rules:
            if rule.may_match(lower):
                for match in rule.pattern.finditer(data):
                    group = _secret_group(rule)
                    if not PLACEHOLDER.fullmatch(match[group]):
                        found.append((match.start(group), rule.kind))
        return sorted(found)

    # What streams need

    def holds_from(self, data: bytes, cut: int) -> int:
        """Return the last place up to *cut* at which *data* can be parted without parting a secret."""
        if _NAME_AT_END.search(data, max(0, cut - 128), cut):
            # A name whose value stands in the next line: pretty-printed JSON.
            cut = data.rfind(b"\n", 0, max(0, cut - 1)) + 1
        start = max(0, cut - HOLD)
        for rule in self._rules:
            if rule.begins:
                cut = _before_block(rule, data, cut)
        for form in self._spanning:
            cut = min(cut, _beginning_at(data, cut, form))
        if data[cut - 1 : cut] != b"\n":
            # In the middle of a line: a match may lie across the place.
            patterns = [self._pattern] if self._pattern is not None else []
            lower = data[start:].lower()
            patterns += [rule.pattern for rule in self._rules if rule.may_match(lower)]
            for pattern in patterns:
                for match in pattern.finditer(data, start):
                    if match.start() < cut < match.end():
                        cut = match.start()
        return cut

    # Placeholders

    def _declared_placeholder(self, match: re.Match[bytes]) -> bytes:
        secret, form = self._declared[match[0]]
        placeholder = self._placeholder("declared", secret)
        return placeholder[:-1] + b":" + form + b"]" if form else placeholder

    def _found(self, rule: RedactionRule, match: re.Match[bytes]) -> bytes:
        group = _secret_group(rule)
        secret = match[group]
        if secret.startswith(PLACEHOLDER_START) and PLACEHOLDER.fullmatch(secret):
            return match[0]
        start, end = match.start(group) - match.start(), match.end(group) - match.start()
        return match[0][:start] + self._placeholder(rule.kind, secret) + match[0][end:]

    def _placeholder(self, kind: str, secret: bytes) -> bytes:
        with self._lock:
            # The kind of its first appearance: the same secret is the same text everywhere.
            if secret not in self._numbers:
                self._numbers[secret] = b"[redacted:%s:%d]" % (kind.encode(), len(self._numbers) + 1)
            return self._numbers[secret]


def _secret_group(rule: RedactionRule) -> str | int:
    return "secret" if "secret" in rule.pattern.groupindex else 0


class RedactingStream:
    """
    A stream on its way to the disk: bytes come in as they were written, and go out without secrets.

    Whole lines are given out at once. The rest waits for its line's end, because a secret may be parted.
    """

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Take what came and return what can be given out."""
        if not self._redaction.enabled:
            return data
        held = self._held + data if self._held else data
        cut = held.rfind(b"\n") + 1
        if not cut and len(held) <= MAX_LINE:
            self._held = held
            return b""
        cut = self._redaction.holds_from(held, cut or len(held) - HOLD)
        if cut <= 0 and len(held) > MAX_LINE:
            cut = len(held) - HOLD
        self._held = held[cut:]
        return self._redaction.clean(held[:cut]) if cut else b""

    def finish(self) -> bytes:
        """Return the rest: the stream has ended."""
        rest, self._held = self._held, b""
        return self._redaction.clean(rest) if rest else b""


def _before_block(rule: RedactionRule, data: bytes, cut: int) -> int:
    """Return *cut*, or the beginning before it of a match of several lines that ends after it or not yet."""
    at = data.find(rule.begins, max(0, cut - HOLD), cut)
    while at >= 0:
        match = rule.pattern.match(data, at)
        if match is None or match.end() > cut:
            return at
        at = data.find(rule.begins, match.end(), cut)
    return cut


def _beginning_at(data: bytes, cut: int, form: bytes) -> int:
    """Return where *form* begins if the bytes before *cut* may be its beginning, else *cut*."""
    for size in range(min(len(form) - 1, cut), 0, -1):
        if data.startswith(form[:size], cut - size):
            return cut - size
    return cut


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
            forms.append((core, b"base64"))
            forms.append((core.replace(b"+", b"-").replace(b"/", b"_"), b"base64"))
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
