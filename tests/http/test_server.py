"""The public server: its life, its address, what it answers, remembers and judges."""

import contextlib
import errno
import json
import socket
import sys
import threading
import time

import psutil
import pytest

from api_simulator._core import live
from api_simulator._engines.base import engine_statuses, open_engine
from api_simulator.errors import (
    EngineUnavailableError,
    JournalOverflowError,
    NoRouteError,
    OptionError,
    PortInUseError,
    RouteError,
    ServerStateError,
    VerificationError,
)
from api_simulator.http import CapturedRequest, MockHttpServer, MockResponseSpec, ResponseSpec, json_body, where
from tests.http.calls import Connection, call, get, talk


@contextlib.contextmanager
def server_whose_block_raises(error, match=None, **options):
    """A server for a ``with`` block at whose end *error* is raised."""
    with pytest.raises(error, match=match), MockHttpServer(**options) as server:
        yield server


# Address


def test_url_is_text_without_trailing_slash(server):
    assert isinstance(server.url, str)
    assert server.url == f"http://127.0.0.1:{server.port}"
    assert json.dumps(server.url + "/a") == f'"http://127.0.0.1:{server.port}/a"'


def test_url_can_be_called_for_itself_and_for_a_joined_path(server):
    assert server.url() == server.url
    assert server.url("/a/b?c=1") == f"{server.url}/a/b?c=1"


def test_a_path_without_slash_is_not_joined(server):
    with pytest.raises(RouteError, match=r"url: 'a' does not start with '/'; did you mean '/a'\?"):
        server.url("a")


@pytest.mark.parametrize("ask", [lambda server: server.url, lambda server: server.engine])
def test_a_server_that_was_never_started_has_no_url_and_no_engine(ask):
    with pytest.raises(ServerStateError, match=r"the server is not running; use it in a with block, or call start\(\)"):
        ask(MockHttpServer())


def test_the_url_is_still_there_after_the_end():
    """A failure message that is written later still wants it."""
    with MockHttpServer() as server:
        url = server.url

    assert server.url == url


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"engine": "apache"}, "engine: expected one of auto, native, aiohttp, inprocess, got 'apache'"),
        ({"port": -1}, r"port: expected a whole number from 0 \(any free port\) to 65535, got -1"),
        ({"port": 65536}, "got 65536"),
        ({"port": "80"}, "got '80'"),
        ({"port": True}, "got True"),
        ({"unused": "warn"}, "unused: expected 'list' or 'fail', got 'warn'"),
        ({"journal_entries": 0}, "journal_entries: expected a whole number, 1 or more, got 0"),
        ({"journal_entries": 1.5}, "journal_entries: .* got 1.5"),
        ({"journal_body_bytes": True}, "journal_body_bytes: .* got True"),
    ],
)
def test_an_option_without_such_a_value_is_refused(options, complaint):
    with pytest.raises(OptionError, match=complaint):
        MockHttpServer(**options)


# Life


def test_a_server_runs_from_start_to_close():
    server = MockHttpServer().start()
    server.register("GET", "/", ResponseSpec(body="hi"))
    assert get(server, "/").body == b"hi"

    server.close()

    with pytest.raises(ConnectionRefusedError):
        get(server, "/")


def test_closing_twice_changes_nothing(server):
    server.close()
    server.close()


def test_closing_before_the_start_changes_nothing():
    server = MockHttpServer()

    server.close()

    with server:
        assert server.port


def test_a_block_may_be_entered_with_a_server_that_runs():
    server = MockHttpServer().start()

    with server as entered:
        assert entered is server


def test_starting_twice_is_refused(server):
    with pytest.raises(ServerStateError, match="start: this server is running"):
        server.start()


def test_a_closed_server_cannot_be_started_again(server):
    server.close()

    with pytest.raises(ServerStateError, match="start: this server was closed; make a new one"):
        server.start()


