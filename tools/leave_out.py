"""
Uninstall packages from the environment that runs this, with everything that cannot be without them.

    python tools/leave_out.py httpx respx

So an environment of all pinned packages becomes one of a user who has not installed those. ``make onelibrary`` does it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

#: What is under test stays: its extras are what is left out.
STAYS = "api-simulator"


def dependents(left_out: set[str]) -> set[str]:
    """Return the names of installed packages that are *left_out*, or need one that is."""
    needs: dict[str, set[str]] = {}
    for found in distributions():
        required = (Requirement(text) for text in found.requires or ())
        needs[canonicalize_name(found.name)] = {
            canonicalize_name(one.name) for one in required if one.marker is None or one.marker.evaluate({"extra": ""})
        }
    gone = left_out & needs.keys()
    while more := {name for name, needed in needs.items() if needed & gone and name != STAYS} - gone:
        gone |= more
    return gone


def main() -> None:
    """Leave out what the command line names."""
    names = {canonicalize_name(name) for name in sys.argv[1:]}
    if not names or any(not re.fullmatch(r"[a-z0-9-]+", name) for name in names):
        sys.exit(f"usage: {sys.argv[0]} PACKAGE...")
    gone = sorted(dependents(names))
    if gone:
        command = [sys.executable, "-m", "pip", "uninstall", "--yes", "--quiet", "--disable-pip-version-check", *gone]
        subprocess.run(command, check=True)
    sys.stdout.write(f"without {', '.join(gone) or 'nothing: none of them is installed'}\n")


if __name__ == "__main__":
    main()
