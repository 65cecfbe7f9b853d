"""
``PATH`` with fake programs in front, and as it was before when they have gone.

Others may change ``PATH`` meanwhile, and fakes may be left in another order than they were entered.
So nobody puts a remembered value back: each takes out its own entry. Only whether there was a ``PATH``
at all must be remembered, by the first one for all.
"""

from __future__ import annotations

import os
import threading

from api_simulator.errors import ProgramStateError

_lock = threading.Lock()
_entries: list[str] = []
#: The programs that were put there, by entry.
_names: dict[str, str] = {}
_made_here = False


def prepend(entry: str, *, name: str | None = None, alone: bool = False) -> None:
    """
    Put *entry* first on ``PATH``.

    Args:
        entry: A folder.

        name: The program in it.

        alone: Whether it must be the only one of its name.

    Raises:
        ProgramStateError: If it must, and is not.
    """
    global _made_here
    with _lock:
        if name is not None:
            if alone and name in _names.values():
                raise ProgramStateError(
                    f"a fake program {name!r} is on PATH already, and this one would hide it; leave its `with` block "
                    "first, or give both behaviours to one program with when()"
                )
            _names[entry] = name
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
        _names.pop(entry, None)
        found = os.environ.get("PATH")
        if found is None:
            return
        places = found.split(os.pathsep)
        if entry in places:
            places.remove(entry)
            os.environ["PATH"] = os.pathsep.join(places)
        if _made_here and not _entries and os.environ["PATH"] == os.defpath:
            del os.environ["PATH"]
