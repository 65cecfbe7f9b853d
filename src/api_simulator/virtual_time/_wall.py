"""
The wall clock: ``time.time``, ``datetime.now`` and every name bound to them before.

time-machine does it, which replaces the functions in C: ``datetime`` cannot be patched by name, and
names bound before are out of reach of Python. It leaves the monotonic clocks alone.
"""

from __future__ import annotations

import importlib
from typing import Any

from api_simulator.errors import MissingExtraError


class Wall:
    """The wall clock, moved with a virtual one."""

    def __init__(self) -> None:
        self._travel: Any = None
        self._traveller: Any = None

    def start(self, epoch_s: float) -> None:
        """
        Let the wall clock stand at that moment.

        Raises:
            MissingExtraError: If time-machine is not installed.
        """
        try:
            time_machine = importlib.import_module("time_machine")
        except ModuleNotFoundError:
            raise MissingExtraError(
                "virtual time needs the package 'time-machine', which is not installed; "
                "install api-simulator[virtual-time]"
            ) from None
        self._travel = time_machine.travel(epoch_s, tick=False)
        self._traveller = self._travel.start()

    def shift(self, step_ns: int) -> None:
        """Go on."""
        if self._traveller is not None:
            self._traveller.shift(step_ns / 1e9)

    def stop(self) -> None:
        """Give the machine's wall clock back."""
        travel, self._travel, self._traveller = self._travel, None, None
        if travel is not None:
            travel.stop()
