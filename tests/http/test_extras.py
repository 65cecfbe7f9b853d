"""Conditions that need a library: what each says of a miss, and what is said when the library is absent."""

import gzip
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_simulator.errors import BodyError, MissingExtraError, PatternTimeoutError, RouteError
from api_simulator.http import json_path, json_schema, multipart, path_regex, regex
from api_simulator.http._extras import library
from api_simulator.http._extras.multipart import Part, parts_of
from api_simulator.http._extras.timed_regex import compiled
from tests._core.captured import captured
from tests._core.strategies import json_values


def said(condition, request):
    """Return the lines in which a request misses a condition."""
    miss = condition.explain(request)
    return None if miss is None else list(miss.differences)


def posted(value):
    return captured("POST", "/", value)


# JSONPath


@pytest.mark.parametrize(
    ("condition", "request_", "lines"),
    [
        (json_path("$.a.b", 1), posted({"a": {"b": 1}}), None),
        (json_path("$.a.b", 1), posted({"a": {"b": 2}}), ["body $.a.b: expected 1, found 2"]),
        (json_path("$.a[*]", "x"), posted({"a": ["y", "z"]}), ['body $.a[*]: expected "x", found "y", "z"']),
        (json_path("$.a"), posted({"b": 1}), ["body $.a: found nothing"]),
        (json_path("$.a"), posted({"a": None}), None),
        (json_path("$", {"a": 1}), posted({"a": 1.0}), None),
        (json_path("$"), captured(body=b"<x>"), ["body expected JSON, found b'<x>' (not JSON)"]),
        (json_path("$"), captured(), ["body expected JSON, found none"]),
    ],
)
def test_a_jsonpath_says_what_it_found(condition, request_, lines):
    assert said(condition, request_) == lines
    assert condition.holds(request_) == (lines is None)


@pytest.mark.parametrize("path", ["$[", "a b", "$.a[?", "$.."])
def test_what_is_no_jsonpath_is_refused(path):
    with pytest.raises(RouteError, match=re.escape(f"json_path: {path!r} is no JSONPath")):
        json_path(path)


def test_jsonpath_conditions_are_equal_when_they_ask_for_the_same():
    assert json_path("$.a", 1) == json_path("$.a", 1)
    assert json_path("$.a", None) != json_path("$.a")
    assert json_path("$.a", 1) != json_path("$.a", True)
    assert len({json_path("$.a", {"b": 1}), json_path("$.a", {"b": 1})}) == 1


# JSON Schema

PERSON = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        ({"name": "ann", "age": 3}, None),
        ({"age": 3}, ["body $: 'name' is a required property"]),
        ({"name": "ann", "age": -1}, ["body $.age: -1 is less than the minimum of 0"]),
        (
            {"name": 1, "age": "x"},
            ["body $.name: 1 is not of type 'string'", "body $.age: 'x' is not of type 'integer'"],
        ),
        (b"[", ["body expected JSON, found b'[' (not JSON)"]),
    ],
)
def test_a_schema_says_every_place_that_it_refuses(value, lines):
    found = said(json_schema(PERSON), posted(value))

    assert (found if found is None else sorted(found)) == (lines if lines is None else sorted(lines))


def test_a_schema_that_is_wrong_is_refused_with_the_place():
    with pytest.raises(RouteError, match=r"the schema itself is wrong at \$\.properties\.a\.type"):
        json_schema({"properties": {"a": {"type": "strange"}}})


def test_references_within_a_schema_are_followed():
    condition = json_schema({"$ref": "#/$defs/n", "$defs": {"n": {"type": "number"}}})

    assert condition.holds(posted(1))
    assert not condition.holds(posted("1"))


def test_a_schema_may_be_the_schema_of_schemas():
    condition = json_schema({"$ref": "https://json-schema.org/draft/2020-12/schema"})

    assert condition.holds(posted(PERSON))
    assert not condition.holds(posted({"type": 7}))


@given(value=json_values)
def test_the_schema_that_asks_for_nothing_accepts_any_json(value):
    assert json_schema({}).holds(posted(value))


# Multipart

BOUNDARY = "multipart/form-data; boundary=b"
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\nline 1\r\nline 2\r\n'
    b'--b\r\nCONTENT-DISPOSITION: form-data; name="file"; filename="a \\"b\\".png"\r\n'
    b"content-type: image/png\r\n\r\n\x89\r\n--c\r\n"
    b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\n\r\n'
    b"--b--\r\n"
)


def form(body=FORM, content_type=BOUNDARY):
    return captured("POST", "/", body, {"Content-Type": content_type})


def test_parts_have_name_content_file_name_and_type():
    text, file, again = parts_of(form())

    assert text == Part("text", b"line 1\r\nline 2")
    assert (file.name, file.content, file.content_type) == ("file", b"\x89\r\n--c", "image/png")
    assert file.filename in ('a "b".png', 'a \\"b\\".png')
    assert again == Part("text", b"")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (FORM, "text/plain"),
        (FORM, ""),
        (FORM, "multipart/form-data"),
        (FORM, "multipart/mixed; boundary=b"),
        (b"--b\r\nno colon\r\n\r\nx\r\n--b--\r\n", BOUNDARY),
        (b"--b\r\n\0: x\r\n\r\n", BOUNDARY),
    ],
)
def test_what_is_no_multipart_form_has_no_parts(body, content_type):
    with pytest.raises(BodyError, match="multipart form"):
        parts_of(form(body, content_type))
    assert said(multipart({"a": None}), form(body, content_type))[0].startswith("body form: the ")


