"""
Replace secrets by placeholders, in whole values and in streams.

One :class:`Redaction` serves all of a recording, so that equal secrets stay equal in it: a placeholder has
the number of its secret, by first appearance. No hash: a short password could be guessed from it. The rules are in
``secrets.py``; what the user declares (values of variables, own secrets) is also found in base64 and URL-encoded.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from api_simulator._core.declared_secrets import DeclaredSecrets
from api_simulator._core.secret_names import Searched, is_secret_name
from api_simulator._core.secrets import ALL_RULES, PLACEHOLDER_START, RedactionRule

#: A placeholder as it stands in a recording: kind, number, and the encoding if there was one.
PLACEHOLDER = re.compile(rb"\[redacted:[a-z0-9-]+:[0-9]+(?::[a-z0-9]+)?\]")

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
        self._first = 1
        self._declared = DeclaredSecrets()
        self.declare(secrets)

    def declare(self, secrets: Iterable[str | bytes]) -> None:
        """Add values that are secret; what is shorter than 6 bytes is passed over."""
        values = [value.encode(errors="surrogateescape") if isinstance(value, str) else value for value in secrets]
        with self._lock:
            self._declared.add(values)

    def declare_environment(self, environment: Mapping[str, str | None]) -> None:
        """Add the values of variables whose names say that they are secret."""
        self.declare(value for name, value in environment.items() if value and is_secret_name(name))

    def count_from(self, first: int) -> None:
        """Give the first secret from now on the number *first*: those below stand for secrets of earlier runs."""
        with self._lock:
            self._first = first - len(self._numbers)

    # Whole values

    def clean(self, data: bytes) -> bytes:
        """Return *data* with its secrets replaced."""
        if not self.enabled:
            return data
        text = Searched(self._declared.replace(data, self._declared_placeholder))
        for rule in self._rules:
            text = self._without(rule, text)
        return text.data

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
        found = [(match.start(), "declared") for match in self._declared.matches(data)]
        text = Searched(data)
        for rule in self._rules:
            group = _secret_group(rule)
            new = (match for match in rule.matches(text) if not PLACEHOLDER.fullmatch(match[group]))
            found += [(match.start(group), rule.kind) for match in new]
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
        cut = self._declared.begins_before(data, cut)
        if data[cut - 1 : cut] != b"\n":
            # In the middle of a line: a match may lie across the place.
            text = Searched(data[start:])
            for matches in (self._declared.matches(text.data), *(rule.matches(text) for rule in self._rules)):
                for match in matches:
                    if start + match.start() < cut < start + match.end():
                        cut = start + match.start()
        return cut

    # Placeholders

    def _declared_placeholder(self, secret: bytes, form: bytes) -> bytes:
        placeholder = self._placeholder("declared", secret)
        return placeholder[:-1] + b":" + form + b"]" if form else placeholder

    def _without(self, rule: RedactionRule, text: Searched) -> Searched:
        group, parts, at = _secret_group(rule), [], 0
        for match in rule.matches(text):
            secret = match[group]
            if secret.startswith(PLACEHOLDER_START) and PLACEHOLDER.fullmatch(secret):
                continue
            parts += [text.data[at : match.start(group)], self._placeholder(rule.kind, secret)]
            at = match.end(group)
        return Searched(b"".join([*parts, text.data[at:]])) if parts else text

    def _placeholder(self, kind: str, secret: bytes) -> bytes:
        with self._lock:
            # The kind of its first appearance: the same secret is the same text everywhere.
            if secret not in self._numbers:
                self._numbers[secret] = b"[redacted:%s:%d]" % (kind.encode(), len(self._numbers) + self._first)
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
        # Lines that were held back wait for the next one: without its end nothing new is known of them.
        cut = held.rfind(b"\n", len(self._held)) + 1
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
