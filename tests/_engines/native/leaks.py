"""
Look for memory that the native library loses: ``python -m tests._engines.native.leaks`` runs a thousand servers under
valgrind.

Python's own allocations are not judged; the only losses that count have a frame of the library.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

from api_simulator._engines._native import _library

ROOT = Path(__file__).parents[3]
SERVERS = 1000
#: What the runtime, of which a process has one, may keep to the end; a server that kept anything would be over it.
REACHABLE_BYTES_PER_SERVER = 16


def serve(servers: int) -> None:
    """Start and end so many servers; each answers a plain request, a handed-off one, and one that it does not know."""
    from api_simulator.http import MockHttpServer, ResponseSpec
    from tests.conformance.raw import Wire

    for _ in range(servers):
        with MockHttpServer(engine="native", strict=False) as server, Wire(server) as wire:
            server.get("/").text("x")
            server.get("/ask").respond(lambda _: ResponseSpec(204))
            wire.call()
            wire.call("/ask")
            wire.call("/unknown")
            assert server.request_count() == 3


def missing() -> str | None:
    """Return what is absent, None if the check can run."""
    if shutil.which("valgrind") is None:
        return "valgrind is not on PATH (a Debian package of that name)"
    return _library.problem()


def losses(report: Path, library: str) -> tuple[Counter[str], list[str]]:
    """Return bytes by kind of what *library* allocated and did not free, and where the lost ones were allocated."""
    found: Counter[str] = Counter()
    places = []
    for error in ElementTree.parse(report).getroot().iter("error"):
        kind = error.findtext("kind", "")
        frames = list(error.iter("frame"))
        if not any(frame.findtext("obj", "").endswith(library) for frame in frames):
            continue
        # Anything else is a read or write where it must not be.
        found[kind] += int(error.findtext("xwhat/leakedbytes", "1"))
        if kind != "Leak_StillReachable":
            names = [frame.findtext("fn", "?") for frame in frames[:12]]
            places.append(f"{error.findtext('xwhat/text') or error.findtext('what')}\n    " + "\n    ".join(names))
    return found, places


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["serve"]:
        serve(int(arguments[1]))
        return 0
    reason = missing()
    if reason is not None:
        print(f"skipped: no leak check ({reason})")
        return 0
    servers = int(arguments[0]) if arguments else SERVERS
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = ["valgrind", "--leak-check=full", "--show-leak-kinds=all", "--keep-debuginfo=yes", "--num-callers=40"]
        command += ["--xml=yes", f"--xml-file={report}", sys.executable, "-m", __spec__.name, "serve", str(servers)]
        # Python's own allocator would hide blocks from valgrind.
        environment = {**os.environ, "PYTHONMALLOC": "malloc"}
        subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=3000)
        found, places = losses(report, _library.library_name())
    reachable = found.pop("Leak_StillReachable", 0)
    print(
        f"{servers} servers: {reachable} bytes kept to the end by the library, lost or wrong: {dict(found) or 'none'}"
    )
    print("\n".join(places))
    return int(bool(found) or reachable > REACHABLE_BYTES_PER_SERVER * servers)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
