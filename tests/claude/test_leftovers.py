"""Nothing stays behind: descriptors, threads, processes, files."""

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from api_simulator.claude import FakeClaudeCLI
from api_simulator.errors import ProgramTimeoutError
from tests.residue import residue

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts in /proc")


def left() -> set[str]:
    """What a careless fake would leave."""
    return residue(FakeClaudeCLI, Path(tempfile.gettempdir()))


def cycle() -> None:
    fake = FakeClaudeCLI()
    fake.add_message({"type": "result"})
    with fake:
        subprocess.run(["claude"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    fake.run(stdin="x")
    fake.wait_for_calls(2)
    fake.close()


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_fifty_fakes_leave_nothing():
    cycle()
    before = left()

    for _ in range(50):
        cycle()

    assert left() - before == set()


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_thousand_fakes_leave_nothing():
    cycle()
    before = left()

    for _ in range(1000):
        cycle()

    assert left() - before == set()


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_thousand_calls_of_one_fake_are_counted():
    fake = FakeClaudeCLI()
    fake.add_message({"type": "result"})

    for _ in range(1000):
        fake.run()

    assert [call.number for call in fake.calls] == list(range(1, 1001))
    fake.close()


def test_fakes_may_be_made_and_used_by_many_threads():
    """Each has one executable, made once, that starts at once; none is "text file busy"."""

    def use(_: int) -> int:
        fake = FakeClaudeCLI()
        fake.add_message({"n": 0})
        with ThreadPoolExecutor(4) as pool:
            outputs = set(pool.map(lambda _: fake.run().stdout, range(4)))
        count = fake.call_count
        fake.close()
        assert outputs == {'{"n":0}\n'}
        return count

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(use, range(24))) == [4] * 24


def test_a_timeout_leaves_nothing():
    fake = FakeClaudeCLI()
    fake.hang_after_result()
    fake.executable  # noqa: B018 (opens it)
    before = left()

    with pytest.raises(ProgramTimeoutError):
        fake.run(timeout_s=0.3)

    assert left() - before == set()
    fake.close()


def test_a_fake_closed_while_it_is_called_leaves_no_folder():
    """Invocations that are just beginning put files where the removal has been already."""
    for _ in range(20):
        fake = FakeClaudeCLI()
        fake.add_message({"type": "user", "message": {"content": "x"}})
        processes = [
            subprocess.Popen(
                [fake.executable, "-p", "hi"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for _ in range(3)
        ]
        fake.wait_for_calls(1)
        fake.close()
        for process in processes:
            process.wait(30)

    assert list(Path(tempfile.gettempdir()).iterdir()) == []
