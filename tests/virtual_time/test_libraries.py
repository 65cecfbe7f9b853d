"""Real libraries under virtual time: a scripted outage of ten minutes passes at once, twice the same way."""

from __future__ import annotations

import asyncio
import random

import anthropic
import backoff
import openai
import pytest
import requests
import stamina
import tenacity
import trio
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from api_simulator.http import MockResponseSpec
from tests.libraries import LIBRARIES, httpx2
from tests.virtual_time.conftest import costs_little, story_of

BASE = "https://api.example.com"
OUTAGE_S = 600


def has_outage(server):
    """Let the server fail until ten minutes of its time are over."""
    route = server.get("/").json(1)
    route.fault(MockResponseSpec(503), between_s=(0, OUTAGE_S))
    return route


def told_twice(run):
    """Run it twice, each time from the same random numbers, and return what both times were."""
    stories = []
    for _ in range(2):
        random.seed(1)
        stories.append(story_of(run))
    assert stories[0] == stories[1]
    return stories[0]


# Blocking clients


@LIBRARIES
def test_tenacity(library):
    def run(clock, server):
        has_outage(server)
        wait = tenacity.wait_exponential(multiplier=1, max=120) + tenacity.wait_random(0, 1)

        @tenacity.retry(wait=wait, retry=tenacity.retry_if_exception_type(library.HTTPStatusError))
        def ask(client):
            return client.get("/").raise_for_status().status_code

        with library.Client(transport=server.transport(), base_url=BASE) as client:
            return ask(client)

    result, elapsed, _, sleeps = told_twice(run)

    assert result == 200
    assert elapsed >= OUTAGE_S
    assert elapsed == pytest.approx(sum(sleep.seconds for sleep in sleeps))
    assert all("nap.py" in sleep.by for sleep in sleeps)


@LIBRARIES
def test_backoff(library):
    def run(clock, server):
        route = has_outage(server)

        @backoff.on_exception(backoff.constant, library.HTTPStatusError, interval=150, jitter=None)
        def ask(client):
            return client.get("/").raise_for_status().status_code

        with library.Client(transport=server.transport(), base_url=BASE) as client:
            result = ask(client)
        route.assert_backoff([150] * 4, slack_s=0)
        return result

    assert told_twice(run)[:2] == [200, 600.0]


@LIBRARIES
def test_stamina(library):
    def run(clock, server):
        has_outage(server)

        @stamina.retry(on=library.HTTPStatusError, attempts=None, timeout=None, wait_max=100)
        def ask(client):
            return client.get("/").raise_for_status().status_code

        with library.Client(transport=server.transport(), base_url=BASE) as client:
            return ask(client)

    result, elapsed, *_ = told_twice(run)

    assert result == 200
    assert OUTAGE_S <= elapsed < OUTAGE_S + 106


def test_urllib3_through_requests_over_a_socket(clock, server):
    """Its sleeps and the server's delays are virtual, its socket's timeout is real: it is never reached."""
    slow = MockResponseSpec(503, delay_ms=30_000)
    route = server.get("/").sequence(*[slow] * 5, MockResponseSpec(200, delay_ms=30_000))
    retry = Retry(total=6, backoff_factor=10, status_forcelist=[503])

    with requests.Session() as session, costs_little(clock):
        session.mount("http://", HTTPAdapter(max_retries=retry))
        assert session.get(server.url("/"), timeout=20).status_code == 200

    # urllib3 goes on at once the first time, and never waits longer than two minutes.
    route.assert_backoff([0, 20, 40, 80, 120], slack_s=0)
    assert clock.elapsed == 6 * 30 + 260


def test_urllib3_honours_retry_after_over_a_socket(clock, server):
    route = server.get("/").sequence(MockResponseSpec(429, headers={"Retry-After": "600"}), 200)

    with requests.Session() as session, costs_little(clock):
        session.mount("http://", HTTPAdapter(max_retries=Retry(total=1, status_forcelist=[429])))
        assert session.get(server.url("/"), timeout=20).status_code == 200

    route.assert_honours_retry_after(slack_s=0)
    assert [sleep.seconds for sleep in clock.sleeps] == [600]


# SDKs


def anthropic_call(client):
    message = {"role": "user", "content": "hello"}
    return client.messages.create(model="claude-x", max_tokens=10, messages=[message])


def openai_call(client):
    return client.chat.completions.create(model="gpt-x", messages=[{"role": "user", "content": "hello"}])