def test_a_closed_server_still_tells_what_it_was_asked():
    with MockHttpServer() as server:
        route = server.register("GET", "/", ResponseSpec())
        get(server, "/")

    assert [request.path for request in server.get_requests()] == ["/"]
    assert route.call_count == 1


def test_a_running_server_names_its_engine(server):
    assert server.engine == open_engine().name


@pytest.mark.parametrize("absent", [status.name for status in engine_statuses() if not status.available])
def test_an_engine_that_is_not_installed_is_named_and_leaves_nothing_behind(absent):
    server = MockHttpServer(engine=absent)

    with pytest.raises(EngineUnavailableError, match=rf"engine '{absent}' is not available: .*engine='aiohttp'"):
        server.start()

    assert server not in live.everything()


def test_open_servers_are_live_until_they_are_closed(server):
    assert server in live.of_type(MockHttpServer)

    server.close()

    assert server not in live.of_type(MockHttpServer)


def test_a_port_in_use_is_named(server):
    with pytest.raises(PortInUseError, match=rf"port {server.port} on 127.0.0.1 is in use; pass port=0") as raised:
        MockHttpServer(port=server.port).start()

    assert raised.value.errno == errno.EADDRINUSE
    assert isinstance(raised.value, OSError)


def test_a_server_that_could_not_start_can_be_started_when_the_port_is_free(server):
    second = MockHttpServer(port=server.port)
    with pytest.raises(PortInUseError):
        second.start()

    server.close()

    with second:
        assert second.port == server.port


def test_an_address_that_is_not_ours_is_named():
    # 192.0.2.0/24 is for documentation (RFC 5737): no machine has an address of it.
    with pytest.raises(PortInUseError, match=r"cannot listen on 192\.0\.2\.1:0: "):
        MockHttpServer(host="192.0.2.1").start()


def test_a_fixed_port_can_be_used_again_right_after_the_close():
    """Also with connections in TIME_WAIT: a suite that runs twice in a row must not wait a minute."""
    with MockHttpServer() as server:
        server.register("GET", "/", ResponseSpec(headers={"Connection": "close"}))
        get(server, "/")
        port = server.port

    for _ in range(3):
        with MockHttpServer(port=port) as again:
            again.register("GET", "/", ResponseSpec(headers={"Connection": "close"}))
            assert (again.port, get(again, "/").status) == (port, 200)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS configures no loopback address but 127.0.0.1")
def test_another_address_of_this_machine_can_be_bound():
    with MockHttpServer(host="127.0.0.2") as server:
        server.register("GET", "/", ResponseSpec())

        assert server.url == f"http://127.0.0.2:{server.port}"
        assert get(server, "/").status == 200
        # Looked up, not tried: another process may have the same port on another address.
        listening = {each.laddr for each in psutil.Process().net_connections("tcp4") if each.status == "LISTEN"}
        assert {address.ip for address in listening if address.port == server.port} == {"127.0.0.2"}


def test_an_ipv6_address_stands_in_brackets_in_the_url():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with MockHttpServer(host="::1") as server:
        server.register("GET", "/", ResponseSpec())

        assert server.url == f"http://[::1]:{server.port}"
        assert get(server, "/").status == 200


@pytest.mark.anyio
async def test_async_with_runs_a_server():
    async with MockHttpServer() as server:
        assert server in live.of_type(MockHttpServer)

    assert server not in live.of_type(MockHttpServer)


@pytest.mark.anyio
async def test_async_with_verifies_at_its_end():
    with pytest.raises(VerificationError, match="expected 1 call, found 0"):
        async with MockHttpServer() as server:
            server.register("GET", "/", ResponseSpec()).expect(1)


@pytest.mark.anyio
async def test_async_with_leaves_the_blocks_own_error_alone():
    async def fail_in_the_block():
        async with MockHttpServer() as server:
            server.register("GET", "/", ResponseSpec()).expect(1)
            raise LookupError

    with pytest.raises(LookupError):
        await fail_in_the_block()


