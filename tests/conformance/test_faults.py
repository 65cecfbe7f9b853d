"""What goes wrong, byte by byte; and when it does."""

import gzip
import json
import time
import zlib

import pytest

from api_simulator.http import Fault, MockHttpServer, ResponseSpec, stalled, truncated, wrong_length
from tests.conformance.manifest import requirement
from tests.conformance.raw import Wire, call

BODY = {"text": "grüße"}
CONTENT = b'{"text":"gr\xc3\xbc\xc3\x9fe"}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
GOOD = HEAD % len(CONTENT) + CONTENT


@pytest.fixture
def broken(server):
    """Return a function that registers a fault and asks for it on a connection of its own."""
    wires = []

    def ask(fault, **options):
        server.register("GET", "/", ResponseSpec(body=BODY, fault=fault, **options))
        wires.append(Wire(server))
        wires[-1].ask()
        return wires[-1]

    yield ask
    for wire in wires:
        wire.close()


def nothing_more_comes(server, wire):
    """Return whether a connection stays open and silent, as far as can be seen when a later one has been served."""
    call(server, "/elsewhere")
    return wire.is_silent()


# Of the connection


@requirement("fault:connection-reset-by-peer:bytes")
def test_a_reset_comes_before_any_byte(broken):
    assert broken("CONNECTION_RESET_BY_PEER").rest_until_reset() == b""


@requirement("fault:empty-response:bytes")
def test_an_empty_response_is_an_end_in_order_without_a_byte(broken):
    assert broken("EMPTY_RESPONSE").rest() == b""


@requirement("fault:hang:bytes")
def test_a_hanging_connection_stays_open_and_silent(server, broken):
    wire = broken("HANG")
    server.wait_for_requests(1)

    assert nothing_more_comes(server, wire)
    assert server.connections.open >= 1


@requirement("fault:silent-close:bytes")
def test_a_silent_close_follows_an_answer_that_promised_to_stay(broken):
    assert broken("SILENT_CLOSE").rest() == GOOD


@requirement("fault:half-close:bytes")
def test_a_half_close_ends_what_is_sent_and_goes_on_reading(server, broken):
    wire = broken("HALF_CLOSE")
    assert wire.rest() == GOOD

    for _ in range(3):
        wire.ask()
        call(server, "/elsewhere")

    assert wire.rest() == b""
    server.wait_until(lambda: server.connections.open == 1)
    assert server.request_count(path="/") == 1
    assert not server.get_requests(path="/")[0].aborted
    wire.close()
    server.wait_until(lambda: server.connections.open == 0)


# Of the framing


@requirement("fault:truncated:bytes")
@pytest.mark.parametrize("after", [0, 1, 13])
def test_a_truncated_body_promises_all_and_ends_early(broken, after):
    assert broken(truncated(after)).rest() == HEAD % len(CONTENT) + CONTENT[:after]


@requirement("fault:truncated:reset")
def test_a_truncated_body_may_end_by_reset(broken):
    received = broken(truncated(5, reset=True)).rest_until_reset()

    # A reset may overtake what was sent before it.
    assert (HEAD % len(CONTENT) + CONTENT[:5]).startswith(received)


@requirement("fault:stalled:bytes")
@pytest.mark.parametrize("after", [0, 4])
def test_a_stalled_body_promises_all_and_stays_open(server, broken, after):
    wire = broken(stalled(after))
    expected = HEAD % len(CONTENT) + CONTENT[:after]

    assert wire.read(len(expected)) == expected
    assert nothing_more_comes(server, wire)


@requirement("fault:wrong-length:bytes")
def test_a_length_that_is_too_large_leaves_the_client_waiting(server, broken):
    wire = broken(wrong_length(3))
    expected = HEAD % (len(CONTENT) + 3) + CONTENT

    assert wire.read(len(expected)) == expected
    assert nothing_more_comes(server, wire)


@requirement("fault:wrong-length:bytes")
@pytest.mark.parametrize("by", [-1, -len(CONTENT)])
def test_a_length_that_is_too_small_leaves_bytes_behind(broken, by):
    assert broken(wrong_length(by)).rest() == HEAD % (len(CONTENT) + by) + CONTENT


