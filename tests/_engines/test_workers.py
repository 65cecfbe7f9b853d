"""The threads of responders: nobody waits for somebody who blocks, and none is left at the end."""

import subprocess
import sys
import threading
from functools import partial

import pytest

from api_simulator._engines._workers import DaemonWorkers
from tests._engines.native import needs_native

WAIT_S = 30.0
MANY = 40


def test_functions_that_wait_for_each_other_all_run():
    workers = DaemonWorkers()
    together = threading.Barrier(MANY)

    futures = [workers.submit(together.wait, WAIT_S) for _ in range(MANY)]

    assert sorted(future.result(WAIT_S) for future in futures) == list(range(MANY))
    workers.shutdown()


def test_what_was_handed_over_from_many_threads_is_run_once_each():
    workers = DaemonWorkers()
    done, lock, all_done = [], threading.Lock(), threading.Event()

    def note(number):
        with lock:
            done.append(number)
            if len(done) == MANY * MANY:
                all_done.set()

    def hand_over(begin):
        for number in range(begin, begin + MANY):
            workers.start(partial(note, number))

    givers = [threading.Thread(target=hand_over, args=(begin,)) for begin in range(0, MANY * MANY, MANY)]
    for giver in givers:
        giver.start()
    for giver in givers:
        giver.join(WAIT_S)

    assert all_done.wait(WAIT_S)
    assert sorted(done) == list(range(MANY * MANY))
    workers.shutdown()


def test_at_the_end_idle_threads_end_and_one_that_blocks_is_left():
    workers = DaemonWorkers()
    blocked, release, ended = threading.Event(), threading.Event(), threading.Event()

    def block():
        blocked.set()
        release.wait(WAIT_S)
        ended.set()

    before = set(threading.enumerate())
    workers.start(block)
    workers.submit(int).result(WAIT_S)
    assert blocked.wait(WAIT_S)
    ours = [thread for thread in threading.enumerate() if thread not in before]
    workers.shutdown()
    release.set()

    assert ended.wait(WAIT_S)
    for thread in ours:
        thread.join(WAIT_S)
    assert not any(thread.is_alive() for thread in ours)


@pytest.fixture
def scarce(monkeypatch):
    """Let a process have no thread to give, once for each time the returned function is called: here it has enough."""
    refused: list[int] = []
    start = threading.Thread.start

    def start_or_not(thread):
        if refused and thread.name == "api-simulator-responder":
            refused.pop()
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_or_not)
    return lambda: refused.append(1)


def test_who_gets_no_thread_is_told_and_the_next_one_gets_one(scarce):
    workers = DaemonWorkers()
    scarce()

    with pytest.raises(RuntimeError, match="can't start new thread"):
        workers.submit(int)

    assert workers.submit(int, "7").result(WAIT_S) == 7
    workers.shutdown()


# In a process of its own: in this one other servers' threads may be idle, and none would have to be started.
WITHOUT_THREADS = """
import http.client, sys, threading
from api_simulator.http import MockHttpServer, ResponseSpec

refused, start = [1], threading.Thread.start

def start_or_not(thread):
    if refused and thread.name == "api-simulator-responder":
        refused.pop()
        raise RuntimeError("can't start new thread")
    start(thread)

threading.Thread.start = start_or_not
with MockHttpServer(engine=sys.argv[1], strict=False) as server:
    server.get("/").respond(lambda request: ResponseSpec(200))
    for _ in range(2):
        client = http.client.HTTPConnection(server.host, server.port, timeout=20)
        client.request("GET", "/")
        print(client.getresponse().status)
        client.close()
    print(*("can't start new thread" in problem.text for problem in server.verdict().problems))
    server.reset()
"""


@pytest.mark.parametrize("engine", ["aiohttp", pytest.param("native", marks=needs_native)])
def test_a_client_is_told_when_there_is_no_thread_for_its_responder(engine):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_THREADS, engine], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stdout.split() == ["500", "200", "True"], done.stderr
