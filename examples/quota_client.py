"""
A client as it might stand in a real program: asks for a quota, retries on 429, gives up on a timeout.

Nothing in here knows that it is tested. Run it against any server:

    python examples/quota_client.py http://127.0.0.1:8080
"""

import sys
import time

import httpx2

MAX_TRIES = 4


def fetch_quota(base_url: str, *, backoff_s: float = 0.05, timeout_s: float = 0.3) -> str:
    """Return what the quota endpoint says, in one line for a log."""
    headers = {"Authorization": "Bearer made-up-key", "User-Agent": "quota-client/1.0"}
    with httpx2.Client(base_url=base_url, headers=headers, timeout=timeout_s) as client:
        for attempt in range(MAX_TRIES):
            try:
                answer = client.get("/v1/quota")
            except httpx2.TimeoutException:
                return f"no answer within {timeout_s} s"
            if answer.status_code != 429:
                answer.raise_for_status()
                return f"{answer.json()['left']} requests left after {attempt + 1} tries"
            time.sleep(backoff_s * 2**attempt)
    return f"still limited after {MAX_TRIES} tries"


if __name__ == "__main__":
    print(fetch_quota(sys.argv[1]))
