"""
Files that a program leaves: which ones it wrote, and their redacted copies in the cassette.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePath, PurePosixPath

from api_simulator._core.redaction import Redaction
from api_simulator.errors import OptionError

_BLOCK = 1024 * 1024


class WrittenFiles:
    """
    The files of a folder that are new or changed since this was made.

    Args:
        folder: It need not exist yet.

        patterns: Which files, as ``Path.glob`` takes them; relative to *folder*.
    """

    def __init__(self, folder: Path, patterns: Iterable[str]) -> None:
        self._folder = folder
        self._patterns = tuple(patterns)
        self._before = dict(self._stamps())

    def _stamps(self) -> Iterator[tuple[str, tuple[int, int, int]]]:
        for pattern in self._patterns:
            for path in self._folder.glob(pattern):
                # Not through links: what they lead to may be anybody's.
                if path.is_file() and not path.is_symlink():
                    status = path.stat()
                    stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
                    yield path.relative_to(self._folder).as_posix(), stamp

    def copy_to(self, target: Path, redaction: Redaction) -> list[str]:
        """Copy them, redacted, and return their names."""
        names = sorted({name for name, stamp in self._stamps() if self._before.get(name) != stamp})
        for name in names:
            place = target / name
            place.parent.mkdir(parents=True, exist_ok=True)
            with (self._folder / name).open("rb") as source, place.open("wb") as copy:
                redacted(source.read, copy.write, redaction)
        return names


def redacted(read: Callable[[int], bytes], write: Callable[[bytes], object], redaction: Redaction) -> None:
    """Pass on what *read* gives, block by block, without its secrets."""
    stream = redaction.stream()
    while data := read(_BLOCK):
        write(stream.feed(data))
    write(stream.finish())


def is_inside(name: str) -> bool:
    """Return whether *name* is a relative path that does not lead out of its folder."""
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and os.path.normpath(name) != "."


def checked_patterns(files: Iterable[str]) -> tuple[str, ...]:
    """
    Return the patterns of files to record.

    Raises:
        OptionError: If one is absolute or goes up by ``..``: what it finds would be stored beside the step's own files.
    """
    if isinstance(files, str):
        raise OptionError(f"files: expected a list of patterns, got {files!r}; write [{files!r}]")
    patterns = tuple(files)
    for pattern in patterns:
        path = PurePath(pattern)
        if not path.parts or path.is_absolute() or ".." in path.parts:
            raise OptionError(
                f"files: {pattern!r} is not below the working folder; give a pattern below it, or another cwd"
            )
    return patterns
