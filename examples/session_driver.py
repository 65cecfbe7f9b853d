"""
A driver as it might stand in a real program: runs ``claude`` and says how the session went.

Nothing in here knows that it is tested: it finds ``claude`` on PATH, reads its lines as they come,
and enforces its own timeout. Run it with a prompt:

    python examples/session_driver.py "Say hello."
"""

import json
import subprocess
import sys
import threading

COMMAND = ["claude", "-p", "--output-format", "stream-json", "--verbose"]


def classify(prompt: str, *, timeout_s: float = 10.0) -> str:
    """
    Run one session and return ``completed``, ``failed``, ``cut off`` or ``hung``, with a reason.

    A session that has printed its result but does not end is ``hung`` too: its process still holds
    memory and pipes.
    """
    process = subprocess.Popen([*COMMAND, prompt], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    # The timer ends the process, which ends the loop over its lines: a timeout that is really enforced.
    expired = threading.Event()

    def expire() -> None:
        expired.set()
        process.kill()

    timer = threading.Timer(timeout_s, expire)
    timer.start()
    result, retries = None, 0
    for line in process.stdout:
        record = json.loads(line)
        if record["type"] == "result":
            result = record
        elif record.get("subtype") == "api_retry":
            retries += 1
    exit_code = process.wait()
    timer.cancel()
    process.stdout.close()
    if expired.is_set():
        return f"hung: no end within {timeout_s} s, {'after' if result else 'without'} a result"
    if result is None:
        return f"cut off: exit code {exit_code} after {retries} retries and no result"
    return f"{'failed' if result['is_error'] else 'completed'}: {result['result']}"


if __name__ == "__main__":
    print(classify(sys.argv[1], timeout_s=float(sys.argv[2]) if len(sys.argv) > 2 else 10.0))
