"""What is wrong with a recording is said with file, line, field and what to do."""

import json
import re
from pathlib import Path

import pytest

import api_simulator.scenario
from api_simulator.errors import ScenarioError
from api_simulator.scenario import read_scenario
from api_simulator.scenario._json_places import dotted, line_of
from api_simulator.scenario.models import json_schema
from tests.scenario.conftest import program, record


@pytest.fixture
def folder(recorder):
    record(recorder, program("import os; os.write(1, b'a\\n'); os.write(2, b'b')", "x"))
    record(recorder, program("print(1)"), step_name="second")
    recorder.finalize()
    return recorder.scenario_dir


def edit(file: Path, old: str, new: str) -> None:
    """Change a file by hand."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def complaint(folder):
    with pytest.raises(ScenarioError) as caught:
        read_scenario(folder)
    return str(caught.value)


def line_with(file, text):
    """The number of the first line that has a text."""
    return next(number for number, line in enumerate(file.read_text().splitlines(), 1) if text in line)


#: What is edited, how, and what the complaint names: file, field and what to do.
MISTAKES = [
    ("scenario.json", '"format": 1', '"format": 7', "field format: 7 is newer", "install a newer api-simulator"),
    ("scenario.json", '"format": 1', '"format": "x"', "field format: Input should be 1", "correct it there"),
    ("scenario.json", '"recipe"', '"receipt"', "field recipe: Field required", "correct it there"),
    ("scenario.json", '"step_name": "second"', '"step_name": 2', "step_sequence[1].step_name", "correct it there"),
    ("scenario.json", '"kind": "program"', '"kind": "film"', "step_sequence[0]", "'program'"),
    ("scenario.json", '"sessions/0002-second"', '"../x"', "step_sequence[1].session_dir", "correct it there"),
    ("scenario.json", '"model"', '"modell"', "step_sequence[0].modell: Extra inputs", "correct it there"),
    ("sessions/0001-s/input.json", '"x"', '"y"', "field args[5]: 'y', but scenario.json has 'x'", "edit both"),
    ("sessions/0001-s/input.json", '"args"', '"arguments"', "field args: Field required", "correct it there"),
    ("sessions/0001-s/cassette.json", '"exit_code": 0', '"exit_code": 999', "field exit_code", "correct it there"),
    ("sessions/0001-s/cassette.json", '"files": []', '"files": ["../x"]', "field files[0]", "leads out of the folder"),
    ("sessions/0001-s/cassette.json", '"files": []', '"files": ["x"]', "field files[0]", "restore it"),
]


@pytest.mark.parametrize(("name", "old", "new", "field", "advice"), MISTAKES, ids=[f"{m[0]} {m[2]}" for m in MISTAKES])
def test_an_edited_file_is_named_with_line_and_field(folder, name, old, new, field, advice):
    edit(folder / name, old, new)

    said = complaint(folder)

    assert said.startswith(f"{folder / name}: ")
    assert field in said
    assert advice in said


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (m[0], m[1], m[2])
        for m in MISTAKES
        if m[2] not in ('"files": ["../x"]', '"files": ["x"]', '"receipt"', '"arguments"')
    ],
)
def test_the_line_is_that_of_the_mistake(folder, name, old, new):
    line = line_with(folder / name, old)
    edit(folder / name, old, new)

    # Of a step of an unknown kind, the line of the step is named.
    named = int(re.findall(r": line (\d+)", complaint(folder))[0])
    assert named == (line - 1 if "film" in new else line)


def test_a_corrupted_line_of_json_is_named(folder):
    edit(folder / "scenario.json", '"step_sequence": [', '"step_sequence": [,')
    line = line_with(folder / "scenario.json", "[,")

    assert f"scenario.json: line {line}, column " in complaint(folder)


def test_a_corrupted_moment_is_named(folder):
    with (folder / "sessions" / "0001-s" / "timing.jsonl").open("a") as file:
        file.write('[1, "stdin", 3]\n')

    said = complaint(folder)

    assert "timing.jsonl: line 3: '[1, \"stdin\", 3]' is no moment" in said
    assert "record the scenario again" in said


def test_a_cassette_that_is_missing_is_named(folder):
    (folder / "sessions" / "0002-second").rename(folder / "elsewhere")

    said = complaint(folder)

    assert "field step_sequence[1].session_dir: the cassette" in said
    assert "restore the folder, or record the scenario again" in said


@pytest.mark.parametrize("name", ["input.json", "cassette.json", "timing.jsonl", "stdout.jsonl", "stderr.txt"])
def test_a_file_that_is_missing_is_named(folder, name):
    (folder / "sessions" / "0001-s" / name).unlink()

    assert f"{name} does not exist" in complaint(folder)


def test_output_that_was_cut_is_noticed(folder):
    (folder / "sessions" / "0001-s" / "stdout.jsonl").write_bytes(b"")

    assert (
        "stdout.jsonl: 0 bytes, timing.jsonl accounts for 2, and cassette.json, field stdout_bytes, has 2"
        in complaint(folder)
    )


def test_a_byte_order_mark_and_carriage_returns_are_no_mistakes(folder):
    file = folder / "scenario.json"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))

    assert len(read_scenario(folder).step_sequence) == 2


def test_a_json_file_of_somebody_else_is_none(folder):
    (folder / "scenario.json").write_text("{}")

    assert "line 1, field format: Field required" in complaint(folder)


@pytest.mark.parametrize(
    ("place", "line"), [((), 1), (("a",), 2), (("b", 1), 5), (("b", 2, "c"), 7), (("b", 9), 3), (("z",), 1)]
)
def test_lines_of_places(place, line):
    text = '{\n"a": "x[,",\n"b": [\n1,\n{},\n{\n"c": 3}]}'

    assert line_of(text, place) == line


def test_places_are_written_as_in_code():
    assert dotted(("step_sequence", 2, "args", 0)) == "step_sequence[2].args[0]"


def test_the_published_schema_is_that_of_the_models():
    """Write it anew with: python -m api_simulator.scenario.models > src/api_simulator/scenario/scenario.schema.json."""
    published = Path(api_simulator.scenario.__file__).with_name("scenario.schema.json")

    assert json.loads(published.read_text(encoding="utf-8")) == json_schema()


def test_a_recording_keeps_to_the_published_schema(folder):
    jsonschema = pytest.importorskip("jsonschema")

    jsonschema.validate(json.loads((folder / "scenario.json").read_bytes()), json_schema())
