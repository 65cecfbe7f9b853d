"""
Time on the wire: delays, paces, slow uploads, busy accepting.

What is claimed is that nothing comes too early, and in which order things come. Nothing is claimed
about how late it may be: that is up to the machine.
"""

import time

import pytest

from api_simulator.http import MockHttpServer, Pace, ResponseSpec, chunks, log_normal, ndjson, normal, sse, uniform
from tests.conformance.manifest import requirement
from tests.conformance.raw import Wire, call


class Stopwatch:
    """Milliseconds since it was made."""

    def __init__(self):
        self._started = time.monotonic()

    @property
    def ms(self):
        return (time.monotonic() - self._started) * 1000


# Delays


@requirement("time:delay:never-short")
@pytest.mark.parametrize("delay_ms", [1, 7, 300])
@pytest.mark.parametrize("body", ["whole!", chunks("a")], ids=["whole", "pieces"])
def test_no_byte_comes_before_the_delay_is_over(server, delay_ms, body):
    server.register("GET", "/", ResponseSpec(body=body, delay_ms=delay_ms))

    with Wire(server) as wire:
        for _ in range(2):
            watch = Stopwatch()
            wire.ask()
            wire.read(1)
            took_ms = watch.ms
            wire.read_until(b"whole!" if body == "whole!" else b"0\r\n\r\n")

            assert took_ms >= delay_ms


@requirement("time:delay:from-the-end-of-the-request")
def test_a_delay_counts_from_the_end_of_the_request(server):
    server.post("/").delay(40).empty()

    with Wire(server) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\na")
        # A later connection has been served, so the server has seen the first half.
        call(server, "/elsewhere")
        watch = Stopwatch()
        wire.send(b"b")
        wire.reply()

        assert watch.ms >= 40


@requirement("time:delay:others-pass")
def test_a_delayed_answer_holds_no_other_connection(server):
    server.get("/slow").delay(60_000).text("slow")
    server.get("/quick").text("quick")

    with Wire(server) as slow:
        slow.ask("/slow")
        server.wait_for_requests(1)

        assert call(server, "/quick").body == b"quick"
        assert slow.is_silent()


@requirement("time:delay:drawn")
@pytest.mark.parametrize(
    ("distribution", "least_ms"),
    [(uniform(20, 25), 20), (normal(20, 0), 20), (log_normal(20, 0), 20), (normal(5, 100), 0)],
    ids=["uniform", "normal", "log-normal", "below zero"],
)
def test_drawn_delays_are_within_their_distribution(server, distribution, least_ms):
    """What is measured is what was drawn and what the machine adds, so only the lower end can be claimed."""
    server.register("GET", "/", ResponseSpec(delay_ms=distribution))

    with Wire(server) as wire:
        for _ in range(10):
            watch = Stopwatch()
            wire.call()

            assert watch.ms >= least_ms


@requirement("time:seed:same-draws")
def test_the_same_seed_draws_the_same_whatever_comes_between(engine):
    """Random bytes show a draw exactly, on the wire, where a delay is blurred by the machine."""

    def drawn(seed, noise):
        with MockHttpServer(engine=engine, seed=seed, strict=False) as server:
            server.get("/a").fault("RANDOM_DATA_THEN_CLOSE")
            server.get("/b").delay(uniform(0, 2)).fault("RANDOM_DATA_THEN_CLOSE")
            seen: dict[str, list[bytes]] = {"/a": [], "/b": []}
            for path in ("/a", "/b", "/a", "/b") if noise else ("/b", "/b", "/a", "/a"):
                if noise:
                    call(server, "/nothing")
                with Wire(server) as wire:
                    wire.ask(path)
                    seen[path].append(wire.rest())
            return seen

    first, again, other = drawn(1, noise=False), drawn(1, noise=True), drawn(2, noise=False)

    assert first == again
    assert len({*first["/a"], *first["/b"], *other["/a"], *other["/b"]}) == 8


@requirement("time:seed:same-draws")
@pytest.mark.parametrize("how", ["function", "failure"])
def test_the_same_seed_draws_the_same_for_whatever_answers(engine, how):
    """What a function returns, and a failure put before the proper answer, are drawn like any answer."""
    random_bytes = ResponseSpec(fault="RANDOM_DATA_THEN_CLOSE")

    def drawn(seed, noise):
        with MockHttpServer(engine=engine, seed=seed, strict=False) as server:
            if how == "function":
                server.get("/").respond(lambda _: random_bytes)
            else:
                server.get("/").text("fine").fail(2, spec=random_bytes)
            seen = []
            for _ in range(2):
                for _ in range(noise):
                    call(server, "/nothing")
                with Wire(server) as wire:
                    wire.ask()
                    seen.append(wire.rest())
            return seen

    first, again, other = drawn(1, noise=0), drawn(1, noise=2), drawn(2, noise=0)

    assert first == again
    assert len({*first, *other}) == 4


