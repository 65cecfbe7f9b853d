"""Redaction: which secrets are found, that equal ones stay equal, and that streams hide nothing between two pieces."""

import base64
import json
import re
import string
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_simulator._core.redaction import PLACEHOLDER, Redaction
from api_simulator._core.secret_names import Searched, is_secret_name
from api_simulator._core.secrets import ALL_RULES, RedactionRule

LETTERS = string.ascii_letters + string.digits


def made(prefix: str, size: int) -> str:
    """A made-up key, put together here so that no file of this repository holds one."""
    return prefix + (LETTERS * 3)[7 : 7 + size]


#: A secret of every known shape, by kind.
SHAPES = {
    "anthropic-key": made("sk-" + "ant-api03-", 60),
    "openai-key": made("sk-" + "proj-", 40),
    "stripe-key": made("sk_" + "live_", 24),
    "github-token": made("gh" + "p_", 36),
    "gitlab-token": made("gl" + "pat-", 20),
    "aws-key-id": "AKI" + "A" + "QWERTZUIOPASDFGH",
    "slack-token": made("xo" + "xb-", 30),
    "slack-webhook": "hooks.slack" + ".com/services/T00000000/B00000000/" + made("", 24),
    "google-key": made("AI" + "za", 35),
    "google-token": made("ya" + "29.", 40),
    "npm-token": made("np" + "m_", 36),
    "pypi-token": made("py" + "pi-", 80),
    "huggingface-token": made("h" + "f_", 34),
    "sendgrid-key": made("S" + "G.", 22) + "." + made("", 43),
    "digitalocean-token": "do" + "p_v1_" + "0123456789abcdef" * 4,
    "jwt": "ey" + "JhbGciOiJIUzI1NiJ9.ey" + "JzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    "private-key": "-----BEGIN " + "PRIVATE KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQ\n-----END " + "PRIVATE KEY-----",
}

#: Texts that give a secret away by a name or a place, with the secret.
NAMED = [
    ("Authorization: Bearer hunter2hunter2", "hunter2hunter2"),
    ("authorization: Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA=="),
    ('curl -H "Authorization: token hunter2hunter2"', "hunter2hunter2"),
    ("Cookie: sid=hunter2; theme=dark", "hunter2"),
    ("Set-Cookie: sid=hunter2; Path=/", "hunter2"),
    ('{"password": "hunter2 with spaces"}', "hunter2 with spaces"),
    ('{"access_token":"hunter2","expires_in":3600}', "hunter2"),
    ("{'api_key': 'hunter2'}", "hunter2"),
    (json.dumps({"text": json.dumps({"client_secret": "hunter2"})}), "hunter2"),
    (json.dumps(json.dumps(json.dumps({"token": "hunter2"}))), "hunter2"),
    ("https://host/path?access_token=hunter2&page=2", "hunter2"),
    ("https://host/?redirect=x%3Ftoken%3Dhunter2", "hunter2"),
    ("postgres://user:hunter2@host/db", "hunter2"),
    ("ANTHROPIC_API_KEY=hunter2", "hunter2"),
    ("export GITHUB_TOKEN='hunter2'", "hunter2"),
    ("tool --api-key hunter2 run", "hunter2"),
    ("tool --password=hunter2", "hunter2"),
    ('{\n  "password":\n    "hunter2"\n}', "hunter2"),
]

HARMLESS = [
    '{"input_tokens": 12, "max_tokens": 4096, "token_count": 3, "cache_read_input_tokens":0}',
    '{"key": "value", "session_id": "0b1c5a52-8b1e-4b7e-9c55-0d2ba6ef8b1a"}',
    "a risk-free task-force of desk-top-publishers-in-general",
    "the password is asked for at the prompt",
    "https://host:8080/path@version?page=2",
    "export TOKEN=$OTHER_TOKEN",
    '"token": null, "secret": "",',
    "git commit 3404d42b0661b7ad42fcd7c0391b8269249deadbeef",
]


@pytest.mark.parametrize(("kind", "secret"), SHAPES.items(), ids=list(SHAPES))
def test_known_shapes_are_found_by_themselves(kind, secret):
    cleaned = Redaction().text(f"before {secret} after")

    assert cleaned == f"before [redacted:{kind}:1] after"


@pytest.mark.parametrize(("text", "secret"), NAMED, ids=[text[:30] for text, _ in NAMED])
def test_names_and_places_give_secrets_away(text, secret):
    cleaned = Redaction().text(text)

    assert secret not in cleaned
    assert "[redacted:" in cleaned


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer hunter2hunter2 export GITHUB_TOKEN='hunter2'",
        "Authorization: Digest username=x GITHUB_TOKEN='hunter2'",
        "Cookie: theme=dark; token='hunter2'",
        'authorization: "Bearer hunter2hunter2", "password": "hunter2"',
    ],
)
def test_one_secret_does_not_take_the_name_of_the_next_along(text):
    assert "hunter2" not in Redaction().text(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text):
    assert Redaction().text(text) == text


