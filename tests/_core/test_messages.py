"""Captured requests: the views of what was received, as a mapping and by attribute."""

import gzip
from collections.abc import Mapping

import pytest

from api_simulator._core.messages import Headers, MalformedRequest, Query, decode_path
from api_simulator.errors import BodyError
from tests._core.captured import captured


class StoppedClock:
    """A clock that stands still: it stands in for time passing."""

    def now_ns(self):
        return 5

    def epoch_s(self, monotonic_ns):
        return monotonic_ns / 10


def test_every_key_of_the_mapping_is_an_attribute_of_the_same_value():
    request = captured("POST", "/a?x=1", {"k": 1}, {"Content-Type": "application/json"})

    assert isinstance(request, Mapping)
    assert {key: request[key] for key in request} == {key: getattr(request, key) for key in request}
    assert len(request) == len(list(request))


def test_the_keys_that_older_tests_use_are_there():
    request = captured("POST", "/a?x=1", b'{"k": 1}', {"Authorization": "Bearer t"})

    assert request["method"] == "POST"
    assert request["path"] == "/a"
    assert request["query"] == {"x": "1"}
    assert request["headers"]["authorization"] == "Bearer t"
    assert request["body"] == b'{"k": 1}'
    assert request["json"] == {"k": 1}
    assert request["text"] == '{"k": 1}'


def test_an_unknown_key_names_the_keys_there_are():
    with pytest.raises(KeyError, match=r"'bdy': a captured request has method, path, .*received_at"):
        captured()["bdy"]


def test_get_gives_the_default_for_an_unknown_key():
    assert captured().get("nothing", 3) == 3


def test_two_equal_requests_are_still_two():
    first, second = captured(clock=StoppedClock()), captured(clock=StoppedClock())

    assert dict(first) == dict(second)
    assert first != second
    assert len({first, second}) == 2


def test_a_view_is_made_once():
    request = captured("POST", "/", {"k": []})

    assert request.json is request.json
    assert request.headers is request.headers


def test_received_at_is_the_clocks_reading_in_seconds_since_1970():
    request = captured(clock=StoppedClock())

    assert request.received_ns == 5
    assert request.received_at == 0.5


def test_a_request_says_whether_its_client_went_away():
    request = captured()
    assert not request.aborted

    request.aborted_ns = 7

    assert request.aborted


def test_repr_tells_a_request_and_its_answer():
    request = captured("PUT", "/a?x", b"abc")
    assert repr(request) == "<CapturedRequest #0 PUT /a?x (3 bytes)>"

    request.number, request.status = 4, 201

    assert repr(request) == "<CapturedRequest #4 PUT /a?x (3 bytes) -> 201>"


# Headers


def test_header_names_are_found_in_any_case_and_listed_in_lower_case():
    headers = captured(headers={"X-Api-Key": "k"}).headers

    assert headers["x-api-key"] == headers["X-API-KEY"] == "k"
    assert "X-Api-KEY" in headers
    assert list(headers) == ["x-api-key"]
    assert dict(headers) == {"x-api-key": "k"}


def test_repeated_fields_are_joined_and_can_be_had_one_by_one():
    headers = captured(headers=[("Accept", "a"), ("X", "1"), ("accept", "b")]).headers

    assert headers["accept"] == "a, b"
    assert headers.getall("ACCEPT") == ["a", "b"]
    assert headers.getall("missing") == []
    assert len(headers) == 2


def test_a_missing_header_is_a_key_error_and_get_gives_none():
    headers = Headers([])

    assert headers.get("x") is None
    assert None not in headers
    with pytest.raises(KeyError):
        headers["x"]


def test_raw_headers_keep_order_case_and_bytes():
    request = captured(headers=[("B", "1"), ("a", "2"), ("b", "3")])

    assert request.raw_headers == [(b"B", b"1"), (b"a", b"2"), (b"b", b"3")]


@pytest.mark.parametrize(("raw", "shown"), [("é".encode(), "é"), ("é".encode("latin-1"), "é"), (b"\xff", "ÿ")])
def test_a_field_value_is_read_as_utf8_and_else_as_latin1(raw, shown):
    request = captured()
    request.raw_headers = [(b"X", raw)]

    assert request.headers["x"] == shown


def test_repr_of_headers_shows_every_pair():
    assert repr(Headers([("A", "1"), ("a", "2")])) == "Headers([('a', '1'), ('a', '2')])"


# Target: path and query


def test_a_query_gives_first_values_and_all_values():
    query = captured(target="/?tag=b&tag=a&empty=&x=%C3%A9+1").query

    assert query["tag"] == "b"
    assert query.getall("tag") == ["b", "a"]
    assert query["empty"] == ""
    assert query["x"] == "é 1"
    assert dict(query) == {"tag": "b", "empty": "", "x": "é 1"}
    assert query.getall("missing") == []


