"""
The player's rarer steps: cases, files, children, questions to the test process.

Runs in the fake program's process under the rules of ``_player.py``, which loads it when a script has one of
these words: so scripts that only write and wait do not pay for it. Each function gets the player, the
script and the words of its line; ``script.py`` says what they mean.
"""

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable

    from api_simulator.process._player import Player
    from api_simulator.process._player_script import ScriptFile
else:
    import _signal as signal

BLOCK = 65536

#: The exit code of an invocation that no case fits, as a shell's for a program that it does not find.
REFUSED_EXIT = 127

STREAMS = {b"stdin": 0, b"stdout": 1, b"stderr": 2}


# Cases


def choose(player: "Player", script: "ScriptFile", words: list[bytes]) -> None:
    """Look through all cases, and go to the script of the first that fits."""
    chosen = b""
    counted: dict[bytes, int] = {}
    while words[0] == b"case":
        name, fits = words[1], True
        words = script.line().split()
        while words[0] not in (b"case", b"script"):
            if words[0] not in CONDITIONS:
                raise ValueError(f"line {script.line_number()} of the script: unknown condition {words[0].decode()!r}")
            payload = script.payload(int(words[-1])) if words[0] != b"nth" else b""
            if words[0] == b"nth":
                # Counted once for all cases that share a counter, also when an earlier case has been chosen.
                if fits and words[1] not in counted:
                    counted[words[1]] = player.count(words[1])
                fits = fits and counted[words[1]] == int(words[2])
            elif fits:
                fits = CONDITIONS[words[0]](player, words, payload)
            words = script.line().split()
        if fits and not chosen:
            chosen = name
    while words[1] != chosen:
        script.skip(int(words[2]))
        words = script.line().split()
        if not words:
            raise ValueError("no case of the script fits")
    script.end_after(int(words[2]))


def fits_args(player: "Player", words: list[bytes], payload: bytes) -> bool:
    """Compare the arguments."""
    wanted, given = payload.split(b"\0")[:-1], player.argv[1:]
    if words[1] == b"prefix":
        return given[: len(wanted)] == wanted
    if words[1] == b"exact":
        return given == wanted
    rest = iter(given)
    return all(argument in rest for argument in wanted)


def fits_env(player: "Player", _words: list[bytes], payload: bytes) -> bool:
    """Look for a variable with its value."""
    return payload in player.environ.split(b"\0")


def fits_no_env(player: "Player", _words: list[bytes], payload: bytes) -> bool:
    """Look for the absence of a variable."""
    return not any(entry.startswith(payload + b"=") for entry in player.environ.split(b"\0"))


def fits_stdin(player: "Player", _words: list[bytes], payload: bytes) -> bool:
    """Read standard input to its end and look for the payload."""
    # On record first: a program that waits for its input has been called.
    player.begin()
    player.read_to_end()
    return payload in b"".join(player.stdin.unread)


CONDITIONS: "dict[bytes, Callable[[Player, list[bytes], bytes], bool]]" = {
    b"args": fits_args,
    b"env": fits_env,
    b"no-env": fits_no_env,
    b"stdin": fits_stdin,
    b"nth": lambda _player, _words, _payload: True,
}


def refuse(player: "Player", script: "ScriptFile", words: list[bytes]) -> None:
    """End as an invocation that nobody expected."""
    text = script.payload(int(words[1]))
    player.call.add((b"unexpected", text))
    arguments = b" ".join(player.argv[1:]).replace(b"\n", b"\\n")
    name = player.argv[0].rpartition(b"/")[2]
    player.put(2, b"api-simulator: no script of this fake fits: %s\n%s" % (b" ".join([name, arguments]), text))
    player.finish(REFUSED_EXIT)


# Output


