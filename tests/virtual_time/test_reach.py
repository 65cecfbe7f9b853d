"""What goes by the virtual clock: names, loops and servers; and what is given back."""

from __future__ import annotations

import asyncio
import datetime
import re
import selectors
import threading
import time
from email.utils import formatdate, parsedate_to_datetime

import anyio
import pytest
import trio

from api_simulator._core import real_time
from api_simulator.errors import OptionError, VirtualTimeError
from api_simulator.http import MockHttpServer, MockResponseSpec
from api_simulator.virtual_time import Sleep, VirtualClock
from tests.libraries import either as httpx
from tests.virtual_time.conftest import costs_little

PATIENCE_S = 30.0
READINGS = (time.monotonic, time.perf_counter)
bound_before = datetime.datetime.now


def client_of(server, **options):
    return httpx.Client(transport=server.transport(), base_url="https://api.example.com", **options)


# Readings


@pytest.mark.parametrize("name", ["monotonic", "perf_counter", "time"])
def test_readings_go_by_the_clock(clock, name):
    reading, reading_ns = getattr(time, name), getattr(time, f"{name}_ns")
    before, before_ns = reading(), reading_ns()

    clock.advance(90.5)

    assert reading() - before == pytest.approx(90.5, abs=1e-6)
    assert reading_ns() - before_ns == 90_500_000_000


def test_dates_and_names_bound_before_go_by_it(clock):
    before = bound_before(datetime.UTC)

    time.sleep(86_400)

    assert bound_before(datetime.UTC) - before == datetime.timedelta(days=1)
    assert datetime.datetime.now(datetime.UTC).microsecond == 0


def test_every_sleep_is_written_down_with_who_asked(clock):
    async def main():
        await asyncio.sleep(2)
        await anyio.sleep(3)

    time.sleep(1.5)
    asyncio.run(main())
    trio.run(trio.sleep, 4)

    here = main.__code__.co_filename, main.__code__.co_firstlineno
    asked = [(sleep.seconds, sleep.at_s) for sleep in clock.sleeps]
    assert asked == [(1.5, 0), (2, 1.5), (3, 3.5), (4, 6.5)]
    assert [sleep.by for sleep in clock.sleeps[1:3]] == [f"{here[0]}:{here[1] + 1}", f"{here[0]}:{here[1] + 2}"]
    assert isinstance(clock.sleeps[0], Sleep)
    assert clock.elapsed == 10.5


@pytest.mark.parametrize("seconds", [-1, float("nan"), "1"])
def test_a_sleep_that_the_real_one_refuses_is_refused(clock, seconds):
    with pytest.raises((ValueError, TypeError)) as refused:
        time.sleep(seconds)

    with pytest.raises(refused.type, match=re.escape(str(refused.value))):
        real_time.sleep(seconds)


# Loops


def test_timers_of_asyncio_fire_in_their_order_at_their_times(clock):
    fired = []

    def fire(due_s):
        fired.append((due_s, clock.elapsed))

    async def main():
        loop = asyncio.get_running_loop()
        for delay_s in (0.3, 3600, 0.1, 60.25):
            loop.call_later(delay_s, fire, delay_s)
        await asyncio.sleep(4000)

    with costs_little(clock):
        asyncio.run(main())

    assert fired == [(due_s, due_s) for due_s in (0.1, 0.3, 60.25, 3600)]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_timeouts_and_cancellation_of_anyio(clock, backend):
    async def main():
        with anyio.move_on_after(0.1) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        with pytest.raises(TimeoutError), anyio.fail_after(59.9):
            await anyio.sleep(1000)
        async with anyio.create_task_group() as group:
            for seconds in (5, 7, 6):
                group.start_soon(anyio.sleep, seconds)

    anyio.run(main, backend=backend)

    assert clock.elapsed == 67


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_work_on_other_threads_is_really_waited_for(clock, backend):
    """A timer that is due in an hour does not fire while a thread of the loop's own works."""
    release = threading.Event()

    async def main():
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 3600)
            threading.Timer(0.1, release.set).start()
            assert await anyio.to_thread.run_sync(release.wait, PATIENCE_S)
            assert clock.elapsed == 0
            release.clear()
            threading.Timer(0.1, release.set).start()
            in_thread = asyncio.to_thread if backend == "asyncio" else trio.to_thread.run_sync
            assert await in_thread(release.wait, PATIENCE_S)
            assert clock.elapsed == 0

    anyio.run(main, backend=backend)

    assert clock.elapsed == 3600


