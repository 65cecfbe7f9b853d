"""``api-simulator serve``: a real process that is asked, told, changed and stopped."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from api_simulator.cli import main
from api_simulator.cli._site import Site
from api_simulator.errors import LivenessError, OptionError
from api_simulator.http import MockHttpServer, ResponseSpec
from api_simulator.testing import LivenessProbe
from tests.docs.blocks import blocks_of

ROOT = Path(__file__).parents[2]
TOKEN = "token-of-the-test"
WAIT_S = 40


class Served:
    """A serving process and the lines that it writes."""

    def __init__(self, *arguments, **environment):
        command = [sys.executable, "-m", "api_simulator.cli", "serve", "--port", "0", "--log-format", "json"]
        variables = {**os.environ, "API_SIMULATOR_ADMIN_TOKEN": TOKEN, **environment}
        self.process = subprocess.Popen(
            [*command, *arguments], env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.lines: list[dict[str, object]] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.url = str(self.line("ready")["url"])

    def _read(self):
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.lines.append(json.loads(line))
                self._changed.notify_all()
        with self._changed:
            self.lines.append({"event": "end"})
            self._changed.notify_all()

    def line(self, event, number=0):
        """Wait for the line that tells of an *event*, and return it."""

        def found():
            return [line for line in self.lines if line["event"] == event][number:]

        with self._changed:
            assert self._changed.wait_for(lambda: found() or self.lines[-1:] == [{"event": "end"}], WAIT_S), self.lines
        assert found(), self.lines
        return found()[0]

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=WAIT_S) if self.process.stderr is None else (self._rest(), "")
        self._reader.join(WAIT_S)
        return self.process.returncode, out

    def _rest(self):
        assert self.process.stdout is not None
        out = self.process.stdout.read()
        self.process.wait(WAIT_S)
        return out

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def serving():
    open_ones = []

    def start(*arguments, **environment):
        open_ones.append(Served(*map(str, arguments), **environment))
        return open_ones[-1]

    yield start
    for served in open_ones:
        served.close()


def ask(url, *, method="GET", body=None, headers=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_two_services_on_one_port_probes_logs_and_an_orderly_end(serving):
    served = serving("anthropic", "claude_quota", "--set", "claude_quota.require_beta=false", "--json")

    health = ask(f"{served.url}/__api_simulator/health")
    ready = ask(f"{served.url}/__api_simulator/ready")
    usage = ask(f"{served.url}/api/oauth/usage", headers={"Authorization": "Bearer t"})
    models = ask(f"{served.url}/v1/models", headers={"x-api-key": "k", "anthropic-version": "2023-06-01"})
    told = served.line("request", 2)
    status, out = served.stop()

    assert (health, ready) == ((200, {"status": "ok"}), (200, {"status": "ready"}))
    assert usage[1]["five_hour"]["utilization"] == 0
    assert models[1]["data"][0]["id"] == "claude-opus-5"
    assert (told["method"], told["target"], told["status"]) == ("GET", "/api/oauth/usage", 200)
    assert status == 0
    assert json.loads(out) == {"ok": True, "requests": 4, "in_time": True}


def test_the_admin_api_adds_routes_reads_the_journal_and_resets(serving):
    served = serving("claude_quota", "--admin")
    admin = str(served.line("admin")["url"])
    token = {"Authorization": f"Bearer {TOKEN}"}

    refused = ask(f"{admin}/routes")
    added = ask(f"{admin}/routes", method="POST", body={"path": "/added", "answer": {"json": [1]}}, headers=token)
    answer = ask(f"{served.url}/added?x=1")
    requests = ask(f"{admin}/requests?path=/added", headers=token)
    foreign = ask(f"{admin}/routes", headers={"Authorization": "Bearer another"})
    misspelt = ask(f"{admin}/requests?limt=1", headers=token)
    wrong = ask(f"{admin}/routes", method="POST", body={"path": "/x", "anser": {}}, headers=token)
    reading = ask(
        f"{admin}/routes", method="POST", body={"path": "/x", "answer": {"file": "/etc/passwd"}}, headers=token
    )
    reset = ask(f"{admin}/reset", method="POST", headers=token)
    gone = ask(f"{served.url}/added")
    kept = ask(f"{served.url}/api/oauth/usage")

    assert served.line("admin").get("token") is None, "a token that was given is not repeated"
    assert admin.startswith("http://127.0.0.1:")
    assert (refused[0], refused[1]["error"]["type"]) == (401, "unauthorized")
    assert foreign[0] == 401
    assert "this is not the admin token" in foreign[1]["error"]["message"]
    assert "this is not the admin token" not in refused[1]["error"]["message"]
    assert misspelt[0] == 400
    assert "there is no 'limt'; did you mean 'limit'?" in misspelt[1]["error"]["message"]
    assert (added[0], answer) == (201, (200, [1]))
    assert requests[1]["count"] == 1
    assert (requests[1]["requests"][0]["query"], requests[1]["requests"][0]["status"]) == ("x=1", 200)
    assert wrong[0] == 400
    assert "did you mean 'answer'?" in wrong[1]["error"]["message"]
    assert reading[0] == 400
    assert reset == (200, {"reset": True})
    assert gone[0] == 404
    assert kept[0] == 401, "the services are still there"


def test_without_being_asked_for_there_is_no_admin_api(serving):
    served = serving("claude_quota")

    served.stop()

    assert [line["event"] for line in served.lines] == ["ready", "stopping", "stopped", "end"]


FILES = {
    "routes.yaml": "routes:\n  - path: /v\n    answer: {json: {v: %d}}\n",
    "routes.toml": '[[routes]]\npath = "/v"\nanswer = {json = {v = %d}}\n',
    "routes.json": '{"routes": [{"path": "/v", "answer": {"json": {"v": %d}}}]}',
    "routes.py": "def register(server):\n    server.get('/v').json({'v': %d})\n",
}


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_taken_anew_and_a_wrong_one_is_not(serving, tmp_path, name):
    if name.endswith("yaml"):
        pytest.importorskip("yaml", reason="PyYAML is not installed")
    file = tmp_path / name
    file.write_text(FILES[name] % 1)
    served = serving("--file", file)

    first = ask(f"{served.url}/v")
    file.write_text(FILES[name] % 22)
    served.line("reloaded")
    second = ask(f"{served.url}/v")
    file.write_text("]] this is no file of routes")
    complaint = served.line("reload failed")
    third = ask(f"{served.url}/v")

    assert (first[1], second[1], third[1]) == ({"v": 1}, {"v": 22}, {"v": 22})
    assert name in str(complaint["error"])


def test_a_route_that_is_taken_out_of_the_file_is_gone_and_the_journal_stays(tmp_path):
    file = tmp_path / "routes.json"
    file.write_text('{"routes": [{"path": "/a", "answer": {}}, {"path": "/b", "answer": {}}]}')
    server = MockHttpServer(strict=False)
    site = Site(server, [], {}, file)
    with server:
        before = [status_of(server.url(path)) for path in ("/a", "/b")]
        file.write_text('{"routes": [{"path": "/b", "answer": {"status": 201}}]}')
        said = site.reload_if_changed()
        after = [status_of(server.url(path)) for path in ("/a", "/b")]

        assert (before, said, after) == ([200, 200], "", [404, 201])
        assert site.reload_if_changed() is None
        assert server.request_count() == 4

        kept = file.read_text()
        file.unlink()
        with pytest.raises(OptionError, match="is gone"):
            site.reload_if_changed()
        assert (site.reload_if_changed(), status_of(server.url("/b"))) == (None, 201)
        file.write_text(kept)
        assert site.reload_if_changed() == ""


def status_of(url):
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=WAIT_S)
    connection.request("GET", f"/{path}")
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_request_under_way_is_finished_at_the_end(serving, tmp_path):
    file = tmp_path / "routes.py"
    file.write_text(
        "import pathlib, threading\n"
        "from api_simulator.http import ResponseSpec\n"
        "def slow(request):\n"
        "    stopping = pathlib.Path(__file__).with_name('stopping')\n"
        "    while not stopping.exists():\n"
        "        threading.Event().wait(0.01)\n"
        "    return ResponseSpec(body={'whole': True})\n"
        "def register(server):\n"
        "    server.register('GET', '/slow', slow)\n"
    )
    served = serving("--file", file)
    host, port = served.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=WAIT_S)
    connection.request("GET", "/slow")
    # Answered behind it, so the first request is there when the signal comes.
    ask(f"{served.url}/__api_simulator/health")

    served.process.send_signal(signal.SIGTERM)
    served.line("stopping")
    ready = ask(f"{served.url}/__api_simulator/ready")
    (tmp_path / "stopping").touch()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    end = served.line("stopped")

    assert ready == (503, {"status": "stopping"})
    assert json.loads(body) == {"whole": True}
    assert end["in_time"] is True
    assert served.process.wait(WAIT_S) == 0


WRONG = [
    (["serve"], 2, "name a service, or a file"),
    (["serve", "antropic", "--check"], 1, "there is no 'antropic'; did you mean 'anthropic'?"),
    (["serve", "anthropic", "--check", "--set", "anthropic.token_per_s=5"], 1, "did you mean 'tokens_per_s'?"),
    (["serve", "anthropic", "--check", "--set", "anthropic.ttft_ms=soon"], 1, "ttft_ms: expected int, got 'soon'"),
    (["serve", "anthropic", "--check", "--set", "nonsense"], 2, "expected SERVICE.NAME=VALUE"),
    (["serve", "anthropic", "--check", "--set", "antropic.jitter=1"], 2, "'antropic' is not served; did you mean 'ant"),
    (["serve", "anthropic", "--check", "--set", "claude_quota.require_beta=1"], 2, "'claude_quota' is not served"),
    (["serve", "--check", "--file", "routes.xml"], 1, "expected a file that ends in .yaml"),
    (["serve", "--check", "--file", "missing.toml"], 1, "missing.toml"),
    (["serve", "anthropic", "--port", "many"], 2, "invalid int value: 'many'"),
    (["serve", "anthropic", "--grase-s", "1"], 2, "--grase-s"),
]


@pytest.mark.parametrize(("arguments", "status", "complaint"), WRONG, ids=[" ".join(line) for line, _, _ in WRONG])
def test_text_and_json_agree_about_what_is_wrong(arguments, status, complaint, capsys):
    as_text = main(arguments)
    text = capsys.readouterr()
    as_json = main([*arguments, "--json"])
    value = json.loads(capsys.readouterr().out)

    assert as_text == as_json == status
    assert complaint in text.out + text.err
    assert value["ok"] is False
    assert complaint in value["error"]["message"]


def test_a_port_in_use_is_said_and_ends_it(capsys):
    with MockHttpServer() as server:
        status = main(["serve", "claude_quota", "--port", str(server.port), "--json"])

    assert status == 1
    assert json.loads(capsys.readouterr().out)["error"]["type"] == "PortInUseError"


WRONG_FILES = [
    ({"routs": []}, "there is no 'routs'; did you mean 'routes'?"),
    ({"routes": [{"answer": {}}]}, "routes.0.path: Field required"),
    ({"routes": [{"path": "/a"}]}, "say what is answered"),
    ({"routes": [{"path": "/a", "answer": {"statos": 200}}]}, "did you mean 'status'?"),
    ({"routes": [{"path": "/a", "answer": {"status": "200"}}]}, "routes.0.answer.status"),
    ({"routes": [{"path": "/a", "answer": {"text": "a", "json": 1}}]}, "one body, not json and text"),
    ({"routes": [{"path": "a", "answer": {}}]}, "routes.0: path"),
    ({"routes": [{"path": "/a", "answer": {"status": 99}}]}, "from 200 to 999, got 99"),
    ({"services": {"anthropc": {}}}, "did you mean 'anthropic'?"),
    ({"services": {"anthropic": {"jiter": 1}}}, "did you mean 'jitter'?"),
]


@pytest.mark.parametrize(("content", "complaint"), WRONG_FILES, ids=[complaint for _, complaint in WRONG_FILES])
def test_a_wrong_file_is_refused_with_its_place(content, complaint, tmp_path, capsys):
    file = tmp_path / "routes.json"
    file.write_text(json.dumps(content))

    assert main(["serve", "--check", "--file", str(file)]) == 1
    assert complaint in capsys.readouterr().out


def test_a_service_that_a_file_only_names_has_its_defaults(tmp_path, capsys):
    file = tmp_path / "routes.json"
    file.write_text('{"services": {"claude_quota": null}}')

    assert main(["serve", "--check", "--file", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["services"] == ["claude_quota"]


TWO_ROUTES = {
    "routes.json": '{"routes": [{"path": "/a", "answer": {}}, {"path": "/b", "answer": {}}]}',
    "routes.toml": '[[routes]]\npath = "/a"\nanswer = {}\n[[routes]]\npath = "/b"\nanswer = {}\n',
    "routes.yaml": "routes:\n- path: /a\n  answer: {}\n- path: /b\n  answer: {}\n",
    "routes.py": (
        "from api_simulator.http import MockResponseSpec, json_body\n"
        "def register(server):\n"
        "    server.get('/a').json(1)\n"
    ),
}


def written_into(file, entry):
    """Add the lines of an advice to a file, as whoever reads it would."""
    text = file.read_text()
    if file.suffix == ".json":
        file.write_text(text.replace('{"path": "/b"', f'{entry[0]}, {{"path": "/b"'))
    else:
        file.write_text(text + "".join(f"{'    ' if file.suffix == '.py' else ''}{line}\n" for line in entry))


@pytest.mark.parametrize("name", TWO_ROUTES)
def test_what_an_unmatched_request_is_advised_can_be_written_into_the_file(name, tmp_path):
    """The entry is in the file's own language; with it the request is answered."""
    if name.endswith("yaml"):
        pytest.importorskip("yaml", reason="PyYAML is not installed")
    file = tmp_path / name
    file.write_text(TWO_ROUTES[name])
    server = MockHttpServer(strict=False)
    site = Site(server, [], {}, file)
    with server:
        status, body = ask(server.url("/gr%C3%BC%C3%9Fe"), method="POST", body={"a": ["\N{GRINNING FACE}", None]})
        lines = body["error"]["explanation"]
        advised = lines[lines.index(f"  add one to {file}:") + 1 :]
        entry = [line.removeprefix("    ").replace("MockResponseSpec(...)", "MockResponseSpec()") for line in advised]
        written_into(file, entry)

        assert status == 404
        assert site.reload_if_changed() == ""
        assert ask_status(server.url("/gr%C3%BC%C3%9Fe"), body={"a": ["\N{GRINNING FACE}", None]}) == 200


