"""The shared loop's thread: there while it has users, gone without them."""

import threading

import pytest

from api_simulator._engines._loop import LoopThread
from api_simulator.errors import ServerStateError


def loop_threads():
    return [thread for thread in threading.enumerate() if thread.name == "api-simulator-loop"]


def test_thread_lives_from_the_first_user_to_the_last():
    before = len(loop_threads())
    loop_thread = LoopThread()
    loop_thread.acquire()
    loop_thread.acquire()

    loop_thread.release()
    assert len(loop_threads()) == before + 1
    loop_thread.release()
    assert len(loop_threads()) == before


def test_releasing_too_often_changes_nothing():
    loop_thread = LoopThread()
    loop_thread.release()
    loop = loop_thread.acquire()

    assert loop.is_running()
    loop_thread.release()
    loop_thread.release()
    assert not loop.is_running()


def test_waiting_for_the_own_thread_is_refused_instead_of_deadlocking():
    loop_thread = LoopThread()
    loop_thread.acquire()

    async def inner():
        return 1

    async def outer():
        loop_thread.run(inner())

    try:
        with pytest.raises(ServerStateError, match="from its own responder or predicate"):
            loop_thread.run(outer())
    finally:
        loop_thread.release()


def test_loop_can_be_started_again():
    loop_thread = LoopThread()
    for _ in range(3):
        loop = loop_thread.acquire()
        assert loop.is_running()
        loop_thread.release()
        assert loop.is_closed()
