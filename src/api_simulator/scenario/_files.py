"""
Files that are whole or not there: written beside their place and moved onto it.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any


def replace_file(place: Path, content: bytes, *, durable: bool = False) -> None:
    """
    Put *content* at *place* in one step: a reader, and whoever comes after a crash, finds the old or the new whole.

    Args:
        place: Its folder exists.

        content: All of it.

        durable: Also after a power failure, which leaves the old or the new whole, as :func:`synchronise_folder`
            has been called or not.
    """
    fresh = place.with_name(f".{place.name}.{os.getpid()}.new")
    try:
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        fresh.replace(place)
    except BaseException:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise


def synchronise_folder(folder: Path) -> None:
    """Put on disk what has been moved in *folder*."""
    if os.name != "posix":
        return  # folders cannot be opened there
    fd = os.open(folder, os.O_RDONLY)
    try:
        # Some file systems cannot synchronise a folder, and then need not.
        with contextlib.suppress(OSError):
            os.fsync(fd)
    finally:
        os.close(fd)


def json_bytes(value: Any, *, indent: int | None = 2) -> bytes:
    """Return *value* as JSON text that diffs well; lone surrogates are escaped, as UTF-8 cannot hold them."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent).encode() + b"\n"
