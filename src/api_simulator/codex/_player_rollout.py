"""
Session files ("rollouts"): where they lie, how one is found again, and the writing: part of the player's extension.

Runs in the fake program's process under the rules of ``process/_player.py``.
"""

import posix
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from api_simulator.process._player import Player

#: A resumed file is read to this size; a longer one is resumed with its beginning and its end.
ENDS = 4 * 1024 * 1024

USAGE_KEYS = (
    b"input_tokens",
    b"cached_input_tokens",
    b"cache_write_input_tokens",
    b"output_tokens",
    b"reasoning_output_tokens",
)
JSON_ESCAPES = {code: f"\\u{code:04x}" for code in range(32)}
JSON_ESCAPES |= {34: '\\"', 92: "\\\\", 8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"}


def json_text(raw: bytes) -> bytes:
    """Return *raw* as a JSON string; bytes that are not UTF-8 become replacement characters."""
    return b'"%s"' % raw.decode("utf-8", "replace").translate(JSON_ESCAPES).encode()


def codex_home(environ: "dict[bytes, bytes]", own: bytes, test: bytes, test_home: bytes, real: bytes) -> bytes:
    """
    Return the folder that takes the place of ``~/.codex``.

    An invocation with a ``CODEX_HOME`` or ``HOME`` other than the test process's was given a place by its test; one
    with the same would write into a real home.
    """
    given = environ.get(b"CODEX_HOME", b"").rstrip(b"/")
    if given not in (b"", test.rstrip(b"/"), real + b"/.codex"):
        return given
    home = environ.get(b"HOME", b"").rstrip(b"/")
    if home not in (b"", test_home.rstrip(b"/"), real):
        return home + b"/.codex"
    return own


def recorded(home: bytes) -> "list[tuple[bytes, bytes]]":
    """Return the session files, newest first: pairs of name and path."""
    found: list[tuple[bytes, bytes]] = []
    folders = [home + b"/sessions"]
    while folders:
        folder = folders.pop()
        try:
            names = posix.listdir(folder)
        except OSError:
            continue
        for name in names:
            path = folder + b"/" + name
            if name.startswith(b"rollout-") and name.endswith(b".jsonl"):
                found.append((name, path))
            elif name.isdigit():
                folders.append(path)
    return sorted(found, reverse=True)


def read_ends(path: bytes) -> bytes:
    """Return the content of a session file, without the middle of a very long one."""
    file = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    size = posix.lseek(file, 0, 2)
    content = posix.pread(file, ENDS, 0)
    if size > ENDS:
        content = (
            content[: content.rfind(b"\n") + 1] + posix.pread(file, ENDS, max(ENDS, size - ENDS)).partition(b"\n")[2]
        )
    posix.close(file)
    return content


def between(text: bytes, before: bytes, after: bytes) -> bytes:
    """Return what stands after the last *before* and up to *after*, nothing if there is none."""
    at = text.rfind(before)
    if at < 0:
        return b""
    at += len(before)
    end = text.find(after, at)
    return text[at:end] if end >= 0 else b""


class Earlier:
    """
    What a resumed or forked session left.

    Attributes:
        thread: Its id.

        path: Its file.

        cwd: The working folder of its last turn, as JSON has it.

        sandbox: That of its last turn.

        ordinal: That of its next record.

        totals: The tokens so far, by :data:`USAGE_KEYS`.

        is_ragged: Whether its last line has no end.
    """

    def __init__(self, thread: bytes, path: bytes) -> None:
        self.thread = thread
        self.path = path
        content = read_ends(path)
        context = content.rfind(b'"type":"turn_context"')
        self.cwd = between(content[max(context, 0) :].partition(b"\n")[0], b'"cwd":', b",")
        self.sandbox = between(content, b'"sandbox_policy":{"type":"', b'"')
        ordinal = between(content, b'"ordinal":', b",")
        self.ordinal = int(ordinal) + 1 if ordinal.isdigit() else content.count(b"\n")
        spent = between(content, b'"total_token_usage":{', b"}")
        self.totals = [number_after(spent, key) for key in USAGE_KEYS]
        self.is_ragged = bool(content) and not content.endswith(b"\n")


def number_after(text: bytes, key: bytes) -> int:
    """Return the number of *key* in the inside of a flat JSON object, 0 if it has none."""
    for part in text.split(b","):
        name, _, value = part.partition(b":")
        if name == b'"%s"' % key and value.isdigit():
            return int(value)
    return 0


def is_uuid(text: bytes) -> bool:
    """Return whether *text* has the form of an id."""
    parts = text.split(b"-")
    return [len(part) for part in parts] == [8, 4, 4, 4, 12] and all(
        part.strip(b"0123456789abcdefABCDEF") == b"" for part in parts
    )


class Rollout:
    """The session file of this invocation, written record by record; nothing is written before it is opened."""

    def __init__(self, player: "Player") -> None:
        self._player = player
        self._fd = -1
        self._ordinal = 0
        self._sequence = 0

    def create(self, home: bytes, thread: bytes) -> bytes:
        """Begin a new file and return its path, nothing if the folder cannot be written to."""
        now = time.localtime()
        folder = b"%s/sessions/%04d/%02d/%02d" % (home, *now[:3])
        path = b"%s/rollout-%04d-%02d-%02dT%02d-%02d-%02d-%s.jsonl" % (folder, *now[:6], thread)
        try:
            self._player.make_folders(folder, 0o755)
            self._fd = posix.open(path, posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_CLOEXEC, 0o644)
        except OSError:
            # A home that cannot be written to, as tests give: the turn goes on without a record.
            return b""
        return path

    def append_to(self, earlier: Earlier) -> None:
        """Go on with the file of an earlier invocation."""
        self._fd = posix.open(earlier.path, posix.O_WRONLY | posix.O_APPEND | posix.O_CLOEXEC)
        self._ordinal = earlier.ordinal
        if earlier.is_ragged:
            # The invocation before this one was killed in the middle of a record.
            posix.write(self._fd, b"\n")

    def add(self, template: bytes) -> None:
        """Write a record, its holes filled."""
        if self._fd < 0:
            return
        stamp(self._player.values)
        self._player.values[b"ordinal"] = b"%d" % self._ordinal
        self._player.values[b"sequence"] = b"%d" % self._sequence
        posix.write(self._fd, self._player.filled(template))
        self._ordinal += 1
        self._sequence += b"\0sequence\0" in template


def stamp(values: "dict[bytes, bytes]") -> None:
    """Put the present into *values*."""
    nanoseconds = time.time_ns()
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    moment = b"%04d-%02d-%02dT%02d:%02d:%02d" % time.gmtime(seconds)[:6]
    values[b"now"] = b"%s.%03dZ" % (moment, rest // 1_000_000)
    values[b"now-us"] = b"%s.%06dZ" % (moment, rest // 1_000)
    values[b"epoch"] = b"%d" % seconds
    values[b"epoch-ms"] = b"%d" % (nanoseconds // 1_000_000)
