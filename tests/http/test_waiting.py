"""Waiting for requests: blocking, on asyncio and on trio, cancelled, in vain."""

import sys
import threading

import anyio
import pytest

from api_simulator.errors import WaitTimeoutError
from api_simulator.http import ResponseSpec
from tests.http.calls import get


@pytest.fixture(autouse=True)
def _route(server):
    server.register("GET", "/{name}", ResponseSpec())


@pytest.fixture
def later(server):
    """A function that sends requests from another thread."""
    threads = []

    def send(*targets):
        thread = threading.Thread(target=lambda: [get(server, target) for target in targets])
        threads.append(thread)
        thread.start()

    yield send
    for thread in threads:
        thread.join()


def test_waiting_returns_all_requests_when_the_last_one_came(server, later):
    later("/a", "/b", "/a")

    got = server.wait_for_requests(3)

    assert [request.path for request in got[:3]] == ["/a", "/b", "/a"]


def test_waiting_counts_only_what_it_was_asked_for(server, later):
    later("/a", "/b", "/b")

    got = server.wait_for_requests(2, method="get", path="/b")

    assert [request.path for request in got] == ["/b", "/b"]


def test_waiting_in_vain_names_what_arrived(server):
    get(server, "/a")

    with pytest.raises(WaitTimeoutError, match=r"waited 0\.05 s for 2 requests, 1 arrived; .*\n  #1 GET /a"):
        server.wait_for_requests(2, timeout_s=0.05)


def test_waiting_for_a_condition_ends_when_it_holds(server, later):
    later("/a")

    server.wait_until(lambda: server.request_count("GET", "/a") == 1)


def test_waiting_for_a_condition_in_vain_is_a_timeout(server):
    with pytest.raises(WaitTimeoutError, match=r"0\.05"):
        server.wait_until(lambda: False, timeout_s=0.05)


@pytest.mark.anyio
async def test_an_async_wait_lets_the_loop_run(server):
    """The client may be on the same loop as the wait."""

    async def ask_a_little_later():
        await anyio.sleep(0.05)
        await anyio.to_thread.run_sync(get, server, "/a")

    async with anyio.create_task_group() as group:
        group.start_soon(ask_a_little_later)
        [request] = await server.wait_for_requests_async(1, path="/a")

    assert request.path == "/a"


@pytest.mark.anyio
async def test_an_async_wait_in_vain_raises_as_the_blocking_one_does(server):
    with pytest.raises(WaitTimeoutError, match="no request arrived at all"):
        await server.wait_for_requests_async(1, 0.05)


def _threads_inside_the_wait():
    """Return how many threads are in the journal's wait; a pool may keep idle ones."""
    return sum(
        any(frame.f_code.co_filename.endswith("journal.py") for frame in _frames(top))
        for top in sys._current_frames().values()
    )


def _frames(frame):
    while frame is not None:
        yield frame
        frame = frame.f_back


@pytest.mark.anyio
async def test_a_cancelled_wait_ends_at_once_and_leaves_no_thread_waiting(server):
    with anyio.fail_after(20):
        with anyio.move_on_after(0.05) as scope:
            await server.wait_for_requests_async(1, 600)
        while _threads_inside_the_wait():  # noqa: ASYNC110  # the end of a thread sends no event
            await anyio.sleep(0.005)

    assert scope.cancelled_caught


@pytest.mark.anyio
async def test_a_wait_that_is_cancelled_before_it_began_leaves_no_thread_waiting(server):
    with anyio.fail_after(20):
        with anyio.CancelScope() as scope:
            scope.cancel()
            await server.wait_for_requests_async(1, 600)
        while _threads_inside_the_wait():  # noqa: ASYNC110  # the end of a thread sends no event
            await anyio.sleep(0.005)
