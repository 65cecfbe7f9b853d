"""
What a secret looks like: the rules by which recordings are redacted and folders are scanned.

Tables of bytes patterns, nothing else; ``redaction.py`` applies them. The shapes are those that the issuers document
for secret scanning, matched a little more widely: a harmless text replaced costs less than a key that is published.
"""

from __future__ import annotations

import re

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
            match lies within a line, else its beginning is not known to be one before its end has come.

        needles: One of these, in lower case, stands in every match, whatever its case: a text without any is
            not searched. Empty: every text is searched, which is slow.

        probe: Searched in the lower-case text before the pattern, in place of needles.

        begins: For matches of several lines: the bytes that each begins with.

    Raises:
        ValueError: If the kind cannot be a name, or the pattern matches nothing at all.
    """

    kind: str
    pattern: re.Pattern[bytes]
    needles: tuple[bytes, ...] = ()
    begins: bytes = b""
    probe: re.Pattern[bytes] | None = None

    def __post_init__(self) -> None:
        if not _KIND.fullmatch(self.kind):
            raise ValueError(f"kind {self.kind!r}: give lower-case words joined by hyphens, as 'deploy-key'")
        if not isinstance(self.pattern, re.Pattern) or not isinstance(self.pattern.pattern, bytes):
            raise ValueError(f"rule {self.kind!r}: the pattern searches bytes; write re.compile(rb'...')")  # noqa: TRY004 (one error for one table row)
        if self.pattern.match(b""):
            raise ValueError(f"rule {self.kind!r}: the pattern matches the empty text; it would redact everything")
        if any(needle != needle.lower() for needle in self.needles):
            raise ValueError(f"rule {self.kind!r}: needles are in lower case")

    def may_match(self, lower: bytes) -> bool:
        """Return False if nothing matches in the text that is *lower* in lower case."""
        if self.probe is not None:
            return self.probe.search(lower) is not None
        return not self.needles or any(needle in lower for needle in self.needles)


def _shape(kind: str, pattern: bytes, *needles: bytes) -> RedactionRule:
    # Not in the middle of a longer word, where it would be part of some base64 text.
    return RedactionRule(kind, re.compile(rb"(?<![A-Za-z0-9])" + pattern), needles)


_WORD = rb"[A-Za-z0-9_-]"

#: Keys that tell by themselves whose they are.
KNOWN_SHAPES = (
    RedactionRule(
        "private-key",
        re.compile(
            rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----",
            re.DOTALL,
        ),
        (b"private key",),
        b"-----BEGIN ",
    ),
    _shape("anthropic-key", rb"sk-ant-" + _WORD + rb"{8,}", b"sk-ant-"),
    _shape("openai-key", rb"sk-(?!ant-)" + _WORD + rb"{20,}", b"sk-"),
    _shape("stripe-key", rb"[rs]k_(?:live|test)_[A-Za-z0-9]{16,}", b"k_live_", b"k_test_"),
    _shape("github-token", rb"gh[opusr]_[A-Za-z0-9]{20,}", b"gho_", b"ghp_", b"ghu_", b"ghs_", b"ghr_"),
    _shape("github-token", rb"github_pat_[A-Za-z0-9_]{20,}", b"github_pat_"),
    _shape("gitlab-token", rb"gl(?:pat|dt|rt|cbt|ptt|ft|soat)-" + _WORD + rb"{16,}", b"gl"),
    _shape("aws-key-id", rb"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])", b"akia", b"asia", b"abia", b"acca"),
    _shape("slack-token", rb"xox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,}", b"xox"),
    _shape("slack-webhook", rb"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/]{20,}", b"hooks.slack.com"),
    _shape("google-key", rb"AIza" + _WORD + rb"{35}", b"aiza"),
    _shape("google-token", rb"(?:ya29|1//0)[.A-Za-z0-9_-]{20,}", b"ya29.", b"1//0"),
    _shape("npm-token", rb"npm_[A-Za-z0-9]{30,}", b"npm_"),
    _shape("pypi-token", rb"pypi-" + _WORD + rb"{40,}", b"pypi-"),
    _shape("huggingface-token", rb"hf_[A-Za-z0-9]{20,}", b"hf_"),
    _shape("sendgrid-key", rb"SG\." + _WORD + rb"{16,}\." + _WORD + rb"{16,}", b"sg."),
    _shape("digitalocean-token", rb"do[opr]_v1_[a-f0-9]{40,}", b"_v1_"),
    _shape("jwt", rb"eyJ" + _WORD + rb"{8,}\.eyJ" + _WORD + rb"{4,}\." + _WORD + rb"*", b"eyj"),
)

#: Names whose values are secret, as they stand in JSON, in queries, in settings and on command lines. A name may have
#: more words before these (``GITHUB_TOKEN``), but none behind: ``token_count`` and ``max_tokens`` are numbers.
SECRET_NAMES = (
    rb"(?:password|passwd|passphrase|secret|token|credentials?|authorization|cookie|auth"
    rb"|(?:api|access|private|signing|secret|encryption|session)[_-]?key|access[_-]?key[_-]?id|client[_-]?secret"
    rb"|x-(?:amz|goog)-signature|connection[_-]?string)"
)
# Searched in lower-case text before the patterns: an alternation of plain words is many times as fast as they are.
_NAMED_PROBE = re.compile(
    rb"(?:password|passwd|passphrase|secret|token|credential|credentials|authorization|cookie|auth|key|key[_-]?id|signature|string)"
    rb"[\"'\\=\s%]"
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
    RedactionRule(
        "field",
        # The backslashes: JSON within a JSON string, as agents' logs have it, to any depth.
        re.compile(
            rb"(?i)(?!authorization|cookie)" + SECRET_NAMES + rb"(?P<quote>\\*[\"'])\s*[:,=]\s*(?P=quote)"
            rb"(?P<secret>" + _NO_VALUE + rb"(?:(?!(?P=quote))(?:\\.|[^\r\n])){1,65536})(?P=quote)"
        ),
        probe=_NAMED_PROBE,
    ),
    RedactionRule(
        "parameter",
        re.compile(
            rb"(?i)" + SECRET_NAMES + rb"(?:=|%3D)[\"']?(?P<secret>" + _NO_VALUE + rb"[^\s\"'&<>#;,\\)\]}]{3,})"
        ),
        probe=_NAMED_PROBE,
    ),
    RedactionRule(
        "option",
        re.compile(
            rb"(?i)(?<![A-Za-z0-9_-])--?[A-Za-z0-9_.-]{0,64}?"
            + SECRET_NAMES
            + rb"\s+[\"']?(?P<secret>"
            + _NO_VALUE
            + rb"(?!-)[^\s\"'&<>;,\\]{3,})"
        ),
        probe=_NAMED_PROBE,
    ),
    RedactionRule(
        "url-password",
        re.compile(rb"(?<=[A-Za-z0-9])://[^\s/:@\"'\\]{0,200}:(?P<secret>(?!\[redacted:)[^\s/@\"'\\]{1,1000})@"),
        (b"://",),
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

_SECRET_NAME = re.compile(rf"[A-Za-z0-9_.-]*?(?:{SECRET_NAMES.decode()}|[._-]key)", re.IGNORECASE)


def is_secret_name(name: str) -> bool:
    """Return whether the value of a field, a header, a variable or an option of this name is secret."""
    return _SECRET_NAME.fullmatch(name) is not None
