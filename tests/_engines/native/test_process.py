"""The native engine and its process: the GIL, fork, the end of the interpreter, what is left behind."""

import mmap
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time

import psutil
import pytest

from api_simulator._engines._native import _library
from api_simulator.errors import ServerStateError
from api_simulator.http import MockHttpServer, ResponseSpec
from tests._engines.native import needs_native
from tests.conformance.raw import Wire, call

pytestmark = needs_native


def python(code, *options):
    """Run *code* in an interpreter of its own and return what it printed."""
    done = subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_other_threads_run_while_a_native_call_blocks():
    """If the call held the GIL, the other thread could not count at all meanwhile."""
    _, library = _library.load()
    runtime = library.asim_runtime_new()
    counted = 0
    ended = threading.Event()

    def count():
        nonlocal counted
        while not ended.is_set():
            counted += 1

    counter = threading.Thread(target=count)
    counter.start()
    before = counted
    assert library.asim_wait(runtime, 200) == -1
    after = counted
    ended.set()
    counter.join()
    library.asim_runtime_free(runtime)

    assert after - before > 1000


def test_a_server_and_what_counts_in_it_may_be_collected_in_any_order():
    """They refer to each other, so it is the collector that ends them."""
    code = """
        import gc
        from api_simulator.http import MockHttpServer

        gc.disable()
        for _ in range(50):
            with MockHttpServer(engine="native") as server:
                for number in range(20):
                    server.get(f"/{number}").text("x")
        del server
        print(gc.collect() > 0)
        """

    assert python(code) == "True\n"


def test_plain_requests_are_answered_while_python_keeps_the_gil(tmp_path):
    """This thread never gives it up: it looks at shared memory until the client, another process, has its answers."""
    path = tmp_path / "shared"
    path.write_bytes(b"\0")
    with MockHttpServer(engine="native") as server, path.open("r+b") as file, mmap.mmap(file.fileno(), 1) as shared:
        server.get("/").text("x")
        interval = sys.getswitchinterval()
        with subprocess.Popen([sys.executable, "-c", CLIENT, str(server.port), path]) as client:
            sys.setswitchinterval(1000)
            try:
                deadline = time.monotonic() + 30
                while not shared[0] and time.monotonic() < deadline:
                    pass
            finally:
                sys.setswitchinterval(interval)

        assert shared[0] == 20
        assert client.returncode == 0
        assert server.request_count() == 20


CLIENT = """
import sys
from http.client import HTTPConnection
client = HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
for _ in range(20):
    client.request("GET", "/")
    assert client.getresponse().read() == b"x"
with open(sys.argv[2], "r+b") as file:
    file.write(bytes([20]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_is_told_why_it_cannot_ask():
    code = """
        import os, sys, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from api_simulator.errors import ServerStateError
        from api_simulator.http import MockHttpServer
        with MockHttpServer(engine="native", strict=False) as server:
            route = server.get("/").text("x")
            if os.fork() == 0:
                try:
                    server.get_requests()
                except ServerStateError as error:
                    print(error)
                server.close()
                with MockHttpServer(engine="native") as own:
                    print("own:", own.engine)
                sys.stdout.flush()
                os._exit(0)
            os.wait()
            print("parent:", server.request_count())
    """

    said = python(code)

    assert "is a fork of it" in said
    assert "start a server in the child" in said
    assert "own: native" in said
    assert "parent: 0" in said


def test_the_interpreter_ends_with_servers_running():
    code = """
        import socket, threading
        from api_simulator.http import MockHttpServer, ResponseSpec
        servers = [MockHttpServer(engine="native").start() for _ in range(3)]
        for server in servers:
            server.get("/hang").hang()
            server.get("/ask").respond(lambda request: threading.Event().wait())
        clients = []
        for server in servers:
            for path in ("/hang", "/ask", "/late"):
                client = socket.create_connection((server.host, server.port))
                client.sendall(f"GET {path} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n".encode())
                clients.append(client)
            server.wait_for_requests(3, timeout_s=30)
        print("end")
    """

    assert python(code) == "end\n"


def test_nothing_is_left_behind_by_a_hundred_servers():
    process = psutil.Process()
    with MockHttpServer(engine="native", strict=False) as holder:
        holder.get("/").text("x")
        call(holder)
        before = process.num_fds(), process.num_threads()
        for _ in range(100):
            with MockHttpServer(engine="native", strict=False) as server, Wire(server) as wire:
                server.get("/").text("x")
                server.get("/ask").respond(lambda _: ResponseSpec(204))
                wire.call()
                wire.call("/ask")
        holder.wait_until(lambda: process.num_threads() <= before[1] + 4, timeout_s=20)

        assert process.num_fds() <= before[0] + 4


def test_closing_is_refused_where_it_would_wait_for_itself():
    with MockHttpServer(engine="native", strict=False) as server:
        errors = []

        def closing(_request):
            try:
                server.close()
            except ServerStateError as error:
                errors.append(str(error))
            return True

        from api_simulator.http import where

        server.register("GET", "/", ResponseSpec(), when=where(closing))

        assert call(server).status == 200
        assert "from its own responder or predicate" in errors[0]


def test_the_suite_of_a_stressed_server_in_development_mode():
    """Many threads ask, register, reset and query at the same time; Python's own checks see nothing."""
    code = """
        import logging, random, socket, threading
        # asyncio's development mode complains about a busy machine.
        logging.disable()
        from api_simulator.http import MockHttpServer, ResponseSpec
        server = MockHttpServer(engine="native", strict=False).start()
        ended = threading.Event()
        problems = []
        def ask(seed):
            chance = random.Random(seed)
            try:
                while not ended.is_set():
                    with socket.create_connection((server.host, server.port), 30) as client:
                        for _ in range(chance.randint(1, 10)):
                            path = chance.choice(["/a", "/b", "/c", "/nothing"])
                            client.sendall(f"GET {path} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n".encode())
                            assert client.recv(65536).startswith(b"HTTP/1.1 ")
            except BaseException as error:
                problems.append(repr(error))
        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        chance = random.Random(0)
        for turn in range(150):
            server.get("/a").text("a" * chance.randint(0, 100))
            server.get("/b").respond(lambda request: ResponseSpec(body="b"))
            server.get("/c").sequence(200, 201).fail(1)
            numbers = [each.number for each in server.get_requests()]
            assert numbers == sorted(numbers)
            if turn % 50 == 0:
                server.reset()
        ended.set()
        for thread in threads:
            thread.join()
        server.close()
        print(problems)
    """

    assert python(code, "-X", "dev", "-W", "error") == "[]\n"


def test_a_port_is_free_again_after_the_end():
    with MockHttpServer(engine="native") as server:
        port = server.port

    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))
