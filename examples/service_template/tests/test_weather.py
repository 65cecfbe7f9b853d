"""The service keeps the contract of services, and is used as a suite uses it."""

import urllib.error
import urllib.request

import pytest
from weather_service.service import WeatherService

from api_simulator.testing import run_service_conformance


def test_conformance():
    assert run_service_conformance(WeatherService).failed == []


def test_use(fake_service):
    weather = fake_service("weather", free_calls=1)
    weather.set_weather("oslo", "rain")

    with urllib.request.urlopen(f"{weather.url}/v1/weather/oslo") as answer:
        assert b"61" in answer.read()
    with pytest.raises(urllib.error.HTTPError, match="402") as refused:
        urllib.request.urlopen(f"{weather.url}/v1/weather/oslo")
    refused.value.close()
