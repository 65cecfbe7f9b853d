"""A weather service: a reading for each city, a key, and a limit that a test can use up."""

from dataclasses import dataclass

from api_simulator.http import CapturedRequest, ResponseSpec
from api_simulator.services import Service

CODES = {"rain": 61, "snow": 71, "sun": 0}


@dataclass(frozen=True, kw_only=True)
class WeatherSettings:
    """
    How the service behaves.

    Attributes:
        key: What it accepts as ``X-Key``; None accepts anything.

        free_calls: More are answered with 402.
    """

    key: str | None = None
    free_calls: int = 1000


class WeatherService(Service[WeatherSettings]):
    """A fake weather service: ``GET /v1/weather/{city}`` and ``PUT /v1/weather/{city}``."""

    name = "weather"
    settings_type = WeatherSettings

    def begin(self) -> None:
        """Begin with no readings."""
        self._weather: dict[str, str] = {}
        self._calls = 0

    def mount(self) -> None:
        """Register the routes."""
        self.register("GET", "/v1/weather/{city}", self._read)
        self.register("PUT", "/v1/weather/{city}", self._write)

    def set_weather(self, city: str, weather: str) -> None:
        """Say what the weather is; for tests."""
        with self.lock:
            self._weather[city] = weather

    def _read(self, request: CapturedRequest) -> ResponseSpec:
        if self.settings.key is not None and request.headers.get("x-key") != self.settings.key:
            return self._error(401, "wrong key")
        with self.lock:
            self._calls += 1
            weather = self._weather.get(request.path_params["city"])
            if self._calls > self.settings.free_calls:
                return self._error(402, "free calls are used up")
        if weather is None:
            return self._error(404, "no such city")
        return ResponseSpec(body={"weather": weather, "code": CODES.get(weather, -1)})

    def _write(self, request: CapturedRequest) -> ResponseSpec:
        if not isinstance(request.json, dict) or not isinstance(request.json.get("weather"), str):
            return self._error(400, "the body is {'weather': text}")
        self.set_weather(request.path_params["city"], request.json["weather"])
        return ResponseSpec(204)

    def answer_unmatched(self, request: CapturedRequest) -> ResponseSpec | None:
        """Answer what it does not have in the shape of its errors."""
        return self._error(404, "no such path") if request.path.startswith("/v1/weather") else None

    @staticmethod
    def _error(status: int, message: str) -> ResponseSpec:
        return ResponseSpec(status, {"error": message})
