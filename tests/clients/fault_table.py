"""
What clients make of each fault, found by letting them: the table in ``docs/faults.md``.

``python -m tests.clients.fault_table`` writes it anew; ``test_faults.py`` holds it against the clients
that are installed. A client is asked the way its users ask it: a GET, then the body as bytes, text or JSON.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeAlias

import aiohttp
import requests

from api_simulator.http import (
    ConnectFault,
    Fault,
    MockHttpServer,
    RefusedPort,
    ResponseSpec,
    SilentPort,
    UnansweredPort,
    stalled,
    truncated,
    wrong_length,
)
from tests.conformance.raw import call
from tests.libraries import httpx, httpx2

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
BEGIN, END = "<!-- table: python -m tests.clients.fault_table -->", "<!-- end of table -->"

#: Reached only where a client is to run into it.
PATIENCE_S, SHORT_S = 30.0, 0.5
BODY = {"text": "x" * 100}
LENGTH = len(ResponseSpec(body=BODY).content)

Use: TypeAlias = Literal["bytes", "text", "json"]


@dataclass(frozen=True)
class Case:
    """
    A fault, and how a client comes to see it.

    Attributes:
        name: The row's first cell.

        answer: What a server answers; or the address to connect to.

        use: What the client asks the answer for.

        hangs: Whether it takes a timeout to end it.

        again: Whether what is noted is the next request of the same client, once the server has closed.
    """

    name: str
    answer: ResponseSpec | type[ConnectFault]
    use: Use = "bytes"
    hangs: bool = False
    again: bool = False

    def __str__(self) -> str:
        return self.name.replace("`", "")


def _fault(name: str, fault: Any, use: Use = "bytes", *, hangs: bool = False, again: bool = False) -> Case:
    return Case(name, ResponseSpec(body=BODY, fault=fault), use, hangs, again)


CASES = (
    _fault("`BAD_GZIP`", Fault.BAD_GZIP),
    _fault("`INVALID_JSON`, asked for JSON", Fault.INVALID_JSON, "json"),
    _fault("`INVALID_UTF8`, asked for text", Fault.INVALID_UTF8, "text"),
    _fault("`truncated(5)`", truncated(5)),
    _fault("`truncated(5, reset=True)`", truncated(5, reset=True)),
    _fault("`wrong_length(5)`", wrong_length(5), hangs=True),
    _fault("`wrong_length(-5)`", wrong_length(-5)),
    _fault("`stalled(5)`", stalled(5), hangs=True),
    _fault("`MALFORMED_RESPONSE_CHUNK`", Fault.MALFORMED_RESPONSE_CHUNK),
    _fault("`DUPLICATE_CONTENT_LENGTH`", Fault.DUPLICATE_CONTENT_LENGTH),
    _fault("`OVERSIZED_HEADER`", Fault.OVERSIZED_HEADER),
    _fault("`GARBAGE_STATUS_LINE`", Fault.GARBAGE_STATUS_LINE),
    _fault("`RANDOM_DATA_THEN_CLOSE`", Fault.RANDOM_DATA_THEN_CLOSE),
    _fault("`CONNECTION_RESET_BY_PEER`", Fault.CONNECTION_RESET_BY_PEER),
    _fault("`EMPTY_RESPONSE`", Fault.EMPTY_RESPONSE),
    _fault("`HANG`", Fault.HANG, hangs=True),
    _fault("`SILENT_CLOSE`, the next request", Fault.SILENT_CLOSE, again=True),
    _fault("`HALF_CLOSE`, the next request", Fault.HALF_CLOSE, again=True),
    Case("`informational(103)`, no fault", ResponseSpec(body=BODY, informational=[(103, None)])),
    Case("`RefusedPort`", RefusedPort),
    Case("`SilentPort`", SilentPort, hangs=True),
    Case("`UnansweredPort`", UnansweredPort, hangs=True),
)


# Clients: each runs `ask` on a session of its own


class Asked:
    """A session of one client, and what a call on it comes to."""

    def __init__(self, get: Callable[[str], Any], uses: dict[Use, Callable[[Any], Any]], status: str) -> None:
        self._get = get
        self._uses = uses
        self._status = status

    async def outcome(self, url: str, use: Use) -> str:
        """Return the status and what is wrong with the body, or the exception."""
        try:
            response = await _settled(self._get(url))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what the table is about
            return f"`{public_name(error)}`"
        status = getattr(response, self._status)
        try:
            body = await _settled(self._uses[use](response))
        except Exception as error:  # noqa: BLE001  # see above
            return f"{status}, then `{public_name(error)}`"
        if use == "text" and "\N{REPLACEMENT CHARACTER}" in body:
            return f"{status}, text with U+FFFD"
        if use == "bytes" and len(body) != LENGTH:
            return f"{status}, {len(body)} of {LENGTH} bytes"
        return str(status)


async def _settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


Script: TypeAlias = Callable[[Asked], Awaitable[str]]


def _httpx_like(library: Any) -> Sequence[Callable[[float, Script], str]]:
    uses: dict[Use, Callable[[Any], Any]] = {
        "bytes": lambda response: response.content,
        "text": lambda response: response.text,
        "json": lambda response: response.json(),
    }

    def blocking(timeout_s: float, script: Script) -> str:
        with library.Client(timeout=timeout_s, trust_env=False) as client:
            return asyncio.run(_all(script(Asked(client.get, uses, "status_code"))))

    def on_a_loop(timeout_s: float, script: Script) -> str:
        async def run() -> str:
            async with library.AsyncClient(timeout=timeout_s, trust_env=False) as client:
                return await script(Asked(client.get, uses, "status_code"))

        return asyncio.run(run())

    return blocking, on_a_loop


async def _all(outcome: Awaitable[str]) -> str:
    return await outcome


def _requests(timeout_s: float, script: Script) -> str:
    uses: dict[Use, Callable[[Any], Any]] = {
        "bytes": lambda response: response.content,
        "text": lambda response: response.text,
        "json": lambda response: response.json(),
    }
    with requests.Session() as session:
        session.trust_env = False
        return asyncio.run(_all(script(Asked(lambda url: session.get(url, timeout=timeout_s), uses, "status_code"))))


def _aiohttp(timeout_s: float, script: Script) -> str:
    uses: dict[Use, Callable[[Any], Any]] = {
        "bytes": lambda response: response.read(),
        "text": lambda response: response.text(),
        "json": lambda response: response.json(),
    }

    async def run() -> str:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=timeout_s, sock_read=timeout_s)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            return await script(Asked(session.get, uses, "status"))

    return asyncio.run(run())


#: By library: its blocking and its async form, as far as it has them.
CLIENTS: dict[str, Sequence[Callable[[float, Script], str]]] = {
    "httpx2": _httpx_like(httpx2),
    "httpx": _httpx_like(httpx),
    "requests": (_requests,),
    "aiohttp": (_aiohttp,),
}


def public_name(error: BaseException) -> str:
    """Return the name by which users catch an exception: from its package if that has it, else from its module."""
    kind = type(error)
    if kind.__module__ == "builtins":
        return kind.__name__
    package = kind.__module__.partition(".")[0]
    is_exported = getattr(importlib.import_module(package), kind.__name__, None) is kind
    return f"{package if is_exported else kind.__module__}.{kind.__name__}"


# Outcomes


@contextmanager
def _place(case: Case, engine: str | None) -> Iterator[tuple[str, Callable[[], object]]]:
    """Open what *case* needs: the URL to ask, and a wait for the server's end of the connection."""
    if isinstance(case.answer, type):
        with case.answer() as address:
            yield address.url + "/", lambda: None
        return
    with MockHttpServer(engine, strict=False) as server:
        route = server.register("GET", "/", ResponseSpec(body=BODY) if case.again else case.answer)
        if case.again:
            route.fault(case.answer, on=1)
        # When a later connection has been served, the end of the earlier one is on the wire.
        yield server.url("/"), lambda: call(server, "/elsewhere")


