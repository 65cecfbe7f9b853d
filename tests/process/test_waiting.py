"""Waiting for calls: woken, not polled; in threads and in both kinds of event loop."""

import asyncio
import subprocess
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import anyio
import anyio.to_thread
import pytest

from api_simulator.errors import OptionError, WaitTimeoutError
from api_simulator.process import _call_waiting
from api_simulator.process._call_waiting import CallWaiter, wait_for_calls, wait_for_calls_async
from api_simulator.process._stage import Stage
from api_simulator.process._waiting import in_thread
from api_simulator.process.script import Hang
from tests.process.conftest import MakeStage
from tests.process.test_player import until

pytestmark = pytest.mark.usefixtures("player")

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def call(stage: Stage) -> None:
    subprocess.run([stage.executable], stdin=subprocess.DEVNULL, timeout=30, check=True)


def test_calls_that_came_before_count(make_stage: MakeStage):
    stage = make_stage()
    call(stage)

    wait_for_calls(stage, 0, timeout_s=0)
    wait_for_calls(stage, 1, timeout_s=0)


def test_each_waiting_thread_is_woken(make_stage: MakeStage, monkeypatch: pytest.MonkeyPatch):
    """Several wait for different counts: none takes another's wake-up."""
    stage = make_stage()
    waiting = threading.Barrier(5)
    wait = CallWaiter.wait

    def announced(self: CallWaiter, condition: Callable[[], bool], timeout_s: float) -> bool:
        waiting.wait(30)
        return wait(self, condition, timeout_s)

    monkeypatch.setattr(CallWaiter, "wait", announced)

    with ThreadPoolExecutor(4) as pool:
        waits = [pool.submit(wait_for_calls, stage, n, 30.0) for n in (1, 2, 3, 3)]
        waiting.wait(30)
        for _ in range(3):
            call(stage)
        for done in waits:
            done.result(30)

    assert list((stage.folder / "waiters").iterdir()) == []


def test_the_beginning_of_a_call_is_enough(make_stage: MakeStage):
    """Who waits for a program that hangs is woken by its beginning: there is no end."""
    stage = make_stage([Hang()])

    with ThreadPoolExecutor(1) as pool:
        wait = pool.submit(wait_for_calls, stage, 1, 40.0)
        until(lambda: any((stage.folder / "waiters").iterdir()))
        with subprocess.Popen([stage.executable], stdin=subprocess.DEVNULL) as process:
            wait.result(20)
            process.kill()


def test_too_few_calls_in_time_are_named(make_stage: MakeStage):
    stage = make_stage()
    call(stage)

    with pytest.raises(
        WaitTimeoutError, match=r"(?s)waited 0\.1 s for 2 calls of 'tool', 1 came\.\n  <ProgramCall #1 "
    ):
        wait_for_calls(stage, 2, timeout_s=0.1)

    assert list((stage.folder / "waiters").iterdir()) == []


@pytest.mark.parametrize("n", [-1, 1.5, True, None])
def test_a_count_that_is_none_is_refused(make_stage: MakeStage, n: int):
    with pytest.raises(OptionError, match="give an integer from 0"):
        wait_for_calls(make_stage(), n, timeout_s=1)


@BACKENDS
def test_a_task_waits_without_holding_up_its_loop(make_stage: MakeStage, backend: str):
    stage = make_stage()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(wait_for_calls_async, stage, 2, 30.0)
            group.start_soon(wait_for_calls_async, stage, 1, 30.0)
            for _ in range(2):
                await anyio.run_process([stage.executable], stdin=subprocess.DEVNULL)

    anyio.run(main, backend=backend)

    assert list((stage.folder / "waiters").iterdir()) == []


@BACKENDS
def test_a_task_s_timeout_is_the_plain_error(make_stage: MakeStage, backend: str):
    stage = make_stage()

    with pytest.raises(WaitTimeoutError, match="for 1 calls of 'tool', 0 came"):
        anyio.run(partial(wait_for_calls_async, stage, 1, 0.05), backend=backend)


@BACKENDS
def test_cancelling_a_task_ends_its_wait(make_stage: MakeStage, backend: str):
    """The thread has come back before the cancelled task goes on, and its FIFO is gone."""
    stage = make_stage()

    async def main() -> None:
        with anyio.move_on_after(0.1) as scope:
            await wait_for_calls_async(stage, 1, 600.0)
        assert scope.cancelled_caught
        assert anyio.to_thread.current_default_thread_limiter().borrowed_tokens == 0

    anyio.run(main, backend=backend)

    assert list((stage.folder / "waiters").iterdir()) == []


@pytest.mark.parametrize("moment_s", [0, 0.0001, 0.001, 0.1])
def test_asyncio_s_own_cancelling_leaves_no_thread_either(make_stage: MakeStage, moment_s: float):
    """``asyncio.wait_for`` and ``Task.cancel`` know nothing of anyio's shields."""
    stage = make_stage()

    async def main() -> None:
        task = asyncio.create_task(wait_for_calls_async(stage, 1, 600.0))
        await asyncio.sleep(moment_s)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert list((stage.folder / "waiters").iterdir()) == []

    asyncio.run(main())


@BACKENDS
def test_an_error_in_the_thread_arrives_as_it_is(backend: str):
    def fail() -> None:
        raise LookupError("from the thread")

    main: Callable[[], Awaitable[None]] = partial(in_thread, fail, lambda: None)

    with pytest.raises(LookupError, match="from the thread"):
        anyio.run(main, backend=backend)


def test_anyio_is_not_needed_for_blocking_waits():
    assert "anyio" not in vars(_call_waiting)
