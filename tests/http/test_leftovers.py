"""
Nothing is left behind: threads, descriptors and processes after servers came and went.

In a process of its own, so that what pytest, its plugins and other tests keep open does not blur the picture.
"""

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="counts descriptors as POSIX has them")

#: What each program starts with: ``leftovers()`` waits for threads that are ending, then says what is there.
PREAMBLE = """
import gc, http.client, socket, sys, threading, time
import psutil
from api_simulator.http import MockHttpServer, ResponseSpec

process = psutil.Process()

def look():
    gc.collect()
    return [thread.name for thread in threading.enumerate()], process.num_fds(), process.children(recursive=True)

def cycle(use):
    server = MockHttpServer(strict=False).start()
    server.register("GET", "/", ResponseSpec(body="hi"))
    server.register("GET", "/asked", lambda request: ResponseSpec())
    use(server)
    server.close()

def ask(server, *targets):
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    for target in targets:
        connection.request("GET", target)
        connection.getresponse().read()
    return connection

def leftovers(cycles, use):
    cycle(use)
    deadline = time.monotonic() + 10
    # Idle workers of an ended pool need a moment to notice; nothing else may need one.
    while len(threading.enumerate()) > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    before = look()
    for _ in range(cycles):
        cycle(use)
    while look() != before and time.monotonic() < deadline + 10:
        time.sleep(0.01)
    after = look()
    assert before[0] == ["MainThread"], before
    assert after == before, (before, after)
"""

USES = {
    "unused": "leftovers({cycles}, lambda server: None)",
    "requests": "leftovers({cycles}, lambda server: ask(server, '/', '/nothing').close())",
    "responders": "leftovers({cycles}, lambda server: ask(server, '/asked').close())",
    # What the client holds open is the client's; kept here, so that the server has to end the connections.
    "open connections": """
        kept = []
        def use(server):
            kept.append(ask(server, '/'))
            kept.append(socket.create_connection((server.host, server.port)))
            kept[-1].sendall(b'POST / HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 9\\r\\n\\r\\nab')
        def use_and_drop(server):
            use(server)
            server.close()
            while kept:
                kept.pop().close()
        leftovers({cycles}, use_and_drop)
    """,
    "delayed answers": """
        def use(server):
            server.register('GET', '/slow', ResponseSpec(delay_ms=600_000))
            with socket.create_connection((server.host, server.port)) as wire:
                wire.sendall(b'GET /slow HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')
                server.wait_for_requests(1)
                server.close()
        leftovers({cycles}, use)
    """,
    "reset connections": """
        def use(server):
            wire = socket.create_connection((server.host, server.port))
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\\1\\0\\0\\0\\0\\0\\0\\0')
            wire.sendall(b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')
            wire.close()
        leftovers({cycles}, use)
    """,
    "async": """
        import asyncio
        async def main():
            async with MockHttpServer(strict=False) as server:
                await asyncio.to_thread(lambda: ask(server, '/').close())
                try:
                    await asyncio.wait_for(server.wait_for_requests_async(9, 600), 0.001)
                except TimeoutError:
                    pass
        leftovers({cycles}, lambda server: asyncio.run(main()))
    """,
}


def run(program, timeout_s):
    source = PREAMBLE + textwrap.dedent(program)
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("use", USES)
def test_servers_that_came_and_went_leave_nothing_behind(use):
    run(USES[use].format(cycles=50), timeout_s=50)


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("use", USES)
def test_a_thousand_servers_leave_nothing_behind(use):
    run(USES[use].format(cycles=1000), timeout_s=850)


def test_a_responder_that_blocks_for_ever_does_not_block_the_end_of_the_process():
    run(
        """
        def block(request):
            threading.Event().wait()
        with MockHttpServer(strict=False) as server:
            server.register('GET', '/', block)
            wire = socket.create_connection((server.host, server.port))
            wire.sendall(b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')
            server.wait_for_requests(1)
        wire.close()
        """,
        timeout_s=15,
    )


def test_a_server_that_nobody_closed_does_not_block_the_end_of_the_process():
    run("MockHttpServer().start(); ", timeout_s=15)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_of_a_fork_can_run_servers_of_its_own():
    """The loop's thread does not survive a fork; the child's servers get a new one, the parent's stay its own."""
    run(
        """
        import os, warnings
        warnings.simplefilter('ignore')
        with MockHttpServer() as server:
            server.register('GET', '/', ResponseSpec())
            pid = os.fork()
            if pid == 0:
                with MockHttpServer() as own:
                    own.register('GET', '/', ResponseSpec())
                    ask(own, '/').close()
                    os._exit(0 if own.request_count() == 1 else 1)
            assert os.waitpid(pid, 0)[1] == 0
            ask(server, '/').close()
            assert server.request_count() == 1
        """,
        timeout_s=30,
    )
