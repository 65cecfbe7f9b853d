"""
What nobody thought of: arbitrary bytes, good requests with a few bytes changed, packets cut anywhere.

The default run looks at a few hundred inputs; ``pytest -m soak`` at many thousands.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_simulator.http import MockHttpServer
from tests.conformance.asking import Wire
from tests.conformance.inputs import FAREWELL, GOOD, TELLING, check_bytes, prepare
from tests.conformance.manifest import requirement

#: The server is shared by the examples on purpose: it must live on after each, and be reset before the next.
_SHARED = [HealthCheck.function_scoped_fixture]
BRIEF = settings(max_examples=150, deadline=None, suppress_health_check=_SHARED, derandomize=True, database=None)
LONG = settings(max_examples=20_000, deadline=None, suppress_health_check=_SHARED, database=None)

requests = st.sampled_from(GOOD)
noise = st.one_of(st.binary(min_size=1, max_size=200), st.lists(st.sampled_from(TELLING), max_size=12).map(b"".join))


@st.composite
def mutants(draw):
    """A good request in which bytes are removed, doubled or replaced."""
    data = draw(requests)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 6)))
        data = data[:start] + draw(st.sampled_from([b"", data[start:end] * 2, *TELLING])) + data[end:]
    return data


@st.composite
def cut(draw, data):
    """*data* in packets."""
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True) if start < end]


@pytest.fixture
def server(engine):
    """A server with every kind of route, so that input meets conditions too."""
    with MockHttpServer(engine=engine, strict=False) as running:
        yield running


@requirement("fuzz:input:bytes")
@BRIEF
@given(data=st.lists(noise, min_size=1, max_size=5))
def test_any_bytes_leave_the_server_alive(server, data):
    check_bytes(server, data)


@requirement("fuzz:input:mutants")
@BRIEF
@given(data=st.lists(st.one_of(requests, mutants()), min_size=1, max_size=3).map(b"".join).flatmap(cut))
def test_changed_requests_leave_the_server_alive(server, data):
    check_bytes(server, data)


def check_cut(server, sent, pieces):
    """Send whole requests in *pieces*, and check that exactly they are captured, whatever the cuts."""
    prepare(server)
    with Wire(server) as wire:
        for piece in pieces:
            wire.send(piece)
        answers = wire.read_to_end()

    assert server.malformed == []
    captured = [(request.method, request.raw_target) for request in server.get_requests()]
    assert captured == [tuple(data.decode().split(" ")[:2]) for data in [*sent, FAREWELL]]
    assert answers.count(b"HTTP/1.1 ") == len(sent) + 1


@requirement("fuzz:input:pieces")
@BRIEF
@given(data=st.data())
def test_cuts_between_packets_change_nothing(server, data):
    """Each request is captured with its method and target, and answered once."""
    sent = data.draw(st.lists(requests, min_size=1, max_size=4))

    check_cut(server, sent, data.draw(cut(b"".join(sent) + FAREWELL)))


@requirement("fuzz:input:pieces")
@BRIEF
@given(data=st.data())
def test_cuts_change_nothing_behind_an_answer_that_takes_time(server, data):
    sent = [b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n", *data.draw(st.lists(requests, min_size=1, max_size=3))]

    check_cut(server, sent, data.draw(cut(b"".join(sent) + FAREWELL)))


@pytest.mark.soak
@pytest.mark.timeout(1800)
@requirement("fuzz:input:bytes")
@LONG
@given(data=st.lists(noise, min_size=1, max_size=8))
def test_many_bytes_leave_the_server_alive(server, data):
    check_bytes(server, data)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@requirement("fuzz:input:mutants")
@LONG
@given(data=st.lists(st.one_of(requests, mutants()), min_size=1, max_size=6).map(b"".join).flatmap(cut))
def test_many_changed_requests_leave_the_server_alive(server, data):
    check_bytes(server, data)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@requirement("fuzz:input:pieces")
@LONG
@given(data=st.data())
def test_many_cuts_between_packets_change_nothing(server, data):
    sent = data.draw(st.lists(requests, min_size=1, max_size=8))

    check_cut(server, sent, data.draw(cut(b"".join(sent) + FAREWELL)))