def test_loops_of_threads_that_were_there_before_keep_the_machines_time():
    begin, ended = threading.Event(), []

    async def nap():
        await asyncio.sleep(0.01)
        return time.monotonic()

    def work():
        begin.wait(PATIENCE_S)
        ended.append(asyncio.run(nap()))

    thread = threading.Thread(target=work)
    thread.start()
    with VirtualClock() as clock:
        clock.advance(1000)
        begin.set()
        thread.join(PATIENCE_S)

        assert abs(ended[0] - real_time.monotonic_s()) < 500
        assert clock.elapsed == 1000


def test_selectors_of_others_than_loops_wait_really(clock):
    with selectors.DefaultSelector() as selector:
        assert selector.select(0.01) == []

    assert clock.elapsed == 0


# Servers


def test_a_delay_takes_its_time_and_a_clients_timeout_ends_it(clock, server):
    server.get("/").delay(7_200_000).text("late")

    with client_of(server, timeout=None) as client:
        assert client.get("/").text == "late"
    assert clock.elapsed == 7200
    with client_of(server, timeout=600) as client, pytest.raises(httpx.ReadTimeout):
        client.get("/")
    assert clock.elapsed == 7800


def test_a_stream_is_paced(clock, server):
    server.get("/").sse("a", "b", "c", every_ms=60_000)

    with client_of(server) as client, client.stream("GET", "/", timeout=90) as response:
        assert [clock.elapsed for _ in response.iter_text()] == [0, 60, 120]


def test_a_limiters_window_is_virtual(clock, server):
    server.get("/").text("ok")
    server.rate_limit(2, per_s=3600)

    with client_of(server) as client:
        assert [client.get("/").status_code for _ in range(3)] == [200, 200, 429]
        time.sleep(3600)
        assert client.get("/").status_code == 200


def test_a_retry_after_that_is_a_date_is_exact(clock, server):
    route = server.get("/").sequence(
        lambda _: MockResponseSpec(503, headers={"Retry-After": formatdate(time.time() + 300, usegmt=True)}), 200
    )

    with client_of(server) as client:
        until = parsedate_to_datetime(client.get("/").headers["retry-after"])
        time.sleep((until - datetime.datetime.now(datetime.UTC)).total_seconds())
        client.get("/")

    route.assert_honours_retry_after(slack_s=0)
    assert clock.elapsed == 300


def test_a_responder_reads_the_clock_and_is_waited_for(clock, server):
    """Its thread reads the same time; while it works, its client's timeout does not run."""
    release = threading.Event()

    def answer(request):
        threading.Timer(0.1, release.set).start()
        assert release.wait(PATIENCE_S)
        return MockResponseSpec(200, body=str(time.monotonic_ns()).encode())

    server.get("/").respond(answer)

    with client_of(server, timeout=0.001) as client:
        clock.advance(50)
        assert int(client.get("/").content) == clock.now_ns() == time.monotonic_ns()
    assert clock.elapsed == 50


