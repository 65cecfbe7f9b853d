"""The example of recording and replay says what it should."""

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "record_and_replay.py"


def test_the_replay_is_the_recording():
    done = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True, check=True, timeout=60)

    output = "using --token=[redacted:parameter:1]\nthree findings\n"
    assert done.stdout == f"recorded: exit code 1\n{output}replayed: exit code 1\n{output}"
