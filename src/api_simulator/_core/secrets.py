"""
What a secret looks like: the rules by which recordings are redacted and folders are scanned.

Tables of bytes patterns, nothing else; ``redaction.py`` applies them. The shapes are those that the issuers document
for secret scanning, matched a little more widely: a harmless text replaced costs less than a key that is published.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from api_simulator._core.secret_names import SECRET_NAMES, Searched
from api_simulator._core.values import dataclass

#: How a placeholder begins; what stands in one is redacted already.
PLACEHOLDER_START = b"[redacted:"

_KIND = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class RedactionRule:
    """
    A kind of secret and how to find it.

    Attributes:
        kind: What it is called in placeholders and reports: lower-case words joined by hyphens.

        pattern: Finds it in bytes. A group named ``secret`` is what is replaced, without one the whole match. A
            match lies within a line, else its beginning is not known to be one before its end has come. One that
            begins with a literal is many times as fast as one that does not.

        needles: One of these, in lower case, stands in every match, whatever its case: a text without any is
            not searched. Empty: every text is searched.

        begins: For matches of several lines: the bytes that each begins with.

    Raises:
        ValueError: If the kind cannot be a name, or the pattern matches nothing at all.
    """

    kind: str
    pattern: re.Pattern[bytes]
    needles: tuple[bytes, ...] = ()
    begins: bytes = b""

    def __post_init__(self) -> None:
        if not _KIND.fullmatch(self.kind):
            raise ValueError(f"kind {self.kind!r}: give lower-case words joined by hyphens, as 'deploy-key'")
        if not isinstance(self.pattern, re.Pattern) or not isinstance(self.pattern.pattern, bytes):
            raise ValueError(f"rule {self.kind!r}: the pattern searches bytes; write re.compile(rb'...')")  # noqa: TRY004 (one error for one table row)
        if self.pattern.match(b""):
            raise ValueError(f"rule {self.kind!r}: the pattern matches the empty text; it would redact everything")
        if any(needle != needle.lower() for needle in self.needles):
            raise ValueError(f"rule {self.kind!r}: needles are in lower case")

    def matches(self, text: Searched) -> Iterable[re.Match[bytes]]:
        """Return the matches in *text*, from left to right."""
        if self.needles and not any(map(text.has, self.needles)):
            return ()
        return self.pattern.finditer(text.data)


@dataclass(frozen=True, slots=True)
class _NamedRule(RedactionRule):
    """A kind of secret that stands behind a secret name; *head* is the pattern up to the name's end."""

    head: re.Pattern[bytes] = re.compile(SECRET_NAMES + rb"\Z")

    def matches(self, text: Searched) -> Iterable[re.Match[bytes]]:
        return text.matches_at_names(self.pattern, self.head)


def _named(kind: str, head: bytes, tail: bytes) -> _NamedRule:
    return _NamedRule(kind, re.compile(rb"(?i)" + head + tail), head=re.compile(head + rb"\Z"))


def _shape(kind: str, literal: bytes, rest: bytes) -> RedactionRule:
    # The literal first, and then that it does not stand in the middle of a longer word, where it would be part of some
    # base64 text: the other way round the pattern begins with no literal, and takes fifty times as long.
    begin = re.escape(literal)
    return RedactionRule(kind, re.compile(begin + rb"(?<![A-Za-z0-9]" + begin + rb")" + rest))


_WORD = rb"[A-Za-z0-9_-]"

