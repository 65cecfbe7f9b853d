"""
Play a turn of ``codex exec``: the part of the player that knows the real program's habits.

Runs in the fake program's process, after ``process/_player.py`` and under the same rules, in one namespace with
``_player_arguments.py`` and ``_player_rollout.py``. It knows no record: ``_compile.py`` writes instructions, each a
line ``VERB NBYTES`` and a payload, and what is known only when the program runs stays a hole in them.
"""

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from api_simulator.codex._player_arguments import CommandLine, UsageError
    from api_simulator.codex._player_rollout import (
        USAGE_KEYS,
        Earlier,
        Rollout,
        codex_home,
        is_uuid,
        json_text,
        recorded,
        stamp,
    )
    from api_simulator.process._player import Player

#: What the context window holds.
WINDOW = 258400

CORRUPTION = b"\xff<corrupt>"

BWRAP_WARNING = (
    b"warning: Codex could not find bubblewrap on PATH. Install bubblewrap with your OS package manager. See the"
    b" sandbox prerequisites: https://developers.openai.com/codex/concepts/sandboxing#prerequisites. Codex will use the"
    b" bundled bubblewrap in the meantime.\n"
)
SANDBOXES = {b"workspace-write": b"workspace-write [workdir, /tmp, $TMPDIR]"}


def frames(payload: bytes) -> "Iterator[tuple[bytes, bytes]]":
    """Yield the pairs of word and payload."""
    at = 0
    while at < len(payload):
        end = payload.index(b"\n", at)
        word, size = payload[at:end].split(b" ")
        at = end + 1 + int(size) + 1
        yield word, payload[end + 1 : at - 1]


