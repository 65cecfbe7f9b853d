"""Specs: what can be said about an answer, and what is refused where it is said."""

import enum
import http
from collections import OrderedDict

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api_simulator._core.specs import Pace, ResponseSpec
from api_simulator._core.wire import response_bytes
from api_simulator.errors import SpecError
from tests._core.captured import captured


def test_a_spec_without_arguments_is_an_empty_200():
    spec = ResponseSpec()

    assert (spec.status, spec.content, spec.content_type, spec.headers, spec.delay_ms, spec.reason) == (
        200,
        b"",
        None,
        (),
        0,
        "OK",
    )


@pytest.mark.parametrize("status", [200, 299, 418, 599, 600, 999, http.HTTPStatus.NOT_FOUND])
def test_every_final_status_is_taken(status):
    assert ResponseSpec(status).status == int(status)


@pytest.mark.parametrize(
    ("status", "complaint"),
    [
        (True, "status: expected a whole number from 200 to 999, got True"),
        ("200", "status: expected a whole number from 200 to 999, got '200'"),
        (200.0, "got 200.0"),
        (None, "got None"),
        (99, "got 99$"),
        (199, "got 199; a client waits for the final answer after a 1xx"),
        (103, "got 103; a client waits for the final answer after a 1xx"),
        (1000, "got 1000$"),
        (-1, "got -1$"),
    ],
)
def test_other_statuses_are_refused(status, complaint):
    with pytest.raises(SpecError, match=complaint):
        ResponseSpec(status)


@pytest.mark.parametrize(("status", "reason"), [(200, "OK"), (404, "Not Found"), (299, ""), (999, "")])
def test_the_reason_is_the_standard_one_or_empty(status, reason):
    assert ResponseSpec(status).reason == reason


@pytest.mark.parametrize("reason", ["", "Nope", "Très bien"])
def test_a_reason_of_ones_own_is_kept(reason):
    assert ResponseSpec(reason=reason).reason == reason


@pytest.mark.parametrize("reason", ["a\r\nSet-Cookie: x", "a\n", "a\0", 3, b"OK"])
def test_a_reason_with_a_line_end_is_refused(reason):
    with pytest.raises(SpecError, match="reason: expected text without line ends, got "):
        ResponseSpec(reason=reason)


@pytest.mark.parametrize(
    ("delay_ms", "complaint"),
    [
        (-1, "delay_ms: expected 0 or more milliseconds, got -1"),
        (0.5, r"delay_ms: expected whole milliseconds \(int\) or a distribution, got 0.5"),
        (10.0, "got 10.0"),
        (True, "got True"),
        ("10", "got '10'"),
        (None, "got None"),
    ],
)
def test_a_delay_is_whole_milliseconds(delay_ms, complaint):
    with pytest.raises(SpecError, match=complaint):
        ResponseSpec(delay_ms=delay_ms)


@pytest.mark.parametrize(
    ("given", "pairs"),
    [
        (None, ()),
        ([], ()),
        ([("A", "1"), ("a", "2")], (("A", "1"), ("a", "2"))),
        ([["X-A", "1"]], (("X-A", "1"),)),
        ({"X": "1", "Y": 2}, (("X", "1"), ("Y", "2"))),
        (OrderedDict(x="é"), (("x", "é"),)),
        ([("Retry-After", 3)], (("Retry-After", "3"),)),
        (iter([("A", "1")]), (("A", "1"),)),
        ([("Empty", "")], (("Empty", ""),)),
    ],
)
def test_headers_are_pairs_in_their_order_and_case(given, pairs):
    assert ResponseSpec(headers=given).headers == pairs


@pytest.mark.parametrize(
    ("headers", "complaint"),
    [
        ("X: 1", "headers: expected pairs of name and value or a mapping, got 'X: 1'"),
        (b"X: 1", "headers: expected pairs of name and value or a mapping, got b'X: 1'"),
        (5, "headers: expected pairs of name and value or a mapping, got 5"),
        (["ab"], "headers: expected pairs of name and value, got 'ab'"),
        ([("a", "b", "c")], r"headers: expected pairs of name and value, got \('a', 'b', 'c'\)"),
        ([("a", None)], r"headers: name and value are text \(str\), got \('a', None\)"),
        ([("a", True)], "headers: name and value are text"),
        ([("a", 1.5)], "headers: name and value are text"),
        ([(b"a", "b")], "headers: name and value are text"),
        ([("a", b"b")], "headers: name and value are text"),
        ([("", "b")], "headers: '' is no field name"),
        ([("a b", "c")], "headers: 'a b' is no field name"),
        ([("a:", "c")], "headers: 'a:' is no field name"),
        ([("é", "c")], "headers: 'é' is no field name"),
        ([("a\n", "c")], r"headers: 'a\\n' is no field name"),
        ([("a", "b\r\nSet-Cookie: x=1")], r"headers: the value of 'a' has '\\r' at character 1; remove it"),
        ([("a", "b\n")], r"headers: the value of 'a' has '\\n' at character 1"),
        ([("a", "\0")], r"headers: the value of 'a' has '\\x00' at character 0"),
        ([("Content-Length", "3")], "headers: 'Content-Length' is set by the server; to send a wrong one, use a fault"),
        ([("content-length", 3)], "headers: 'content-length' is set by the server"),
        ([("TRANSFER-ENCODING", "chunked")], "headers: 'TRANSFER-ENCODING' is set by the server"),
    ],
)
def test_headers_that_cannot_be_sent_are_refused_by_name(headers, complaint):
    with pytest.raises(SpecError, match=complaint):
        ResponseSpec(headers=headers)


