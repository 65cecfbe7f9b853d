"""What this package offers to api-simulator. Names of places only: nothing is imported until it is used."""

from api_simulator.hookspecs import hookimpl


@hookimpl
def api_simulator_services():
    """Offer the service."""
    return {"weather": "weather_service.service:WeatherService"}


@hookimpl
def api_simulator_commands():
    """Offer the subcommand."""
    return {"weather-codes": "weather_service.command"}