def test_query_names_are_case_sensitive():
    assert "A" not in Query([("a", "1")])


@pytest.mark.parametrize(
    ("target", "path", "query_string"),
    [
        ("/", "/", ""),
        ("/a/b", "/a/b", ""),
        ("/a?x=1", "/a", "x=1"),
        ("/a?x=1?y", "/a", "x=1?y"),
        ("/a?", "/a", ""),
        ("*", "*", ""),
        ("host:443", "host:443", ""),
        ("/to/http://other/x", "/to/http://other/x", ""),
        ("http://host/a%20b?x=1", "/a b", "x=1"),
        ("http://host:8080", "/", ""),
        ("http://host?x=/y", "/", "x=/y"),
        ("https://user@host/", "/", ""),
    ],
)
def test_a_target_is_split_into_path_and_query_in_every_form(target, path, query_string):
    """Origin, absolute, authority and asterisk form (RFC 9112, section 3.2)."""
    request = captured(target=target)

    assert (request.path, request.query_string, request.raw_target) == (path, query_string, target)


@pytest.mark.parametrize(
    ("raw", "decoded"),
    [
        ("/a b", "/a b"),
        ("/a%20b", "/a b"),
        ("/caf%C3%A9", "/café"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a%2fb", "/a%2Fb"),
        ("/%E2%82%AC%2F%41", "/€%2FA"),
        ("/100%", "/100%"),
        ("/%zz", "/%zz"),
        ("/+", "/+"),
        ("/%FF", "/%FF"),
        ("/%FF%2F%C3%A9", "/%FF%2Fé"),
    ],
)
def test_a_path_is_decoded_but_an_encoded_slash_stays_data(raw, decoded):
    assert decode_path(raw) == decoded


def test_only_the_bytes_that_are_not_utf8_stay_encoded():
    """A byte that is not UTF-8 does not keep its neighbours from being decoded."""
    assert decode_path("/caf%C3%A9/%FF%20x") == "/café/%FF x"


# Body


def test_body_is_decoded_and_raw_body_is_as_received():
    packed = gzip.compress(b'{"k": 1}')
    request = captured("POST", "/", packed, {"Content-Encoding": "gzip"})

    assert request.body == b'{"k": 1}'
    assert request.json == {"k": 1}
    assert request.raw_body == packed


def test_a_body_that_cannot_be_decoded_raises_for_body_and_has_no_json():
    request = captured("POST", "/", b"no gzip", {"Content-Encoding": "gzip"})

    assert request.json is None
    assert request.raw_body == b"no gzip"
    with pytest.raises(BodyError):
        request.body  # noqa: B018  # the view is the act
    with pytest.raises(BodyError):
        request["text"]


@pytest.mark.parametrize("body", [b"", b"no json", b"\xff\xfe\x00", b'{"a":', b"[" * 100_000])
def test_what_is_not_json_has_json_none(body):
    assert captured("POST", "/", body).json is None


def test_json_is_read_whatever_the_content_type_says():
    assert captured("POST", "/", b"[1]", {"Content-Type": "text/plain"}).json == [1]


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        ("", "é".encode(), "é"),
        ("text/plain; charset=latin-1", b"\xe9", "é"),
        ('text/plain; charset="ISO-8859-1"', b"\xe9", "é"),
        ("text/plain; CHARSET=utf-16", "é".encode("utf-16"), "é"),
        ("text/plain; charset=no-such", "é".encode(), "é"),
        ("text/plain; charset=base64", "é".encode(), "é"),
        ("text/plain", b"a\xffb", "a\ufffdb"),
    ],
)
def test_text_follows_the_charset_and_replaces_what_cannot_be_decoded(content_type, body, text):
    assert captured("POST", "/", body, {"Content-Type": content_type}).text == text


def test_text_is_there_under_a_charset_whose_codec_knows_no_replacement():
    """The charset is the client's word: no value of it makes the view raise."""
    request = captured("POST", "/", b"a\xff.b", {"Content-Type": "text/plain; charset=idna"})

    assert request.text == "a\ufffd.b"


def test_malformed_input_tells_what_it_was_and_why():
    malformed = MalformedRequest(b"GARBAGE", "bad line", connection_id=3, received_ns=9)

    assert (malformed.raw, malformed.error, malformed.received_ns) == (b"GARBAGE", "bad line", 9)
    assert repr(malformed) == "<MalformedRequest on connection 3: bad line; b'GARBAGE'>"