# Inside an answer


@requirement("time:head:delay")
def test_the_final_answer_comes_later_than_an_interim_one(server):
    server.get("/").informational(103).pace(head_delay_ms=30).text("final")

    with Wire(server) as wire:
        watch = Stopwatch()
        wire.ask()
        assert wire.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 103 ")
        wire.read_until(b"final")

        assert watch.ms >= 30


@requirement("time:body:delay")
@pytest.mark.parametrize("body", ["abc", chunks("abc")], ids=["whole", "pieces"])
def test_the_body_comes_later_than_its_head(server, body):
    server.register("GET", "/", ResponseSpec(body=body, delay_ms=20, pace=Pace(body_delay_ms=30)))

    with Wire(server) as wire:
        watch = Stopwatch()
        wire.ask()
        wire.read_until(b"\r\n\r\n")
        head_ms = watch.ms
        wire.read_until(b"abc")

        assert (head_ms >= 20, watch.ms >= 50) == (True, True)


@requirement("time:trailers:delay")
def test_the_trailers_come_later_than_the_body(server):
    spec = ResponseSpec(body="abc", trailers={"T": "1"}, pace=Pace(trailers_delay_ms=30))
    server.register("GET", "/", spec)

    with Wire(server) as wire:
        watch = Stopwatch()
        wire.ask()
        wire.read_until(b"abc\r\n")
        assert wire.read_until(b"\r\n\r\n") == b"0\r\nT: 1\r\n\r\n"

        assert watch.ms >= 30


@requirement("time:dribble:pieces")
@pytest.mark.parametrize(
    ("pieces", "over_ms", "length"), [(5, 60, 10), (4, 50, 7), (7, 40, 10), (3, 30, 2), (1, 30, 5)]
)
def test_a_body_dribbles_in_so_many_pieces_over_so_long(server, pieces, over_ms, length):
    """The last one comes when the time is over. (With trailers each piece is a chunk, which shows them.)"""
    spec = ResponseSpec(body="x" * length, pace=Pace(dribble=(pieces, over_ms)), trailers={"T": "1"})
    server.register("GET", "/", spec)

    with Wire(server) as wire:
        watch = Stopwatch()
        reply = wire.call()

    sizes = [len(chunk) for chunk in reply.chunks or ()]
    assert len(sizes) == min(pieces, length)
    assert max(sizes) - min(sizes) <= 1
    assert sum(sizes) == length
    assert watch.ms >= (over_ms if len(sizes) > 1 else 0)


@requirement("time:throttle:down")
def test_a_body_comes_no_faster_than_so_many_bytes_a_second(server):
    """At no moment is more there than that rate allows, one slice (a twentieth of a second) ahead."""
    server.get("/").pace(bytes_per_s=10_000).content(b"x" * 2_000)

    with Wire(server) as wire:
        watch = Stopwatch()
        wire.ask()
        wire.read_until(b"\r\n\r\n")
        for count in range(1, 2_001):
            wire.read(1)
            assert count <= 10_000 * watch.ms / 1000 + 500


