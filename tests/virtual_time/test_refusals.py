"""What the clock cannot see is an error that names thread and place, and never a guess."""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from time import sleep as sleep_bound_before

import anyio
import pytest
import tenacity
import trio

from api_simulator._core import real_time
from api_simulator.errors import VirtualTimeError
from api_simulator.http import MockResponseSpec
from tests.libraries import either as httpx

PATIENCE_S = 30.0
#: Longer than the watcher takes to call it a wait.
NOTICED_S = 1.5


def of_a_socket():
    one, other = socket.socketpair()
    one.settimeout(NOTICED_S)
    with one, other, pytest.raises(TimeoutError):
        one.recv(1)


def of_an_event():
    assert not threading.Event().wait(NOTICED_S)


def of_a_queue():
    with pytest.raises(queue.Empty):
        queue.Queue().get(timeout=NOTICED_S)


def of_a_program():
    subprocess.run([sys.executable, "-c", f"import time; time.sleep({NOTICED_S})"], check=True)


def of_a_name_bound_before():
    sleep_bound_before(NOTICED_S)


UNSEEN = [of_a_socket, of_an_event, of_a_queue, of_a_program, of_a_name_bound_before]


@pytest.mark.parametrize("wait", UNSEEN, ids=lambda wait: wait.__name__)
def test_after_a_wait_that_it_did_not_see_time_does_not_go_on(clock, wait):
    """The error names thread, file, line and function, and comes again each time."""
    clock.advance(10)
    wait()

    code = wait.__code__
    here = rf"thread MainThread waits at {re.escape(code.co_filename)}:\d+ in {wait.__qualname__}: the clock does not"
    for go_on in (lambda: clock.advance(1), lambda: time.sleep(1), lambda: asyncio.run(asyncio.sleep(1))):
        with pytest.raises(VirtualTimeError, match=here):
            go_on()
    assert clock.elapsed == 10
    assert re.match(here, clock.failure)


def compute():
    end_s = real_time.monotonic_s() + 0.8
    while real_time.monotonic_s() < end_s:
        sum(range(1000))


def test_work_is_no_wait(clock):
    """A thread that computes stands nowhere, however long it takes."""
    compute()

    clock.advance(1)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="only Linux says which threads want the processor")
def test_waiting_for_work_is_no_wait(clock):
    """Nor does one that waits for a thread that computes."""
    thread = threading.Thread(target=compute)
    thread.start()
    thread.join(PATIENCE_S)

    clock.advance(1)


def test_waits_of_this_package_are_for_the_test(clock, server):
    """Waiting for requests is waiting for another thread, and has its own timeout in real seconds."""
    server.get("/").text("ok")

    with pytest.raises(TimeoutError, match=r"waited 0.8 s"):
        server.wait_until(lambda: False, timeout_s=0.8)
    clock.advance(1)

    assert clock.elapsed == 1


def test_a_sleep_on_another_thread_is_an_error(clock):
    thread = threading.Thread(target=time.sleep, args=(0.001,), name="poller")
    thread.start()
    thread.join(PATIENCE_S)

    with pytest.raises(VirtualTimeError, match=r"thread poller sleeps 0\.001 s at .*threading\.py:\d+"):
        clock.advance(1)


def test_a_client_on_another_thread_that_would_wait_is_an_error(clock, server):
    server.get("/").delay(1000).text("late")

    with httpx.Client(transport=server.transport()) as client, concurrent.futures.ThreadPoolExecutor() as threads:
        future = threads.submit(client.get, "https://api.example.com/")
        with pytest.raises(VirtualTimeError, match=r"thread ThreadPoolExecutor-\S+ waits for an in-process server"):
            future.result(PATIENCE_S)


def test_only_its_own_thread_advances_it(clock):
    with concurrent.futures.ThreadPoolExecutor(thread_name_prefix="other") as threads:
        advanced = threads.submit(clock.advance, 1)

    with pytest.raises(VirtualTimeError, match="other_0 is not the thread"):
        advanced.result(PATIENCE_S)

    assert clock.elapsed == 0


def test_a_responder_that_sleeps_is_an_error_that_says_what_to_do(clock, server):
    def answer(request):
        time.sleep(0.001)
        return MockResponseSpec(200)

    server.get("/").respond(answer)

    with httpx.Client(transport=server.transport()) as client:
        client.get("https://api.example.com/")
    with pytest.raises(VirtualTimeError, match=r"thread api-simulator-responder sleeps .*test_refusals\.py"):
        clock.advance(1)


def test_a_responder_that_does_not_end_is_an_error(clock, server):
    """Not a hang: its client's timeout cannot run, for nobody knows how long the responder took."""
    release = threading.Event()
    server.get("/").respond(lambda _: MockResponseSpec(200 if release.wait(PATIENCE_S) else 500))

    endless = r"a responder or body of the server has been running for 2 s"
    with (
        httpx.Client(transport=server.transport(), timeout=5) as client,
        pytest.raises(VirtualTimeError, match=endless),
    ):
        client.get("https://api.example.com/")
    release.set()


def test_a_loop_that_waits_for_a_socket_is_an_error_naming_the_descriptor(clock):
    one, other = socket.socketpair()

    async def main():
        asyncio.get_running_loop().add_reader(one, print)
        await asyncio.sleep(60)

    with one, other, pytest.raises(VirtualTimeError, match=rf"waits for descriptor {one.fileno()} .*in-process"):
        asyncio.run(main())
    assert clock.elapsed == 0


def test_a_run_of_trio_that_waits_for_a_socket_is_an_error(clock):
    """The run is cancelled, so that its tasks end in order, and the error comes out of it."""
    one, other = trio.socket.socketpair()
    ended = []

    async def main():
        with trio.move_on_after(60):
            try:
                await one.recv(1)
            finally:
                ended.append(clock.elapsed)

    with one, other, pytest.raises(VirtualTimeError, match="waits for a socket or pipe"):
        trio.run(main)
    assert ended == [0]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_thread_of_a_loop_that_does_not_end_is_an_error(clock, backend):
    release = threading.Event()

    async def main():
        with anyio.move_on_after(60):
            await anyio.to_thread.run_sync(release.wait, PATIENCE_S, abandon_on_cancel=True)

    try:
        with pytest.raises(VirtualTimeError, match="has been running for 2 s"):
            anyio.run(main, backend=backend)
    finally:
        release.set()


def test_an_error_that_a_retry_swallows_comes_again(clock, server):
    of_an_event()
    server.get("/").delay(1).text("late")

    @tenacity.retry(wait=tenacity.wait_fixed(1))
    def ask(client):
        return client.get("https://api.example.com/")

    with httpx.Client(transport=server.transport()) as client, pytest.raises(VirtualTimeError):
        ask(client)


def test_uvloop_is_refused_by_name_and_usable_after_that(clock):
    """It waits by a clock of its own."""
    uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed (it is not made for Windows)")
    before = dict(vars(uvloop.Loop))

    job = asyncio.sleep(3600)
    with pytest.raises(VirtualTimeError, match="uvloop waits by its own clock"):
        uvloop.run(job)
    # It was not begun, and that is no news.
    job.close()
    clock.stop()

    assert "run_forever" not in vars(uvloop.Loop)
    assert before.keys() - vars(uvloop.Loop).keys() == {"run_forever"}
    assert uvloop.run(asyncio.sleep(0, "done")) == "done"
