"""A clock that the server and the code under test share, and that goes on by itself when everything waits."""

from api_simulator.errors import VirtualTimeError
from api_simulator.virtual_time._clock import VirtualClock
from api_simulator.virtual_time._sleeps import Sleep

__all__ = ["Sleep", "VirtualClock", "VirtualTimeError"]
