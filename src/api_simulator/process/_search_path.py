"""
``PATH`` with fake programs in front, and as it was before when they have gone.

Others may change ``PATH`` meanwhile, and fakes may be left in another order than they were entered.
So nobody puts a remembered value back: each takes out its own entry. Only whether there was a ``PATH``
at all must be remembered, by the first one for all.
"""

from __future__ import annotations

import os
import threading

_lock = threading.Lock()
_entries: list[str] = []
_made_here = False


def prepend(entry: str) -> None:
    """Put *entry* first on ``PATH``."""
    global _made_here
    with _lock:
        found = os.environ.get("PATH")
        if not _entries:
            _made_here = found is None
        # Without PATH programs are looked for in os.defpath; with only the entry they would not be found any more.
        os.environ["PATH"] = entry + os.pathsep + (os.defpath if found is None else found)
        _entries.append(entry)


def remove(entry: str) -> None:
    """Take *entry* off ``PATH``; whatever else is on it now stays."""
    with _lock:
        _entries.remove(entry)
        found = os.environ.get("PATH")
        if found is None:
            return
        places = found.split(os.pathsep)
        if entry in places:
            places.remove(entry)
            os.environ["PATH"] = os.pathsep.join(places)
        if _made_here and not _entries and os.environ["PATH"] == os.defpath:
            del os.environ["PATH"]
