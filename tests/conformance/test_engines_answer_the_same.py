"""
Random programs of registering, asking, failing and resetting, on both engines: answers and journals are equal.

Each step is carried out on one and then on the other, over one connection each, so that nothing depends
on time. Differences that this found are requirements by name, or were mended.
"""

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_simulator.http import ResponseSpec, chunks, header, query, sse
from tests.conformance.manifest import requirement
from tests.conformance.raw import Wire

_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
BRIEF = settings(max_examples=60, deadline=None, suppress_health_check=_SHARED, derandomize=True, database=None)
LONG = settings(max_examples=5_000, deadline=None, suppress_health_check=_SHARED, database=None)

METHODS = ["GET", "POST", "HEAD", "*", "BREW"]
PATHS = ["/a", "/b", "/a b", "/{name}", "/a?x=1", "/c/{rest:path}", "/%2Fa"]
TARGETS = ["/a", "/b", "/a%20b", "/%61", "/a?x=1", "/a?x=2", "/c/d/e", "/none", "/%2fa", "http://x/a", "/a/"]

SPECS = {
    "text": ResponseSpec(200, "text"),
    "json": ResponseSpec(201, {"a": 1}, {"X-A": "b"}),
    "empty": ResponseSpec(204),
    "late": ResponseSpec(200, "late", delay_ms=2),
    "gzip": ResponseSpec(200, "g" * 2000, gzip=True),
    "chunks": ResponseSpec(200, chunks("a", "b")),
    "trailers": ResponseSpec(200, "t", trailers={"X-T": "1"}),
    "early-hints": ResponseSpec(200, "h", informational=[(103, {"Link": "</x>"})]),
    "events": ResponseSpec(200, sse({"data": "1", "id": "1"}, "2")),
    "closing": ResponseSpec(200, "c", {"Connection": "close"}),
    "cut": ResponseSpec(200, "0123456789", fault="SILENT_CLOSE"),
    "reset": ResponseSpec(fault="CONNECTION_RESET_BY_PEER"),
    "none": ResponseSpec(fault="EMPTY_RESPONSE"),
    "random": ResponseSpec(fault="RANDOM_DATA_THEN_CLOSE"),
    "chunk": ResponseSpec(200, "x", fault="MALFORMED_RESPONSE_CHUNK"),
    "lengths": ResponseSpec(200, "x", fault="DUPLICATE_CONTENT_LENGTH"),
    "json-cut": ResponseSpec(200, {"a": 1}, fault="INVALID_JSON"),
}
specs = st.sampled_from(sorted(SPECS))

register = st.tuples(
    st.just("register"), st.sampled_from(METHODS), st.sampled_from(PATHS), specs, st.sampled_from([0, 0, 0, 1])
)
sequence = st.tuples(
    st.just("sequence"),
    st.sampled_from(METHODS),
    st.sampled_from(PATHS),
    st.lists(specs, min_size=1, max_size=3),
    st.sampled_from(["repeat", "cycle", "error"]),
)
conditional = st.tuples(st.just("when"), st.sampled_from(METHODS), st.sampled_from(["/a", "/b"]), specs)
fail = st.tuples(st.just("fail"), st.integers(0, 9), st.integers(1, 2))
fault = st.tuples(st.just("fault"), specs, st.sampled_from([None, 1, [2, 3]]))
reset = st.tuples(st.just("reset"))
ask = st.tuples(
    st.just("ask"),
    st.sampled_from(["GET", "GET", "GET", "POST", "HEAD", "BREW"]),
    st.sampled_from(TARGETS),
    st.sampled_from(["1.1", "1.1", "1.1", "1.0"]),
    st.sampled_from(
        [(), (), (), ("Connection: close",), ("Connection: keep-alive",), ("X-W: 1",), ("Accept-Encoding: gzip",)]
    ),
    st.sampled_from([b"", b"", b"body"]),
)
program = st.lists(
    st.one_of(register, register, sequence, conditional, fail, fault, reset, ask, ask, ask, ask), max_size=25
)


class Player:
    """Carries a program out on one server, and keeps everything that came back."""

    def __init__(self, server):
        self.server = server
        self.seen = []
        self._wire = None
        self._order = 0
        server.reset()

    def play(self, step):
        getattr(self, step[0])(*step[1:])

    def register(self, method, path, spec, priority):
        self.server.register(method, path, SPECS[spec], priority=priority)

    def sequence(self, method, path, names, then):
        self.server.register_sequence(method, path, [SPECS[name] for name in names], then=then)

    def when(self, method, path, spec):
        self.server.register(method, path, SPECS[spec], when=header("x-w", "1") | query("x", "2"))

    def fail(self, index, times):
        if self.server.routes:
            self.server.routes[index % len(self.server.routes)].fail(times)

    def fault(self, spec, calls):
        if self.server.routes:
            self.server.routes[-1].fault(SPECS[spec], on=calls)

    def reset(self):
        self.server.reset()

    def ask(self, method, target, version, fields, body):
        """Ask on the open connection; read until the answer to a last request, or the end, is there."""
        with Wire(self.server) as wire:
            wire.ask(target, method, *fields, version=version, body=body)
            # Another request that ends the connection: so everything that belongs to this one is read.
            with suppress(OSError):
                wire.ask("/farewell", "GET", "Connection: close")
            received = b""
            ended = "closed"
            try:
                while piece := wire.socket.recv(65536):
                    received += piece
            except ConnectionResetError:
                ended = "reset"
            # What is unread when a server closes turns its FIN into RST: both are an end, unless RST was asked for.
            self.seen.append((received, ended if not received else "ended"))

    def end(self):
        requests = [
            (
                each.method,
                each.raw_target,
                dict(each.path_params),
                tuple(each.raw_headers),
                each.raw_head,
                each.raw_body,
                each.status,
                each.connection_index,
                None if each.route is None else str(each.route.route),
                each.aborted,
            )
            for each in self.server.get_requests()
            if each.path != "/farewell"
        ]
        routes = [(str(mounted.route), mounted.call_count, len(mounted.requests)) for mounted in self.server.routes]
        report = self.server.verdict()
        # The lines of registration are the same; what differs is where the servers listen, and nobody says that.
        return requests, routes, [problem.text for problem in report.problems], report.unused


def check(both, steps):
    players = [Player(server) for server in both]
    for step in steps:
        for player in players:
            player.play(step)

    reference, native = players
    assert native.seen == reference.seen
    assert native.end() == reference.end()


@requirement("engines:programs:same")
@BRIEF
@given(steps=program)
def test_engines_do_the_same(both, steps):
    check(both, steps)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@requirement("engines:programs:same")
@LONG
@given(steps=program)
def test_engines_do_the_same_in_many_programs(both, steps):
    check(both, steps)