def test_repr_tells_state_and_number_of_routes():
    server = MockHttpServer()
    assert repr(server) == "<MockHttpServer not started, 0 routes>"

    with server:
        server.register("GET", "/", ResponseSpec())
        assert repr(server) == f"<MockHttpServer {server.url}, 1 route>"

    assert repr(server) == "<MockHttpServer closed, 1 route>"


# Answers


def test_the_name_in_use_is_the_same_class():
    assert MockResponseSpec is ResponseSpec


def test_an_answer_has_status_reason_headers_and_body_as_given(server):
    server.register("GET", "/", ResponseSpec(418, {"a": 1}, [("X-B", "1"), ("x-b", "2")], reason="Short and stout"))

    answer = get(server, "/")

    assert (answer.status, answer.reason, answer.json) == (418, "Short and stout", {"a": 1})
    assert answer.headers == [
        ("Content-Type", "application/json"),
        ("X-B", "1"),
        ("x-b", "2"),
        ("Content-Length", "7"),
    ]


@pytest.mark.parametrize(("then", "statuses"), [("repeat", [429, 503, 503, 503]), ("cycle", [429, 503, 429, 503])])
def test_a_sequence_answers_successive_requests_of_any_connection(server, then, statuses):
    server.register_sequence("GET", "/q", [ResponseSpec(429), ResponseSpec(503)], then=then)

    with Connection(server) as kept:
        got = [kept.call("GET", "/q").status] + [get(server, "/q").status for _ in statuses[1:]]

    assert got == statuses