def ask_status(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
        return answer.status


@pytest.mark.parametrize(
    ("name", "place"), [("routes.json", ", route 2"), ("routes.toml", ", route 2"), ("routes.yaml", ":4, route 2")]
)
def test_a_route_of_a_file_says_where_in_the_file_it_is(name, place, tmp_path):
    if name.endswith("yaml"):
        pytest.importorskip("yaml", reason="PyYAML is not installed")
    file = tmp_path / name
    file.write_text(TWO_ROUTES[name])
    server = MockHttpServer(strict=False)
    Site(server, ["claude_quota"], {}, file)

    sources = {str(mounted.route): mounted.route.source for mounted in server.routes}

    assert sources["GET /b"] == f"{file}{place}"
    assert sources["GET /api/oauth/usage"] == "the service 'claude_quota'"
    assert sources["GET /__api_simulator/ready"] == "api-simulator serve"


WRONG_PROGRAMS = [
    ("def register(server):\n    server.x()\n", "routes.py:2: register(server): AttributeError"),
    ("def register(server):\n    server.get('x')\n", "routes.py:2: register(server): RouteError: path: 'x'"),
    ("SERVICES = {'anthropic': 3}\ndef register(server):\n    pass\n", "services.anthropic: Input should be a valid"),
]


@pytest.mark.parametrize(("program", "complaint"), WRONG_PROGRAMS, ids=[complaint for _, complaint in WRONG_PROGRAMS])
def test_a_program_that_goes_wrong_is_refused_with_its_place(program, complaint, tmp_path, capsys):
    file = tmp_path / "routes.py"
    file.write_text(program)

    assert main(["serve", "--check", "--file", str(file)]) == 1
    assert complaint in capsys.readouterr().out


def test_a_program_that_goes_wrong_later_takes_nothing_down(serving, tmp_path):
    file = tmp_path / "routes.py"
    file.write_text("def register(server):\n    server.get('/v').json(1)\n")
    served = serving("--file", file)

    file.write_text("def register(server):\n    return 1 / 0\n")
    complaint = served.line("reload failed")

    assert "routes.py:2: register(server): ZeroDivisionError" in str(complaint["error"])
    assert ask(f"{served.url}/v") == (200, 1)


def test_every_field_of_a_route_does_what_it_says(tmp_path, serving):
    (tmp_path / "picture.bin").write_bytes(b"\x00\x01")
    (tmp_path / "routes.json").write_text(
        json.dumps(
            {
                "routes": [
                    {"path": "/b", "answer": {"file": "picture.bin"}},
                    {"path": "/null", "answer": {"json": None}},
                    {"path": "/text", "answer": {"json": "text"}},
                    {"path": "/s", "answers": [{"status": 429}, {"json": 2}], "then": "cycle"},
                    {"method": "POST", "path": "/p", "json": {"a": 1}, "query": {"q": "1"}, "headers": {"X-A": "1"},
                     "answer": {"status": 201, "json": {}, "headers": {"X-B": "2"}}},
                ]
            }
        )
    )  # fmt: skip
    served = serving("--file", tmp_path / "routes.json")

    with urllib.request.urlopen(f"{served.url}/b", timeout=WAIT_S) as answer:
        assert answer.read() == b"\x00\x01"
    assert ask(f"{served.url}/null") == (200, None)
    assert ask(f"{served.url}/text") == (200, "text")
    assert ask(f"{served.url}/p?q=1", method="POST", body={"a": 1, "b": 2}, headers={"X-A": "1"})[0] == 201
    assert ask(f"{served.url}/p?q=1", method="POST", body={"a": 2}, headers={"X-A": "1"})[0] == 404
    with pytest.raises(urllib.error.HTTPError, match="429") as refused:
        urllib.request.urlopen(f"{served.url}/s", timeout=WAIT_S)
    refused.value.close()
    assert ask(f"{served.url}/s") == (200, 2)


def test_the_containers_command_is_one_that_this_version_knows(capsys):
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    command = re.search(r"^CMD (\[.*\])$", text, re.MULTILINE)
    assert command is not None

    assert main([*json.loads(command[1]), "--check"]) == 0
    assert "/__api_simulator/ready" in text


@pytest.mark.parametrize(("language", "suffix"), [("toml", ".toml"), ("python", ".py")])
def test_the_files_that_the_page_shows_are_ones_that_can_be_served(language, suffix, tmp_path, capsys):
    [block] = [block for block in blocks_of(ROOT / "docs" / "serve.md") if block.language == language]
    file = tmp_path / f"routes{suffix}"
    file.write_text(block.text)

    assert main(["serve", "--check", "--file", str(file), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["services"] == ["claude_quota"]
    assert any("/hello" in route for route in said["routes"])


# Liveness


def blocking(release):
    async def block(_):
        release.wait(WAIT_S)  # what a handler must not do: it holds the loop of its server
        return ResponseSpec()

    return block


def probe_a_block(server, release):
    with LivenessProbe(server.url("/health"), limit_s=0.2) as probe:
        blocked = threading.Thread(target=ask_quietly, args=(server.url("/block"),))
        probe.wait_for_answers(1)
        blocked.start()
        probe.wait_until_late()
        release.set()
    blocked.join(WAIT_S)


def test_a_server_that_blocks_is_reported_by_the_probe():
    release = threading.Event()
    # The native engine would answer /health all the same.
    with MockHttpServer(engine="aiohttp") as server:
        server.register("GET", "/health", ResponseSpec())
        server.register("GET", "/block", blocking(release))

        with pytest.raises(LivenessError, match=r"took .* s, more than 0\.2 s"):
            probe_a_block(server, release)


def test_a_probe_that_asked_nothing_proves_nothing():
    with pytest.raises(LivenessError, match=r"no answer|before anything"), LivenessProbe("http://127.0.0.1:1"):
        pass


def ask_quietly(url):
    with contextlib.suppress(OSError, ValueError):
        ask(url)


def test_serve_and_its_admin_api_stay_alive_while_a_route_blocks(serving, tmp_path):
    file = tmp_path / "routes.py"
    file.write_text(
        "import threading\n"
        "from api_simulator.http import ResponseSpec\n"
        "release = threading.Event()\n"
        "def block(request):\n    release.wait(30)\n    return ResponseSpec()\n"
        "def open_it(request):\n    release.set()\n    return ResponseSpec(body={})\n"
        "def register(server):\n"
        "    server.register('GET', '/block', block)\n    server.register('GET', '/open', open_it)\n"
    )
    served = serving("--file", file, "--admin")
    admin = str(served.line("admin")["url"])
    with (
        LivenessProbe(f"{served.url}/__api_simulator/health", limit_s=20) as probe,
        LivenessProbe(f"{admin}/health", limit_s=20) as admin_probe,
    ):
        blocked = threading.Thread(target=ask_quietly, args=(f"{served.url}/block",))
        blocked.start()
        probe.wait_for_answers(20)
        admin_probe.wait_for_answers(20)
        ask(f"{served.url}/open")
        blocked.join(WAIT_S)
