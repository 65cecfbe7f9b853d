"""``PATH``: in front while it is needed, and afterwards as others left it."""

import os
from itertools import permutations

import pytest

from api_simulator.process import _search_path


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


def test_the_last_entry_comes_first():
    _search_path.prepend("/one")
    _search_path.prepend("/two")

    assert os.environ["PATH"] == "/two:/one:/usr/bin:/bin"
    _search_path.remove("/two")
    _search_path.remove("/one")


@pytest.mark.parametrize("before", ["/usr/bin:/bin", "", ":", "/bin:", os.defpath, None], ids=repr)
@pytest.mark.parametrize("order", list(permutations(["/one", "/two", "/three"])))
def test_any_order_of_leaving_restores_it(monkeypatch: pytest.MonkeyPatch, before: str | None, order: tuple[str, ...]):
    """Also an absent or empty PATH comes back as it was."""
    if before is None:
        monkeypatch.delenv("PATH")
    else:
        monkeypatch.setenv("PATH", before)

    for entry in ("/one", "/two", "/three"):
        _search_path.prepend(entry)
    for entry in order:
        _search_path.remove(entry)

    assert os.environ.get("PATH") == before


def test_an_absent_path_still_finds_the_system_programs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PATH")

    _search_path.prepend("/one")

    assert os.environ["PATH"] == "/one:" + os.defpath
    _search_path.remove("/one")


@pytest.mark.parametrize("change", ["/new:{now}", "{now}:/new", "/other"])
def test_what_others_changed_meanwhile_stays(change: str):
    _search_path.prepend("/one")
    os.environ["PATH"] = change.format(now=os.environ["PATH"])

    _search_path.remove("/one")

    assert os.environ["PATH"] == change.format(now="/usr/bin:/bin")


def test_a_path_that_others_removed_stays_removed(monkeypatch: pytest.MonkeyPatch):
    _search_path.prepend("/one")
    del os.environ["PATH"]

    _search_path.remove("/one")

    assert "PATH" not in os.environ


def test_only_the_own_entry_goes(monkeypatch: pytest.MonkeyPatch):
    """Another's entry of the same name stays: one is taken for one that was put."""
    monkeypatch.setenv("PATH", "/one:/bin")
    _search_path.prepend("/one")

    _search_path.remove("/one")

    assert os.environ["PATH"] == "/one:/bin"