@requirement("fault:body:default")
@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        (truncated(10), lambda _: 10),
        (truncated(5000), lambda _: 5000),
        (stalled(10), lambda _: 10),
        (wrong_length(5), lambda promised: promised - 5),
        (wrong_length(-2000), lambda promised: promised + 2000),
    ],
    ids=["truncated", "truncated late", "stalled", "too long", "too short"],
)
def test_a_fault_of_the_body_has_something_to_break(server, fault, sent):
    """Without a body of one's own too: an answer that is whole by accident would let the test pass."""
    server.get("/").text("fine")
    server.fault(fault, on=2)

    with Wire(server) as wire:
        assert wire.call().body == b"fine"
        wire.ask()
        promised = int(wire.head().get("content-length") or 0)
        count = sent(promised)

        assert count != promised
        assert wire.read(count) == b"x" * count
        assert nothing_more_comes(server, wire) or wire.rest() == b""


@requirement("fault:malformed-response-chunk:bytes")
def test_a_malformed_chunk_follows_a_good_head(broken):
    received = broken("MALFORMED_RESPONSE_CHUNK").rest()

    head, _, rest = received.partition(b"\r\n\r\n")
    assert head == b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked"
    line = rest.split(b"\r\n")[0]
    with pytest.raises(ValueError, match="invalid literal"):
        int(line, 16)
    assert len(rest) > len(line)


@requirement("fault:duplicate-content-length:bytes")
def test_two_lengths_differ(broken):
    received = broken("DUPLICATE_CONTENT_LENGTH").rest()

    first, second = f"Content-Length: {len(CONTENT)}\r\n", f"Content-Length: {len(CONTENT) + 1}\r\n"
    assert (first + second).encode() in received
    assert received.endswith(b"\r\n\r\n" + CONTENT)


@requirement("fault:garbage-status-line:bytes")
def test_a_status_line_that_is_none(broken):
    received = broken("GARBAGE_STATUS_LINE").rest()

    line = received.split(b"\r\n")[0]
    assert not line.startswith(b"HTTP/1.")
    assert not line.split(b" ")[1].isdigit()


@requirement("fault:random-data-then-close:bytes")
def test_random_data_is_no_http(broken):
    received = broken("RANDOM_DATA_THEN_CLOSE").rest()

    assert len(received) == 512
    assert not received.startswith(b"HTTP/")
    assert len(set(received)) > 100


@requirement("fault:oversized-header:bytes")
def test_an_oversized_header_is_larger_than_any_limit_and_the_rest_is_good(server, broken):
    wire = broken("OVERSIZED_HEADER")

    reply = wire.reply()
    assert len(reply.get("x-oversized")) == 256 * 1024
    assert reply.body == CONTENT
    server.get("/next").text("next")
    assert wire.call("/next").body == b"next"


# Of the content


def in_good_framing(server, wire):
    """Return an answer after which the connection can be used again."""
    reply = wire.reply()
    server.get("/next").text("next")
    assert wire.call("/next").body == b"next"
    return reply


@requirement("fault:bad-gzip:bytes")
def test_gzip_that_is_none(server, broken):
    reply = in_good_framing(server, broken("BAD_GZIP"))

    assert reply.get("content-encoding") == "gzip"
    with pytest.raises((zlib.error, OSError, EOFError)):
        gzip.decompress(reply.body)


@requirement("fault:invalid-json:bytes")
@pytest.mark.parametrize("body", [BODY, {}, [], 1, "text", None], ids=repr)
def test_json_that_breaks_off(server, body):
    server.register("GET", "/", ResponseSpec(body=body, fault="INVALID_JSON"))

    with Wire(server) as wire:
        wire.ask()
        reply = in_good_framing(server, wire)

    assert reply.all("content-type") == ["application/json"]
    with pytest.raises(json.JSONDecodeError):
        json.loads(reply.body)


@requirement("fault:invalid-utf8:bytes")
def test_text_that_is_not_what_it_says(server, broken):
    reply = in_good_framing(server, broken("INVALID_UTF8", headers={"Content-Type": "text/html"}))

    assert reply.all("content-type") == ["text/plain; charset=utf-8"]
    assert reply.body.startswith(CONTENT)
    with pytest.raises(UnicodeDecodeError):
        reply.body.decode()


