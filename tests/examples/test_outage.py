"""The example of virtual time prints what it says."""

import subprocess
import sys
from pathlib import Path

from tests.libraries import skip_without_imports_of

EXAMPLE = Path(__file__).parents[2] / "examples" / "outage.py"


def test_ten_minutes_of_outage_are_slept_through():
    skip_without_imports_of(EXAMPLE.read_text(encoding="utf-8"))

    ran = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True, check=False, timeout=50)

    first, *sleeps = ran.stdout.splitlines()
    assert (first, sleeps[-1]) == ("done after 630 s", "slept 180 s from 450 s on"), ran.stderr
    assert len(sleeps) == 6