def test_json_stays_json():
    text = json.dumps({"password": 'a "quoted" \\ one', "n": 1, "nested": {"token": "x" * 20}, "list": [SHAPES["jwt"]]})

    cleaned = json.loads(Redaction().text(text))

    assert cleaned == {
        "password": "[redacted:field:2]",
        "n": 1,
        "nested": {"token": "[redacted:field:3]"},
        "list": ["[redacted:jwt:1]"],
    }


def test_equal_secrets_stay_equal_and_different_ones_differ():
    redaction = Redaction()
    one, other = SHAPES["github-token"], SHAPES["anthropic-key"]

    texts = [redaction.text(text) for text in (one, f"GITHUB_TOKEN={one}", f"Authorization: Bearer {one}", other)]

    first = "[redacted:github-token:1]"
    assert texts == [first, f"GITHUB_TOKEN={first}", f"Authorization: Bearer {first}", "[redacted:anthropic-key:2]"]


def test_redacting_twice_changes_nothing():
    once = Redaction().text("\n".join([*SHAPES.values(), *(text for text, _ in NAMED)]))

    assert Redaction().text(once) == once


def test_off_means_off():
    text = SHAPES["jwt"]

    assert Redaction(["a declared one"], enabled=False).text(f"{text} a declared one") == f"{text} a declared one"


def broken_base64(data, width=76):
    """Base64 in lines, as RFC 2045 has it."""
    encoded = base64.b64encode(data).decode()
    return [encoded[at : at + width] for at in range(0, len(encoded), width)]