#: Keys that tell by themselves whose they are.
KNOWN_SHAPES = (
    RedactionRule(
        "private-key",
        re.compile(
            rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----",
            re.DOTALL,
        ),
        begins=b"-----BEGIN ",
    ),
    _shape("anthropic-key", b"sk-", rb"ant-" + _WORD + rb"{8,}"),
    _shape("openai-key", b"sk-", rb"(?!ant-)" + _WORD + rb"{20,}"),
    _shape("stripe-key", b"rk_", rb"(?:live|test)_[A-Za-z0-9]{16,}"),
    _shape("stripe-key", b"sk_", rb"(?:live|test)_[A-Za-z0-9]{16,}"),
    _shape("github-token", b"gh", rb"[opusr]_[A-Za-z0-9]{20,}"),
    _shape("github-token", b"github_pat_", rb"[A-Za-z0-9_]{20,}"),
    _shape("gitlab-token", b"gl", rb"(?:pat|dt|rt|cbt|ptt|ft|soat)-" + _WORD + rb"{16,}"),
    _shape("aws-key-id", b"A", rb"(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _shape("slack-token", b"xox", rb"[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,}"),
    _shape("slack-webhook", b"hooks.slack.com/", rb"(?:services|workflows)/[A-Za-z0-9/]{20,}"),
    _shape("google-key", b"AIza", _WORD + rb"{35}"),
    _shape("google-token", b"ya29.", rb"[.A-Za-z0-9_-]{19,}"),
    _shape("google-token", b"1//0", rb"[.A-Za-z0-9_-]{20,}"),
    _shape("npm-token", b"npm_", rb"[A-Za-z0-9]{30,}"),
    _shape("pypi-token", b"pypi-", _WORD + rb"{40,}"),
    _shape("huggingface-token", b"hf_", rb"[A-Za-z0-9]{20,}"),
    _shape("sendgrid-key", b"SG.", _WORD + rb"{16,}\." + _WORD + rb"{16,}"),
    _shape("digitalocean-token", b"do", rb"[opr]_v1_[a-f0-9]{40,}"),
    _shape("jwt", b"eyJ", _WORD + rb"{8,}\.eyJ" + _WORD + rb"{4,}\." + _WORD + rb"*"),
)

#: Values that say where a secret comes from, or that there is none.
_NO_VALUE = rb"(?!\[redacted:|\$[A-Z_{(]|null\b|none\b|true\b|false\b|undefined\b)"

#: Values that a name or a place gives away.
NAMED_VALUES = (
    RedactionRule(
        "authorization",
        re.compile(
            rb"(?i)(?<!redacted:)authorization[\"'\\]*\s*[:=]\s*[\"'\\]*(?:bearer|basic|token|apikey)\s+"
            rb"(?P<secret>(?!\[redacted:)[^\s\"'\\,]+)"
        ),
        (b"authorization",),
    ),
    RedactionRule("bearer", re.compile(rb"(?i)\bbearer\s+(?P<secret>[A-Za-z0-9._~+/=-]{8,})"), (b"bearer",)),
    # The backslashes: JSON within a JSON string, as agents' logs have it, to any depth.
    _named(
        "field",
        rb"(?!authorization|cookie)" + SECRET_NAMES,
        rb"(?P<quote>\\*[\"'])\s*[:,=]\s*(?P=quote)(?P<secret>"
        + _NO_VALUE
        + rb"(?:(?!(?P=quote))(?:\\.|[^\r\n])){1,65536})(?P=quote)",
    ),
    _named(
        "parameter",
        SECRET_NAMES,
        rb"(?:=|%3D)[\"']?(?P<secret>" + _NO_VALUE + rb"[^\s\"'&<>#;,\\)\]}]{3,})",
    ),
    _named(
        "option",
        rb"(?<![A-Za-z0-9_-])--?[A-Za-z0-9_.-]{0,64}?" + SECRET_NAMES,
        rb"\s+[\"']?(?P<secret>" + _NO_VALUE + rb"(?!-)[^\s\"'&<>;,\\]{3,})",
    ),
    RedactionRule(
        "url-password",
        re.compile(rb"://(?<=[A-Za-z0-9]://)[^\s/:@\"'\\]{0,200}:(?P<secret>(?!\[redacted:)[^\s/@\"'\\]{1,1000})@"),
    ),
    # These two take all to the end of the line or to a quote, so they come last: the names that give other secrets
    # away would be gone with it.
    RedactionRule(
        "authorization",
        re.compile(
            rb"(?i)(?<!redacted:)authorization[\"'\\]*\s*[:=]\s*[\"'\\]*"
            rb"(?P<secret>(?!\[redacted:)(?!(?:bearer|basic|token|apikey)\b)[^\s\"'\\,][^\r\n\"'\\]*)"
        ),
        (b"authorization",),
    ),
    RedactionRule(
        "cookie",
        re.compile(
            rb"(?i)(?<!redacted:)\bcookie[\"'\\]*\s*:\s*[\"'\\]*(?P<secret>(?!\[redacted:)[^\s\"'\\\[{][^\r\n\"'\\]*)"
        ),
        (b"cookie",),
    ),
)

ALL_RULES = (*KNOWN_SHAPES, *NAMED_VALUES)
