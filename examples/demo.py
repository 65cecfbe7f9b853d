"""
The main job in one go: two real programs against scripted fakes, and one timeline of what happened.

``quota_client.py`` talks HTTP to a mock server; ``session_driver.py`` runs whatever ``claude`` is on
PATH. Both run as processes of their own and know nothing of the fakes. Run it with ``make demo``.
"""

import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from api_simulator import render_timeline
from api_simulator.claude import FakeClaudeCLI
from api_simulator.http import MockHttpServer, MockResponseSpec

HERE = Path(__file__).parent
SESSION_ID = "5f0c1a52-6f0e-4c3a-9d1b-2b8f4e9d7a10"


def run(program: str, *arguments: str) -> str:
    """Run one of the example programs in a process of its own and return what it printed."""
    command = [sys.executable, str(HERE / program), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def ask_for_quota(server: MockHttpServer) -> None:
    limited = MockResponseSpec(status=429, headers={"Retry-After": "0"}, body={"error": "slow down"})
    server.register_sequence("GET", "/v1/quota", [limited, limited, MockResponseSpec(body={"left": 41})])
    print("  429, 429, 200  ->", run("quota_client.py", server.url))

    server.register("GET", "/v1/quota", MockResponseSpec(body={"left": 41}, delay_ms=2_000))
    print("  a slow answer  ->", run("quota_client.py", server.url))

    request = server.get_requests()[0]
    print("  captured       ->", request["headers"]["user-agent"], "with", request["headers"]["authorization"])


def session(text: str) -> FakeClaudeCLI:
    """Return a fake whose session says *text* and succeeds."""
    claude = FakeClaudeCLI()
    claude.add_message({"type": "system", "subtype": "init", "session_id": SESSION_ID, "tools": [], "model": "made-up"})
    claude.add_message(
        {
            "type": "assistant",
            "message": {"id": "msg_01", "role": "assistant", "content": [{"type": "text", "text": text}]},
            "session_id": SESSION_ID,
        }
    )
    claude.add_message(
        {"type": "result", "subtype": "success", "is_error": False, "result": text, "session_id": SESSION_ID}
    )
    return claude


def classify_sessions(sessions: dict[str, FakeClaudeCLI]) -> None:
    for name, claude in sessions.items():
        with claude:
            print(f"  {name:<15}->", run("session_driver.py", "Say hello.", "1.5"))


def main() -> None:
    if find_spec("httpx2") is None:
        sys.exit("demo: the client program needs httpx2; run it with 'make demo', or install api-simulator[httpx2]")
    started_ns = time.monotonic_ns()
    good, retried, hanging = session("Hello."), session("never said"), session("Hello, and goodbye?")
    retried.inject_api_retry(at_message=1, error_status=529, attempts=2, exhaust=True)
    hanging.hang_after_result()
    sessions = {"a good session": good, "overloaded": retried, "never exits": hanging}

    with MockHttpServer(engine="auto") as server:
        print("A client with retries, against a mock HTTP server:")
        ask_for_quota(server)
        print("\nA driver of claude, against three scripted sessions:")
        classify_sessions(sessions)
        print("\nEvery request and every program run, in order:")
        print(render_timeline(server, *sessions.values(), start_ns=started_ns))
    for claude in sessions.values():
        claude.close()


if __name__ == "__main__":
    main()
