"""Connections: kept, closed, counted, pipelined, gone away; and addresses at which connecting fails."""

import errno
import socket
import threading

import psutil
import pytest

from api_simulator.errors import VerificationError
from api_simulator.http import MockHttpServer, RefusedPort, ResponseSpec, SilentPort, UnansweredPort
from tests.conformance.manifest import requirement
from tests.conformance.raw import Wire, call

# How long one lasts


@requirement("connection:keep-alive:default")
def test_a_connection_is_kept_without_being_asked_for(server):
    server.any("/").text("x")

    with Wire(server) as wire:
        replies = [wire.call(method=method) for method in ("GET", "HEAD", "POST", "GET")]

    assert [reply.get("connection") for reply in replies] == [None] * 4
    assert [(r.connection_id, r.connection_index) for r in server.get_requests()] == [(1, 0), (1, 1), (1, 2), (1, 3)]


@requirement("connection:close:by-client")
@pytest.mark.parametrize("value", ["close", "Close", "keep-alive, close"])
def test_a_client_that_wants_to_close_is_told_so_and_closed(server, value):
    server.get("/").text("x")

    with Wire(server) as wire:
        wire.ask("/", "GET", f"Connection: {value}")
        received = wire.rest()

    assert received.endswith(b"\r\nConnection: close\r\n\r\nx")


@requirement("connection:close:by-answer")
def test_an_answer_may_close_the_connection(server):
    server.get("/").headers({"Connection": "close"}).text("x")

    with Wire(server) as wire:
        wire.ask()
        received = wire.rest()

    assert received.count(b"Connection: close\r\n") == 1
    assert received.endswith(b"\r\n\r\nx")


@requirement("connection:http-10:closes")
def test_an_http_10_connection_ends_with_its_answer(server):
    server.get("/").text("x")

    with Wire(server) as wire:
        wire.ask(version="1.0")
        received = wire.rest()

    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"\r\nConnection: close\r\n\r\nx")


@requirement("connection:http-10:kept")
def test_an_http_10_connection_is_kept_for_those_who_ask(server):
    server.get("/").text("x")

    with Wire(server) as wire:
        replies = [wire.call("/", "GET", "Connection: keep-alive", version="1.0") for _ in range(2)]

    assert [reply.get("connection") for reply in replies] == ["keep-alive"] * 2


# Pipelining


@requirement("connection:pipelining:order")
def test_pipelined_requests_are_answered_in_their_order(server):
    """Slow answers hold back those behind them; nothing is lost, swapped or mixed."""
    server.get("/slow").delay(60).text("slow")
    server.get("/pieces").chunks("a", "b", every_ms=20)
    server.get("/function").respond(lambda request: ResponseSpec(body=request.query["n"]))
    server.get("/plain").text("plain")
    paths = ["/slow", "/plain", "/pieces", "/function?n=1", "/function?n=2", "/plain", "/slow"]

    with Wire(server) as wire:
        wire.send(b"".join(f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode() for path in paths))
        bodies = [wire.reply().body for _ in paths]

    assert bodies == [b"slow", b"plain", b"ab", b"1", b"2", b"plain", b"slow"]
    assert [request.raw_target for request in server.get_requests()] == paths


@requirement("connection:pipelining:order")
def test_a_request_pipelined_behind_a_body_is_found(server):
    server.post("/").respond(lambda request: ResponseSpec(body=request.raw_body))
    server.get("/").text("plain")

    with Wire(server) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: t\r\n\r\n" * 2)

        assert [wire.reply().body for _ in range(4)] == [b"abc", b"plain"] * 2


@requirement("connection:pipelining:close")
@pytest.mark.parametrize("fault", ["SILENT_CLOSE", "EMPTY_RESPONSE"])
def test_nothing_behind_the_end_of_a_connection_is_answered(server, fault):
    server.get("/last").fault(fault)
    server.get("/never").text("never")

    with Wire(server) as wire:
        wire.send(b"GET /last HTTP/1.1\r\nHost: t\r\n\r\nGET /never HTTP/1.1\r\nHost: t\r\n\r\n")
        # What is unread when a server closes turns its FIN into RST: both are an end.
        try:
            received = wire.rest()
        except ConnectionResetError:
            received = b""

    assert b"never" not in received
    assert server.request_count(path="/never") == 0


# Counters


@requirement("connection:counters:opened-and-reused")
def test_connections_and_their_use_are_counted(server):
    server.get("/").text("x")
    with Wire(server) as wire:
        for _ in range(3):
            wire.call()
        call(server)

        stats = server.connections
        assert (stats.opened, stats.requests, stats.reused) == (2, 4, 2)
        server.assert_connections(opened_at_most=2, reused_at_least=2, open_at_most=1)

    server.assert_connections(open_at_most=0)


@requirement("connection:counters:opened-and-reused")
def test_missed_expectations_of_connections_say_what_was_found(server):
    server.get("/").text("x")
    with Wire(server) as kept:
        kept.call()
        call(server)

        with pytest.raises(VerificationError, match=r"at most 1 opened, at least 1 re-used; found .*opened=2"):
            server.assert_connections(opened_at_most=1, reused_at_least=1)


@requirement("connection:counters:leaked")
def test_a_connection_that_the_client_leaves_open_is_counted_as_open(server):
    with Wire(server):
        server.wait_until(lambda: server.connections.open == 1)

    server.wait_until(lambda: server.connections.open == 0)
    assert (server.connections.opened, server.connections.requests) == (1, 0)


