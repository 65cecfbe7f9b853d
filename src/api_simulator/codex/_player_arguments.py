"""
The command line of ``codex`` as the real program reads it: part of the extension that the player runs.

Measured on 0.169.0. Runs in the fake program's process under the rules of ``process/_player.py``.
"""

#: Options with a value: name to what the real program calls the value.
VALUES = {
    b"--config": b"key=value",
    b"--enable": b"FEATURE",
    b"--disable": b"FEATURE",
    b"--image": b"FILE",
    b"--model": b"MODEL",
    b"--local-provider": b"OSS_PROVIDER",
    b"--profile": b"CONFIG_PROFILE_V2",
    b"--sandbox": b"SANDBOX_MODE",
    b"--cd": b"DIR",
    b"--add-dir": b"DIR",
    b"--thread-source": b"SOURCE",
    b"--cyber-access-program": b"PROGRAM",
    b"--output-schema": b"FILE",
    b"--color": b"COLOR",
    b"--output-last-message": b"FILE",
    b"--ask-for-approval": b"APPROVAL_POLICY",
    b"--remote": b"ADDR",
    b"--remote-auth-token-env": b"ENV_VAR",
}
SHORT = {
    b"-c": b"--config",
    b"-i": b"--image",
    b"-m": b"--model",
    b"-p": b"--profile",
    b"-s": b"--sandbox",
    b"-C": b"--cd",
    b"-o": b"--output-last-message",
    b"-a": b"--ask-for-approval",
    b"-h": b"--help",
    b"-V": b"--version",
}
ALIASES = {b"--experimental-json": b"--json", b"--yolo": b"--dangerously-bypass-approvals-and-sandbox"}
REPEATED = frozenset(b"--config --enable --disable --image --add-dir".split())
CHOICES = {
    b"--sandbox": b"read-only workspace-write danger-full-access".split(),
    b"--color": b"always never auto".split(),
    b"--cyber-access-program": b"standard daybreak_blue daybreak_red".split(),
}

_COMMON = (
    b"--config --enable --disable --strict-config --image --model --dangerously-bypass-approvals-and-sandbox"
    b" --dangerously-bypass-hook-trust --worktree --help"
)
_RUNS = (
    b" --thread-source --cyber-access-program --skip-git-repo-check --trust --ephemeral --ignore-user-config"
    b" --ignore-rules --output-schema --json --output-last-message"
)
_PLACES = b" --oss --local-provider --profile --sandbox --approve-for-me --cd --add-dir --version"
#: What each place of the command line knows.
KNOWN = {
    b"": frozenset(
        (
            _COMMON
            + _PLACES
            + b" --remote --remote-auth-token-env --ask-for-approval --search --no-alt-screen --no-daemon"
        ).split()
    ),
    b"exec": frozenset((_COMMON + _RUNS + _PLACES + b" --color").split()),
    b"resume": frozenset((_COMMON + _RUNS + b" --last --all").split()),
    b"fork": frozenset((_COMMON + _RUNS).split()),
}
#: How many positional arguments each takes.
POSITIONAL = {b"exec": 1, b"resume": 2, b"fork": 2}
SUBCOMMANDS = {b"": {b"exec": b"exec", b"e": b"exec"}, b"exec": {b"resume": b"resume", b"fork": b"fork"}}


class UsageError(Exception):
    """The command line is refused: the text for standard error, without the last hint."""