class TestDeclared:
    SECRET = 'correct horse/battery+staple "quoted" \u00fc'

    @pytest.mark.parametrize("offset", range(3))
    @pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
    def test_base64_is_found_wherever_the_secret_stands_in_it(self, offset, encode):
        encoded = encode(b"u" * offset + self.SECRET.encode() + b" and more").decode()

        cleaned = Redaction([self.SECRET]).text(f"Basic: {encoded}")

        assert "[redacted:declared:1:base64]" in cleaned
        # What is left of the secret is at most a character on either side, of bits shared with its neighbours.
        assert len(PLACEHOLDER.sub(b"", cleaned.encode())) <= len("Basic: ") + 4 * ((offset + 9 + 5) // 3) + 2

    @pytest.mark.parametrize("offset", range(3))
    @pytest.mark.parametrize("line_end", ["\n", "\r\n", "\\n", "\\r\\n", "\n    "])
    def test_base64_that_is_broken_into_lines_is_found(self, offset, line_end):
        """As ``base64``, PEM and MIME write it; also as the text of a JSON string, and indented."""
        lines = broken_base64(b"u" * (50 + offset) + self.SECRET.encode() + b" and more" * 20)
        redaction = Redaction([self.SECRET])

        cleaned = redaction.text(line_end.join(lines))

        assert cleaned.count("[redacted:declared:1:base64]") == 1
        left = re.sub(r"\s|\\[nr]", "", PLACEHOLDER.sub(b"", cleaned.encode()).decode())
        assert len(left) <= len("".join(lines)) - (len(self.SECRET) * 4 // 3 - 2)
        assert redaction.find(line_end.join(lines).encode())[0][1] == "declared"
        assert not [kind for _, kind in redaction.find(cleaned.encode())]

    def test_url_encoded_and_escaped_forms_are_found(self):
        forms = [quote(self.SECRET), quote(self.SECRET, safe=""), quote(self.SECRET).lower(), json.dumps(self.SECRET)]

        for form in forms[:3]:
            assert Redaction([self.SECRET]).text(f"x={form}&y") == "x=[redacted:declared:1:url]&y"
        assert "horse" not in Redaction([self.SECRET]).text(json.dumps(self.SECRET, ensure_ascii=False))

    def test_values_of_variables_are_declared_by_their_names(self):
        redaction = Redaction()
        redaction.declare_environment(
            {"MY_SERVICE_KEY": "plain words", "DB_PASSWORD": "tiger1", "LANG": "C.UTF-8", "X": None}
        )

        assert (
            redaction.text("plain words, tiger1 and C.UTF-8")
            == "[redacted:declared:1], [redacted:declared:2] and C.UTF-8"
        )

    def test_short_values_are_no_secrets(self):
        assert Redaction(["1", "yes"]).text("1 yes") == "1 yes"


@pytest.mark.parametrize(
    "name", ["API_KEY", "x-api-key", "GITHUB_TOKEN", "password", "AWS_SECRET_ACCESS_KEY", "SSH_KEY"]
)
def test_names_of_secrets(name):
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["MAX_TOKENS", "HOME", "keyboard", "SSH_AUTH_SOCK", "token_count", "KEYS"])
def test_names_of_other_things(name):
    assert not is_secret_name(name)


def test_an_option_that_takes_a_secret_gives_the_next_argument_away():
    argv = [
        "tool",
        "--api-key",
        "hunter2",
        "--verbose",
        "run",
        "--token=hunter3",
        "-H",
        "Authorization: Bearer hunter44",
    ]

    assert Redaction().arguments(argv) == [
        *("tool", "--api-key", "[redacted:field:1]", "--verbose", "run", "--token=[redacted:parameter:2]"),
        *("-H", "Authorization: Bearer [redacted:authorization:3]"),
    ]


def test_values_are_cleaned_by_key_and_by_shape():
    value = {"token": "hunter2", "list": [{"text": f"use {SHAPES['jwt']}"}], "n": 3, "password": None}

    assert Redaction().value(value) == {
        "token": "[redacted:field:1]",
        "list": [{"text": "use [redacted:jwt:2]"}],
        "n": 3,
        "password": None,
    }


def test_own_rules_come_first():
    rule = RedactionRule("acme-key", re.compile(rb"acme-[0-9]{6}"), (b"acme-",))

    assert Redaction(rules=[rule]).text("API_KEY=acme-123456") == "API_KEY=[redacted:acme-key:1]"


#: What rules of names look at: names, parts of names, what stands before and behind, and what follows.
PIECES = [
    *("password", "PassWd", "client_secret", "secret", "apiKey", "access_key_id", "auth", "Authorization", "cookie"),
    *(
        "x-amz-signature",
        "connection-string",
        "credentials",
        "token",
        "tokens",
        "key",
        "pass",
        "_",
        "-",
        "--",
        "x",
        "[",
    ),
    *("=", "%3D", "%3d", ": ", ":", ",", '"', "'", '\\"', "\\", " ", "\n", "\r", "\t", "%", "hunter2", "$HOME", "null"),
    *("[redacted:field:1]", "bearer ", "://", "@", "a" * 70, *SHAPES.values(), *(text for text, _ in NAMED)),
]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_looking_only_where_something_may_be_finds_what_looking_everywhere_finds(text):
    """A rule's needles and name ends are a short cut, and never a filter."""
    data = text.encode()

    for rule in ALL_RULES:
        found = [match.span() for match in rule.matches(Searched(data))]
        assert found == [match.span() for match in rule.pattern.finditer(data)], rule.kind


# Streams

PLANTED = [*SHAPES.values(), *(text for text, _ in NAMED), "a declared\nsecret of two lines", "-----BEGIN nothing\n"]


def streamed(pieces, secrets=()):
    stream = Redaction(secrets).stream()
    return b"".join([*(stream.feed(piece) for piece in pieces), stream.finish()])


@given(st.lists(st.sampled_from([*PLANTED, "plain text\n", " ", '"', "\n\n", "x" * 50]), max_size=12), st.data())
def test_a_stream_is_cleaned_like_the_whole_however_it_is_cut(texts, data):
    """No secret is parted by the place at which one piece ends and the next begins."""
    whole = " ".join(texts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    declared = ["a declared\nsecret of two lines"]

    cleaned = streamed(pieces, declared)

    for secret in [*SHAPES.values(), "hunter2", *declared]:
        assert secret.encode() not in cleaned


@given(st.integers(0, 80), st.integers(16, 80), st.sampled_from(["\n", "\r\n", "\n  "]), st.data())
def test_no_broken_base64_leaves_a_stream_however_it_is_cut(before, width, line_end, data):
    secret = "a declared secret that is longer than a line of base64 could ever be, "
    lines = broken_base64(b"x" * before + secret.encode() + b"y" * 60, width)
    whole = f"begin\n{line_end.join(lines)}\nend\n".encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]

    cleaned = streamed(pieces, [secret])

    assert cleaned == Redaction([secret]).clean(whole)
    assert cleaned.count(b"[redacted:declared:1:base64]") == 1


def test_a_line_that_is_no_base64_is_given_out_at_once():
    """What is held back would have the moment of the next line."""
    stream = Redaction(["a declared secret"]).stream()

    for line in (b'{"text": "YSBkZWNsYXJlZA"}\n', b"the password is asked for, YSBk\n", b"\n"):
        assert stream.feed(line) == line


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_a_stream_without_secrets_is_passed_on_as_it_is(pieces):
    whole = b"".join(pieces)
    if b"[redacted" not in whole and Redaction().clean(whole) == whole:
        assert streamed(pieces) == whole


@pytest.mark.parametrize("at", [0, 1_048_500, 1_048_570, 2_000_000])
def test_a_secret_in_a_line_of_megabytes_is_found(at):
    secret = SHAPES["github-token"]
    text = "." * at + secret + "." * (2_500_000 - at)
    pieces = [text.encode()[start : start + 65_536] for start in range(0, len(text), 65_536)]

    assert streamed(pieces) == text.replace(secret, "[redacted:github-token:1]").encode()


@pytest.mark.parametrize(
    "filling", ["x", "A", "eyJ", "token", "-", "a.", '"', "\\", "://a:", "sk-", "%3d", "password=", '"token":"']
)
def test_no_rule_takes_quadratic_time(filling):
    """A megabyte of anything is looked through in about the same time; pytest-timeout watches."""
    text = filling * (1_000_000 // len(filling))

    Redaction().text(text)
