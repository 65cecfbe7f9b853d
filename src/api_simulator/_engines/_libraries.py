"""
httpx2 and httpx: what the engine needs of whichever a request comes from.

Nothing here imports them. A request is there, so its library is; and under ``httpx2.alias_httpx()``
the class of a request says which one it really is.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from api_simulator._core.specs import ResponseSpec
from api_simulator.errors import MissingExtraError

#: The libraries whose clients are served, the one that the field went to first.
LIBRARIES = ("httpx2", "httpx")


@dataclass(frozen=True, slots=True)
class Library:
    """
    One of the two.

    Attributes:
        module: The library itself: its responses and exceptions.

        body: Its kind of a body that is there already.

        sync_body: A class of bodies that are read by blocking calls; takes what is in :mod:`._bodies`.

        async_body: The same for a loop.
    """

    name: str
    module: Any
    body: Any
    sync_body: Any
    async_body: Any


_KNOWN: dict[type, Library] = {}


def library_of(request: Any) -> Library:
    """Return the library that a request belongs to."""
    kind = type(request)
    library = _KNOWN.get(kind)
    if library is None:
        library = _KNOWN[kind] = _made(_name_of(kind))
    return library


def _name_of(kind: type) -> str:
    for base in kind.__mro__:
        name = base.__module__.partition(".")[0]
        if name in LIBRARIES:
            return name
    raise TypeError(f"expected a request of {' or '.join(LIBRARIES)}, got a {kind.__module__}.{kind.__qualname__}")


def _made(name: str) -> Library:
    from api_simulator._engines._inprocess import _bodies

    module = sys.modules[name] if name in sys.modules else importlib.import_module(name)
    if module.Response.__module__.partition(".")[0] != name:
        # httpx itself, imported before somebody let the name stand for httpx2.
        raise RuntimeError(f"{name} is another library now: {module!r}")
    sync_body = type("InProcessStream", (_bodies.SyncBody, module.SyncByteStream), {})
    async_body = type("AsyncInProcessStream", (_bodies.AsyncBody, module.AsyncByteStream), {})
    return Library(name, module, module.ByteStream, sync_body, async_body)


def installed_libraries() -> list[str]:
    """Return the names of those that are installed."""
    return [name for name in LIBRARIES if name in sys.modules or importlib.util.find_spec(name) is not None]


def require_library(purpose: str) -> list[ModuleType]:
    """
    Import the libraries that are installed, each once.

    Raises:
        MissingExtraError: If none is.
    """
    names = installed_libraries()
    if not names:
        raise MissingExtraError(
            f"{purpose} needs the package httpx2 or httpx, and neither is installed; "
            "install api-simulator[httpx2] or api-simulator[httpx]"
        )
    found: list[ModuleType] = []
    for name in names:
        module = importlib.import_module(name)
        # Under alias_httpx() both names are one library.
        if all(module.HTTPTransport is not known.HTTPTransport for known in found):
            found.append(module)
    return found


def response_of(spec: ResponseSpec, library: str) -> Any:
    """
    Return *spec* as a response of *library*.

    Raises:
        MissingExtraError: If that is not installed.

        SpecError: If no response holds it.
    """
    if library not in installed_libraries():
        raise MissingExtraError(
            f"to_{library}() needs the package {library!r}, which is not installed; install api-simulator[{library}]"
        )
    from api_simulator._engines._inprocess import _responses

    return _responses.response_of(spec, library)