SDKS = pytest.mark.parametrize(
    ("blocking", "on_a_loop", "call", "path", "failure"),
    [
        (anthropic.Anthropic, anthropic.AsyncAnthropic, anthropic_call, "/v1/messages", anthropic.InternalServerError),
        (openai.OpenAI, openai.AsyncOpenAI, openai_call, "/chat/completions", openai.InternalServerError),
    ],
    ids=["anthropic", "openai"],
)


@SDKS
def test_sdk_backs_off_from_half_a_second_to_eight(clock, server, blocking, on_a_loop, call, path, failure):
    """The SDK's own retries, to the last: doubled up to 8 s, each up to a quarter shorter by chance."""
    route = server.post(path).status(503).json({})

    http_client = httpx2.Client(transport=server.transport())
    with (
        blocking(api_key="k", base_url=BASE, max_retries=8, http_client=http_client) as client,
        pytest.raises(failure),
    ):
        call(client)

    route.assert_backoff([0.5, 1, 2, 4, 8, 8, 8, 8], jitter=0.25, slack_s=0)
    route.assert_min_interval(0.375)
    assert clock.elapsed == pytest.approx(sum(sleep.seconds for sleep in clock.sleeps))


@SDKS
def test_sdk_passes_an_outage_with_retry_after(blocking, on_a_loop, call, path, failure):
    """Ten times a minute, as the server says; twice the same."""

    def run(clock, server):
        busy = MockResponseSpec(429, headers={"Retry-After": "60"})
        route = server.post(path).sequence(*[busy] * 10, 400)
        http_client = httpx2.Client(transport=server.transport())
        with (
            blocking(api_key="k", base_url=BASE, max_retries=20, http_client=http_client) as client,
            pytest.raises((anthropic.BadRequestError, openai.BadRequestError)),
        ):
            call(client)
        route.assert_honours_retry_after(slack_s=0)
        return len(route.requests)

    assert told_twice(run)[:2] == [11, 600.0]


@SDKS
def test_sdk_on_a_loop_backs_off_in_virtual_time(clock, server, blocking, on_a_loop, call, path, failure):
    route = server.post(path).status(503).json({})

    async def main():
        http_client = httpx2.AsyncClient(transport=server.transport())
        async with on_a_loop(api_key="k", base_url=BASE, max_retries=8, http_client=http_client) as client:
            with pytest.raises(failure):
                await call(client)

    asyncio.run(main())

    route.assert_backoff([0.5, 1, 2, 4, 8, 8, 8, 8], jitter=0.25, slack_s=0)


# Loops


@LIBRARIES
def test_tenacity_on_trio(library):
    def run(clock, server):
        has_outage(server)

        async def main():
            retrying = tenacity.AsyncRetrying(
                wait=tenacity.wait_fixed(60),
                retry=tenacity.retry_if_exception_type(library.HTTPStatusError),
                sleep=trio.sleep,
            )
            async with library.AsyncClient(transport=server.transport(), base_url=BASE) as client:
                async for attempt in retrying:
                    with attempt:
                        return (await client.get("/")).raise_for_status().status_code

        return trio.run(main)

    assert told_twice(run)[:2] == [200, 600.0]


@LIBRARIES
def test_job_with_timeouts_on_asyncio(library):
    """Timeouts of the job, of the client and of the loop, delays and streams: each ends when it should."""

    def run(clock, server):
        server.get("/slow").delay(90_000).text("late")
        server.get("/drip").pace(dribble=(10, 100_000)).text("0123456789")

        async def main():
            found = []
            async with library.AsyncClient(transport=server.transport(), base_url=BASE, timeout=30) as client:
                for path, limit_s in (("/slow", 20), ("/slow", 40), ("/drip", 60), ("/drip", 200)):
                    try:
                        async with asyncio.timeout(limit_s):
                            found.append((await client.get(path)).text)
                    except (TimeoutError, library.ReadTimeout) as error:
                        found.append(type(error).__name__)
                    found.append(clock.elapsed)
                together = await asyncio.gather(*(client.get("/drip") for _ in range(3)), asyncio.sleep(400))
                return [*found, len(together)]

        return asyncio.run(main())

    result, elapsed, *_ = told_twice(run)

    assert result[:6] == ["TimeoutError", 20, "ReadTimeout", 50, "TimeoutError", 110]
    assert result[6] == "0123456789"
    assert elapsed == result[7] + 400
