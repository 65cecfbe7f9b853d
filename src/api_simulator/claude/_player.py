"""
Write session transcripts: the part of the player that knows the real program's habits.

Runs in the fake program's process, after ``process/_player.py``, under the same rules: it imports only what
the bare interpreter has loaded anyway. ``_session_log.py`` writes the instructions that it follows.
"""

import posix
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from api_simulator.claude._session.listening import Listener
    from api_simulator.process._player import Player

# Options of version 2.1.329. What is in neither set takes no value.
WITH_VALUE = frozenset(
    b"--output-format --input-format --model --fallback-model --max-turns --max-budget-usd --permission-mode"
    b" --permission-prompt-tool --permission-prompts --session-id --resume-session-at --resume-drops-turn"
    b" --system-prompt --system-prompt-file --append-system-prompt --append-system-prompt-file"
    b" --system-prompt-snapshot --settings --setting-sources --agents --agent --json-schema --effort --thinking"
    b" --thinking-display --max-thinking-tokens --task-budget --plugin-dir --plugin-url -n --name --debug-file"
    b" --autocompact".split()
)
WITH_OPTIONAL_VALUE = frozenset([b"-r", b"--resume"])
WITH_VALUES = frozenset(
    b"--allowedTools --allowed-tools --disallowedTools --disallowed-tools --tools --add-dir --mcp-config --betas"
    b" --file".split()
)

#: A transcript's last record is looked for in this much of its end; a record's uuid is near its end.
TAIL = 65536

