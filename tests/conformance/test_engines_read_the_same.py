"""
The request parser against aiohttp's: what one takes the other takes, with the same meaning, and nothing else.

The reference engine stands for aiohttp's two parsers, so that bytes go over real sockets on both sides.
"""

import re
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.conformance.asking import send_raw
from tests.conformance.manifest import requirement
from tests.conformance.test_fuzz import mutants, noise, requests

_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
BRIEF = settings(max_examples=200, deadline=None, suppress_health_check=_SHARED, derandomize=True, database=None)
LONG = settings(max_examples=20_000, deadline=None, suppress_health_check=_SHARED, database=None)

INPUT = st.lists(st.one_of(requests, mutants(), noise), min_size=1, max_size=3).map(b"".join)


@dataclass
class Seen:
    """What became of an input: status lines, whether a good answer ends the connection, requests, refusals."""

    lines: list[bytes]
    ends: bool
    captured: list[Any]
    errors: list[str]


def seen(server, data):
    server.reset()
    server.any("/a").text("a")
    answers = send_raw(server, data)
    server.wait_until(lambda: server.connections.open == 0, timeout_s=20)
    lines = [line for line in answers.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    good = answers.partition(b"HTTP/1.1 400 ")[0]
    captured = [
        (each.method, each.raw_target, each.path, tuple(each.raw_headers), each.raw_body, each.http_version)
        for each in server.get_requests()
    ]
    return Seen(lines, b"\r\nConnection: close\r\n" in good, captured, [each.error for each in server.malformed])


def agree(native, reference):
    """Whether both saw the same, but for what the manifest leaves open."""
    # parse:refusal:in-time: one may wait for the end of a head that is none already, and find the end of the input.
    later = reference.errors == ["the connection ended inside a request"] and len(native.errors) == 1
    refusals = [b"HTTP/1.1 400 Bad Request"]
    lines = native.lines == reference.lines or (later and native.lines == reference.lines + refusals)
    # connection:pipelining:close: what comes behind the end may be looked at, and is not answered.
    # One mistake may be told in two ways by the reference, whose parsers are two.
    errors = bool(native.errors) == bool(reference.errors) or (native.ends and not native.errors)
    if native.ends and native.lines != reference.lines:
        lines = native.lines == [line for line in reference.lines if line not in refusals]
    return lines and errors and native.captured == reference.captured


def without_known_faults(data):
    """Whether *data* leads aiohttp's parsers past what the manifest says of them."""
    # parse:body:trailers-apart; and its second parser, which reads unknown methods, waits for a body after CONNECT.
    # Its two parsers differ in what bare line ends they read over before a request.
    strange = re.search(rb"\r(?!\n)|(?:^|\n)\n", data)
    # Blank input alone is nothing, or nearly.
    plain = data.strip() != b"" and b"\r\n0\r\nT" not in data and b"CONNECT" not in data.upper() and strange is None
    return plain and not reads_chunks_slowly(data)


def reads_chunks_slowly(data):
    """Whether chunks with extensions, or cut off inside a line, may come to aiohttp's second parser."""
    # parse:refusal:slow-extensions; that parser also looks at a line of a chunked body only when it has ended.
    lines = re.findall(rb"([^\r\n]*) HTTP/1\.[01]\r\n", data)
    quick = all(re.fullmatch(rb"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) [!-~]+", line) for line in lines)
    return not quick and b"chunked" in data.lower() and (b";" in data or not data.endswith(b"\n"))


def check(both, data):
    assume(without_known_faults(data))

    reference, native = (seen(server, data) for server in both)

    assert agree(native, reference), (native, reference)


@requirement("engines:requests:same")
@BRIEF
@given(data=INPUT)
def test_the_parsers_agree(both, data):
    check(both, data)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@requirement("engines:requests:same")
@LONG
@given(data=INPUT)
def test_the_parsers_agree_on_many_inputs(both, data):
    check(both, data)
