"""
The peer for streams of tokens: aimock (npm ``@copilotkit/aimock``, program ``llmock``), in a process of its own.

Found on PATH, or at the place that the variable ``LLMOCK`` names; without it what needs it is not measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_START_S = 30.0


def program() -> str | None:
    """Return the program, None if it is not here."""
    return os.environ.get("LLMOCK") or shutil.which("llmock")


@contextlib.contextmanager
def started(texts: dict[str, str], *, latency_ms: int = 0) -> Iterator[int]:
    """Run it with an answer for each prompt, in chunks as large as our tokens; yields its port."""
    found = program()
    assert found is not None
    with tempfile.TemporaryDirectory() as folder, socket.socket() as reserved:
        entries = [{"match": {"userMessage": prompt}, "response": {"content": text}} for prompt, text in texts.items()]
        (Path(folder) / "texts.json").write_text(json.dumps({"fixtures": entries}))
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        reserved.close()
        options = ["-p", str(port), "-f", folder, "-c", "5", "-l", str(latency_ms), "--log-level", "silent"]
        with subprocess.Popen([found, *options], stdout=subprocess.DEVNULL) as process:
            try:
                _wait_for(port)
                yield port
            finally:
                process.terminate()


def _wait_for(port: int) -> None:
    end = time.monotonic() + _START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