JSON_ESCAPES = {code: f"\\u{code:04x}" for code in (*range(32), 0x2028, 0x2029)}
JSON_ESCAPES |= {34: '\\"', 92: "\\\\", 8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"}


def parse_arguments(arguments: list[bytes]) -> "tuple[dict[bytes, bytes], list[bytes]]":
    """Return the options with their (last) values, and the positional arguments."""
    options: dict[bytes, bytes] = {}
    positional: list[bytes] = []
    at = 0
    while at < len(arguments):
        argument = arguments[at]
        at += 1
        if argument == b"--":
            positional += arguments[at:]
            break
        if not argument.startswith(b"-") or argument == b"-":
            positional.append(argument)
            continue
        name, equals, value = argument.partition(b"=")
        if equals:
            options[name] = value
            continue
        options[name] = b""
        takes = 1 if name in WITH_VALUE or name in WITH_OPTIONAL_VALUE else len(arguments) if name in WITH_VALUES else 0
        # Those with several values take all that follow, a prompt too: users of the real program fall into this.
        while takes and at < len(arguments) and (name in WITH_VALUE or not arguments[at].startswith(b"-")):
            options[name] = arguments[at]
            at += 1
            takes -= 1
    return options, positional


def projects_folder(
    environ: dict[bytes, bytes], own: bytes, test_config: bytes, test_home: bytes, real: bytes
) -> bytes:
    """
    Return where transcripts go.

    Args:
        environ: The invocation's environment.

        own: The fake's own folder.

        test_config: ``CLAUDE_CONFIG_DIR`` of the test process.

        test_home: ``HOME`` of the test process.

        real: The user's home by the user database.
    """
    config = environ.get(b"CLAUDE_CONFIG_DIR", b"").rstrip(b"/")
    if config not in (b"", test_config.rstrip(b"/"), real + b"/.claude"):
        return config + b"/projects"
    home = environ.get(b"HOME", b"").rstrip(b"/")
    if home not in (b"", test_home.rstrip(b"/"), real):
        return home + b"/.claude/projects"
    return own


def slug(cwd: str) -> str:
    """
    Return the folder name that stands for a working folder.

    Every UTF-16 code unit outside ``[A-Za-z0-9]`` becomes a dash. A name longer than 200 is cut, and the
    hash of the whole path added.
    """
    dashed = "".join(
        character if character.isascii() and character.isalnum() else "-" if character <= "\uffff" else "--"
        for character in cwd
    )
    return dashed if len(dashed) <= 200 else dashed[:200] + "-" + base36(path_hash(cwd))


def path_hash(text: str) -> int:
    """Return JavaScript's usual text hash: ``h = h * 31 + unit`` in 32 bits with a sign, then its absolute value."""
    units = text.encode("utf-16-le", "surrogatepass")
    value = 0
    for at in range(0, len(units), 2):
        value = (value * 31 + units[at] + 256 * units[at + 1]) & 0xFFFFFFFF
    return value if value < 0x80000000 else 0x100000000 - value


def base36(number: int) -> str:
    """Return *number* in base 36."""
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits or "0"


def json_text(raw: bytes) -> bytes:
    """Return *raw* as a JSON string; bytes that are not UTF-8 become replacement characters, as in the real program."""
    return b'"%s"' % raw.decode("utf-8", "replace").translate(JSON_ESCAPES).encode()


def now() -> bytes:
    """Return the present as the real program writes it: ISO 8601 in UTC, with milliseconds."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return b"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ" % (*time.gmtime(seconds)[:6], nanoseconds // 1_000_000)


class SessionLog:
    """The transcript of one invocation, appended record by record."""

    def __init__(self, player: "Player", settings: bytes) -> None:
        own, test_config, test_home, real, scripted_id, seeded_id, *session = settings.split(b"\0")
        self._player = player
        self._options, self._positional = parse_arguments(player.argv[1:])
        session_id = scripted_id or self._session_id_of_arguments() or seeded_id
        environ = dict(entry.split(b"=", 1) for entry in player.environ.split(b"\0") if b"=" in entry)
        self._projects = projects_folder(environ, own, test_config, test_home, real)
        if not self._projects.startswith(b"/"):
            self._projects = player.cwd + b"/" + self._projects
        cwd = player.cwd.decode("utf-8", "replace")
        self._folder = self._projects + b"/" + slug(cwd).encode()
        self._path = b"%s/%s.jsonl" % (self._folder, session_id)
        self._is_own = self._projects == own
        self._is_off = b"--no-session-persistence" in self._options
        self._listener = self._listen(*(part.decode("utf-8", "surrogateescape") for part in session))
        self._fd = -1
        self._agents: dict[bytes, bytes] = {}
        player.call.add((b"session-log-dir", self._projects))
        player.values[b"session-id"] = json_text(session_id)
        player.values[b"cwd"] = json_text(player.cwd)
        player.values[b"run"] = b"%012x" % player.call.number
        player.values[b"parent"] = b"null"

    def _session_id_of_arguments(self) -> bytes:
        for name in (b"--session-id", b"--resume", b"-r"):
            value = self._options.get(name, b"")
            # A title may be given too; one that is no file name cannot be this session's.
            if value and b"/" not in value and len(value) <= 200 and not (name != b"--session-id" and self._forks()):
                return value
        return b""

    def _forks(self) -> bool:
        return b"--fork-session" in self._options

    def _listen(self, folder: str, cli_version: str, seed: str, strict: str) -> "Listener | None":
        if strict:
            self._player.module(folder, "api_simulator.claude._session.usage").check(self._player, cli_version)
        if self._options.get(b"--input-format") != b"stream-json":
            return None
        module = self._player.module(folder, "api_simulator.claude._session.listening")
        listener: Listener = module.Listener(self._player, cli_version, int(seed))
        return listener

    def play(self, payload: bytes) -> None:
        """
        Write a record: the verb, the record's uuid and its template, a line each.

        Two verbs write nothing: ``turn`` and ``end`` wait for a host that sends messages, the first with the
        exit code for the end of its messages.
        """
        verb, _, rest = payload.partition(b"\n")
        if verb in (b"turn", b"end"):
            if self._listener is not None:
                self._listener.wait_for_turn(int(rest)) if verb == b"turn" else self._listener.wait_for_end()
            return
        if self._is_off:
            return
        uuid, template = rest.split(b"\n", 1)
        if verb == b"prompt":
            prompt = self._prompt()
            if not prompt:
                return
            self._player.values[b"prompt"] = json_text(prompt)
        if self._fd < 0:
            try:
                self._open()
            except OSError:
                # A home that cannot be written to, as tests give: the real program goes on without a transcript.
                self._is_off = True
                return
        self._player.values[b"now"] = now()
        if verb.startswith(b"agent "):
            self._play_agent(verb[6:], uuid, template)
            return
        posix.write(self._fd, self._player.filled(template))
        self._player.values[b"parent"] = self._player.filled(uuid)

    def _play_agent(self, agent_id: bytes, uuid: bytes, template: bytes) -> None:
        """Write a record of a sub-agent: into a file of its own, which is a chain of its own."""
        values = self._player.values
        parent, values[b"parent"] = values[b"parent"], self._agents.get(agent_id, b"null")
        folder = self._path.removesuffix(b".jsonl") + b"/subagents"
        self._player.make_folders(folder, 0o700)
        flags = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_CLOEXEC
        fd = posix.open(b"%s/agent-%s.jsonl" % (folder, agent_id), flags, 0o600)
        posix.write(fd, self._player.filled(template))
        posix.close(fd)
        self._agents[agent_id], values[b"parent"] = self._player.filled(uuid), parent

    def _prompt(self) -> bytes:
        # As the real program joins them. Under stream-json input stdin holds messages, not a prompt.
        heard = b""
        if self._options.get(b"--input-format") != b"stream-json":
            heard = b"".join(self._player.stdin.heard)
        return b"\n".join(part for part in (*self._positional[:1], heard) if part)

    def _open(self) -> None:
        if not self._is_own:
            self._player.make_folders(self._projects, 0o700)
        try:
            posix.mkdir(self._folder, 0o700)
        except FileExistsError:
            pass
        flags = posix.O_RDWR | posix.O_APPEND | posix.O_CREAT | posix.O_CLOEXEC
        self._fd = posix.open(self._path, flags, 0o600)
        size = posix.lseek(self._fd, 0, 2)
        if not size:
            return
        tail = posix.pread(self._fd, TAIL, max(0, size - TAIL))
        found = last_uuid(tail)
        if found:
            self._player.values[b"parent"] = found
        if not tail.endswith(b"\n"):
            # The invocation before this one was killed in the middle of a record.
            posix.write(self._fd, b"\n")


def last_uuid(tail: bytes) -> bytes:
    """Return the uuid, in its quotes, of the last whole record at the end of a transcript, nothing if there is none."""
    # Within JSON text the quotes are escaped, so this is a key; in these records it is the last of its name.
    start = tail.rfind(b'"uuid":"', 0, tail.rfind(b"\n") + 1)
    return tail[start + 7 : tail.index(b'"', start + 8) + 1] if start >= 0 else b""


def start(player: "Player", settings: bytes) -> "Callable[[bytes], None]":
    """Begin: the entry point of an extension."""
    return SessionLog(player, settings).play
