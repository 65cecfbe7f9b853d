"""
curl as a program: a process per call, so that what is no Python meets the server too.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence

import pytest

from tests.clients.blocking import lower_case
from tests.clients.client import PATIENCE_S, Answer, Client

#: What curl exits with after --max-time (its manual, "EXIT CODES").
OPERATION_TIMEDOUT = 28


class CurlTimeoutError(Exception):
    """curl has given up waiting."""


class CurlClient(Client):
    """The program ``curl``."""

    timeout_error = CurlTimeoutError

    def open(self) -> None:
        program = shutil.which("curl")
        if program is None:
            pytest.skip("curl is not installed")
        # --disable comes first: the developer's own .curlrc stays out of it.
        self._command = [program, "--disable", "--silent", "--show-error"]

    def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = PATIENCE_S,
    ) -> Answer:
        answers = self._run(self._transfer(method, path, body, headers, timeout_s), body)
        return _final(answers)[0]

    def send_json(self, path: str, value: object, *, headers: Mapping[str, str]) -> Answer:
        fields = {"Content-Type": "application/json", **headers}
        return self.send("POST", path, body=json.dumps(value).encode(), headers=fields)

    def send_in_a_row(
        self, requests: Sequence[tuple[str, str]], *, headers: Mapping[str, str] | None = None
    ) -> list[Answer]:
        arguments: list[str] = []
        for method, path in requests:
            arguments += [*(["--next"] if arguments else []), *self._transfer(method, path, None, headers, PATIENCE_S)]
        return _final(self._run(arguments, None, heads_only=[method == "HEAD" for method, _ in requests]))

    def send_after_continue(self, path: str, body: bytes) -> Answer:
        # By default curl waits a second and then sends anyway.
        patience = ["--expect100-timeout", f"{PATIENCE_S:g}"]
        transfer = self._transfer("POST", path, body, {"Expect": "100-continue"}, PATIENCE_S)
        answers = self._run([*patience, *transfer], body)
        assert [answer.status for answer in answers[:-1]] == [100]
        return answers[-1]

    def leave_inside_upload(self, path: str, part: bytes) -> None:
        arguments = ["--verbose", "--upload-file", "-", "--request", "POST", "--header", "Expect: 100-continue"]
        with self._started([*arguments, self.url + path]) as process:
            assert process.stdin is not None
            assert process.stderr is not None
            process.stdin.write(part)
            process.stdin.flush()
            seen = [process.stderr.readline()]
            # The interim answer is the sign that the server has begun to receive.
            while seen[-1] and b"100 Continue" not in seen[-1]:
                seen.append(process.stderr.readline())
            process.kill()
            assert seen[-1], f"curl ended by itself: {seen}"

    def leave_before_answer(self, path: str, arrived: Callable[[], object]) -> None:
        with self._started([self.url + path]) as process:
            try:
                arrived()
            finally:
                process.kill()

    def _transfer(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None, timeout_s: float
    ) -> list[str]:
        arguments = ["--include", "--max-time", f"{timeout_s:g}"]
        arguments += ["--head"] if method == "HEAD" else ["--request", method]
        for name, value in (headers or {}).items():
            arguments += ["--header", f"{name}: {value}"]
        if body is not None:
            arguments += ["--data-binary", "@-"]
        return [*arguments, self.url + path]

    def _run(self, arguments: list[str], body: bytes | None, *, heads_only: Sequence[bool] = ()) -> list[Answer]:
        done = subprocess.run(
            [*self._command, *arguments], input=body or b"", capture_output=True, timeout=2 * PATIENCE_S, check=False
        )
        if done.returncode == OPERATION_TIMEDOUT:
            raise CurlTimeoutError(done.stderr.decode())
        assert done.returncode == 0, f"curl exited with {done.returncode}: {done.stderr.decode()}"
        return _parsed(done.stdout, heads_only or ["--head" in arguments])

    def _started(self, arguments: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*self._command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )


def _parsed(output: bytes, heads_only: Sequence[bool]) -> list[Answer]:
    """Return the answers, interim ones included, that ``--include`` wrote one after the other."""
    answers: list[Answer] = []
    head_only = iter(heads_only)
    while output:
        head, _, output = output.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        headers = lower_case((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
        status = int(status_line.split()[1])
        has_body = status >= 200 and not next(head_only)
        size = int(headers.get("content-length", 0)) if has_body else 0
        answers.append(Answer(status, headers, output[:size]))
        output = output[size:]
    return answers


def _final(answers: list[Answer]) -> list[Answer]:
    return [answer for answer in answers if answer.status >= 200]