def repeat(player: "Player", script: "ScriptFile", words: list[bytes]) -> None:
    """Write a payload many times, in blocks."""
    stream, times = STREAMS[words[1]], int(words[2])
    data = script.payload(int(words[3]))
    if not data:
        return
    in_block = max(1, BLOCK // len(data))
    block = data * min(in_block, times)
    for _ in range(times // in_block):
        player.put(stream, block)
        player.after_step()
    player.put(stream, data * (times % in_block))
    player.after_step()


def copy(player: "Player", script: "ScriptFile", words: list[bytes]) -> None:
    """Write what a file holds."""
    copy_bytes(player, script.payload(int(words[2])), STREAMS[words[1]], 0, -1)


def copy_part(player: "Player", script: "ScriptFile", words: list[bytes]) -> None:
    """Write a part of what a file holds."""
    count = -1 if words[3] == b"-" else int(words[3])
    copy_bytes(player, script.payload(int(words[4])), STREAMS[words[1]], int(words[2]), count)


def copy_bytes(player: "Player", path: bytes, stream: int, start: int, count: int) -> None:
    """Write *count* bytes of a file from *start*; all to its end if *count* is negative."""
    file = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    posix.lseek(file, start, 0)
    while count and (data := posix.read(file, BLOCK if count < 0 else min(BLOCK, count))):
        count -= len(data) if count > 0 else 0
        player.put(stream, data)
        player.after_step()
    posix.close(file)


def close(player: "Player", _script: "ScriptFile", words: list[bytes]) -> None:
    """Close a standard stream, keeping its number taken."""
    if words[1] == b"stdin":
        player.stdin.is_open = False
    nothing = posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
    posix.dup2(nothing, STREAMS[words[1]])
    posix.close(nothing)


def write_file(player: "Player", script: "ScriptFile", words: list[bytes]) -> None:
    """Write or append to a file, making its folder."""
    path, _, data = script.payload(int(words[2])).partition(b"\0")
    how = posix.O_APPEND if words[1] == b"append" else posix.O_TRUNC
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_CLOEXEC | how
    try:
        file = posix.open(path, flags, 0o666)
    except FileNotFoundError:
        player.make_folders(path.rpartition(b"/")[0])
        file = posix.open(path, flags, 0o666)
    while data:
        data = data[posix.write(file, data) :]
    posix.close(file)


# Input


def read_line(player: "Player", script: "ScriptFile", words: list[bytes]) -> None:
    """Wait for a line that contains the payload."""
    wanted = script.payload(int(words[2]))
    parts: list[bytes] = []
    while True:
        taken = player.stdin.take_unread()
        # A line may be long and come in many pieces: only what is new is searched for its end.
        while b"\n" in taken:
            piece, _, taken = taken.partition(b"\n")
            line = b"".join([*parts, piece])
            parts = []
            if wanted in line:
                player.stdin.put_back(taken)
                return
        parts.append(taken)
        if not player.stdin.is_open:
            # What comes last may lack its newline.
            last = b"".join(parts)
            if last and wanted in last:
                return
            if words[1] != b"-":
                player.finish(int(words[1]))
            return
        try:
            player.wait_for_input(None)
        except Exception:
            # A signal ends the step; what came so far is for the next one.
            player.stdin.put_back(b"".join(parts))
            raise


# Processes


def spawn(player: "Player", script: "ScriptFile", words: list[bytes]) -> None:
    """Start a child that plays the payload."""
    payload = script.payload(int(words[3]))
    kept = words[1].split(b",")
    pid = posix.fork()
    # By both: it is on record before the program goes on, and before the child does anything.
    player.call.add((b"child", b"%d" % (pid or posix.getpid())))
    if pid:
        return
    try:
        if words[2] == b"own":
            posix.setsid()
        player.become_child()
        for stream in STREAMS:
            if stream not in kept:
                close(player, script, [b"close", stream])
        player.play_all(type(script)(None, payload))
    finally:
        posix._exit(0)


def die(player: "Player", _script: "ScriptFile", words: list[bytes]) -> None:
    """End by a signal."""
    import resource

    number = int(words[1])
    # A core file would stay in the working folder of the code under test.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    player.record_end(-number)
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    posix.kill(posix.getpid(), number)
    posix._exit(128 + number)


def fail_first(player: "Player", script: "ScriptFile", words: list[bytes]) -> None:
    """Fail as long as the counter has not reached the number of failures."""
    text = script.payload(int(words[4]))
    if player.count(words[1]) <= int(words[2]):
        player.begin()
        player.put(2, text)
        player.finish(int(words[3]))


# The test process


def ask(player: "Player", _script: "ScriptFile", words: list[bytes]) -> None:
    """Let the test process say what is to be played here."""
    player.after_step()
    name = b"%d-%d" % (player.call.number, player.next_question())
    path = player.stage + b"/answers/" + name
    posix.mkfifo(path, 0o600)
    # Read and write: with a read end only, its opening would wait for the writer.
    answered = posix.open(path, posix.O_RDWR | posix.O_CLOEXEC)
    # Not waiting for a reader: where nobody answers, this is an error to be seen.
    questions = posix.open(player.stage + b"/questions", posix.O_WRONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
    posix.write(questions, b"%s %d %s\n" % (words[1], player.call.number, name))
    posix.close(questions)
    posix.read(answered, 1)
    posix.close(answered)
    player.play_file(path + b".script")


def program(player: "Player", script: "ScriptFile", words: list[bytes]) -> None:
    """Leave the rest of the invocation to a module of this package."""
    folder, name, settings = script.payload(int(words[1])).split(b"\0", 2)
    player.module(folder.decode("utf-8", "surrogateescape"), name.decode()).main(player, settings)


STEPS = {
    b"case": choose,
    b"refuse": refuse,
    b"repeat": repeat,
    b"copy": copy,
    b"copy-part": copy_part,
    b"close": close,
    b"file": write_file,
    b"read-line": read_line,
    b"spawn": spawn,
    b"die": die,
    b"fail-first": fail_first,
    b"ask": ask,
    b"program": program,
}