class CommandLine:
    """
    A command line, read.

    Attributes:
        command: ``exec``, ``resume``, ``fork``, or nothing for the program without a command.

        options: Long names with their last values; an option without value has an empty one.

        positional: The others.

    Raises:
        UsageError: If the real program refuses it.
    """

    def __init__(self, arguments: list[bytes], *, lenient: bool) -> None:
        self.command = b""
        self.options: dict[bytes, bytes] = {}
        self.positional: list[bytes] = []
        self._lenient = lenient
        self._arguments = arguments
        self._at = 0
        while self._at < len(arguments):
            argument = arguments[self._at]
            self._at += 1
            if argument == b"--":
                for rest in arguments[self._at :]:
                    self._add_positional(rest)
                break
            if argument.startswith(b"-") and argument != b"-":
                self._add_option(argument)
            elif not self.positional and argument in SUBCOMMANDS.get(self.command, {}):
                self.command = SUBCOMMANDS[self.command][argument]
            else:
                self._add_positional(argument)
        if self.command == b"fork" and not self.positional and not lenient:
            raise UsageError(
                b"error: the following required arguments were not provided:\n  <SESSION_ID>\n\n"
                b"Usage: codex exec fork <SESSION_ID> [PROMPT]\n"
            )

    @property
    def wants_json(self) -> bool:
        """Whether events are asked for."""
        return b"--json" in self.options

    def _add_option(self, argument: bytes) -> None:
        name, equals, value = argument.partition(b"=")
        if not argument.startswith(b"--"):
            # -mMODEL, -m=MODEL and -m MODEL are the same.
            name, value = argument[:2], argument[2:].removeprefix(b"=")
            equals = b"=" if value else b""
        long = ALIASES.get(name, SHORT.get(name, name))
        if long not in KNOWN[self.command]:
            if self._lenient:
                return
            raise UsageError(self._unexpected(name))
        if long not in VALUES:
            if equals and not self._lenient:
                raise UsageError(
                    b"error: unexpected value '%s' for '%s' found; no more were expected\n\n%s"
                    % (value, long, self._usage())
                )
            self.options[long] = b""
            return
        shown = b"%s <%s>" % (long, VALUES[long])
        if long in self.options and long not in REPEATED and not self._lenient:
            raise UsageError(b"error: the argument '%s' cannot be used multiple times\n\n%s" % (shown, self._usage()))
        if not equals:
            if self._at >= len(self._arguments):
                if self._lenient:
                    return
                raise UsageError(b"error: a value is required for '%s' but none was supplied\n" % shown)
            value = self._arguments[self._at]
            self._at += 1
            # Images take all that follow, the prompt too: users of the real program fall into this.
            while long == b"--image" and self.command != b"resume" and self._at < len(self._arguments):
                if self._arguments[self._at].startswith(b"-"):
                    break
                self._at += 1
        if long in CHOICES and value not in CHOICES[long] and not self._lenient:
            listed = b", ".join(CHOICES[long])
            raise UsageError(b"error: invalid value '%s' for '%s'\n  [possible values: %s]\n" % (value, shown, listed))
        self.options[long] = value

    def _add_positional(self, argument: bytes) -> None:
        if not self._lenient:
            if not self.command and self.positional:
                raise UsageError(b"error: unrecognized subcommand '%s'\n\n%s" % (argument, self._usage()))
            if len(self.positional) >= POSITIONAL.get(self.command, 1):
                raise UsageError(b"error: unexpected argument '%s' found\n\n%s" % (argument, self._usage()))
        self.positional.append(argument)

    def _unexpected(self, name: bytes) -> bytes:
        tip = b"  tip: to pass '%s' as a value, use '-- %s'\n\n" % (name, name)
        return b"error: unexpected argument '%s' found\n\n%s%s" % (name, tip, self._usage())

    def _usage(self) -> bytes:
        if not self.command:
            return b"Usage: codex [OPTIONS] [PROMPT]\n       codex [OPTIONS] <COMMAND> [ARGS]\n"
        if self.command == b"exec":
            return b"Usage: codex exec [OPTIONS] [PROMPT]\n       codex exec [OPTIONS] <COMMAND> [ARGS]\n"
        if self.command == b"fork":
            return b"Usage: codex exec fork [OPTIONS] <SESSION_ID> [PROMPT]\n"
        # It names what was given so far, in place of the brackets.
        given = [name for name in (b"--last", b"--all") if name in self.options]
        session = b"<SESSION_ID>" if self.positional else b"[SESSION_ID]"
        shown = b"".join(b" " + name for name in given) or (b"" if self.positional else b" [OPTIONS]")
        return b"Usage: codex exec resume%s %s [PROMPT]\n" % (shown, session)
