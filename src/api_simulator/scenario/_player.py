"""
Find the recorded step that an invocation replays: the part of the fake program that knows recordings.

Runs in the fake program's process, after ``process/_player.py``, under the same rules: it imports only what the bare
interpreter has loaded anyway, and the standard library where an invocation was not recorded. So matching needs no
answer from the test process. ``_binary.py`` writes the plan that it follows:

``variable``
    The variable of the environment that names one cassette, for ``cli.run()``.

``cassettes``
    Name to the path of its script.

``groups``
    Recorded command lines (without the program), in the order of matching: what kind of match, the arguments,
    the cassettes in recorded order (one after the other is played, each once), and the counter of those played.

``recorded``
    For the message: step name and arguments of everything recorded.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from api_simulator.process._player import Player

#: The exit code of an invocation that was not recorded, as a shell's for a program that it does not find.
UNRECORDED_EXIT = 127


def start(player: "Player", plan: bytes) -> "Callable[[bytes], None]":
    """Return what plays a recorded step."""

    def play(_payload: bytes) -> None:
        import marshal

        follow(player, marshal.loads(plan))

    return play


def follow(player: "Player", plan: "dict[str, object]") -> None:
    """Play the cassette of this invocation, or say that there is none."""
    cassettes, groups, recorded = plan["cassettes"], plan["groups"], plan["recorded"]
    assert isinstance(cassettes, dict)
    assert isinstance(groups, list)
    assert isinstance(recorded, list)
    name = variable(player.environ, plan["variable"])
    used: list[bytes] = []
    if not name:
        name, used = next_cassette(player, groups)
    if name in cassettes:
        player.call.add((b"step", name))
        player.play_file(cassettes[name])
        return
    text = explain([argument.decode(errors="replace") for argument in player.argv], recorded, len(used))
    player.call.add((b"unexpected", b""), (b"divergence", text.encode(errors="replace")))
    player.put(2, b"api-simulator: %s\n" % text.encode(errors="replace"))
    player.finish(UNRECORDED_EXIT)


def variable(environ: bytes, wanted: object) -> bytes:
    """Return the value of a variable, empty if it is not set."""
    assert isinstance(wanted, bytes)
    for entry in environ.split(b"\0"):
        if entry.startswith(wanted + b"="):
            return entry[len(wanted) + 1 :]
    return b""


def next_cassette(
    player: "Player", groups: "list[tuple[str, list[bytes], list[bytes], bytes]]"
) -> "tuple[bytes, list[bytes]]":
    """Return the next cassette that fits the arguments, or else those that were used up."""
    used: list[bytes] = []
    for how, arguments, names, counter in groups:
        if how == "any" or fits(how, arguments, player.argv[1:]):
            turn = player.count(counter)
            if turn <= len(names):
                return names[turn - 1], []
            used += names
    return b"", used


def fits(how: str, recorded: "list[bytes]", given: "list[bytes]") -> bool:
    """Compare arguments; ``pattern`` means that the recorded ones are regular expressions."""
    if how == "exact":
        return recorded == given
    if len(recorded) != len(given):
        return False
    import re

    # One expression for all: a placeholder that comes twice stands for the same secret.
    return re.fullmatch(b"\0".join(recorded), b"\0".join(given), re.DOTALL) is not None


def explain(argv: "list[str]", recorded: "list[tuple[str, list[str]]]", used: int) -> str:
    """Say that an invocation was not recorded, with the recorded step that is nearest and the difference."""
    import difflib
    import shlex

    command = shlex.join([argv[0].rpartition("/")[2], *argv[1:]]) if argv else "(no arguments)"
    if used:
        times = "once" if used == 1 else f"{used} times"
        return (
            f"{command!r} was recorded {times} with these arguments, and is called once more.\n"
            "  record the scenario again if the program is called differently now"
        )
    text = f"{command!r} was not recorded.\n"
    if not recorded:
        return text + "  the scenario has no recorded program: record one"

    def likeness(step: "tuple[str, list[str]]") -> float:
        return difflib.SequenceMatcher(None, step[1], argv[1:], autojunk=False).ratio() + (
            difflib.SequenceMatcher(None, "\0".join(step[1])[:2000], "\0".join(argv[1:])[:2000]).ratio()
        )

    name, arguments = max(recorded, key=likeness)
    text += f"  nearest: step {name!r}, whose arguments differ (- recorded, + given):\n"
    for line in difflib.ndiff(arguments, argv[1:]):
        if not line.startswith("?"):
            text += f"    {line[:200]}\n"
    return text + "  record the scenario again if the program is called differently now"
