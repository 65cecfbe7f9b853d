"""The compiled library: that header, generated module and library agree, and what is said when it cannot be used."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from api_simulator._engines import base
from api_simulator._engines._native import _build_ffi, _library
from api_simulator.cli import main
from api_simulator.errors import EngineUnavailableError
from api_simulator.http import MockHttpServer
from tests._engines.native import needs_native

HEADER = Path(__file__).parents[3] / "crates" / "capi" / "include" / "api_simulator.h"


def declared():
    return set(re.findall(r"\b(asim_\w+)\(", _build_ffi.declarations(HEADER.read_text(encoding="utf-8"))))


def test_the_committed_module_is_what_the_header_gives(tmp_path):
    _build_ffi.write(HEADER, tmp_path / "_ffi.py")

    committed = Path(_library.__file__).with_name("_ffi.py")
    assert (tmp_path / "_ffi.py").read_text() == committed.read_text()


def test_header_and_package_speak_the_same_version():
    (version,) = re.findall(r"#define ASIM_ABI_VERSION (\d+)", HEADER.read_text(encoding="utf-8"))

    assert int(version) == _library.ABI_VERSION


@needs_native
def test_the_library_has_every_function_of_the_header():
    _, library = _library.load()

    assert len(declared()) > 12
    assert [name for name in sorted(declared()) if not hasattr(library, name)] == []


@needs_native
@pytest.mark.skipif(shutil.which("nm") is None, reason="nm is not installed")
def test_the_library_exports_nothing_else():
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", _library.library_path()], capture_output=True, text=True, check=True, timeout=60
    )
    exported = {line.split()[-1] for line in listed.stdout.splitlines() if " T " in line}

    assert exported - {"rust_eh_personality"} == declared()


@pytest.fixture
def library_at(monkeypatch):
    """Say where the library is looked for."""
    return lambda path: monkeypatch.setenv(_library.PATH_VARIABLE, str(path))


def truncated(folder):
    path = folder / "truncated.so"
    path.write_bytes(_library.library_path().read_bytes()[:5000])
    return path


def foreign(folder):
    (system,) = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/libc.so" in line}
    return Path(shutil.copy(system, folder / "foreign.so"))


def of_another_version(folder):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("cc is not installed")
    source, path = folder / "other.c", folder / "other.so"
    source.write_text("unsigned asim_abi_version(void) { return 77; }\n")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", path, source], check=True, timeout=60)
    return path


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: folder / "missing.so", "there is no .*missing.so"),
        pytest.param(truncated, "truncated.so is cut off", marks=needs_native),
        (foreign, "foreign.so is not the library of this package"),
        (of_another_version, "other.so has ABI version 77, this package needs 2"),
    ],
    ids=["missing", "truncated", "foreign", "other-version"],
)
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="looks for a foreign library in /proc")
def test_a_library_that_cannot_be_used_is_named_and_auto_goes_on(library_at, tmp_path, capsys, make, said):
    library_at(make(tmp_path))

    with pytest.raises(EngineUnavailableError, match=f"'native' is not available: .*{said}.*engine='aiohttp'"):
        MockHttpServer(engine="native").start()
    with MockHttpServer(engine="auto", strict=False) as server:
        assert server.engine == "aiohttp"
    assert main(["doctor"]) in (0, 1)
    assert re.search(rf"native\s+absent: .*{said}", capsys.readouterr().out)


def test_what_a_build_left_out_is_told(tmp_path):
    """A pure wheel says why it is pure."""
    assert _library.left_out(tmp_path / "_library.py") == ""

    (tmp_path / "build.txt").write_text("built without the native part: cargo is not on PATH\n")

    assert "cargo is not on PATH" in _library.left_out(tmp_path / "_library.py")


@needs_native
def test_auto_takes_it():
    assert base.open_engine("auto").name == "native"