@requirement("time:throttle:down")
@pytest.mark.parametrize("bytes_per_s", [30, 999, 100_000])
def test_throttled_bodies_arrive_whole_and_not_early(server, bytes_per_s):
    count = max(1, bytes_per_s // 10)
    server.get("/").pace(bytes_per_s=bytes_per_s).content(bytes(range(200)) * 50 if count > 10_000 else b"x" * count)

    with Wire(server) as wire:
        watch = Stopwatch()
        body = wire.call().body

    assert watch.ms >= (len(body) - max(1, bytes_per_s // 20)) * 1000 / bytes_per_s
    assert len(body) == count


@requirement("time:throttle:up")
@pytest.mark.parametrize("framing", ["length", "chunked", "in one packet"])
def test_an_upload_is_read_no_faster_than_so_many_bytes_a_second(server, framing):
    server.post("/").respond(lambda request: ResponseSpec(body=request.raw_body))
    server.throttle_uploads(20_000)
    body = bytes(range(200)) * 10

    with Wire(server) as wire:
        watch = Stopwatch()
        if framing == "length":
            wire.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 2000\r\n\r\n")
            wire.send(body)
        elif framing == "chunked":
            wire.send(b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
            wire.send(b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n")
        else:
            wire.ask(method="POST", body=body)
        reply = wire.reply()

        assert watch.ms >= 100
        assert reply.body == body


@requirement("time:throttle:up")
def test_a_slow_server_makes_its_client_wait(server):
    """What it does not read fills the buffers, until the client cannot send any more."""
    server.post("/").empty()
    server.throttle_uploads(1_000)

    with Wire(server) as wire:
        wire.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 100000000\r\n\r\n")

        assert stuck_after(wire, 100_000_000) < 100_000_000


def stuck_after(wire, count):
    """Return how many of *count* bytes could be sent before a fifth of a second passed without one."""
    wire.socket.settimeout(0.2)
    sent = 0
    try:
        while sent < count:
            sent += wire.socket.send(b"x" * 100_000)
    except TimeoutError:
        pass
    return sent


@requirement("time:throttle:up")
def test_requests_without_body_are_not_slowed(server):
    server.get("/").text("x")
    server.throttle_uploads(1)

    with Wire(server) as wire:
        assert [wire.call().body for _ in range(20)] == [b"x"] * 20


@requirement("time:accept:slow")
def test_a_server_busy_accepting_reads_nothing_at_first(server):
    server.get("/").text("x")
    server.slow_accept(60)

    with Wire(server) as wire:
        first = wire.call()

        assert (time.monotonic() - wire.started) * 1000 >= 60
        assert (first.body, wire.call().body) == (b"x", b"x")


@requirement("time:accept:slow")
def test_a_client_that_leaves_in_the_meantime_is_no_request(server):
    server.slow_accept(30)
    with Wire(server) as leaving:
        leaving.send(b"GET / HTTP/1.1\r\n")

    server.wait_until(lambda: server.connections.opened == 1 and server.connections.open == 0)

    assert server.request_count() == 0


# Streams


@requirement("time:stream:paced")
@pytest.mark.parametrize(
    ("body", "ends"),
    [
        (sse("a", "b", "c", every_ms=20), [b"data: a\n", b"data: b\n", b"data: c\n"]),
        (chunks("a", "b", "c", every_ms=20), [b"1\r\na\r\n", b"1\r\nb\r\n", b"1\r\nc\r\n"]),
        (ndjson([1, 2, 3], every_ms=20), [b"1\n", b"2\n", b"3\n"]),
        (chunks("a", "b", "c", every_ms=uniform(20, 25)), [b"a\r\n", b"b\r\n", b"c\r\n"]),
    ],
    ids=["sse", "chunks", "ndjson", "drawn"],
)
def test_pieces_come_one_after_the_other(server, body, ends):
    server.register("GET", "/", ResponseSpec(body=body))

    with Wire(server) as wire:
        watch = Stopwatch()
        wire.ask()
        wire.read_until(b"\r\n\r\n")
        for number, end in enumerate(ends):
            wire.read_until(end)
            assert watch.ms >= 20 * number
        wire.read_until(b"0\r\n\r\n")


@requirement("time:stream:paced")
@pytest.mark.parametrize("every_ms", [20, uniform(20, 25)], ids=["fixed", "drawn"])
def test_pieces_of_an_iterator_come_one_after_the_other(server, every_ms):
    server.get("/").stream(iter(["a", "b", "c", "d"]), every_ms=every_ms)

    with Wire(server) as wire:
        for _ in range(2):
            watch = Stopwatch()
            assert wire.call().body == b"abcd"
            assert watch.ms >= 60


# Never


@requirement("time:hang:released")
@pytest.mark.parametrize("how", ["close", "reset-does-not", "client"])
def test_a_hanging_answer_hangs_until_somebody_ends_it(server, how):
    server.get("/").hang()

    with Wire(server) as wire:
        wire.ask()
        (request,) = server.wait_for_requests(1)
        call(server, "/elsewhere")
        assert wire.is_silent()
        if how == "client":
            wire.close()
            server.wait_until(lambda: request.aborted)
            return
        if how == "reset-does-not":
            server.reset()
            call(server, "/elsewhere")
            assert wire.is_silent()
        server.close()

        assert wire.rest_until_reset() == b""
    assert (request.aborted, request.answered_ns) == (True, None)