@requirement("fault:status:kept")
@pytest.mark.parametrize("fault", ["BAD_GZIP", "INVALID_JSON", "INVALID_UTF8", truncated(1), "SILENT_CLOSE"], ids=str)
def test_a_fault_keeps_status_and_fields(broken, fault):
    wire = broken(fault, status=503, headers={"Retry-After": 1}, reason="Broken")

    reply = wire.head()

    assert (reply.status, reply.reason, reply.get("retry-after")) == (503, "Broken", "1")


@requirement("fault:head:no-body")
@pytest.mark.parametrize(
    "fault",
    [
        "BAD_GZIP",
        "INVALID_JSON",
        "INVALID_UTF8",
        "OVERSIZED_HEADER",
        "DUPLICATE_CONTENT_LENGTH",
        "SILENT_CLOSE",
        "HALF_CLOSE",
        truncated(5),
        stalled(5),
        wrong_length(3),
        wrong_length(-3),
    ],
    ids=str,
)
def test_head_gets_no_body_whatever_else_is_wrong(server, fault):
    server.register("GET", "/", ResponseSpec(body=BODY, fault=fault))

    with Wire(server) as wire:
        wire.ask(method="HEAD")
        head = wire.head()

        # What is still open is silent, what has ended has ended here.
        assert head.status == 200
        assert nothing_more_comes(server, wire) or wire.rest() == b""


@requirement("fault:delay:first")
@pytest.mark.parametrize("fault", ["CONNECTION_RESET_BY_PEER", "EMPTY_RESPONSE", truncated(1)], ids=str)
def test_a_fault_may_come_late(broken, fault):
    started = time.monotonic()
    wire = broken(fault, delay_ms=30)

    try:
        wire.rest()
    except ConnectionResetError:
        assert fault == "CONNECTION_RESET_BY_PEER"
    assert time.monotonic() - started >= 0.03


@requirement("fault:informational:first")
def test_interim_answers_come_before_a_fault(broken):
    wire = broken("EMPTY_RESPONSE", informational=[(103, None)])

    assert wire.rest() == b"HTTP/1.1 103 Early Hints\r\n\r\n"


@requirement("fault:request:recorded")
@pytest.mark.parametrize("fault", [*Fault.__members__, truncated(1), stalled(1), wrong_length(1)], ids=str)
def test_the_request_is_recorded_whatever_becomes_of_it(server, fault):
    """And the next connection is served."""
    route = server.get("/").fault(fault)

    with Wire(server) as wire:
        wire.ask()
        server.wait_for_requests(1)

    assert route.call_count == 1
    server.get("/next").text("next")
    assert call(server, "/next").body == b"next"


@requirement("fault:request:status")
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("CONNECTION_RESET_BY_PEER", None),
        ("EMPTY_RESPONSE", None),
        ("HANG", None),
        ("RANDOM_DATA_THEN_CLOSE", None),
        ("GARBAGE_STATUS_LINE", None),
        ("SILENT_CLOSE", 201),
        ("BAD_GZIP", 201),
        (truncated(1), 201),
    ],
    ids=str,
)
def test_a_request_has_the_status_that_was_sent_and_none_where_none_was(server, fault, status):
    server.register("GET", "/", ResponseSpec(201, fault=fault))

    with Wire(server) as wire:
        wire.ask()
        (request,) = server.wait_for_requests(1)

    assert request.status == status


# When


@requirement("fault:when:kth-call")
@pytest.mark.parametrize(("on", "struck"), [(2, [2]), ([1, 3], [1, 3]), (range(2, 4), [2, 3]), ([9], [])], ids=str)
def test_it_happens_on_the_calls_named(server, on, struck):
    server.get("/").text("fine").fault(ResponseSpec(500), on=on)

    statuses = [call(server).status for _ in range(4)]

    assert [number for number, status in enumerate(statuses, 1) if status == 500] == struck


