"""The C ABI by itself: whatever bytes and numbers it is given, it refuses or goes on."""

import socket
from contextlib import contextmanager

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_simulator._core.actions import Close, SendBytes, Wait
from api_simulator._engines._native import _library
from api_simulator._engines._native._programs import program
from api_simulator._engines._native._records import HANDED_OFF, PLAIN, Record, records
from api_simulator.http import MockHttpServer, ResponseSpec
from tests._engines.native import needs_native
from tests.conformance.raw import Wire, call

pytestmark = needs_native

SETTINGS = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)

numbers = st.one_of(st.integers(0, 5), st.sampled_from([2**31, 2**32 - 1]))
large = st.one_of(st.integers(0, 5), st.sampled_from([2**63 - 1, 2**64 - 1]))
keys = st.one_of(st.none(), st.binary(max_size=30), st.sampled_from([b"GET /", b"POST /a"]))
good = st.lists(
    st.one_of(st.builds(SendBytes, st.binary(max_size=20)), st.builds(Wait, st.integers(0, 3)), st.just(Close()))
).map(program)
programs = st.one_of(st.none(), st.binary(max_size=40), good)


@contextmanager
def served():
    """A server of the library without anything of Python around it; gives the library, the server and its port."""
    ffi, library = _library.load()
    runtime = library.asim_runtime_new()
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = library.asim_serve(runtime, listener.detach(), 1, 100, 10_000)
    assert server != ffi.NULL
    try:
        yield library, server, port
    finally:
        assert library.asim_close(server) == 1
        library.asim_server_free(server)
        library.asim_runtime_free(runtime)


def drained(library, server):
    ffi, _ = _library.load()
    data, size = ffi.new("const uint8_t **"), ffi.new("size_t *")
    found: list[Record] = []
    while (segment := library.asim_drain(server, data, size)) != ffi.NULL:
        found += records(bytes(ffi.buffer(data[0], size[0])))
        library.asim_segment_free(segment)
    return found


def test_a_plain_request_goes_through_without_python():
    with served() as (library, server, port):
        route = library.asim_route(server, 1, 0, 5, 0)
        steps = program([SendBytes(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")])
        assert library.asim_program(server, route, 2, steps, len(steps)) == 1
        library.asim_entry(server, 7, route, b"GET /a", 6)

        with socket.create_connection(("127.0.0.1", port), 30) as client:
            client.sendall(b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(100).endswith(b"hi")
        (record,) = drained(library, server)

        assert (record.kind, record.entry, record.answer, record.sequence) == (PLAIN, 7, 0, 1)
        assert record.head == b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n"
        assert (library.asim_turn(server, route, 0), library.asim_turn(server, route, 1)) == (6, 1)


def test_a_route_of_one_answer_is_added_by_one_call():
    """asim_mount does what asim_route, asim_program and asim_entry do; what is no program adds nothing."""
    with served() as (library, server, port):
        steps = program([SendBytes(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")])
        assert library.asim_mount(server, 0, 5, 0, 2, b"\x09", 1, 7, b"GET /a", 6) == -1
        assert library.asim_mount(server, 3, 5, 0, 2, steps, len(steps), 7, b"GET /a", 6) == -1
        route = library.asim_mount(server, 0, 5, 0, 2, steps, len(steps), 7, b"GET /a", 6)

        with socket.create_connection(("127.0.0.1", port), 30) as client:
            client.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(100).endswith(b"hi")
        (record,) = drained(library, server)

        assert (route, record.kind, record.entry, record.answer) == (0, PLAIN, 7, 0)
        assert (library.asim_turn(server, route, 0), library.asim_turn(server, route, 1)) == (6, 1)


def test_an_unknown_request_waits_for_its_answer():
    with served() as (library, server, port), socket.create_connection(("127.0.0.1", port), 30) as client:
        client.sendall(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
        found: list[Record] = []
        while not found:
            found = drained(library, server)
        (record,) = found
        assert (record.kind, record.body) == (HANDED_OFF, b"abc")

        steps = program([SendBytes(b"any bytes"), Close()])
        assert library.asim_answer(server, record.sequence, steps, len(steps), 1) == 1

        assert client.recv(100) == b"any bytes"
        assert client.recv(100) == b""


@SETTINGS
@given(
    calls=st.lists(
        st.one_of(
            st.tuples(st.just("asim_route"), numbers, numbers, large, st.integers(0, 5)),
            st.tuples(st.just("asim_program"), numbers, numbers, programs),
            st.tuples(st.just("asim_entry"), numbers, numbers, keys),
            st.tuples(st.just("asim_mount"), numbers, large, large, numbers, programs, numbers, keys),
            st.tuples(st.just("asim_forget"), keys),
            st.tuples(st.just("asim_turn"), numbers, numbers),
            st.tuples(st.just("asim_route_end"), numbers),
            st.tuples(st.just("asim_set"), st.integers(3, 9), large),
            st.tuples(st.just("asim_reset"), large),
            st.tuples(st.just("asim_count"), numbers),
            st.tuples(st.just("asim_answer"), large, programs, numbers),
            st.tuples(st.just("asim_drop_connections")),
            st.tuples(st.just("ask")),
        ),
        max_size=12,
    )
)
def test_any_calls_leave_it_alive(calls):
    ffi, _ = _library.load()
    with served() as (library, server, port):
        clients = []
        for name, *arguments in calls:
            if name == "ask":
                client = socket.create_connection(("127.0.0.1", port), 30)
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                clients.append(client)
                continue
            plain = []
            for argument in arguments:
                if isinstance(argument, bytes):
                    plain += [argument, len(argument)]
                elif argument is None:
                    plain += [ffi.NULL, 0]
                else:
                    plain.append(argument)
            getattr(library, name)(server, *plain)
        drained(library, server)
        for client in clients:
            client.close()


def test_null_is_refused_and_freed():
    ffi, library = _library.load()

    assert library.asim_wait(ffi.NULL, 1) == -1
    assert library.asim_serve(ffi.NULL, -1, 1, 1, 1) == ffi.NULL
    assert library.asim_close(ffi.NULL) == 0
    assert library.asim_route(ffi.NULL, 1, 0, 0, 0) == -1
    assert library.asim_mount(ffi.NULL, 0, 0, 0, 0, b"", 0, 0, b"", 0) == -1
    assert library.asim_program(ffi.NULL, 0, 0, b"", 0) == 0
    assert library.asim_turn(ffi.NULL, 0, 0) == -1
    assert library.asim_count(ffi.NULL, 0) == -1
    assert library.asim_answer(ffi.NULL, 1, b"", 0, 0) == -1
    assert library.asim_drain(ffi.NULL, ffi.NULL, ffi.NULL) == ffi.NULL
    for free in (library.asim_runtime_free, library.asim_server_free, library.asim_segment_free):
        free(ffi.NULL)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_thousand_servers_leave_no_memory_behind():
    """Valgrind and LeakSanitizer see the interpreter's own; that the process does not grow is what a user notices."""

    def some(count):
        for _ in range(count):
            with MockHttpServer(engine="native", strict=False) as server, Wire(server) as wire:
                server.get("/").text("x" * 1000)
                server.get("/ask").respond(lambda _: ResponseSpec(204))
                for _ in range(5):
                    wire.call()
                wire.call("/ask")
                call(server, "/nothing")

    process = psutil.Process()
    some(200)
    before = process.memory_info().rss
    some(1000)

    assert process.memory_info().rss - before < 1000 * 4096