@pytest.mark.parametrize("fault", ["CONNECTION_RESET_BY_PEER", "HALF_CLOSE", "BAD_GZIP"])
@pytest.mark.parametrize("shape", [{"pace": Pace(bytes_per_s=1)}, {"gzip": True}, {"trailers": {"T": "1"}}])
def test_what_shapes_an_answer_is_refused_beside_a_fault(shape, fault):
    """It would be ignored: a fault sends bytes of its own."""
    with pytest.raises(SpecError, match=rf"{next(iter(shape))}: Fault.{fault} sends bytes of its own"):
        ResponseSpec(body="abc", fault=fault, **shape)


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("body", ["x", b"", {}, [], 0])
def test_answers_without_content_refuse_a_body(status, body):
    with pytest.raises(SpecError, match=rf"body: a {status} answer has none \(RFC 9110, section 6.4.1\)"):
        ResponseSpec(status, body)


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_content_may_be_made_without_a_body(status):
    assert ResponseSpec(status).content == b""


def test_a_body_that_does_not_fit_is_refused_where_it_is_written():
    with pytest.raises(SpecError, match=r"\$\.a: set"):
        ResponseSpec(body={"a": {1}})


def test_a_later_change_of_the_body_changes_nothing():
    body = {"a": 1}
    spec = ResponseSpec(body=body)

    body["a"] = 2

    assert spec.content == b'{"a":1}'


def test_a_spec_cannot_be_changed():
    """It may be registered in several places and its bytes are kept: a change would show in some of them."""
    spec = ResponseSpec()

    with pytest.raises(AttributeError):
        spec.status = 404


def test_equal_specs_are_interchangeable():
    left = ResponseSpec(201, {"a": 1}, {"X": "1"}, 5, reason="R")
    right = ResponseSpec(201, {"a": 1}, [("X", "1")], 5, reason="R")

    assert left == right
    assert hash(left) == hash(right)


@pytest.mark.parametrize(
    "other",
    [
        ResponseSpec(201),
        ResponseSpec(body="x"),
        ResponseSpec(body=b"x"),
        ResponseSpec(headers={"X": "1"}),
        ResponseSpec(headers={"x": "1"}),
        ResponseSpec(delay_ms=1),
        ResponseSpec(reason=""),
        "ResponseSpec()",
    ],
)
def test_specs_that_differ_in_anything_are_not_equal(other):
    assert ResponseSpec() != other
    assert ResponseSpec(body="x", headers={"X": "1"}) != other


@pytest.mark.parametrize(
    ("spec", "shown"),
    [
        (ResponseSpec(), "ResponseSpec(status=200)"),
        (ResponseSpec(404, "no"), "ResponseSpec(status=404, body='no')"),
        (
            ResponseSpec(200, None, {"X": "1"}, 5),
            "ResponseSpec(status=200, headers=[('X', '1')], delay_ms=5)",
        ),
        (ResponseSpec(body="x" * 100), f"ResponseSpec(status=200, body='{'x' * 56}...)"),
    ],
)
def test_repr_shows_what_was_said(spec, shown):
    assert repr(spec) == shown


class Delay(enum.IntEnum):
    SHORT = 5


def test_numbers_of_an_enum_are_numbers():
    assert ResponseSpec(http.HTTPStatus.OK, None, {"X": Delay.SHORT}, Delay.SHORT) == ResponseSpec(
        200, None, {"X": "5"}, 5
    )


@given(
    st.sampled_from([200, 404, 204, 799]),
    st.lists(st.tuples(st.sampled_from(["X-A", "Connection"]), st.text(max_size=5)), max_size=2),
    st.none() | st.text(max_size=5),
)
@example(200, [("X", "\ud800")], None)
@example(200, [], "\ud800")
def test_a_spec_that_exists_can_be_put_on_the_wire(status, headers, reason):
    """Whatever cannot be sent is refused when the spec is made, never when a client waits for the answer."""
    try:
        spec = ResponseSpec(status, headers=headers, reason=reason)
    except SpecError:
        return

    assert response_bytes(spec, captured()).startswith(b"HTTP/1.1 %d " % status)
