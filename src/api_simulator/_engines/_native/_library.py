"""
Find and open the compiled library, or say exactly why not.

Nothing here starts a thread. Loading is done once; what failed is remembered with its reason, which
``api-simulator doctor`` shows and ``engine="native"`` raises.
"""

from __future__ import annotations

import os
import struct
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from api_simulator.errors import EngineUnavailableError

#: The version of the C ABI that this package speaks; the library must say the same number.
ABI_VERSION = 2
#: Another library than the one beside this module: for those who build their own.
PATH_VARIABLE = "API_SIMULATOR_NATIVE_LIBRARY"

_HOW_TO_GET_IT = (
    "install a wheel for this platform, or install from source with cargo on PATH and API_SIMULATOR_NATIVE=require"
)


def library_name() -> str:
    """Return the library's file name on this platform."""
    if sys.platform == "win32":
        return "api_simulator_native.dll"
    return f"libapi_simulator_native.{'dylib' if sys.platform == 'darwin' else 'so'}"


def library_path() -> Path:
    """Return where the library is expected."""
    given = os.environ.get(PATH_VARIABLE)
    return Path(given) if given else Path(__file__).with_name(library_name())


def load() -> tuple[Any, Any]:
    """
    Return cffi's handle and the library.

    Raises:
        EngineUnavailableError: If it is missing, cannot be loaded, or speaks another version of the ABI.
    """
    ffi, library, problem = _loaded(library_path())
    if problem is not None:
        raise EngineUnavailableError(f"engine 'native' is not available: {problem}; {_HOW_TO_GET_IT}")
    return ffi, library


def problem() -> str | None:
    """Return why the library cannot be used and what helps, None if it can be used."""
    problem = _loaded(library_path())[2]
    return None if problem is None else f"{problem}; {_HOW_TO_GET_IT}"


def left_out(beside: Path) -> str:
    """Return what the build of the package wrote down *beside* a file if it left the library out."""
    note = beside.with_name("build.txt")
    return f" ({note.read_text(encoding='utf-8').strip()})" if note.is_file() else ""


def _is_cut_off(path: Path) -> bool:
    """Look whether an ELF file ends where its section headers do: the system's loader ends the process over less."""
    with path.open("rb") as file:
        head = file.read(64)
    if not head.startswith(b"\x7fELF"):
        return False
    if len(head) < 64 or head[4] != 2:
        return len(head) < 52
    (sections_at,) = struct.unpack_from("<Q", head, 40)
    size, count = struct.unpack_from("<HH", head, 58)
    return bool(path.stat().st_size < sections_at + size * count)


@lru_cache(maxsize=8)
def _loaded(path: Path) -> tuple[Any, Any, str | None]:
    if not path.is_file():
        return None, None, f"there is no {path}{left_out(Path(__file__))}"
    try:
        from api_simulator._engines._native._ffi import ffi
    except ImportError as error:
        return None, None, f"cffi cannot be imported ({error})"
    if _is_cut_off(path):
        return None, None, f"{path} is cut off: it is shorter than it says"
    try:
        library = ffi.dlopen(str(path))
    except OSError as error:
        return None, None, f"{path} cannot be loaded ({error})"
    try:
        found = library.asim_abi_version()
    except (AttributeError, ffi.error):
        return None, None, f"{path} is not the library of this package (it has no asim_abi_version)"
    if found != ABI_VERSION:
        return None, None, f"{path} has ABI version {found}, this package needs {ABI_VERSION}"
    return ffi, library, None
