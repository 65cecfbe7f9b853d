"""Random scripts, played by both players: output, exit status and record are the same."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_simulator.process import _stand_in
from api_simulator.process._calls import _frames
from api_simulator.process._stage import Stage
from api_simulator.process.script import (
    Case,
    CloseStream,
    Copy,
    Die,
    Exit,
    FailFirst,
    ReadLine,
    ReadStdin,
    Refuse,
    Repeat,
    Settings,
    Step,
    Wait,
    Write,
    encode,
    encode_cases,
)
from tests.process.conftest import PLAYERS, need_stand_in

STREAMS = st.sampled_from(["stdout", "stderr"])
TEXTS = st.one_of(
    st.binary(max_size=20),
    st.sampled_from([b"\n", b"a\nb\n", b"wait 5\n", b"\0", b"x" * 65535, b"x" * 65536, b"\n" * 65537, b"x" * 200_000]),
)
WORDS = st.sampled_from(["", "a", "-b", "two words", "new\nline", "\u00e9"])
#: Those that end a process; the last two are real-time signals, of which a C library keeps some for itself.
DEADLY = [signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGPIPE, signal.SIGSEGV, signal.SIGALRM, 32, 40]

STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(Write, TEXTS, STREAMS),
    st.builds(Write, TEXTS, STREAMS),
    st.builds(Repeat, st.one_of(st.just(b""), TEXTS), st.integers(0, 40), STREAMS),
    st.builds(Wait, st.integers(0, 3)),
    st.just(ReadStdin()),
    st.builds(Exit, st.integers(0, 255)),
    st.builds(Die, st.sampled_from(DEADLY)),
    st.builds(Refuse, TEXTS),
    # These are handed over.
    st.builds(CloseStream, st.sampled_from(["stdin", "stdout", "stderr"])),
    st.builds(ReadLine, st.sampled_from([b"", b"a"]), st.one_of(st.none(), st.just(4))),
    st.just(Copy("/dev/null")),
)
BODIES = st.lists(STEPS, max_size=6).map(tuple)
SETTINGS = st.builds(
    Settings,
    on_signal=st.dictionaries(st.sampled_from([1, 2, 10, 13, 15, 40]), st.sampled_from([7, "ignore", "continue"])),
    on_broken_pipe=st.one_of(st.none(), st.integers(0, 255)),
    leave_stdin=st.booleans(),
    fail_first=st.one_of(st.none(), st.builds(FailFirst, st.just(1), st.integers(0, 2), st.just(75), TEXTS)),
)
ARGUMENTS = st.lists(WORDS, max_size=3).map(tuple)
CASES = st.builds(
    Case,
    BODIES,
    SETTINGS,
    args=st.one_of(st.none(), ARGUMENTS),
    containing=ARGUMENTS,
    env=st.dictionaries(st.sampled_from(["A", "B"]), st.sampled_from(["", "1", None]), max_size=1),
    nth=st.one_of(st.none(), st.tuples(st.integers(2, 3), st.integers(1, 2))),
)
SCRIPTS = st.one_of(
    st.builds(encode, BODIES, SETTINGS),
    # Sometimes the last case has conditions too, and none may fit.
    st.builds(
        lambda cases, last: encode_cases([*cases, *last]),
        st.lists(CASES, min_size=1, max_size=3),
        st.sampled_from([[], [Case()]]),
    ),
)
ENVIRONMENTS = st.dictionaries(st.sampled_from(["A", "B", "C"]), st.sampled_from(["", "1"]))


@pytest.fixture(scope="module")
def stages(request: pytest.FixtureRequest) -> Iterator[dict[str, Stage]]:
    """A stage for each player: making one takes longer than an invocation."""
    need_stand_in(request.config)
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        for name in PLAYERS:
            patch.setenv(_stand_in.ENVIRONMENT_VARIABLE, "require" if name == "stand-in" else "off")
            made[name] = Stage("tool")
    yield made
    for stage in made.values():
        stage.close()


def played(stage: Stage, script: bytes, arguments: tuple[str, ...], env: dict[str, str], given: Path) -> list[object]:
    """Play twice, since some scripts count, and return all that can be seen."""
    for counted in (stage.folder / "counts").iterdir():
        counted.unlink()
    stage.write_script(script)
    folder = stage.folder / "calls"
    seen: list[object] = []
    for _ in range(2):
        before = set(folder.iterdir())
        with given.open("rb") as stdin:
            done = subprocess.run(
                [stage.executable, *arguments], env=env, stdin=stdin, capture_output=True, timeout=30, check=False
            )
        (call,) = set(folder.iterdir()) - before
        frames = [
            (kind, payload.replace(os.fsencode(stage.folder), b"STAGE") if kind != "pid" else b"")
            for kind, _, payload in _frames(call.read_bytes())
        ]
        seen += [done.returncode, done.stdout, done.stderr, frames]
    return seen


@pytest.mark.timeout(120)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SCRIPTS, ARGUMENTS, ENVIRONMENTS, st.sampled_from([None, b"", b"a\nb\n", b"x" * 100_000]))
def test_both_players_do_the_same(
    stages: dict[str, Stage],
    tmp_path: Path,
    script: bytes,
    arguments: tuple[str, ...],
    env: dict[str, str],
    content: bytes | None,
):
    file = Path(os.devnull) if content is None else tmp_path / "in"
    if content is not None:
        file.write_bytes(content)

    by_python, by_stand_in = [played(stages[name], script, arguments, env, file) for name in PLAYERS]

    assert by_python == by_stand_in
