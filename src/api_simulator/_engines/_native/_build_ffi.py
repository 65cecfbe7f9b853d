"""
Write ``_ffi.py`` from the header of the C ABI: ``python -m api_simulator._engines._native._build_ffi HEADER``.

The result is committed, so that an installation needs no compiler and reads no header (cffi's
out-of-line ABI mode). A test holds header, module and library together.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import cffi

MODULE = "api_simulator._engines._native._ffi"


def declarations(header: str) -> str:
    """Return what cffi reads of the header: no comments, no preprocessor."""
    without_comments = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    return re.sub(r"^#.*$", "", without_comments, flags=re.MULTILINE)


def write(header: Path, target: Path) -> None:
    """Write the module for *header* to *target*."""
    builder = cffi.FFI()
    builder.cdef(declarations(header.read_text(encoding="utf-8")))
    builder.set_source(MODULE, None)
    builder.emit_python_code(str(target))
    target.write_text(
        f'"""The C ABI as cffi reads it, made by ``_build_ffi`` from its header."""\n\n{target.read_text()}'
    )


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(__file__).with_name("_ffi.py"))