def cell(library: str, case: Case, engine: str | None = None) -> str:
    """Return what *library* makes of *case* on *engine*; its two forms together unless they differ."""
    outcomes = [_outcome(client, case, engine) for client in CLIENTS[library]]
    return outcomes[0] if len(set(outcomes)) == 1 else f"{outcomes[0]}; async: {outcomes[1]}"


def _outcome(client: Callable[[float, Script], str], case: Case, engine: str | None) -> str:
    with _place(case, engine) as (url, ended):

        async def script(asked: Asked) -> str:
            if case.again:
                first = await asked.outcome(url, case.use)
                if first != "200":
                    return f"the first: {first}"
                # On a thread: a client on this loop learns of the end meanwhile.
                await asyncio.to_thread(ended)
            return await asked.outcome(url, case.use)

        return client(SHORT_S if case.hangs else PATIENCE_S, script)


# The page


def versions() -> str:
    """Return the table's caption: which versions it is about."""
    return "Versions: " + ", ".join(f"{library} {version(library)}" for library in CLIENTS) + "."


def rendered(cells: dict[tuple[str, str], str]) -> str:
    """Return the table with its caption as Markdown; *cells* are by row and library."""
    lines = [versions(), "", "| fault | " + " | ".join(CLIENTS) + " |", "|" + "---|" * (len(CLIENTS) + 1)]
    lines += [
        f"| {case.name} | " + " | ".join(cells[case.name, library] for library in CLIENTS) + " |" for case in CASES
    ]
    return "\n".join(lines)


def committed() -> tuple[str, dict[tuple[str, str], str]]:
    """Return caption and cells of the table in the page."""
    caption, *rows = [line for line in _between(PAGE.read_text(encoding="utf-8")).splitlines() if line]
    _, *libraries = _cells(rows[0])
    found = {}
    for row in rows[2:]:
        name, *outcomes = _cells(row)
        found.update({(name, library): outcome for library, outcome in zip(libraries, outcomes, strict=True)})
    return caption, found


def _cells(row: str) -> list[str]:
    return [part.strip() for part in row.strip("|").split("|")]


def _between(text: str) -> str:
    return text.partition(BEGIN)[2].partition(END)[0]


def rewrite() -> None:
    """Put a fresh table into the page."""
    table = rendered({(case.name, library): cell(library, case) for case in CASES for library in CLIENTS})
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(
        re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n{table}\n{END}", text, flags=re.DOTALL),
        encoding="utf-8",
    )


if __name__ == "__main__":
    rewrite()
