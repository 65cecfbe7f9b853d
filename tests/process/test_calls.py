"""Calls as values, and the files that they are read from."""

from pathlib import Path

from api_simulator.process._calls import CallsFolder, ProgramCall, parse_call
from api_simulator.process._player_call import frame

START = b"".join(
    [
        frame(b"argv", 5, b"/bin/tool\0-p\0two words"),
        frame(b"cwd", 5, b"/w"),
        frame(b"environ", 5, b"HOME=/h\0API_KEY=k\0EMPTY_TOKEN=\0DB_PASSWORD=p"),
        frame(b"pid", 5, b"17"),
        frame(b"started", 6_000_000, b""),
    ]
)
STDIN = frame(b"stdin", 7, b"a\n") + frame(b"stdin", 8, b"b")
END = frame(b"signal", 9_000_000, b"15") + frame(b"exited", 9_500_000, b"143 2")


def parsed(content: bytes) -> ProgramCall:
    call = parse_call(3, content)
    assert call is not None
    return call


def test_a_call_is_read_back():
    call = parsed(START + STDIN + frame(b"place", 8, b"/x") + END)

    assert call == ProgramCall(
        number=3,
        argv=["/bin/tool", "-p", "two words"],
        cwd="/w",
        env={"HOME": "/h", "API_KEY": "k", "EMPTY_TOKEN": "", "DB_PASSWORD": "p"},
        pid=17,
        started_ns=6_000_000,
        stdin_chunks=((7, b"a\n"), (8, b"b")),
        exited_ns=9_500_000,
        exit_code=143,
        signal=15,
        lines_written=2,
        signals=((9_000_000, 15),),
        notes={"place": b"/x"},
    )
    assert (call.args, call.stdin, call.duration_ms) == (["-p", "two words"], b"a\nb", 3)


def test_every_beginning_of_a_file_can_be_read():
    """The file is read while it is written: a call counts from its start, and what is cut is not there yet."""
    content = START + STDIN + END

    calls = [parse_call(1, content[:size]) for size in range(len(content) + 1)]

    assert calls[: len(START)] == [None] * len(START)
    assert {call.stdin for call in calls[len(START) :] if call} == {b"", b"a\n", b"a\nb"}
    assert [call.exit_code for call in calls[len(START) :] if call][-1] == 143


def test_a_call_that_was_killed_has_no_end():
    call = parsed(START)

    assert (call.exited_ns, call.exit_code, call.signal, call.duration_ms) == (None, None, None, None)


def test_reports_mask_what_looks_secret():
    text = parsed(START + END).describe()

    assert "call 3: tool -p 'two words'" in text
    assert "exit 143 at signal 15" in text
    assert "API_KEY=***" in text
    assert "DB_PASSWORD=***" in text
    assert "EMPTY_TOKEN=\n" in text + "\n"
    assert "HOME=/h" in text


def test_the_repr_is_one_short_line():
    long = START.replace(b"two words", b"x" * 9) + END
    assert repr(parsed(long)) == "<ProgramCall #3 tool -p xxxxxxxxx -> exit 143 at signal 15>"
    assert repr(parsed(START)) == "<ProgramCall #3 tool -p 'two words' -> no end recorded>"

    many = frame(b"argv", 5, b"\0".join([b"tool", *[b"line\nbreak"] * 500])) + START[START.index(b"cwd") :]
    assert len(repr(parsed(many))) < 150
    assert "\n" not in repr(parsed(many))


def test_a_call_that_ended_is_read_once(tmp_path: Path):
    """A thousand calls are not parsed again at each look."""
    (tmp_path / "1").write_bytes(START + END)
    (tmp_path / "2").write_bytes(START)
    folder = CallsFolder(tmp_path)
    first = folder.read()

    (tmp_path / "2").write_bytes(START + END)
    second = folder.read()

    assert second[0] is first[0]
    assert [call.exit_code for call in first] == [143, None]
    assert [call.exit_code for call in second] == [143, 143]
