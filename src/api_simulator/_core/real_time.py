"""
The machine's own time, whatever a test puts in the place of ``time``'s functions.

Bound by name before anybody can replace them: how long the package itself waits for a thread or a
process, and what its own loop counts by, is real under every clock.
"""

from time import monotonic as monotonic_s
from time import monotonic_ns, sleep, time_ns

__all__ = ["monotonic_ns", "monotonic_s", "sleep", "time_ns"]
