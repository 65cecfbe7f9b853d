"""
A client that retries, and ten minutes of outage that pass in milliseconds.

Run it: python examples/outage.py
"""

import time

import httpx2

from api_simulator.http import MockHttpServer, MockResponseSpec
from api_simulator.virtual_time import VirtualClock


def fetch(client: httpx2.Client) -> str:
    """Ask until the answer is good, half a minute longer apart each time."""
    pause_s = 30
    while (answer := client.get("https://api.example.com/report")).is_error:
        time.sleep(pause_s)
        pause_s += 30
    return answer.text


with VirtualClock() as clock, MockHttpServer() as server:
    server.get("/report").text("done").fault(MockResponseSpec(503), between_s=(0, 600))
    with httpx2.Client(transport=server.transport()) as client:
        print(f"{fetch(client)} after {clock.elapsed:g} s")
    for sleep in clock.sleeps:
        print(f"slept {sleep.seconds:g} s from {sleep.at_s:g} s on")