@pytest.mark.parametrize(
    ("condition", "lines"),
    [
        (multipart({"text": "line 1\r\nline 2"}), None),
        (multipart({"text": b""}), None),
        (multipart({"text": None}, files={"file": b"\x89\r\n--c"}), None),
        (multipart({"text": "x"}), ['body form field \'text\': expected "x", found "line 1\\r\\nline 2"']),
        (multipart({"file": None}), ["body form field 'file': expected any, missing"]),
        (multipart(files={"text": "x"}), ["body form file 'text': expected \"x\", missing"]),
    ],
)
def test_a_multipart_condition_says_what_is_missing_or_different(condition, lines):
    assert said(condition, form()) == lines


def test_a_part_that_is_cut_off_is_not_there():
    assert said(multipart({"text": None}), form(FORM[:60])) == ["body form field 'text': expected any, missing"]


def test_a_coded_form_is_read_decoded():
    coded = gzip.compress(FORM, mtime=0)
    request = captured("POST", "/", coded, {"Content-Type": BOUNDARY, "Content-Encoding": "gzip"})

    assert len(parts_of(request)) == 3


@given(content=st.binary(max_size=40))
def test_any_bytes_are_a_form_or_a_body_error(content):
    """Never another exception, which would stop more than this condition."""
    try:
        parts = parts_of(form(content))
    except BodyError:
        return
    assert isinstance(parts, list)


@given(content=st.binary(max_size=60), name=st.text("abc", min_size=1))
def test_any_content_comes_back(content, name):
    if b"\r\n--b" in b"\r\n" + content:
        return
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()

    assert parts_of(form(head + content + b"\r\n--b--\r\n")) == [Part(name, content)]


# Expressions with a time limit


@pytest.mark.parametrize(
    ("pattern", "text", "is_found"),
    [
        ("a", "cba", True),
        ("^a$", "a", True),
        ("^A$", "a", False),
        (re.compile("^A$", re.IGNORECASE), "a", True),
        (re.compile("^b$", re.MULTILINE), "a\nb", True),
        (re.compile("a.b", re.DOTALL), "a\nb", True),
        (re.compile("a b # and no more", re.VERBOSE), "ab", True),
        (re.compile(r"^\w$", re.ASCII), "ü", False),
        (r"^\w$", "ü", True),
        (r"(?i)^A$", "a", True),
        (r"[[a]", "[", True),
        (r"[a||b]", "|", True),
    ],
)
@pytest.mark.filterwarnings("ignore:Possible (nested set|set union):FutureWarning")
def test_an_expression_means_the_same_with_and_without_the_library(pattern, text, is_found):
    plain = pattern if isinstance(pattern, re.Pattern) else re.compile(pattern)

    assert (plain.search(text) is not None) == is_found
    assert regex(pattern).matches(text) == is_found


@given(
    text=st.text("ab\n ü", max_size=6), pattern=st.sampled_from(["^a", "a$", r"\s", "[^a]b?", "(a|b)+", r"\bü", "^$"])
)
def test_the_library_agrees_with_re(text, pattern):
    assert (compiled(pattern).search(text) is None) == (re.search(pattern, text) is None)
    assert (compiled(pattern).fullmatch(text) is None) == (re.fullmatch(pattern, text) is None)


def test_an_expression_that_backtracks_for_ever_ends_in_an_error():
    pytest.importorskip("regex")
    endless = compiled(r"^(a|a)*(a|a)*(a|aa)*(a|aa)*$")

    with pytest.raises(PatternTimeoutError, match=r"took more than 1 s on 201 characters; rewrite it"):
        endless.search("a" * 200 + "!")
    with pytest.raises(TimeoutError):
        endless.fullmatch("a" * 200 + "!")


@pytest.mark.parametrize("pattern", ["(", "[", "*a", "(?P<a>x)(?P<a>y)"])
def test_what_is_no_expression_is_refused(pattern):
    for make in (regex, path_regex):
        with pytest.raises(RouteError, match="is no regular expression"):
            make(pattern)


@pytest.mark.parametrize("pattern", [b"a", re.compile(b"a"), None, 7])
def test_an_expression_is_over_text(pattern):
    with pytest.raises(RouteError, match="expected a regular expression over text"):
        regex(pattern)


# Without the libraries


def test_a_library_that_is_absent_is_named_with_its_extra():
    with pytest.raises(MissingExtraError, match=r"x\(\) needs the package 'no_such_library', .*api-simulator\[x\]"):
        library("no_such_library", extra="x", purpose="x()")


#: Hides the libraries, as if they were not installed, and asks for each condition that needs one.
_WITHOUT = """
import sys
for name in ("jsonpath", "jsonschema", "python_multipart", "regex"):
    sys.modules[name] = None
from api_simulator.errors import MissingExtraError
from api_simulator.http import json_path, json_schema, multipart, regex
for make, extra in (
    (lambda: json_path("$"), "jsonpath"),
    (lambda: json_schema({}), "jsonschema"),
    (lambda: multipart({"a": "b"}), "multipart"),
):
    try:
        make()
    except MissingExtraError as error:
        assert f"install api-simulator[{extra}]" in str(error), error
    else:
        raise AssertionError(extra)
assert regex("^a$").matches("a") and not regex("^a$").matches("b")
"""


def test_without_the_libraries_each_condition_names_its_extra_and_expressions_work():
    done = subprocess.run([sys.executable, "-c", _WITHOUT], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_importing_the_package_imports_none_of_the_libraries():
    program = (
        "import sys, api_simulator.http\n"
        "print([name for name in ('jsonpath', 'jsonschema', 'python_multipart', 'regex') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.strip() == "[]"
