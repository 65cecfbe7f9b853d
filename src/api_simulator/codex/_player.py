"""
Play a turn of ``codex exec``: the part of the player that knows the real program's habits.

Runs in the fake program's process, after ``process/_player.py`` and under the same rules, in one namespace with
``_player_arguments.py``, ``_player_rollout.py`` and ``_player_invocation.py``. It knows no record: ``_compile.py``
writes instructions, each a line ``VERB NBYTES`` and a payload, and what is known only when the program runs stays a
hole in them.
"""

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from api_simulator.codex._player_invocation import Invocation, refuse
    from api_simulator.codex._player_rollout import USAGE_KEYS, Rollout, json_text, stamp
    from api_simulator.process._player import Player

#: What the context window holds.
WINDOW = 258400

CORRUPTION = b"\xff<corrupt>"

BWRAP_WARNING = (
    b"warning: Codex could not find bubblewrap on PATH. Install bubblewrap with your OS package manager. See the"
    b" sandbox prerequisites: https://developers.openai.com/codex/concepts/sandboxing#prerequisites. Codex will use the"
    b" bundled bubblewrap in the meantime.\n"
)


def frames(payload: bytes) -> "Iterator[tuple[bytes, bytes]]":
    """Yield the pairs of word and payload."""
    at = 0
    while at < len(payload):
        end = payload.index(b"\n", at)
        word, size = payload[at:end].split(b" ")
        at = end + 1 + int(size) + 1
        yield word, payload[end + 1 : at - 1]


class Turn:
    """The turn of one invocation: what was said and spent in it so far, and how it ends."""

    def __init__(self, player: "Player", settings: bytes) -> None:
        self._player = player
        self._settings = dict(frames(settings))
        self._rollout = Rollout(player)
        self._invocation: Invocation | None = None
        self._json = False
        self._last: bytes | None = None
        self._last_file = b""
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

    def _begin(self, _payload: bytes) -> None:
        invocation = Invocation(self._player, self._settings)
        self._json = invocation.line.wants_json
        if invocation.earlier is not None:
            self._thread_totals = list(invocation.earlier.totals)
        self._player.values.update(invocation.values)
        self._open(invocation)
        self._invocation = invocation
        self.play(self._settings[b"begin"])

    def _open(self, invocation: "Invocation") -> None:
        path = invocation.line.options.get(b"--output-last-message")
        if path is not None:
            self._last_file = path if path.startswith(b"/") else self._player.cwd + b"/" + path
            try:
                self._write_last(b"")
            except OSError:
                refuse(
                    self._player,
                    b'Error: Failed to open last message file "%s": No such file or directory (os error 2)\n' % path,
                    1,
                )
        if b"--ephemeral" in invocation.line.options:
            return
        if invocation.kind == b"resume" and invocation.earlier is not None:
            self._rollout.append_to(invocation.earlier)
            return
        self._rollout.create(invocation.home, self._player.values[b"thread"])
        self._rollout.add(self._settings[b"meta-forked" if invocation.kind == b"fork" else b"meta"])

    # The turn

    def _begin_turn(self, _payload: bytes) -> None:
        if self._has_turn:
            return
        self._has_turn = True
        stamp(self._player.values)
        self._player.values[b"started"] = self._player.values[b"epoch"]
        self._player.values[b"started-ms"] = self._player.values[b"epoch-ms"]
        assert self._invocation is not None
        kind = self._invocation.kind
        earlier = self._invocation.earlier
        if kind == b"resume" and earlier is not None:
            if earlier.sandbox != self._player.values[b"sandbox"]:
                kind = b"resume-sandbox"
            elif earlier.cwd != self._player.values[b"cwd"]:
                kind = b"resume-cwd"
        self.play(self._settings[b"turn-" + kind])
        self.play(self._settings[b"turn-begun"])
        # After the records: who has seen it may send a signal.
        if self._player.values[b"sandbox"] != b"danger-full-access" and not self._invocation.has_bwrap():
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
        if self._invocation is None:
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


def start(player: "Player", settings: bytes) -> "Callable[[bytes], None]":
    """Begin: the entry point of an extension."""
    return Turn(player, settings).play
