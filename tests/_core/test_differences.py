"""Differences between JSON values: their places, their words, and when there are none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_simulator._core.differences import (
    MAX_DIFFERENCES,
    brief,
    json_differences,
    json_equal,
    shortened,
    text_distance,
)
from tests._core.strategies import json_values


@pytest.mark.parametrize(
    ("expected", "found", "lines"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 1.0}, []),
        ([1, 2], (1, 2), []),
        ({"a": 1}, {"a": True}, ["$.a: expected 1, found true"]),
        ({"a": 0}, {"a": False}, ["$.a: expected 0, found false"]),
        ({"a": None}, {}, ["$.a: expected null, missing"]),
        ({}, {"a": None}, ["$.a: unexpected, found null"]),
        ({"user": {"name": "ann"}}, {"user": {"name": "bob"}}, ['$.user.name: expected "ann", found "bob"']),
        ({"my key": 1}, {"my key": 2}, ['$["my key"]: expected 1, found 2']),
        ([1, [2]], [1, [3]], ["$[1][0]: expected 2, found 3"]),
        ([1], [1, 2], ["$: expected 1 items, found 2"]),
        ([1, 5], [2], ["$: expected 2 items, found 1", "$[0]: expected 1, found 2"]),
        ({"a": []}, {"a": {}}, ["$.a: expected [], found {}"]),
        ("1", 1, ['$: expected "1", found 1']),
        (1, [1], ["$: expected 1, found [1]"]),
    ],
)
def test_each_place_that_differs_is_a_line(expected, found, lines):
    assert json_differences(expected, found) == lines
    assert json_equal(expected, found) == (not lines)


@pytest.mark.parametrize(
    ("expected", "found", "lines"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}, "d": 3}, []),
        ([{"a": 1}], [{"a": 1, "b": 2}], []),
        ({}, {"a": 1}, []),
        ([{"a": 1}], [{"a": 1}, {}], ["$: expected 1 items, found 2"]),
        ({"a": 1}, {"b": 1}, ["$.a: expected 1, missing"]),
    ],
)
def test_partial_allows_more_keys_but_not_more_items(expected, found, lines):
    assert json_differences(expected, found, partial=True) == lines


def _tagged(value):
    """An independent form of equality: equal numbers are equal, and never equal to a boolean."""
    if isinstance(value, dict):
        return ("object", frozenset((key, _tagged(item)) for key, item in value.items()))
    if isinstance(value, list):
        return ("array", tuple(_tagged(item) for item in value))
    return (isinstance(value, bool), value)


@given(json_values, json_values)
def test_values_are_equal_exactly_if_their_tagged_forms_are(left, right):
    assert json_equal(left, right) == (_tagged(left) == _tagged(right))


def _pruned(value, draw):
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if draw(st.booleans())}
        return {key: _pruned(item, draw) for key, item in kept.items()}
    return [_pruned(item, draw) for item in value] if isinstance(value, list) else value


@given(json_values, st.data())
def test_a_value_with_keys_left_out_anywhere_is_part_of_the_whole(value, data):
    part = _pruned(value, data.draw)

    assert json_differences(part, value, partial=True) == []
    assert json_equal(part, value) == (_tagged(part) == _tagged(value))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"é": 1}, '{"é": 1}'),
        ("x" * 100, '"' + "x" * 76 + "..."),
        ({1}, "{1}"),
        (float("inf"), "Infinity"),
    ],
)
def test_brief_is_short_json_or_the_repr(value, shown):
    assert brief(value) == shown


def test_brief_is_at_most_as_long_as_asked():
    assert len(brief(list(range(1000)), limit=40)) == 40


def test_a_long_list_of_differences_ends_with_the_number_of_the_rest():
    lines = [str(number) for number in range(MAX_DIFFERENCES + 5)]

    assert shortened(lines) == [*lines[:MAX_DIFFERENCES], "... and 5 more differences"]
    assert shortened(lines[:MAX_DIFFERENCES]) == lines[:MAX_DIFFERENCES]


def test_distance_is_zero_for_equal_texts_and_one_for_texts_without_anything_in_common():
    assert text_distance("abc", "abc") == 0.0
    assert text_distance("abc", "xyz") == 1.0
    assert 0.0 < text_distance("/v1/messages", "/v1/mesages") < 0.1


def test_texts_that_differ_are_never_at_distance_zero():
    """Also when they differ only beyond the part that is compared."""
    assert text_distance("a" * 300 + "x", "a" * 300 + "y") > 0.0


def test_differences_of_keys_that_are_not_ascii_can_be_read():
    [line] = json_differences({"größe": 1}, {"größe": 2})

    assert line == "$.größe: expected 1, found 2"
    assert json.dumps(line)