def test_a_sequence_hands_each_answer_out_once_to_clients_that_ask_at_the_same_time(server):
    count = 40
    server.register_sequence("GET", "/n", [ResponseSpec(200, number) for number in range(count)], then="error")
    got = []

    threads = [threading.Thread(target=lambda: got.append(get(server, "/n").json)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(got) == list(range(count))


@pytest.mark.parametrize("delay_ms", [1, 2, 5, 16, 50])
def test_a_delay_is_never_short(server, delay_ms):
    server.register("GET", "/", ResponseSpec(delay_ms=delay_ms))

    with Connection(server) as connection:
        for _ in range(5):
            start = time.monotonic()
            connection.call("GET", "/")
            assert (time.monotonic() - start) * 1000 >= delay_ms


def test_a_delayed_answer_holds_nobody_else_up(server):
    server.register("GET", "/slow", ResponseSpec(delay_ms=30_000))
    server.register("GET", "/quick", ResponseSpec())

    with Connection(server) as slow:
        slow.raw.request("GET", "/slow")
        server.wait_for_requests(1)

        assert get(server, "/quick").status == 200


def test_a_head_request_is_answered_by_the_get_route_without_body(server):
    server.register("GET", "/", ResponseSpec(body="hello"))

    with Connection(server) as connection:
        head, after = connection.call("HEAD", "/"), connection.call("GET", "/")

    assert (head.status, head.body, dict(head.headers)["Content-Length"]) == (200, b"", "5")
    assert after.body == b"hello"


def test_routes_may_be_registered_while_requests_come_in():
    """Registration from one thread, traffic from another: every request gets the old or the new answer."""
    # As many as fast clients make of a fast engine.
    with MockHttpServer(journal_entries=1_000_000) as server:
        server.register("GET", "/a", ResponseSpec(200, 0))
        stop = threading.Event()
        got = []

        def ask():
            with Connection(server) as connection:
                while not stop.is_set():
                    answer = connection.call("GET", "/a")
                    got.append((answer.status, answer.json))

        clients = [threading.Thread(target=ask) for _ in range(2)]
        for client in clients:
            client.start()
        for number in range(1, 301):
            server.register("GET", "/a", ResponseSpec(200, number))
            server.register("POST", f"/other/{number}/{{x}}", ResponseSpec())
            server.request_count(), server.get_requests("GET", "/a"), server.verdict()
        stop.set()
        for client in clients:
            client.join()

        assert {status for status, _ in got} == {200}
        assert server.request_count("GET", "/a") == len(got)
        assert get(server, "/a").json == 300


# What it was asked


def test_captured_requests_are_dicts_and_objects(server):
    call(server, "POST", "/a%20b?x=1&x=2", {"k": 1}, {"Authorization": "Bearer t"})

    [request] = server.get_requests()

    assert request["headers"]["authorization"] == request.headers["authorization"] == "Bearer t"
    assert request["json"] == {"k": 1}
    assert (request["method"], request["path"], request.raw_target) == ("POST", "/a b", "/a%20b?x=1&x=2")
    assert request["query"]["x"] == "1"
    assert request.query.getall("x") == ["1", "2"]
    assert abs(request.received_at - time.time()) < 60


@pytest.mark.parametrize(
    ("method", "path", "targets"),
    [
        (None, None, ["/a", "/a?x=1", "/b"]),
        ("GET", None, ["/a", "/b"]),
        ("get", "/a", ["/a"]),
        (None, "/a", ["/a", "/a?x=1"]),
        (None, "/a?x=1", ["/a?x=1"]),
        ("POST", "/b", []),
    ],
)
def test_requests_can_be_filtered_by_method_and_path(server, method, path, targets):
    for name, target in [("GET", "/a"), ("POST", "/a?x=1"), ("GET", "/b")]:
        call(server, name, target)

    assert [request.raw_target for request in server.get_requests(method, path)] == targets
    assert server.request_count(method, path) == len(targets)


def test_a_count_right_after_an_answer_is_never_short(server):
    server.register("GET", "/", ResponseSpec())

    with Connection(server) as connection:
        for number in range(1, 200):
            connection.call("GET", "/")
            assert server.request_count() == number


def test_a_bounded_journal_counts_on_and_refuses_what_it_dropped():
    with MockHttpServer(journal_entries=2, strict=False) as server:
        for number in range(3):
            get(server, f"/{number}")

        assert server.request_count() == 3
        assert [request.path for request in server.get_requests(path="/2")] == ["/2"]
        with pytest.raises(JournalOverflowError, match="journal_entries=2"):
            server.get_requests()


def test_a_journal_bounded_by_bytes_drops_the_oldest_bodies():
    with MockHttpServer(journal_body_bytes=100, strict=False) as server:
        for number in range(3):
            call(server, "POST", f"/{number}", bytes(60))

        with pytest.raises(JournalOverflowError, match="journal_body_bytes=100"):
            server.get_requests()
        assert server.request_count("POST") == 3


def test_a_mounted_route_lists_the_requests_it_answered(server):
    route = server.register("GET", "/a/{id}", ResponseSpec())
    server.register("GET", "/b", ResponseSpec())
    for target in ["/a/1", "/b", "/a/2"]:
        get(server, target)

    assert [request.path_params["id"] for request in route.requests] == ["1", "2"]
    assert [request.route for request in server.get_requests("GET", "/a/1")] == [route]
    assert route.call_count == 2
    assert len(server.routes) == 2


def test_requests_of_a_connection_are_numbered(server):
    with Connection(server) as first, Connection(server) as second:
        first.call("GET", "/1")
        second.call("GET", "/2")
        first.call("GET", "/3")

    one, two, three = server.get_requests()
    assert one.connection_id == three.connection_id != two.connection_id
    assert [request.connection_index for request in (one, two, three)] == [0, 0, 1]
    assert [request.number for request in (one, two, three)] == [1, 2, 3]


def test_malformed_input_is_answered_400_and_kept_apart(server):
    server.register("GET", "/", ResponseSpec())

    answer = talk(server, b"GARBAGE\r\n\r\n")

    [malformed] = server.malformed
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answer.endswith(f"400 Bad Request: {malformed.error}\n".encode())
    assert malformed.raw.startswith(b"GARBAGE")
    assert server.get_requests() == []
    assert get(server, "/").status == 200
    server.verify()


# Reset


def test_reset_forgets_routes_requests_and_problems_and_keeps_the_port():
    with MockHttpServer() as server:
        server.register("GET", "/a", ResponseSpec()).expect(3)
        get(server, "/a"), get(server, "/nothing")
        talk(server, b"GARBAGE\r\n\r\n")
        port = server.port

        server.reset()

        assert (server.routes, server.get_requests(), server.unmatched, server.malformed) == ([], [], [], [])
        assert server.request_count() == 0
        assert server.port == port
        server.register("GET", "/b", ResponseSpec())
        assert get(server, "/b").status == 200


def test_reset_keeps_connections_open(server):
    server.register("GET", "/", ResponseSpec(201))
    with Connection(server) as connection:
        connection.call("GET", "/")
        socket_before = connection.raw.sock

        server.reset()
        server.register("GET", "/", ResponseSpec(202))

        assert connection.call("GET", "/").status == 202
        assert connection.raw.sock is socket_before
    assert server.request_count() == 1


def test_a_request_in_flight_at_a_reset_finishes_but_is_not_recorded(server):
    """Its answer was decided before, so it is the old one; to the time after it never happened."""
    asked, release = threading.Event(), threading.Event()

    def responder(request):
        asked.set()
        release.wait(20)
        return ResponseSpec(201)

    server.register("GET", "/", responder)
    with Connection(server) as connection:
        connection.raw.request("GET", "/")
        assert asked.wait(20)

        server.reset()
        release.set()

        assert connection.raw.getresponse().status == 201
    assert server.request_count() == 0
    assert server.verdict().ok


def test_an_upload_in_flight_at_a_reset_is_neither_recorded_nor_a_call(server):
    """Begun before the reset, complete after it: whoever comes next must not find it among the calls."""
    with socket.create_connection((server.host, server.port), timeout=20) as wire:
        wire.sendall(b"POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\nab")
        assert wire.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"

        server.reset()
        route = server.register("POST", "/up", ResponseSpec())
        wire.sendall(b"cd")

        assert wire.recv(1000).startswith(b"HTTP/1.1 ")
    assert server.request_count() == 0
    assert route.call_count == 0


# Whether that was right


def test_an_unmatched_request_raises_at_the_end_of_the_block():
    with server_whose_block_raises(
        NoRouteError, r"(?s)GET /mesages matched no route.*nearest: GET /messages"
    ) as server:
        server.register("GET", "/messages", ResponseSpec())
        get(server, "/mesages")


def test_a_block_that_raised_keeps_its_own_error():
    with server_whose_block_raises(LookupError) as server:
        get(server, "/nothing")
        raise LookupError


def test_the_server_is_closed_also_when_the_verdict_raises():
    server = MockHttpServer()

    with pytest.raises(NoRouteError), server:
        get(server, "/nothing")

    with pytest.raises(ConnectionRefusedError):
        get(server, "/")


def test_what_verify_raised_once_it_does_not_raise_again():
    with MockHttpServer() as server:
        get(server, "/nothing")
        with pytest.raises(NoRouteError):
            server.verify()

        server.verify()


def test_reading_unmatched_acknowledges_nothing():
    with server_whose_block_raises(NoRouteError) as server:
        get(server, "/nothing")
        assert [request.path for request in server.unmatched] == ["/nothing"]


def test_expected_unmatched_requests_are_fine():
    with MockHttpServer() as server:
        server.expect_unmatched(2)
        get(server, "/a"), get(server, "/b")


def test_another_number_of_unmatched_requests_is_not():
    with server_whose_block_raises(VerificationError, r"expect_unmatched\(2\): found 1 unmatched requests") as server:
        server.expect_unmatched(2)
        get(server, "/a")


@pytest.mark.parametrize("number", [-1, True, 1.0, "1", None])
def test_expect_unmatched_takes_whole_numbers(server, number):
    with pytest.raises(RouteError, match="expect_unmatched: expected a whole number, 0 or more, got "):
        server.expect_unmatched(number)


def test_without_strict_an_unmatched_request_is_answered_404_and_forgiven():
    with MockHttpServer(strict=False) as server:
        answer = get(server, "/nothing")

    assert answer.status == 404
    assert answer.json["error"]["type"] == "api_simulator.unmatched"


def test_a_missed_expectation_raises_at_the_end_of_the_block():
    with server_whose_block_raises(
        VerificationError, r"GET /: expected 2 calls, found 1 \(registered at .*test_server.py:"
    ) as server:
        server.register("GET", "/", ResponseSpec()).expect(2)
        get(server, "/")


def test_an_exhausted_sequence_raises_at_the_end_of_the_block():
    with server_whose_block_raises(VerificationError, "the sequence of GET / is used up: it has 1 answers") as server:
        server.register_sequence("GET", "/", [ResponseSpec()], then="error")
        assert [get(server, "/").status for _ in range(2)] == [200, 500]


def test_unused_routes_fail_only_if_asked():
    with MockHttpServer() as listing:
        listing.register("GET", "/never", ResponseSpec())

    with server_whose_block_raises(
        VerificationError, r"route never called: GET /never \(registered at ", unused="fail"
    ) as failing:
        failing.register("GET", "/never", ResponseSpec())


def test_a_verdict_can_be_had_without_raising(server):
    server.register("GET", "/", ResponseSpec()).expect(1)

    report = server.verdict()

    assert not report.ok
    assert report.unmet
    assert server.verdict(expectations=False).ok


def test_a_predicate_that_raises_is_answered_500_and_fails():
    with server_whose_block_raises(
        VerificationError, r"GET /: a condition of GET / with predicate \S+ raised TypeError: .* \(registered at "
    ) as server:
        server.register("GET", "/", ResponseSpec(), when=where(lambda request: request.json["model"]))
        answer = get(server, "/")
    assert answer.status == 500
    assert answer.json["error"]["type"] == "api_simulator.predicate"


def test_a_predicate_that_fails_the_test_by_pytest_is_answered_and_told():
    """``pytest.fail`` raises a BaseException: it is still the user's word about the request."""
    with server_whose_block_raises(VerificationError, "no such model") as server:
        server.register("GET", "/", ResponseSpec(), when=where(lambda request: pytest.fail("no such model")))
        answer = get(server, "/")
    assert answer.status == 500


def test_a_body_with_a_lone_surrogate_is_unmatched_like_any_other(server):
    """JSON can name what UTF-8 cannot hold; quoting it must not break the answer."""
    server.register("POST", "/", ResponseSpec(), when=json_body({"text": "hi"}))

    answer = call(server, "POST", "/", b'{"text": "\\ud83d"}')

    assert answer.status == 404
    assert answer.json["error"]["type"] == "api_simulator.unmatched"


def test_the_timeline_tells_requests_and_answers_in_order(server):
    server.register("GET", "/", ResponseSpec(204))
    get(server, "/")
    get(server, "/nothing")
    server.wait_until(lambda: all(request.answered_ns for request in server.get_requests()))

    texts = [event.text for event in sorted(server.timeline())]

    assert [text.rpartition(" after ")[0] or text for text in texts] == [
        "#1 GET /  [GET /]",
        "#1 -> 204",
        "#2 GET /nothing  [no route]",
        "#2 -> 404",
    ]


# Retirement


def test_a_retired_server_resets_late_requests_and_tells_of_them(server):
    late: list[CapturedRequest] = []
    server.register("GET", "/", ResponseSpec())

    server.retire(late.append)

    with pytest.raises(ConnectionResetError):
        get(server, "/late")
    assert [request.path for request in late] == ["/late"]
    assert server.get_requests() == []
    assert server not in live.of_type(MockHttpServer)


def test_a_server_that_was_closed_can_still_be_retired(server):
    server.close()

    server.retire(print)