@requirement("connection:counters:reset")
def test_a_reset_counts_anew_and_keeps_what_is_open(server):
    server.get("/").text("x")
    with Wire(server) as wire:
        wire.call()

        server.reset()
        server.get("/").text("y")
        wire.call()

        stats = server.connections
        assert (stats.opened, stats.open, stats.requests, stats.reused) == (0, 1, 1, 1)


# Gates


@requirement("gate:hold-until:together")
def test_requests_wait_until_so_many_are_there(server):
    server.get("/").text("together").hold_until(3)
    with Wire(server) as first, Wire(server) as second, Wire(server) as third:
        first.ask()
        second.ask()
        server.wait_for_requests(2)
        assert (first.is_silent(), second.is_silent()) == (True, True)

        third.ask()

        assert [wire.reply().body for wire in (first, second, third)] == [b"together"] * 3
        assert server.max_in_flight == 3


@requirement("gate:hold-until:together")
def test_the_gate_closes_behind_them(server):
    gate = server.get("/").text("x").hold_until(2)
    with Wire(server) as first, Wire(server) as second:
        for _ in range(2):
            first.ask()
            gate.wait_for(1)
            assert first.is_silent()
            second.ask()
            assert [first.reply().status, second.reply().status] == [200, 200]


@requirement("gate:hold:release-n")
def test_so_many_are_let_through_longest_waiting_first(server):
    gate = server.get("/").text("x").hold()
    with Wire(server) as first, Wire(server) as second, Wire(server) as third:
        for count, wire in enumerate((first, second, third), 1):
            wire.ask()
            gate.wait_for(count)

        gate.release(2)

        assert [first.reply().status, second.reply().status] == [200, 200]
        assert (third.is_silent(), gate.waiting) == (True, 1)
        gate.release(1)
        assert third.reply().status == 200


@requirement("gate:hold:release-n")
def test_what_is_released_before_it_comes_does_not_wait(server):
    gate = server.get("/").text("x").hold()
    gate.release(1)

    with Wire(server) as first, Wire(server) as second:
        assert first.call().status == 200
        second.ask()
        gate.wait_for(1)
        assert second.is_silent()


@requirement("gate:hold:open-for-good")
def test_a_gate_that_is_opened_stays_open(server):
    gate = server.get("/").text("x").hold()
    with Wire(server) as wire:
        wire.ask()
        gate.wait_for(1)

        gate.release()

        assert [wire.reply().status, wire.call().status] == [200, 200]


@requirement("gate:hold:others-pass")
def test_other_routes_do_not_wait(server):
    gate = server.get("/held").text("x").hold()
    server.get("/free").text("free")
    with Wire(server) as wire:
        wire.ask("/held")
        gate.wait_for(1)

        assert call(server, "/free").body == b"free"


@requirement("gate:client:leaves")
def test_a_client_that_leaves_no_longer_waits(server):
    """It does not count towards so many, and it is noted on its request."""
    gate = server.get("/").text("x").hold_until(2)
    with Wire(server) as leaving:
        leaving.ask()
        gate.wait_for(1)
    server.wait_until(lambda: gate.waiting == 0)

    with Wire(server) as first, Wire(server) as second:
        first.ask()
        gate.wait_for(1)
        assert first.is_silent()
        second.ask()
        assert [first.reply().status, second.reply().status] == [200, 200]
    assert [request.aborted for request in server.get_requests()] == [True, False, False]


@requirement("gate:server:closes")
def test_the_end_of_the_server_ends_the_waiting(server):
    gate = server.get("/").text("x").hold()
    with Wire(server) as wire:
        wire.ask()
        gate.wait_for(1)

        server.close()

        assert wire.rest_until_reset() == b""
    assert gate.waiting == 0


# Addresses


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@requirement("connection:ipv6:served")
@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback address")
def test_a_server_on_ipv6(engine):
    with MockHttpServer(engine=engine, host="::1") as server:
        server.get("/").text("six")

        assert server.url == f"http://[::1]:{server.port}"
        assert call(server).body == b"six"


@requirement("connect:refused:at-once")
def test_a_refused_port_refuses():
    with RefusedPort() as port:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((port.host, port.port), 30)

        with socket.socket() as other, pytest.raises(OSError, match="in use") as raised:
            other.bind((port.host, port.port))
        assert raised.value.errno == errno.EADDRINUSE


@requirement("connect:silent:accepts")
def test_a_silent_port_accepts_and_says_nothing():
    with (
        SilentPort() as port,
        socket.create_connection((port.host, port.port), 30) as first,
        socket.create_connection((port.host, port.port), 30) as second,
    ):
        for connection in (first, second):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            connection.settimeout(0.05)
            with pytest.raises(TimeoutError):
                connection.recv(1)


@requirement("connect:unanswered:never")
@pytest.mark.skipif(not hasattr(socket, "SO_BINDTODEVICE"), reason="needs Linux's handling of a full queue")
def test_an_unanswered_port_never_completes_a_connection():
    with UnansweredPort() as port:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                socket.create_connection((port.host, port.port), 0.05)


@requirement("connect:any:freed")
@pytest.mark.parametrize("kind", [RefusedPort, SilentPort])
def test_a_closed_address_lets_waiting_clients_go(kind):
    before = psutil.Process().num_fds()
    address = kind()
    ended = threading.Event()

    def connect():
        try:
            with socket.create_connection((address.host, address.port), 30) as connection:
                connection.recv(1)
        except OSError:
            pass
        ended.set()

    client = threading.Thread(target=connect)
    client.start()
    address.close()
    client.join(30)

    assert ended.is_set()
    assert psutil.Process().num_fds() <= before
