"""
What command line, standard input and surroundings of an invocation of ``codex exec`` come to.

Part of the extension that the player runs, under the rules of ``process/_player.py``.
"""

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from api_simulator.codex._player_arguments import CommandLine, UsageError
    from api_simulator.codex._player_rollout import Earlier, codex_home, is_uuid, json_text, recorded
    from api_simulator.process._player import Player

SANDBOXES = {b"workspace-write": b"workspace-write [workdir, /tmp, $TMPDIR]"}


class Invocation:
    """
    One invocation, before its turn: read, checked, and refused where the real program refuses it.

    Attributes:
        line: Its command line.

        kind: ``new``, or ``resume`` or ``fork`` of an earlier thread.

        earlier: That thread, None for a new one.

        home: Where session files are.

        values: What is known from now on of the holes in the records.
    """

    def __init__(self, player: "Player", settings: "dict[bytes, bytes]") -> None:
        self._player = player
        self._settings = settings
        is_lenient = settings[b"strict"] != b"1"
        self.line = self._command_line(is_lenient=is_lenient)
        self.kind = b"new"
        session, prompt = self._arguments()
        heard = self._hear(prompt, is_lenient=is_lenient)
        cwd = self._working_folder()
        if not is_lenient:
            self._check(cwd)
        self.home = self._home()
        self.earlier = self._find(session, cwd)
        self.values = self._values(cwd, heard)

    def has_bwrap(self) -> bool:
        """Whether the program would find its sandbox on PATH."""
        for folder in self._path.split(b":"):
            try:
                posix.stat(folder + b"/bwrap")
            except OSError:
                continue
            return True
        return False

    def _command_line(self, *, is_lenient: bool) -> "CommandLine":
        try:
            line = CommandLine(self._player.argv[1:], lenient=is_lenient)
        except UsageError as error:
            refuse(self._player, b"%s\nFor more information, try '--help'.\n" % error.args[0], 2)
            raise
        if b"--version" in line.options or b"--help" in line.options:
            name = b"codex-cli-exec" if line.command == b"exec" else b"codex-cli"
            shown = b"%s %s\n" % (name, self._settings[b"version"])
            self._player.put(1, shown if b"--version" in line.options else b"Usage: codex exec [OPTIONS] [PROMPT]\n")
            self._player.finish(0)
        if not line.command and not is_lenient:
            refuse(self._player, b"Error: stdin is not a terminal\n", 1)
        return line

    def _arguments(self) -> "tuple[bytes, bytes | None]":
        given = list(self.line.positional)
        session = (
            given.pop(0)
            if self.line.command in (b"resume", b"fork") and given and b"--last" not in self.line.options
            else b""
        )
        return session, given[0] if given else None

    def _hear(self, prompt: "bytes | None", *, is_lenient: bool) -> bytes:
        """Return the prompt, joined with what came on standard input."""
        if posix.isatty(0):
            if not prompt and not is_lenient:
                refuse(
                    self._player,
                    b"No prompt provided. Either specify one as an argument or pipe the prompt into stdin.\n",
                    1,
                )
            return prompt or b""
        is_whole = prompt is None or prompt == b"-"
        if self.line.command in (b"resume", b"fork") and not is_whole:
            return prompt or b""
        if prompt != b"-":
            self._player.put(2, self._settings[b"reading-prompt" if prompt is None else b"reading-more"])
        if is_lenient:
            self._player.stdin.capture()
        else:
            self._player.read_to_end()
        heard = b"".join(self._player.stdin.heard)
        if not is_whole:
            rest = heard if heard.endswith(b"\n") else heard + b"\n"
            return b"%s\n\n<stdin>\n%s</stdin>" % (prompt, rest) if heard.strip() else prompt or b""
        if not heard.strip() and not is_lenient:
            refuse(self._player, b"No prompt provided via stdin.\n", 1)
        return heard

    def _working_folder(self) -> bytes:
        given = self.line.options.get(b"--cd", b"")
        if not given:
            return self._player.cwd
        try:
            before = posix.open(b".", posix.O_RDONLY | posix.O_CLOEXEC)
            posix.chdir(given)
            found = posix.getcwdb()
            posix.fchdir(before)
            posix.close(before)
        except OSError:
            refuse(self._player, b"Error: No such file or directory (os error 2)\n", 1)
            raise
        return found

    def _check(self, cwd: bytes) -> None:
        free = (b"--skip-git-repo-check", b"--dangerously-bypass-approvals-and-sandbox", b"--trust")
        if not any(option in self.line.options for option in free) and not is_in_git(cwd):
            refuse(self._player, self._settings[b"no-git"], 1)
        schema = self.line.options.get(b"--output-schema")
        if schema is not None:
            self._check_schema(schema)

    def _check_schema(self, path: bytes) -> None:
        try:
            file = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        except OSError:
            refuse(
                self._player,
                b"Failed to read output schema file %s: No such file or directory (os error 2)\n" % path,
                1,
            )
            return
        import json

        content = b""
        while piece := posix.read(file, 65536):
            content += piece
        posix.close(file)
        try:
            json.loads(content)
        except ValueError:
            refuse(
                self._player, b"Output schema file %s is not valid JSON: expected value at line 1 column 1\n" % path, 1
            )

    def _home(self) -> bytes:
        environ = dict(entry.split(b"=", 1) for entry in self._player.environ.split(b"\0") if b"=" in entry)
        self._path = environ.get(b"PATH", b"")
        names = (b"own", b"test-codex-home", b"test-home", b"account-home")
        home = codex_home(environ, *(self._settings[name] for name in names))
        home = home if home.startswith(b"/") else self._player.cwd + b"/" + home
        self._player.call.add((b"codex-home", home))
        return home

    def _find(self, session: bytes, cwd: bytes) -> "Earlier | None":
        if self.line.command not in (b"resume", b"fork"):
            return None
        self.kind = self.line.command
        if session and is_uuid(session):
            for name, path in recorded(self.home):
                if name.endswith(session + b".jsonl"):
                    return Earlier(session, path)
            refuse(self._player, self._settings[b"unknown-thread"].replace(b"\0session\0", session), 1)
        elif b"--last" in self.line.options:
            for name, path in recorded(self.home):
                earlier = Earlier(name[-42:-6], path)
                if b"--all" in self.line.options or earlier.cwd == json_text(cwd):
                    return earlier
        # A name that nobody has, and nothing recorded: silently a new thread.
        self.kind = b"new"
        return None

    def _values(self, cwd: bytes, prompt: bytes) -> "dict[bytes, bytes]":
        model = self.line.options.get(b"--model", self._settings[b"model"])
        asked = self.line.options.get(b"--sandbox", b"")
        if b"--dangerously-bypass-approvals-and-sandbox" in self.line.options:
            asked = b"danger-full-access"
        sandbox = asked or b"read-only"
        # Of a model that it does not know the program has no such hash.
        known = b',"comp_hash":"2911"' if model.startswith(b"gpt-") else b""
        run = b"%012x" % self._player.call.number
        earlier = self.earlier
        thread = (
            earlier.thread if earlier is not None and self.kind == b"resume" else self._settings[b"thread"][:24] + run
        )
        return {
            b"thread": thread,
            b"version": self._settings[b"version"],
            b"provider": self._settings[b"provider"],
            b"turn": self._settings[b"turn"][:24] + run,
            b"run": run,
            b"cwd": json_text(cwd),
            b"cwd-inside": json_text(cwd)[1:-1],
            b"cwd-plain": cwd,
            b"prompt": json_text(prompt),
            b"prompt-plain": prompt,
            b"model": json_text(model),
            b"model-plain": model,
            b"sandbox": sandbox,
            b"sandbox-plain": SANDBOXES.get(sandbox, sandbox),
            b"profile": known + self._settings.get(b"profile-" + asked, b""),
            b"parent": earlier.thread if earlier is not None else b"",
            b"parent-ordinal": b"%d" % (earlier.ordinal if earlier is not None else 0),
            b"git": self._settings[b"git"] if is_in_git(cwd) else b"",
            b"started": b"0",
        }


def is_in_git(folder: bytes) -> bool:
    """Return whether the folder, or one above it, has a ``.git``."""
    while True:
        try:
            posix.stat(folder.rstrip(b"/") + b"/.git")
        except OSError:
            above = folder.rpartition(b"/")[0]
            if not above or above == folder:
                return False
            folder = above
        else:
            return True


def refuse(player: "Player", text: bytes, code: int) -> None:
    """Say why and exit; does not return."""
    player.put(2, text)
    player.finish(code)
