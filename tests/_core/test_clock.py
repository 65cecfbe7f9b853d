"""The system clock: stamps of all processes of a machine, and what they are in seconds since 1970."""

import subprocess
import sys
import time

import pytest

from api_simulator._core.clock import SYSTEM_CLOCK, SystemClock


def test_stamps_never_go_backwards():
    stamps = [SYSTEM_CLOCK.now_ns() for _ in range(1000)]

    assert stamps == sorted(stamps)


def test_a_stamp_of_now_is_the_time_of_day():
    before = time.time()
    stamp = SystemClock().epoch_s(SYSTEM_CLOCK.now_ns())
    after = time.time()

    assert before - 0.05 <= stamp <= after + 0.05


def test_stamps_keep_their_distance():
    clock = SystemClock()

    assert clock.epoch_s(3_500_000_000) - clock.epoch_s(1_000_000_000) == pytest.approx(2.5, abs=1e-6)


@pytest.mark.skipif(
    sys.platform == "win32", reason="the monotonic clock of Windows starts per process in some versions"
)
def test_stamps_of_another_process_fall_between_ours():
    program = "import time; print(time.monotonic_ns())"

    before = SYSTEM_CLOCK.now_ns()
    theirs = int(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)
    after = SYSTEM_CLOCK.now_ns()

    assert before < theirs < after
