"""
Servers of others as processes of their own: uvicorn from PyPI, mockttp, mountebank, aimock and WireMock from npm.

``make peers`` puts those of npm into ``.node``. A peer that is absent is named with what it lacks. All but aimock,
which knows models' APIs only, answer ``GET /item/0`` with the same small JSON. They record as they do by default.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import serve

ROOT = Path(__file__).parent.parent
NODE_MODULES = ROOT / ".node" / "node_modules"
READY_S = 60.0
#: Of one chunk of aimock, where tokens are streamed: as large as one of ours.
TOKEN_BYTES = 5
CHAT = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello"}]})


@dataclass(frozen=True, slots=True)
class Peer:
    """
    A server of others.

    Attributes:
        command: Returns what to run, given a free port and a folder for its files.

        needs: Programs that must be on PATH.

        package: What must be installed: a module of Python, or a file under ``.node/node_modules``.

        body: If not empty, it is posted.
    """

    name: str
    command: Callable[[int, Path], list[str]]
    needs: tuple[str, ...]
    package: str
    path: str = serve.path_of(0)
    body: str = ""

    def missing(self) -> str | None:
        """Return what is absent, None if it can be started."""
        absent = [program for program in self.needs if shutil.which(program) is None]
        if absent:
            return f"{', '.join(absent)} not on PATH"
        if self.package == "uvicorn":
            return None if importlib.util.find_spec("uvicorn") else "not installed in this environment"
        return None if (NODE_MODULES / self.package).is_file() else "not in .node; make peers installs it"


def _uvicorn(port: int, _folder: Path) -> list[str]:
    return [sys.executable, "-m", "uvicorn", "bench.hello:app", "--port", str(port), "--log-level", "error"]


_MOCKTTP = """
const server = require(process.argv[1]).getLocal();
const [, , port] = process.argv;
server.start(Number(port)).then(() => server.forGet(process.argv[3]).thenJson(200, JSON.parse(process.argv[4])));
"""


def _mockttp(port: int, _folder: Path) -> list[str]:
    module = str(NODE_MODULES / "mockttp")
    return ["node", "-e", _MOCKTTP, module, str(port), serve.path_of(0), json.dumps(serve.BODY)]


def _mountebank(port: int, folder: Path) -> list[str]:
    response = {"is": {"headers": {"Content-Type": "application/json"}, "body": json.dumps(serve.BODY)}}
    stub = {"predicates": [{"equals": {"method": "GET", "path": serve.path_of(0)}}], "responses": [response]}
    imposter = {"protocol": "http", "port": port, "recordRequests": True, "stubs": [stub]}
    (folder / "imposters.json").write_text(json.dumps({"imposters": [imposter]}))
    options = ["--port", str(free_port()), "--configfile", str(folder / "imposters.json"), "--nologfile"]
    options += ["--loglevel", "error", "--localOnly", "--pidfile", str(folder / "mb.pid")]
    return ["node", str(NODE_MODULES / "mountebank" / "bin" / "mb"), "start", *options]


def _aimock(texts: Mapping[str, str], latency_ms: int, port: int, folder: Path) -> list[str]:
    fixtures = [{"match": {"userMessage": prompt}, "response": {"content": text}} for prompt, text in texts.items()]
    (folder / "fixtures.json").write_text(json.dumps({"fixtures": fixtures}))
    llm = {"fixtures": str(folder / "fixtures.json"), "latency": latency_ms, "chunkSize": TOKEN_BYTES}
    (folder / "aimock.json").write_text(json.dumps({"llm": {**llm, "logLevel": "silent"}}))
    program = NODE_MODULES / "@copilotkit" / "aimock" / "dist" / "aimock-cli.js"
    return ["node", str(program), "--config", str(folder / "aimock.json"), "--port", str(port)]


def aimock(texts: Mapping[str, str], latency_ms: int = 0) -> Peer:
    """Return aimock with an answer for each prompt, in chunks of :data:`TOKEN_BYTES`; one prompt is "hello"."""
    command = partial(_aimock, {"hello": "hi", **texts}, latency_ms)
    package = "@copilotkit/aimock/dist/aimock-cli.js"
    return Peer("aimock", command, ("node",), package, path="/v1/chat/completions", body=CHAT)


def _wiremock(port: int, folder: Path) -> list[str]:
    mapping = {
        "request": {"method": "GET", "urlPath": serve.path_of(0)},
        "response": {"status": 200, "jsonBody": serve.BODY, "headers": {"Content-Type": "application/json"}},
    }
    (folder / "mappings").mkdir()
    (folder / "mappings" / "item.json").write_text(json.dumps(mapping))
    jar = next((NODE_MODULES / "wiremock" / "build").glob("wiremock-standalone-*.jar"))
    options = ["--port", str(port), "--bind-address", "127.0.0.1", "--root-dir", str(folder), "--disable-banner"]
    return ["java", "-jar", str(jar), *options]


PEERS = (
    Peer("uvicorn", _uvicorn, (), "uvicorn"),
    Peer("mockttp", _mockttp, ("node",), "mockttp/package.json"),
    Peer("mountebank", _mountebank, ("node",), "mountebank/bin/mb"),
    aimock({}),
    Peer("WireMock", _wiremock, ("java",), "wiremock/package.json"),
)


def available() -> tuple[list[Peer], list[str]]:
    """Return the peers that can be started, and a note for each that cannot."""
    reasons = {peer: peer.missing() for peer in PEERS}
    notes = [f"not measured: {peer.name} ({reason})" for peer, reason in reasons.items() if reason is not None]
    return [peer for peer, reason in reasons.items() if reason is None], notes


@contextlib.contextmanager
def started(peer: Peer) -> Iterator[int]:
    """Run *peer* while the block lasts, and give its port once it answers."""
    port = free_port()
    with tempfile.TemporaryDirectory() as name, (Path(name) / "output").open("w+b") as output:
        command = peer.command(port, Path(name))
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output) as process:
            try:
                problem = _wait_until_ready(peer, port, process)
                if problem:
                    output.seek(0)
                    said = output.read()[-2000:].decode(errors="replace")
                    raise RuntimeError(f"{peer.name} did not answer ({problem}); it said:\n{said}")
                yield port
            finally:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_until_ready(peer: Peer, port: int, process: subprocess.Popen[bytes]) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{peer.path}", data=peer.body.encode() or None)
    request.add_header("Content-Type", "application/json")
    deadline, problem = time.monotonic() + READY_S, ""
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return f"it ended with {process.returncode}"
        try:
            with urllib.request.urlopen(request, timeout=5):
                return ""
        except (urllib.error.URLError, OSError) as error:
            problem = str(error)
        # Others' programs say in ten ways that they are ready, and some before they are.
        time.sleep(0.05)
    return problem
