"""Bodies: what becomes bytes, what is refused and where, and what comes back out of content codings."""

import datetime
import gzip
import json
import zlib

import pytest
from hypothesis import given

from api_simulator._core.bodies import MAX_DECODED_BYTES, decode_content, encode_body, encode_json
from api_simulator.errors import BodyError, SpecError
from tests._core.strategies import json_values

TEXT = b"the same text again and again, " * 20


@pytest.mark.parametrize(
    ("body", "encoded", "content_type"),
    [
        (None, b"", None),
        (b"\x00\xff", b"\x00\xff", "application/octet-stream"),
        (bytearray(b"ab"), b"ab", "application/octet-stream"),
        (memoryview(b"ab"), b"ab", "application/octet-stream"),
        ("", b"", "text/plain; charset=utf-8"),
        ("né 日", "né 日".encode(), "text/plain; charset=utf-8"),
        ({"a": [1, None, True]}, b'{"a":[1,null,true]}', "application/json"),
        ([], b"[]", "application/json"),
        ((1, 2), b"[1,2]", "application/json"),
        ({"é": "日"}, '{"é":"日"}'.encode(), "application/json"),
        ({1: "a", None: "b", False: "c"}, b'{"1":"a","null":"b","false":"c"}', "application/json"),
        (1.5, b"1.5", "application/json"),
        (False, b"false", "application/json"),
    ],
)
def test_a_body_becomes_these_bytes_of_this_type(body, encoded, content_type):
    assert encode_body(body) == (encoded, content_type)


@given(json_values)
def test_every_json_value_comes_back_as_it_was(value):
    assert json.loads(encode_json(value)) == value


def _circular():
    inner: dict[str, object] = {}
    inner["again"] = {"and": [inner]}
    return {"start": inner}


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"a": {"b": {1, 2}}}, r"\$\.a\.b: set is not a JSON type"),
        ({"files": [b"raw"]}, r"\$\.files\[0\]: bytes is not a JSON type"),
        ({"usage": {"ratio": float("nan")}}, r"\$\.usage\.ratio: nan is not a JSON number"),
        ([0.5, float("-inf")], r"\$\[1\]: -inf is not a JSON number"),
        ({"at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)}, r"\$\.at: datetime is not a JSON type"),
        ({"by": {(1, 2): "x"}}, r"\$\.by: key \(1, 2\) is of type tuple, not str"),
        ({"by": {b"k": "x"}}, r"\$\.by: key b'k' is of type bytes, not str"),
        ({"by": {float("nan"): "x"}}, r"\$\.by \(key nan\): nan is not a JSON number"),
        (_circular(), r"\$\.start\.again\.and\[0\]: refers to itself"),
        ({"text": "broken \ud800"}, r"\$\.text: text with a lone surrogate"),
        ({"by": {"\udfff": 1}}, r"\$\.by \(key '\\udfff'\): text with a lone surrogate"),
        ({"x": object}, r"\$\.x: type is not a JSON type"),
        ({1, 2}, r"\$: set is not a JSON type"),
    ],
)
def test_what_json_cannot_hold_is_refused_with_the_path_to_it(body, complaint):
    with pytest.raises(SpecError, match=complaint):
        encode_body(body)


def test_a_value_that_appears_twice_is_not_taken_for_one_that_refers_to_itself():
    """Only the way down counts: beside a part that does not fit, shared parts are no complaint."""
    shared = {"k": 1}

    with pytest.raises(SpecError, match=r"\$\.c: set is not"):
        encode_json({"a": shared, "b": [shared, shared], "c": {1}})


def test_a_value_nested_too_deeply_is_refused_like_any_other_that_does_not_fit():
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]

    with pytest.raises(SpecError, match=r"\$"):
        encode_json(deep)


def test_a_number_too_long_for_text_is_refused_with_pythons_reason():
    with pytest.raises(SpecError, match=r"\$: Exceeds the limit"):
        encode_json(10**5000)


def test_text_with_a_lone_surrogate_is_refused_with_its_place():
    with pytest.raises(SpecError, match=r"body: .*surrogates not allowed at character 2\); pass bytes"):
        encode_body("ab\ud800")


def _raw_deflate(data):
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("raw", "coding"),
    [
        (TEXT, ""),
        (TEXT, "identity"),
        (gzip.compress(TEXT, mtime=0), "gzip"),
        (gzip.compress(TEXT, mtime=0), "x-gzip"),
        (gzip.compress(TEXT, mtime=0), " GZip "),
        (gzip.compress(TEXT[:100], mtime=0) + gzip.compress(TEXT[100:], mtime=0), "gzip"),
        (zlib.compress(TEXT), "deflate"),
        (zlib.compress(TEXT, level=0), "deflate"),
        (_raw_deflate(TEXT), "deflate"),
        (gzip.compress(zlib.compress(TEXT), mtime=0), "deflate, gzip"),
        (gzip.compress(TEXT, mtime=0), "identity, gzip, "),
    ],
    ids=["none", "identity", "gzip", "x-gzip", "case", "two members", "zlib", "stored", "raw deflate", "two", "list"],
)
def test_content_codings_are_undone_from_the_last_to_the_first(raw, coding):
    assert decode_content(raw, coding) == TEXT


def test_an_empty_body_has_nothing_to_undo():
    assert decode_content(b"", "gzip") == b""


@pytest.mark.parametrize(
    ("raw", "coding", "complaint"),
    [
        (TEXT, "br", r"Content-Encoding 'br' is not known here; read \.raw_body"),
        (TEXT, "gzip", r"the gzip body is broken \(.*\); \.raw_body has"),
        (gzip.compress(TEXT, mtime=0)[:-4], "gzip", r"the gzip body ends too early; \.raw_body has"),
        (zlib.compress(TEXT)[:20], "deflate", r"the deflate body ends too early"),
        (gzip.compress(TEXT, mtime=0) + b"garbage", "gzip", r"the gzip body is broken"),
        (b"\xff", "deflate", r"the deflate body is broken"),
    ],
    ids=["unknown", "no gzip", "gzip cut", "zlib cut", "garbage after it", "no deflate"],
)
def test_a_body_that_cannot_be_decoded_says_why_and_where_the_bytes_are(raw, coding, complaint):
    with pytest.raises(BodyError, match=complaint):
        decode_content(raw, coding)


def test_a_bomb_is_given_up_at_the_bound():
    """A quarter of a megabyte that would become more than MAX_DECODED_BYTES is refused, not unpacked."""
    mebibyte = gzip.compress(bytes(1024 * 1024), mtime=0)
    bomb = mebibyte * (MAX_DECODED_BYTES // (1024 * 1024) + 1)

    with pytest.raises(BodyError, match=rf"the gzip body grows beyond {MAX_DECODED_BYTES} bytes"):
        decode_content(bomb, "gzip")
