"""
What a program writes, on its way into a cassette: redacted, whole, with its moments.

::

    stdout.jsonl   the text; what is not UTF-8 is replaced
    stdout.raw     the bytes, only where the text differs from them
    stderr.txt     the same for standard error
    stderr.raw
    timing.jsonl   [milliseconds since the start, stream, bytes], in the order of writing
"""

from __future__ import annotations

import codecs
import contextlib
from pathlib import Path
from typing import Literal

from api_simulator._core.redaction import Redaction

Stream = Literal["stdout", "stderr"]

TEXT_NAMES: dict[Stream, str] = {"stdout": "stdout.jsonl", "stderr": "stderr.txt"}
RAW_NAMES: dict[Stream, str] = {"stdout": "stdout.raw", "stderr": "stderr.raw"}
TIMING_NAME = "timing.jsonl"

_BLOCK = 1024 * 1024

#: What is written at a time: while more than a terminal holds (64 KiB) is copied, its program would have to wait.
_AT_ONCE = 65536


class OutputFile:
    """One output: bytes in, a text file and if need be a raw one out."""

    def __init__(self, folder: Path, stream: Stream) -> None:
        self.text_path = folder / TEXT_NAMES[stream]
        self._raw = folder / RAW_NAMES[stream]
        self._file = self._raw.open("wb", buffering=_AT_ONCE)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._is_text = True
        self.size = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self.size += len(data)
        # ASCII needs no decoder, which is slower by far, unless a character that was begun goes on here.
        if self._is_text and not (data.isascii() and not self._decoder.getstate()[0]):
            try:
                self._decoder.decode(data)
            except UnicodeDecodeError:
                self._is_text = False

    def finish(self) -> None:
        """Close it; afterwards the text file is there, and the raw one where they differ."""
        self.close()
        if self._is_text:
            try:
                self._decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                self._is_text = False
        if self._is_text:
            self._raw.replace(self.text_path)
            return
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        with self._raw.open("rb") as source, self.text_path.open("wb") as target:
            while data := source.read(_BLOCK):
                target.write(decoder.decode(data).encode())
            target.write(decoder.decode(b"", final=True).encode())

    def close(self) -> None:
        self._file.close()


class Outputs:
    """Both outputs and their moments."""

    def __init__(self, folder: Path, redaction: Redaction) -> None:
        self._files: dict[Stream, OutputFile] = {
            "stdout": OutputFile(folder, "stdout"),
            "stderr": OutputFile(folder, "stderr"),
        }
        self._redacting = {"stdout": redaction.stream(), "stderr": redaction.stream()} if redaction.enabled else None
        self._timing = (folder / TIMING_NAME).open("w", encoding="ascii", buffering=_BLOCK)
        self._moment: tuple[int, Stream] = (0, "stdout")
        self._count = 0

    def write(self, stream: Stream, data: bytes, at_ms: int) -> None:
        """Take what the program wrote to a stream."""
        if self._redacting is not None:
            data = self._redacting[stream].feed(data)
        self._keep(stream, data, at_ms)

    def _keep(self, stream: Stream, data: bytes, at_ms: int) -> None:
        if not data:
            return
        self._files[stream].write(data)
        # What comes within a millisecond is one moment: the file stays small beside the output.
        if self._moment != (at_ms, stream):
            self._flush()
            self._moment = (at_ms, stream)
        self._count += len(data)

    def _flush(self) -> None:
        if self._count:
            self._timing.write(f'[{self._moment[0]},"{self._moment[1]}",{self._count}]\n')
        self._count = 0

    def finish(self, at_ms: int) -> None:
        """Put everything in its place."""
        if self._redacting is not None:
            for stream, redacting in self._redacting.items():
                self._keep("stdout" if stream == "stdout" else "stderr", redacting.finish(), at_ms)
        self._flush()
        self._timing.close()
        for file in self._files.values():
            file.finish()

    def size(self, stream: Stream) -> int:
        """Return how many bytes were kept."""
        return self._files[stream].size

    def tail(self, stream: Stream, count: int = 4096) -> str:
        """Return the end of what was kept, after :meth:`finish`."""
        with self._files[stream].text_path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - count))
            return file.read().decode(errors="replace")

    def close(self) -> None:
        """Give the descriptors back, whatever state the files are in."""
        for close in (self._timing.close, *(file.close for file in self._files.values())):
            # A full disk: what was not written is lost, and its error was raised already.
            with contextlib.suppress(OSError):
                close()