@requirement("fault:when:kth-call")
def test_a_fault_takes_the_place_of_a_call_and_of_no_item_of_a_sequence(server):
    server.get("/").sequence(201, 202).fault("EMPTY_RESPONSE", on=2)

    with Wire(server) as wire:
        assert wire.call().status == 201
        wire.ask()
        assert wire.rest() == b""
    assert call(server).status == 202


@requirement("fault:when:outage")
def test_it_happens_during_an_outage(server):
    """Asked over and over: each answer is as it must be, judged by when it was asked and when it came."""
    before = time.monotonic()
    server.get("/").delay(5).text("fine").fault(ResponseSpec(503), between_s=(0.05, 0.2))
    after = time.monotonic()
    seen = set()

    with Wire(server) as wire:
        while (asked := time.monotonic()) < after + 0.25:
            status = wire.call().status
            answered = time.monotonic()
            seen.add(status)
            if answered < before + 0.05 or asked > after + 0.2:
                assert status == 200
            elif asked > after + 0.05 and answered < before + 0.2:
                assert status == 503
        assert wire.call().status == 200

    assert 200 in seen


@requirement("fault:when:probability")
@pytest.mark.parametrize(("probability", "least", "most"), [(0, 0, 0), (0.5, 20, 80), (1, 100, 100)])
def test_it_happens_with_a_probability(server, probability, least, most):
    server.get("/").text("fine").fault(ResponseSpec(500), probability=probability)

    with Wire(server) as wire:
        count = [wire.call().status for _ in range(100)].count(500)

    # A fair coin falls outside of 20 to 80 once in a thousand million; the seed makes it the same every time.
    assert least <= count <= most


@requirement("fault:when:seeded")
def test_the_same_seed_strikes_the_same_calls(engine):
    def struck(seed, noise):
        with MockHttpServer(engine=engine, seed=seed, strict=False) as server:
            server.get("/").text("fine").fault(ResponseSpec(500), probability=0.5)
            with Wire(server) as wire:
                statuses = []
                for _ in range(40):
                    statuses.append(wire.call().status)
                    for _ in range(noise):
                        wire.call("/elsewhere")
            return statuses

    first = struck(7, noise=0)

    assert struck(7, noise=2) == first
    assert struck(8, noise=0) != first


@requirement("fault:when:all-conditions")
def test_conditions_given_together_must_all_hold(server):
    server.get("/").text("fine").fault(ResponseSpec(500), on=[1, 2], between_s=(60, 61))
    server.get("/never").text("fine").fault(ResponseSpec(500), on=1, probability=0)

    assert [call(server, path).status for path in ("/", "/", "/never")] == [200, 200, 200]


@requirement("fault:when:server-wide")
def test_a_fault_of_the_server_strikes_every_route_by_its_own_count(server):
    server.get("/a").text("a")
    server.fault(ResponseSpec(503), on=2)
    server.get("/b").text("b")

    assert [call(server, path).status for path in ("/a", "/b", "/b", "/a", "/a")] == [200, 200, 503, 503, 200]


@requirement("fault:when:server-wide")
def test_a_reset_of_the_server_ends_its_faults(server):
    server.fault("EMPTY_RESPONSE")
    server.reset()
    server.get("/").text("fine")

    assert call(server).status == 200


@requirement("fault:when:own-first")
def test_the_fault_of_a_route_comes_before_that_of_the_server(server):
    server.get("/").text("fine").fault(ResponseSpec(500)).fault(ResponseSpec(501))
    server.fault(ResponseSpec(503))

    assert call(server).status == 500


@requirement("fault:fail:times")
def test_a_route_fails_so_often_and_goes_on_as_registered(server):
    route = server.get("/").sequence(201, 202).fail(times=2, status=503)

    assert [call(server).status for _ in range(4)] == [503, 503, 201, 202]
    assert route.call_count == 4


@requirement("fault:fail:times")
def test_a_failure_may_be_a_whole_answer(server):
    server.get("/").text("fine").fail(spec=ResponseSpec(fault="EMPTY_RESPONSE")).fail(1, 500)

    with Wire(server) as wire:
        wire.ask()
        assert wire.rest() == b""
    assert [call(server).status for _ in range(2)] == [500, 200]