def test_on_a_socket_the_servers_time_is_virtual(clock, server):
    """Delays, streams, slow uploads and slow accepts; stamps say how long they took."""
    server.post("/slow").delay(30_000).text("late")
    server.get("/events").sse("a", "b", "c", every_ms=60_000)

    with httpx.Client(base_url=server.url, timeout=PATIENCE_S) as client, costs_little(clock):
        assert client.post("/slow").text == "late"
        assert clock.elapsed == 30
        assert client.get("/events").text.count("data:") == 3
        assert clock.elapsed == 150
        server.throttle_uploads(100)
        client.post("/slow", content=b"x" * 1000)
    assert clock.elapsed == 190
    first, *_, last = server.get_requests()
    assert first.answered_ns - first.received_ns == 30_000_000_000
    assert last.received_ns - last.head_ns == 10_000_000_000


def test_a_loops_client_on_a_socket(clock, server):
    """While a loop waits for a socket it really waits; what comes is there before any timer."""
    server.get("/").delay(3_000).text("late")

    async def main():
        async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
            text = (await client.get("/")).text
            await asyncio.sleep(60)
            return text

    assert asyncio.run(main()) == "late"
    assert clock.elapsed == 63


def test_a_server_made_before_keeps_the_machines_time():
    with MockHttpServer() as before, VirtualClock() as clock, MockHttpServer() as within:
        assert before.simulation.clock is not clock
        assert within.simulation.clock is clock
        before.get("/").delay(20).text("ok")
        assert httpx.get(before.url("/"), timeout=PATIENCE_S).text == "ok"
        assert clock.elapsed == 0
        with MockHttpServer(clock=before.simulation.clock) as told:
            assert told.simulation.clock is before.simulation.clock


@pytest.mark.parametrize(("engine", "chosen"), [("auto", "aiohttp"), ("inprocess", "inprocess")])
def test_engines_that_go_by_it(clock, engine, chosen):
    with MockHttpServer(engine) as server:
        server.get("/").delay(60_000).text("late")
        with httpx.Client(base_url=server.url, timeout=None) as client:
            client.get("/")
        assert (server.engine, clock.elapsed) == (chosen, 60)


def test_the_native_engine_is_refused(clock):
    with pytest.raises(OptionError, match="'native' goes by the machine's time"):
        MockHttpServer("native").start()


# What is given back


def test_everything_is_given_back():
    names = [(time, name) for name in ("sleep", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")]
    names += [(module, "sleep") for module in (asyncio, anyio, trio)]
    before = [getattr(owner, name) for owner, name in names]
    threads = threading.active_count()

    def fail_in_virtual_time():
        with VirtualClock():
            assert all(getattr(owner, name) is not was for (owner, name), was in zip(names, before, strict=True))
            time.sleep(100_000)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_in_virtual_time()

    assert [getattr(owner, name) for owner, name in names] == before
    assert abs(time.time() - real_time.time_ns() / 1e9) < 1000
    assert threading.active_count() == threads


def test_a_name_bound_while_it_ran_goes_back_to_the_machines_time():
    with VirtualClock() as clock:
        sleep, monotonic = time.sleep, time.monotonic
        sleep(100_000)

    assert abs(monotonic() - real_time.monotonic_s()) < 1000
    sleep(0)
    assert clock.elapsed == 100_000


def test_what_a_test_has_put_in_the_place_of_a_name_stays(clock, monkeypatch):
    """Another double of ``time.sleep`` is neither undone by the clock nor undone by it."""
    naps: list[float] = []
    monkeypatch.setattr(time, "sleep", naps.append)

    clock.suspend()
    clock.resume()
    time.sleep(5)
    monkeypatch.undo()
    time.sleep(7)

    assert (naps, clock.elapsed) == ([5], 7)
    clock.stop()
    assert time.sleep is real_time.sleep


def test_a_second_clock_is_refused_and_the_first_goes_on(clock):
    with pytest.raises(VirtualTimeError, match="runs already"):
        VirtualClock().start()

    time.sleep(3)

    assert clock.elapsed == 3


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan"), True, "1"])
def test_advance_takes_seconds(clock, seconds):
    with pytest.raises(VirtualTimeError, match="expected a finite number of seconds"):
        clock.advance(seconds)
