"""
A listener that the library serves: its records go to the simulation, decisions go back.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING

from api_simulator._core.decide import Decision
from api_simulator._core.faults import FAULTS_WITHOUT_STATUS
from api_simulator._core.messages import CapturedRequest, MalformedRequest
from api_simulator._core.plain import is_finite
from api_simulator._core.simulation import Simulation
from api_simulator._core.specs import ResponseSpec
from api_simulator._engines._native import _library
from api_simulator._engines._native._fast_path import FastPath
from api_simulator._engines._native._handle import Handle
from api_simulator._engines._native._poller import POLLER
from api_simulator._engines._native._programs import READ_ON, RESET, program
from api_simulator._engines._native._records import (
    ABORTED,
    ANSWERED,
    BODY,
    DROPPED,
    HANDED_OFF,
    HEAD_ONLY,
    MALFORMED,
    PART_DONE,
    PLAIN,
    Record,
    captured,
    records,
)
from api_simulator.errors import ServerStateError

if TYPE_CHECKING:
    from api_simulator._engines._native._handed_off import HandedOff

#: How a part of an answer is given: it is the last one; its end is noted here and not by the library.
LAST, NOTED_HERE = 1, 2
_WATCH = 3


class NativeServing:
    """A listener being served by the library."""

    def __init__(self, listener: socket.socket, simulation: Simulation) -> None:
        self.simulation = simulation
        self._lock = simulation.journal.lock
        self._drainer: int | None = None
        self._closed = False
        # Requests that the journal has and whose end is still to come, by their number in the library.
        self._unfinished: dict[int, CapturedRequest] = {}
        # Those of them that have ended, and of which listeners are still to hear.
        self._ended_unheard: deque[CapturedRequest] = deque()
        # Held while they hear of it, so that a server which is closed has told them everything.
        self._telling = threading.Lock()
        # Requests that were answered by their heads.
        self._without_body: dict[int, CapturedRequest] = {}
        self._handed_off: HandedOff | None = None
        self._closing_lock = threading.Lock()
        try:
            _refuse_loop_thread()
            ffi, library = _library.load()
            runtime = POLLER.acquire()
        except BaseException:
            listener.close()
            raise
        self._number = POLLER.add(self)
        journal = simulation.journal
        server = library.asim_serve(
            runtime, listener.detach(), self._number, journal.max_entries, min(journal.max_body_bytes, 2**63)
        )
        if server == ffi.NULL:
            POLLER.remove(self._number)
            POLLER.release()
            raise OSError("the native engine has no descriptor or thread left to serve a listener")
        self.handle = Handle(server)
        self._fast_path = FastPath(simulation, self.handle)
        with self._lock:
            journal.drain = self.drain
            journal.attended = self._attended
            journal.undrained = self._undrained
            simulation.connections.elsewhere = self._connection_counts
            simulation.use_fast_path(self._fast_path)
            self._attended(waiting=False)

    # What the journal asks for

    def drain(self) -> None:
        """Take in everything that happened until now."""
        with self._lock:
            if self._drainer is not None:
                # A condition of the user's that asks the server: what it is called for is not recorded yet.
                return
            data = self.handle.drain()
            if data is None:
                self._fast_path.drained()
                return
            self._drainer = threading.get_ident()
            try:
                while data is not None:
                    for record in records(data):
                        self._take_in(record)
                    data = self.handle.drain()
                self._fast_path.drained()
            finally:
                self._drainer = None
            self.simulation.journal.wake_waiters()

    def _attended(self, waiting: bool) -> None:  # noqa: FBT001  # the form of a callback
        # Listeners wait for every end, as long as the server lives.
        self.handle("asim_set", _WATCH, waiting or bool(self.simulation.listeners))

    def _undrained(self) -> int | None:
        count = self.handle("asim_count", 0)
        return count if count >= 0 else None

    def _connection_counts(self) -> tuple[int, int]:
        return self.handle("asim_count", 1), self.handle("asim_count", 2)

    def attend(self) -> None:
        """Take in what happened, on the poller's thread."""
        try:
            self.drain()
            self._tell_of_ends()
            # Connections that come and go leave no record.
            self.simulation.journal.wake_waiters()
        except BaseException:  # noqa: BLE001  # the thread serves others too
            threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))

    # What happened

    def _take_in(self, record: Record) -> None:
        kind = record.kind
        if kind == PLAIN:
            self._answered_there(record)
        elif kind == HANDED_OFF:
            self._decide(record)
        elif kind in (ANSWERED, ABORTED):
            self._ended(record)
        elif kind == MALFORMED:
            error = record.body.decode("utf-8", "replace")
            malformed = MalformedRequest(
                record.head, error, connection_id=record.connection, received_ns=record.received_ns
            )
            self.simulation.journal.record_malformed(malformed)
        elif kind == PART_DONE:
            if self._handed_off is not None:
                self._handed_off.part_done(record.sequence)
        elif kind == BODY:
            request = self._without_body.pop(record.sequence, None)
            if request is not None and record.body:
                self.simulation.body_arrived(request, record.body)
        elif kind == DROPPED:
            method, path, _ = self._fast_path.entries[record.entry]
            self.simulation.journal.count_dropped(method, path, record.sequence)
            self.simulation.connections.used_unseen(record.sequence, record.place)

    def _answered_there(self, record: Record) -> None:
        request = captured(record, self.drain)
        _, _, request.route = self._fast_path.entries[record.entry]
        answer = request.route.route.answers.items[record.answer]
        assert isinstance(answer, ResponseSpec)
        request.answer = answer
        request.status = answer.status if answer.fault not in FAULTS_WITHOUT_STATUS else None
        self.simulation.record_answered(request)
        if not (record.answered_ns or record.aborted_ns):
            self._unfinished[record.sequence] = request

    def _decide(self, record: Record) -> None:
        request = captured(record, self.drain)
        try:
            if record.flags & HEAD_ONLY:
                decision = self._decide_by_head(request)
            else:
                decision = self.simulation.receive(request)
                self._fast_path.learn(request)
        except BaseException:
            # What ends the program ends it; the client does not wait for an answer that nobody will give.
            self.answer(record.sequence, RESET, LAST | NOTED_HERE)
            raise
        if decision is None:
            self.answer(record.sequence, READ_ON, 0)
            return
        self._unfinished[record.sequence] = request
        if record.flags & HEAD_ONLY:
            self._without_body[record.sequence] = request
        if is_finite(decision.actions):
            self.answer(record.sequence, program(decision.actions), LAST)
        else:
            self._with_users_code().start(record.sequence, request, decision)

    def _decide_by_head(self, request: CapturedRequest) -> Decision | None:
        if request.http_version != "1.0" and request.headers.get("expect", "").lower() == "100-continue":
            # RFC 9110 10.1.1: the client may send the body now or not, so nothing after it could be found.
            request.keep_alive = False
        return self.simulation.receive_head(request)

    def _ended(self, record: Record) -> None:
        if self._handed_off is not None and record.kind == ABORTED:
            self._handed_off.cancel(record.sequence)
        request = self._unfinished.get(record.sequence)
        if request is None:
            return
        if record.kind == ANSWERED:
            request.answered_ns = record.answered_ns or None
        elif record.aborted_ns and not request.answered_ns:
            request.aborted_ns = record.aborted_ns
        if record.aborted_ns or record.answered_ns:
            del self._unfinished[record.sequence]
            if self.simulation.listeners:
                self._ended_unheard.append(request)

    def _tell_of_ends(self) -> None:
        """Let listeners hear what has ended: not while it is taken in, which is done with the lock held."""
        with self._telling:
            while self._ended_unheard:
                self.simulation.ended(self._ended_unheard.popleft())

    def _with_users_code(self) -> HandedOff:
        if self._handed_off is None:
            # Imports asyncio, which a server of plain routes does not need.
            from api_simulator._engines._native._handed_off import HandedOff

            self._handed_off = HandedOff(self)
        return self._handed_off

    def answer(self, sequence: int, steps: bytes, flags: int) -> bool:
        """Give a part of an answer; False if the client is gone."""
        return bool(self.handle("asim_answer", sequence, steps, len(steps), flags) > 0)

    # The end

    def drop_connections(self) -> None:
        """Close every open connection; the listener stays."""
        self.handle("asim_drop_connections")

    def close(self) -> None:
        """Stop listening and close every connection; returns when all descriptors are closed."""
        if self.handle.is_forked:
            return
        self._refuse_own_thread()
        with self._closing_lock:
            # Whoever gets it closes it: a responder on a worker thread may close the server that the test closes too.
            closed, self._closed = self._closed, True
        if closed:
            return
        self.handle("asim_close")
        self.drain()
        self._tell_of_ends()
        if self._handed_off is not None:
            self._handed_off.close()
        POLLER.remove(self._number)
        POLLER.release()

    def _refuse_own_thread(self) -> None:
        _refuse_loop_thread()
        if POLLER.is_own_thread() or self._drainer == threading.get_ident():
            raise ServerStateError(
                "a server cannot be started, reset or closed from its own responder or predicate; "
                "do it in the test's thread"
            )


def _refuse_loop_thread() -> None:
    """Raise on the thread of the shared loop, where waiting for a server may be waiting for oneself."""
    loop = sys.modules.get("api_simulator._engines._loop")
    # Not imported here: it brings asyncio, and where it is not loaded nobody runs on it.
    if loop is not None:
        loop.LOOP_THREAD.refuse_own_thread()