class Turn:
    """One invocation: its command line, its thread and what has happened in its turn so far."""

    def __init__(self, player: "Player", settings: bytes) -> None:
        self._player = player
        self._settings = dict(frames(settings))
        self._rollout = Rollout(player)
        self._earlier: Earlier | None = None
        self._kind = b"new"
        self._json = False
        self._last: bytes | None = None
        self._last_file = b""
        self._has_begun = False
        self._has_turn = False
        self._is_answering = False
        self._is_over = False
        self._in_tool = b""
        self._todo = b""
        self._left: list[bytes] = []
        self._items = 0
        self._usage: list[int] | None = [11, 0, 0, 5, 0]
        self._thread_totals = [0] * 5
        self._turn_totals = [0] * 5
        self._last_usage: list[int] | None = None
        self._is_corrupting = False
        offset, _, self._cut_action = self._settings[b"cut"].partition(b" ")
        self._until_cut = int(offset) if offset else -1
        self._verbs: dict[bytes, Callable[[bytes], None]] = {
            b"begin": self._begin,
            b"turn": self._begin_turn,
            b"answer": self._answer,
            b"spend": self._spend,
            b"count": self._count,
            b"item": self._item,
            b"print": self._print,
            b"print-raw": self._print_raw,
            b"say": self._say,
            b"say-raw": self._say_raw,
            b"trace": self._trace,
            b"record": self._rollout.add,
            b"usage": self._set_usage,
            b"last": self._set_last,
            b"in-tool": self._set_tool,
            b"todo": self._set_todo,
            b"left": self._left.append,
            b"fill": self._fill_window,
            b"say-used": self._say_used,
            b"complete": self._complete,
            b"fail": self._fail,
        }
        player.leaves_at = self._interrupted
        player.broken_pipe_text = self._settings[b"broken-pipe"]

    def play(self, payload: bytes) -> None:
        """Carry out instructions."""
        for verb, text in frames(payload):
            self._verbs[verb](text)

    # Output

    def _out(self, data: bytes) -> None:
        """Write to standard output, up to the cut if there is one."""
        if self._is_corrupting:
            _, newline, data = data.partition(b"\n")
            if not newline:
                return
            self._is_corrupting = False
            data = newline + data
        if 0 <= self._until_cut <= len(data) and self._cut_action:
            self._player.put(1, data[: self._until_cut])
            rest, action, self._cut_action = data[self._until_cut :], self._cut_action, b""
            self._cut(action, rest)
            return
        self._until_cut -= len(data)
        self._player.put(1, data)

    def _cut(self, action: bytes, rest: bytes) -> None:
        if action == b"end":
            self._player.finish(0)
        if action == b"kill":
            self._player.record_end(-9)
            posix.kill(posix.getpid(), 9)
        while action == b"hang":
            self._player.wait_for_input(None)
        self._player.put(1, CORRUPTION)
        self._is_corrupting = True
        self._out(rest)

    def _print(self, template: bytes) -> None:
        if self._json:
            self._out(self._player.filled(template))

    def _print_raw(self, line: bytes) -> None:
        if self._json:
            self._out(line)

    def _say(self, template: bytes) -> None:
        if not self._json:
            self._player.put(2, self._player.filled(template))

    def _say_raw(self, text: bytes) -> None:
        if not self._json:
            self._player.put(2, text)

    def _trace(self, template: bytes) -> None:
        stamp(self._player.values)
        self._player.put(2, self._player.filled(template))

    def _refuse(self, text: bytes, code: int) -> None:
        self._player.put(2, text)
        self._player.finish(code)

    # The beginning

    def _begin(self, _payload: bytes) -> None:
        is_lenient = self._settings[b"strict"] != b"1"
        try:
            line = CommandLine(self._player.argv[1:], lenient=is_lenient)
        except UsageError as error:
            self._refuse(b"%s\nFor more information, try '--help'.\n" % error.args[0], 2)
            return
        if b"--version" in line.options or b"--help" in line.options:
            name = b"codex-cli-exec" if line.command == b"exec" else b"codex-cli"
            shown = b"%s %s\n" % (name, self._settings[b"version"])
            self._player.put(1, shown if b"--version" in line.options else b"Usage: codex exec [OPTIONS] [PROMPT]\n")
            self._player.finish(0)
        if not line.command and not is_lenient:
            self._refuse(b"Error: stdin is not a terminal\n", 1)
        self._json = line.wants_json
        session, prompt = self._arguments(line)
        heard = self._hear(line, prompt, is_lenient=is_lenient)
        cwd = self._working_folder(line)
        if not is_lenient:
            self._check(line, cwd)
        home = self._home()
        self._earlier = self._find(line, session, home, cwd)
        self._set_values(line, cwd, heard)
        self._open(line, home)
        self._has_begun = True
        self.play(self._settings[b"begin"])

    def _arguments(self, line: "CommandLine") -> "tuple[bytes, bytes | None]":
        given = list(line.positional)
        session = (
            given.pop(0) if line.command in (b"resume", b"fork") and given and b"--last" not in line.options else b""
        )
        return session, given[0] if given else None

    def _hear(self, line: "CommandLine", prompt: "bytes | None", *, is_lenient: bool) -> bytes:
        """Return the prompt, joined with what came on standard input."""
        if posix.isatty(0):
            if not prompt and not is_lenient:
                self._refuse(
                    b"No prompt provided. Either specify one as an argument or pipe the prompt into stdin.\n", 1
                )
            return prompt or b""
        is_whole = prompt is None or prompt == b"-"
        if line.command in (b"resume", b"fork") and not is_whole:
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
            self._refuse(b"No prompt provided via stdin.\n", 1)
        return heard

    def _working_folder(self, line: "CommandLine") -> bytes:
        given = line.options.get(b"--cd", b"")
        if not given:
            return self._player.cwd
        try:
            before = posix.open(b".", posix.O_RDONLY | posix.O_CLOEXEC)
            posix.chdir(given)
            found = posix.getcwdb()
            posix.fchdir(before)
            posix.close(before)
        except OSError:
            self._refuse(b"Error: No such file or directory (os error 2)\n", 1)
            raise
        return found

    def _check(self, line: "CommandLine", cwd: bytes) -> None:
        free = (b"--skip-git-repo-check", b"--dangerously-bypass-approvals-and-sandbox", b"--trust")
        if not any(option in line.options for option in free) and not is_in_git(cwd):
            self._refuse(self._settings[b"no-git"], 1)
        schema = line.options.get(b"--output-schema")
        if schema is not None:
            self._check_schema(schema)

    def _check_schema(self, path: bytes) -> None:
        try:
            file = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        except OSError:
            self._refuse(b"Failed to read output schema file %s: No such file or directory (os error 2)\n" % path, 1)
            return
        import json

        content = b""
        while piece := posix.read(file, 65536):
            content += piece
        posix.close(file)
        try:
            json.loads(content)
        except ValueError:
            self._refuse(b"Output schema file %s is not valid JSON: expected value at line 1 column 1\n" % path, 1)

    def _home(self) -> bytes:
        environ = dict(entry.split(b"=", 1) for entry in self._player.environ.split(b"\0") if b"=" in entry)
        self._path = environ.get(b"PATH", b"")
        names = (b"own", b"test-codex-home", b"test-home", b"account-home")
        home = codex_home(environ, *(self._settings[name] for name in names))
        home = home if home.startswith(b"/") else self._player.cwd + b"/" + home
        self._player.call.add((b"codex-home", home))
        return home

    def _find(self, line: "CommandLine", session: bytes, home: bytes, cwd: bytes) -> "Earlier | None":
        if line.command not in (b"resume", b"fork"):
            return None
        self._kind = line.command
        if session and is_uuid(session):
            for name, path in recorded(home):
                if name.endswith(session + b".jsonl"):
                    return Earlier(session, path)
            self._refuse(self._settings[b"unknown-thread"].replace(b"\0session\0", session), 1)
        elif b"--last" in line.options:
            for name, path in recorded(home):
                earlier = Earlier(name[-42:-6], path)
                if b"--all" in line.options or earlier.cwd == json_text(cwd):
                    return earlier
        # A name that nobody has, and nothing recorded: silently a new thread.
        self._kind = b"new"
        return None

    def _set_values(self, line: "CommandLine", cwd: bytes, prompt: bytes) -> None:
        model = line.options.get(b"--model", self._settings[b"model"])
        asked = line.options.get(b"--sandbox", b"")
        if b"--dangerously-bypass-approvals-and-sandbox" in line.options:
            asked = b"danger-full-access"
        sandbox = asked or b"read-only"
        # Of a model that it does not know the program has no such hash.
        known = b',"comp_hash":"2911"' if model.startswith(b"gpt-") else b""
        run = b"%012x" % self._player.call.number
        earlier = self._earlier
        thread = (
            earlier.thread if earlier is not None and self._kind == b"resume" else self._settings[b"thread"][:24] + run
        )
        if earlier is not None:
            self._thread_totals = list(earlier.totals)
        self._player.values.update(
            {
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
        )

    def _open(self, line: "CommandLine", home: bytes) -> None:
        path = line.options.get(b"--output-last-message")
        if path is not None:
            self._last_file = path if path.startswith(b"/") else self._player.cwd + b"/" + path
            try:
                self._write_last(b"")
            except OSError:
                self._refuse(
                    b'Error: Failed to open last message file "%s": No such file or directory (os error 2)\n' % path, 1
                )
        if b"--ephemeral" in line.options:
            return
        if self._kind == b"resume" and self._earlier is not None:
            self._rollout.append_to(self._earlier)
            return
        self._rollout.create(home, self._player.values[b"thread"])
        self._rollout.add(self._settings[b"meta-forked" if self._kind == b"fork" else b"meta"])

    def _has_bwrap(self) -> bool:
        for folder in self._path.split(b":"):
            try:
                posix.stat(folder + b"/bwrap")
            except OSError:
                continue
            return True
        return False

    # The turn

    def _begin_turn(self, _payload: bytes) -> None:
        if self._has_turn:
            return
        self._has_turn = True
        stamp(self._player.values)
        self._player.values[b"started"] = self._player.values[b"epoch"]
        self._player.values[b"started-ms"] = self._player.values[b"epoch-ms"]
        kind = self._kind
        earlier = self._earlier
        if kind == b"resume" and earlier is not None:
            if earlier.sandbox != self._player.values[b"sandbox"]:
                kind = b"resume-sandbox"
            elif earlier.cwd != self._player.values[b"cwd"]:
                kind = b"resume-cwd"
        self.play(self._settings[b"turn-" + kind])
        self.play(self._settings[b"turn-begun"])
        # After the records: who has seen it may send a signal.
        if self._player.values[b"sandbox"] != b"danger-full-access" and not self._has_bwrap():
            self._say_raw(BWRAP_WARNING)

    def _answer(self, _payload: bytes) -> None:
        self._is_answering = True

    def _spend(self, _payload: bytes) -> None:
        """Count the tokens of the answer that ends here."""
        self._is_answering = False
        if self._usage is None:
            return
        self._last_usage = self._usage
        self._turn_totals = [a + b for a, b in zip(self._turn_totals, self._usage, strict=True)]
        self._thread_totals = [a + b for a, b in zip(self._thread_totals, self._usage, strict=True)]
        values = self._player.values
        values[b"usage-last"] = usage_text(self._usage)
        values[b"usage-turn"] = usage_text(self._turn_totals)
        values[b"usage-thread"] = usage_text(self._thread_totals)
        self.play(self._settings[b"spent"])

    def _count(self, _payload: bytes) -> None:
        self._is_answering = False
        values = self._player.values
        if self._last_usage is None and not any(self._thread_totals):
            values[b"info"] = b"null"
        else:
            values[b"usage-last"] = usage_text(self._last_usage or [0] * 5)
            values[b"usage-thread"] = usage_text(self._thread_totals)
            values[b"info"] = self._player.filled(self._settings[b"info"])
        self.play(self._settings[b"counted"])

    def _item(self, name: bytes) -> None:
        if b"item-" + name not in self._player.values:
            self._player.values[b"item-" + name] = b"item_%d" % self._items
            self._items += 1

    def _set_usage(self, payload: bytes) -> None:
        self._usage = [int(word) for word in payload.split()] or None

    def _set_last(self, text: bytes) -> None:
        self._last = text
        self._player.values[b"last"] = json_text(text)

    def _set_tool(self, template: bytes) -> None:
        self._in_tool = template

    def _set_todo(self, template: bytes) -> None:
        self._todo = template

    def _write_last(self, text: bytes) -> None:
        file = posix.open(self._last_file, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC, 0o644)
        while text:
            text = text[posix.write(file, text) :]
        posix.close(file)

    # The end

    def _complete(self, _payload: bytes) -> None:
        if self._is_over:
            return
        self._begin_turn(b"")
        self._spend(b"")
        self._count(b"")
        self._is_over = True
        self._set_times()
        self._player.values.setdefault(b"last", b"null")
        self.play(self._settings[b"completed"])
        if self._todo:
            self.play(self._todo)
        for record in self._left:
            self.play(record)
        shown = self._settings[b"usage-keys"].split()
        totals = dict(zip(USAGE_KEYS, self._thread_totals, strict=True))
        self._player.values[b"usage"] = b"{%s}" % b",".join(b'"%s":%d' % (key, totals[key]) for key in shown)
        self._print(self._settings[b"turn-completed"])
        if self._last_file:
            self._write_last(self._last or b"")
            if self._last is None:
                self._say_raw(b"Warning: no last agent message; wrote empty content to %s\n" % self._last_file)
        if self._json:
            return
        self._say_used(b"")
        if self._last is not None and not posix.isatty(1):
            self._out(self._last + b"\n")

    def _say_used(self, _payload: bytes) -> None:
        if any(self._thread_totals):
            totals = dict(zip(USAGE_KEYS, self._thread_totals, strict=True))
            self._say_raw(b"tokens used\n%s\n" % thousands(totals))

    def _fill_window(self, _payload: bytes) -> None:
        self._thread_totals = [WINDOW, 0, 0, 0, 0]

    def _fail(self, template: bytes) -> None:
        self._begin_turn(b"")
        self._is_over = True
        self._set_times()
        self._player.values.setdefault(b"last", b"null")
        self.play(template)

    def _set_times(self) -> None:
        stamp(self._player.values)
        values = self._player.values
        values[b"duration"] = b"%d" % (int(values[b"epoch-ms"]) - int(values[b"started-ms"]))

    def _interrupted(self, number: int) -> bool:
        """Leave at SIGINT as the real program does, or not at all while it still reads its input."""
        if not self._has_begun:
            return number != 2
        if number != 2 or self._is_over or not self._has_turn:
            return True
        self._is_over = True
        self._set_times()
        if self._in_tool:
            self._rollout.add(self._in_tool)
        if self._in_tool or self._is_answering:
            self._count(b"")
        self.play(self._settings[b"aborted"])
        return True


def usage_text(counts: "list[int]") -> bytes:
    """Return token counts as a JSON object."""
    parts = [b'"%s":%d' % pair for pair in zip(USAGE_KEYS, counts, strict=True)]
    return b'{%s,"total_tokens":%d}' % (b",".join(parts), counts[0] + counts[3])


def thousands(totals: "dict[bytes, int]") -> bytes:
    """Return what text mode says was used, with separators."""
    used = totals[b"input_tokens"] - totals[b"cached_input_tokens"] + totals[b"output_tokens"]
    return f"{used:,}".encode()


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


def start(player: "Player", settings: bytes) -> "Callable[[bytes], None]":
    """Begin: the entry point of an extension."""
    return Turn(player, settings).play
