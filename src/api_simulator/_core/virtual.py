"""
A count of time that nobody but its owner moves.

Only the arithmetic: who may move it and when is the virtual clock's business, which hands its
readings to everything that asks for the time.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

#: Loops count in floats: what is within this of a whole microsecond was asked for as one.
_FLOAT_NOISE_NS = 5
#: And what is shorter than this is no time, but what is left of that noise: it must be the greater of the two.
_NO_TIME_S = 10e-9


class VirtualTime:
    """
    Nanoseconds since a start, on the scale of a monotonic clock and on that of the wall.

    Args:
        monotonic_ns: The first reading; rounded up to a whole second, so that two runs count in the same floats.

        epoch_ns: The wall clock's at that moment, since 1970; rounded down to a whole second, because dates of
            HTTP have no parts of one.

        moved: Called after each move with the nanoseconds it went by, under the lock.
    """

    def __init__(self, monotonic_ns: int, epoch_ns: int, moved: Callable[[int], None]) -> None:
        self.start_ns = -(-monotonic_ns // 1_000_000_000) * 1_000_000_000
        self.epoch_start_s = epoch_ns // 1_000_000_000
        self.elapsed_ns = 0
        self._nudge_s = 0.0
        self._moved = moved
        self._lock = threading.Lock()

    def now_ns(self) -> int:
        """Return the reading on the monotonic scale."""
        return self.start_ns + self.elapsed_ns

    def reading_s(self) -> float:
        """Return the reading in seconds, as loops compute with it."""
        return self.now_ns() / 1e9 + self._nudge_s

    def epoch_s(self, monotonic_ns: int) -> float:
        """Return a reading as seconds since 1970."""
        return self.epoch_start_s + (monotonic_ns - self.start_ns) / 1e9

    def move_to(self, reading_ns: int) -> None:
        """Go on to that reading; a past one changes nothing."""
        # Two servers' loops and the test's thread may move it: by where they want to be, not by how far.
        with self._lock:
            step_ns = reading_ns - self.now_ns()
            if step_ns > 0:
                self.elapsed_ns += step_ns
                self._nudge_s = 0.0
                self._moved(step_ns)

    def pass_idle(self, seconds: float) -> None:
        """
        Go on by what a loop has computed to be left until its next timer, and by no more than was asked for.

        Loops take differences of large floats: a tenth of a second comes as 0.10000000009, and a timer
        that is due as 0.00000000001.
        """
        last_bit_s = math.ulp(self.reading_s())
        if seconds <= max(_NO_TIME_S, last_bit_s):
            # The loop must see a later time, or it would ask for ever; nobody has asked for a nanosecond.
            self._nudge_s += max(seconds, last_bit_s)
            return
        exact = seconds * 1e9
        whole = round(exact / 1000) * 1000
        self.move_to(self.now_ns() + (whole if abs(exact - whole) < _FLOAT_NOISE_NS else math.ceil(exact)))
