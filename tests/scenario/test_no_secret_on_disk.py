"""Planted secrets of every known shape, wherever a recording could hold them: none is on disk afterwards."""

import base64
import json
import re
from urllib.parse import quote

import pytest

from api_simulator import hookspecs, plugins
from api_simulator.scenario import RedactionRule, ScenarioRecorder
from tests._core.test_redaction import SHAPES
from tests.scenario.conftest import program, record

#: Values that look like nothing: found because they are declared, or by the names of their variables.
DECLARED = "correct horse battery/staple+9"
VARIABLE = 'tiger & "lily" pond?'


def everything_in(folder):
    """Every byte of a folder, names of files included."""
    return b"\n".join(
        str(path.relative_to(folder)).encode() + b"\n" + (path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    )


def forms(secret):
    """How a declared secret may be written."""
    data = secret.encode()
    return [
        secret,
        quote(secret),
        quote(secret, safe=""),
        base64.b64encode(data).decode(),
        base64.b64encode(b"user:" + data).decode(),
        base64.urlsafe_b64encode(b"x" + data + b"y").decode(),
        json.dumps(secret),
    ]


def leaks(folder, secrets):
    content = everything_in(folder)
    return [secret for secret in secrets if secret.encode() in content or secret.encode().split(b"\n")[-1] in content]


@pytest.mark.parametrize(("kind", "secret"), SHAPES.items(), ids=list(SHAPES))
def test_a_known_shape_reaches_no_file(recorder, tmp_path, kind, secret):
    text = (
        "import os, sys, json\nsecret = sys.argv[1]\n"
        "print('out', secret); print(json.dumps({'text': secret, 'deep': json.dumps([secret])}))\n"
        "print('err ' + secret, file=sys.stderr); open('file.txt', 'w').write('in a file: ' + secret)\n"
        "open(os.path.join(os.environ['LOGS'], 'a.jsonl'), 'w').write(json.dumps({'m': secret}) + chr(10))\n"
        "print('half ' + secret[:9], end='', flush=True); print(secret[9:])"
    )
    (tmp_path / "logs").mkdir()
    (tmp_path / "work").mkdir()
    record(
        recorder,
        program(text, secret, f"--header=X-Thing: {secret}"),
        cwd=tmp_path / "work",
        env={"LOGS": str(tmp_path / "logs"), "PLAIN": f"see {secret}"},
        session_log_dir=tmp_path / "logs",
        files=["*"],
        model=f"model {secret}",
    )
    recorder.record_mcp_call(tool="t", arguments={"text": f"a {secret}"}, result=[{"deep": secret}], duration_ms=1)
    recorder.record_mcp_call(tool="t", arguments={}, error=f"failed: {secret}")
    recorder.record_non_session_step(step_name="s", tool="t", result_summary={"exit_code": 0, "stdout_head": secret})

    assert leaks(recorder.scenario_dir, [secret]) == []
    assert f"[redacted:{kind}:1]".encode() in everything_in(recorder.scenario_dir)


def test_declared_values_reach_no_file_in_any_form(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_SERVICE_PASSWORD", VARIABLE)
    text = "import os, sys\nfor form in sys.argv[1:]: print(form); print('<' + form + '>', file=sys.stderr)"
    text += "\nprint(os.environ['OWN_TOKEN'])"
    with ScenarioRecorder(tmp_path, "r", secrets=[DECLARED]) as recorder:
        written = [*forms(DECLARED), *forms(VARIABLE), *forms("a third value")]
        record(recorder, program(text, *written), env={"OWN_TOKEN": "a third value"})
        recorder.record_mcp_call(tool="t", arguments={"all": written}, result={form: form for form in written})

    assert leaks(tmp_path, [DECLARED, VARIABLE, "a third value"]) == []
    content = everything_in(tmp_path)
    for secret in (DECLARED, VARIABLE, "a third value"):
        assert quote(secret).encode() not in content
        assert base64.b64encode(secret.encode())[:-4] not in content


def test_headers_cookies_fields_and_parameters_reach_no_file(recorder):
    lines = [
        *("Authorization: Bearer hunter2hunter2", "Cookie: sid=hunter2hunter2", '{"refresh_token": "hunter2hunter2"}'),
        *("GET /x?api_key=hunter2hunter2&y=1", "https://me:hunter2hunter2@host/", "DB_PASSWORD=hunter2hunter2"),
    ]
    record(recorder, program("import sys\nfor line in sys.argv[1:]: print(line)", *lines))
    recorder.record_mcp_call(tool="t", arguments={"headers": {"authorization": "Bearer hunter2hunter2"}}, result=lines)

    assert leaks(recorder.scenario_dir, ["hunter2hunter2"]) == []


def test_own_rules_and_later_declarations_are_kept(tmp_path):
    rule = RedactionRule("acme-key", re.compile(rb"acme-[0-9]{6}"), (b"acme-",))
    with ScenarioRecorder(tmp_path, "r", redaction_rules=[rule]) as recorder:
        recorder.redaction.declare(["learned while recording"])
        record(recorder, program("print('acme-123456, learned while recording')"))

    assert leaks(tmp_path, ["acme-123456", "learned while recording"]) == []


def test_rules_of_plug_ins_are_kept(tmp_path):
    class Plugin:
        @hookspecs.hookimpl
        def api_simulator_redaction_rules(self):
            return [RedactionRule("acme-key", re.compile(rb"acme-[0-9]{6}"))]

    plugin = Plugin()
    plugins.manager().register(plugin)
    try:
        with ScenarioRecorder(tmp_path, "r") as recorder:
            recorder.record_mcp_call(tool="t", arguments={}, result="acme-123456")
    finally:
        plugins.manager().unregister(plugin)

    assert leaks(tmp_path, ["acme-123456"]) == []


def test_without_redaction_everything_is_kept(tmp_path):
    with ScenarioRecorder(tmp_path, "r", redact=False) as recorder:
        record(recorder, program("import sys; print(sys.argv[1])", SHAPES["jwt"]))

    assert leaks(tmp_path, [SHAPES["jwt"]]) != []
