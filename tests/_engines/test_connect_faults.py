"""Addresses at which connecting goes wrong: what the kernel does there, and that nothing is left behind."""

import contextlib
import socket
import sys

import psutil
import pytest

from api_simulator._engines import connect_faults
from api_simulator._engines.connect_faults import ConnectFault, RefusedPort, SilentPort, UnansweredPort
from api_simulator.errors import UnsupportedPlatformError

KINDS = [RefusedPort, SilentPort, UnansweredPort]

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's handling of a full queue")


@pytest.fixture(params=[pytest.param(kind, marks=linux_only) if kind is UnansweredPort else kind for kind in KINDS])
def kind(request):
    return request.param


def connect(address, timeout_s=30):
    return socket.create_connection((address.host, address.port), timeout_s)


def test_an_address_is_known_from_the_start(kind):
    with kind() as address:
        assert address.host == "127.0.0.1"
        assert address.url == f"http://127.0.0.1:{address.port}"
        assert repr(address) == f"<{kind.__name__} {address.url}>"


def test_two_have_two_ports(kind):
    with kind() as one, kind() as other:
        assert one.port != other.port


def test_nobody_else_gets_the_port_meanwhile(kind):
    with kind() as address, socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((address.host, address.port))


def test_closing_leaves_no_descriptor_behind_and_may_be_done_twice(kind):
    before = psutil.Process().num_fds()
    address = kind()

    address.close()
    address.close()

    assert psutil.Process().num_fds() <= before


def test_leaving_the_block_closes_it_even_when_it_raises(kind):
    before = psutil.Process().num_fds()

    with contextlib.suppress(ZeroDivisionError), kind():
        1 / 0  # noqa: B018  # the error is the point

    assert psutil.Process().num_fds() <= before


def test_what_fails_to_open_leaves_no_descriptor_behind():
    class Failing(ConnectFault):
        def _open(self):
            self._socket()
            raise RuntimeError("no")

    before = psutil.Process().num_fds()

    with pytest.raises(RuntimeError):
        Failing()

    assert psutil.Process().num_fds() <= before


def test_a_refused_port_refuses_every_time():
    with RefusedPort() as address:
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                connect(address)


def test_a_silent_port_takes_many_connections_and_what_they_send():
    with SilentPort() as address, contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(address)) for _ in range(50)]
        for connection in connections:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            connection.setblocking(False)

        for connection in connections:
            with pytest.raises(BlockingIOError):
                connection.recv(1)


def test_the_end_of_a_silent_port_resets_who_waits_there():
    address = SilentPort()
    with connect(address) as connection:
        address.close()

        with pytest.raises(ConnectionResetError):
            connection.recv(1)


@linux_only
def test_an_unanswered_port_answers_nobody_not_even_later():
    with UnansweredPort() as address, contextlib.ExitStack() as stack:
        waiting = []
        for _ in range(5):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.connect((address.host, address.port))
            waiting.append(client)
        with pytest.raises(TimeoutError):
            connect(address, timeout_s=0.3)

        for client in waiting:
            # Not connected, and no error either.
            assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
            with pytest.raises(OSError, match="not connected"):
                client.getpeername()


def test_elsewhere_than_on_linux_an_unanswered_port_says_why_not(monkeypatch):
    monkeypatch.setattr("sys.platform", "darwin")
    before = psutil.Process().num_fds()

    with pytest.raises(UnsupportedPlatformError, match=r"needs Linux's handling of a full queue; this is darwin"):
        connect_faults.UnansweredPort()

    assert psutil.Process().num_fds() <= before
