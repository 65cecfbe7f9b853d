"""
Session transcripts: what the player's extension (``_player.py``) is told to write.

A transcript is one JSON record a line. The records here are the smallest set from which the real
program resumes; what is known only when the program runs stays a hole between two zero bytes, which JSON
text cannot contain.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from api_simulator._core.bodies import encode_json
from api_simulator.claude._messages import Message
from api_simulator.claude._seeded import seeded_uuid
from api_simulator.process.script import Extend

#: For a host that sends messages: after the last result the program waits for the end of its messages.
LAST_TURN_PLAYED = Extend(b"end\n")

_PACKAGE_FOLDER = Path(__file__).parents[2]


def next_turn(exit_code: int) -> Extend:
    """Return the step before a turn: where a host sends messages, it waits for a prompt."""
    return Extend(b"turn\n%d" % exit_code)


def settings(
    *,
    own_projects: Path,
    environ: Mapping[str, str],
    session_id: str | None,
    seed: int,
    cli_version: str,
    strict: bool,
) -> bytes:
    """
    Return what the extension is started with.

    Args:
        own_projects: Where transcripts go that have no other place.

        environ: The test process's environment now. An invocation with another ``CLAUDE_CONFIG_DIR``
            or ``HOME`` was given a place by its test; one with the same would write into a real home.

        session_id: That of the scripted messages, None if they have none.

        seed: Determines the session id when neither the messages nor the arguments have one.

        cli_version: Which version answers a host.

        strict: Whether command lines are refused that the real program refuses.
    """
    return b"\0".join(
        [
            *(os.fsencode(place) for place in places(own_projects=own_projects, environ=environ)),
            session_id.encode() if session_id and _is_file_name(session_id) else b"",
            seeded_uuid(seed, "session").encode(),
            os.fsencode(_PACKAGE_FOLDER),
            cli_version.encode(),
            b"%d" % seed,
            b"strict" if strict else b"",
        ]
    )


def places(*, own_projects: Path, environ: Mapping[str, str]) -> list[str]:
    """Return what decides where transcripts go: the fake's own place, and three that belong to the test's user."""
    config, home = environ.get("CLAUDE_CONFIG_DIR", ""), environ.get("HOME", "")
    return [str(own_projects), config, home, _account_home()]


def _is_file_name(session_id: str) -> bool:
    # Messages hold what the user wants, also what could leave the folder.
    return len(session_id) <= 200 and not any(character in session_id for character in "/\0")


def _account_home() -> str:
    """Return the home that the user database has for this user: no fake writes there, whatever HOME says."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_dir
    except (ImportError, KeyError):
        return ""


def prompt_record(*, seed: int, cli_version: str) -> Extend:
    """Return the step that writes the prompt, if the invocation has one."""
    return _record("prompt", "user", b'{"role":"user","content":\0prompt\0}', _fresh_uuid(seed, "prompt"), cli_version)


def message_record(message: Message, index: int, *, seed: int, cli_version: str) -> Extend | None:
    """Return the step that writes a scripted message to the transcript, None if it does not belong there."""
    if message.conversation is None or message.kind is None:
        return None
    # As the real program: the record has the uuid of the printed line.
    uuid = encode_json(message.uuid) if message.uuid else _fresh_uuid(seed, "message", index)
    agent_id = message.agent_id
    verb = f"agent {agent_id}" if agent_id else "record"
    return _record(verb, message.kind, message.conversation, uuid, cli_version, agent_id=agent_id)


def _fresh_uuid(seed: int, *purpose: object) -> bytes:
    # The last twelve digits are the invocation's number: a second one appends records of its own.
    return b'"%s\0run\0"' % seeded_uuid(seed, *purpose)[:24].encode()


def _record(
    verb: str, kind: str, conversation: bytes, uuid: bytes, cli_version: str, *, agent_id: str | None = None
) -> Extend:
    agent = b',"agentId":%s' % encode_json(agent_id) if agent_id else b""
    record = (
        b'{"parentUuid":\0parent\0,"isSidechain":%s%s,"userType":"external","cwd":\0cwd\0,"sessionId":\0session-id\0,'
        b'"version":%s,"gitBranch":"HEAD","type":"%s","message":%s,"uuid":%s,"timestamp":"\0now\0"}\n'
        % (
            b"true" if agent_id else b"false",
            agent,
            encode_json(cli_version),
            kind.encode(),
            conversation,
            uuid,
        )
    )
    return Extend(b"%s\n%s\n%s" % (verb.encode(), uuid, record))
