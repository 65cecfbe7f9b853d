"""Path patterns: against a model that knows nothing of expressions, and as values."""

import re
import string
from fnmatch import fnmatchcase
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api_simulator._core.messages import decode_path
from api_simulator._core.paths import PARAMETER_TYPES, glob_path, literal_path, regex_path, template_path
from api_simulator.errors import RouteError

SEGMENTS = st.sampled_from(["", "a", "b", "ab", "a.b", "7", "-1", "1.5", "x{y", "a b", "%2F", "ü", "a+b", "$", "\n"])
PATHS = st.lists(SEGMENTS, min_size=1, max_size=4).map(lambda segments: "/" + "/".join(segments))


def template(text):
    return template_path(text, text)


def fits(kind, text):
    """Say by plain rules whether *text* is one of its type."""
    digits = text.removeprefix("-")
    if kind == "int":
        return digits.isascii() and digits.isdigit()
    if kind == "float":
        parts = digits.split(".")
        return len(parts) <= 2 and all(part.isascii() and part.isdigit() for part in parts)
    return text != ""


@given(path=PATHS, other=PATHS)
def test_a_literal_path_matches_itself_and_nothing_else(path, other):
    assert (literal_path(path).match(other) is not None) == (path == other)
    assert template(path.replace("{", "{{")).match(path) == {}


@given(
    segments=st.lists(
        st.one_of(
            SEGMENTS.map(lambda text: (None, text)),
            st.sampled_from(["str", "int", "float"]).map(lambda kind: (kind, "")),
        ),
        min_size=1,
        max_size=4,
    ),
    path=PATHS,
)
def test_a_template_agrees_with_a_comparison_segment_by_segment(segments, path):
    """The model: as many segments, literal ones equal, the others of their type."""
    text = "".join(
        f"/{literal.replace('{', '{{')}" if kind is None else f"/{{p{place}:{kind}}}"
        for place, (kind, literal) in enumerate(segments)
    )
    found = path[1:].split("/")
    expected = len(found) == len(segments) and all(
        given_ == literal if kind is None else fits(kind, given_)
        for (kind, literal), given_ in zip(segments, found, strict=True)
    )

    params = template(text).match(path)

    assert (params is not None) == expected
    if params is not None:
        convert = {"str": str, "int": int, "float": float}
        assert params == {
            f"p{place}": convert[kind](found[place]) for place, (kind, _) in enumerate(segments) if kind is not None
        }


@given(
    before=st.sampled_from(["/", "/a", "/a/", "/files/"]),
    after=st.sampled_from(["", "/", "/end", ".json"]),
    path=PATHS,
)
def test_a_path_parameter_takes_everything_between(before, after, path):
    params = template(f"{before}{{rest:path}}{after}").match(path)

    middle = path[len(before) : len(path) - len(after)]
    if path.startswith(before) and path.endswith(after) and len(path) > len(before) + len(after):
        assert params == {"rest": middle}
    else:
        assert params is None


@given(text=st.text(alphabet="/ab{}%7B", max_size=12).map(lambda text: f"/{text}"))
def test_a_template_with_doubled_braces_means_the_text(text):
    """Doubling every brace makes any text literal."""
    pattern = template(text.replace("{", "{{").replace("}", "}}"))

    assert pattern.literal == decode_path(text)


@pytest.mark.parametrize(
    ("text", "path", "params"),
    [
        ("/{{{id}}}", "/{7}", {"id": "7"}),
        ("/{{{{{id}", "/{{7", {"id": "7"}),
        ("/{a}}}{{{b}", "/1}{2", {"a": "1", "b": "2"}),
        ("/{{}}", "/{}", {}),
        ("/%7Bid%7D", "/{id}", {}),
        ("/{a}-{b}", "/1-2-3", {"a": "1-2", "b": "3"}),
        ("/{ü}", "/x", {"ü": "x"}),
    ],
)
def test_braces_are_read_from_left_to_right(text, path, params):
    assert template(text).match(path) == params


@pytest.mark.parametrize(
    "text",
    ["/{", "/}", "/{a}}", "/{{a}", "/a}b", "/{a{b}}", "/{}", "/{a b}", "/{a:}", "/{a:Int}", "/{:int}", "/{a}/{a:int}"],
)
def test_braces_that_mean_nothing_are_refused_with_the_path(text):
    with pytest.raises(RouteError, match=re.escape(repr(text))):
        template(text)


def test_types_are_those_of_the_documentation():
    assert list(PARAMETER_TYPES) == ["str", "int", "float", "uuid", "path"]


@given(value=st.uuids())
def test_a_uuid_is_read_in_either_case(value):
    pattern = template("/{id:uuid}")

    for text in (str(value), str(value).upper()):
        assert pattern.match(f"/{text}") == {"id": UUID(str(value))}
    assert pattern.match(f"/{value.hex}") is None


@given(value=st.integers())
def test_an_integer_is_read_back(value):
    assert template("/{n:int}").match(f"/{value}") == {"n": value}


@given(
    pattern=st.text(alphabet="ab/*?.[]!^-&~|\\", max_size=8).map(lambda text: f"/{text}"),
    path=PATHS,
)
@example(pattern="/[a-]", path="/a")
@example(pattern="/[!a]", path="/b")
@example(pattern="/[[]", path="/a")
@example(pattern="/[&&a]", path="/a")
@example(pattern="/[\\]", path="/a")
def test_a_glob_is_an_expression_or_refused_and_warns_of_nothing(pattern, path):
    """Whatever somebody writes, Python's own notation for classes does not shine through."""
    try:
        compiled = glob_path(pattern)
    except RouteError:
        return

    params = compiled.match(path)

    assert params in (None, {})


@given(
    pattern=st.lists(st.sampled_from(["a", "b", "*", "?", "[ab]", "[!a]", "."]), max_size=5).map("".join),
    segment=st.text(alphabet="ab.c", max_size=5),
)
def test_within_a_segment_a_glob_agrees_with_fnmatch(pattern, segment):
    assert (glob_path(f"/{pattern}").match(f"/{segment}") is not None) == fnmatchcase(
        segment, pattern.replace("**", "*")
    )


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("/[!a]", ["/b", "/]"], ["/a", "//", "/"]),
        ("/[]a]", ["/]", "/a"], ["/b"]),
        ("/[a-c][0-9]", ["/b7"], ["/d7", "/b"]),
        ("/[+--]", ["/+", "/,", "/-"], ["/.", "//"]),
        ("/[[]", ["/["], ["/]"]),
        ("/[\\d]", ["/\\", "/d"], ["/7"]),
        ("/[^a]", ["/b"], ["/a"]),
        ("/a/**/b", ["/a/b", "/a/x/b", "/a/x/y/b"], ["/ab", "/a/xb"]),
        ("/**", ["/", "/a", "/a/b\nc"], []),
    ],
)
def test_a_class_is_about_one_character_of_a_segment(pattern, yes, no):
    compiled = glob_path(pattern)

    assert [path for path in yes if compiled.match(path) is None] == []
    assert [path for path in no if compiled.match(path) is not None] == []


def means(pattern: str, path: str, before: str = "") -> bool:
    """Say whether a glob matches, the slow way: by trying everything. *before* is what stood before the rest of it."""
    if not pattern:
        return not path
    if pattern.startswith("**/") and before in ("", "/"):
        boundaries = [0, *(at + 1 for at, character in enumerate(path) if character == "/")]
        return any(means(pattern[3:], path[at:], "/") for at in boundaries)
    if pattern.startswith("**"):
        return any(means(pattern[2:], path[at:], "*") for at in range(len(path) + 1))
    if pattern.startswith("*"):
        return any(means(pattern[1:], path[at:], "*") for at in range(len(path.partition("/")[0]) + 1))
    if not path or (pattern[0] == "?" and path[0] == "/"):
        return False
    return pattern[0] in ("?", path[0]) and means(pattern[1:], path[1:], pattern[0])


@given(
    pattern=st.lists(st.sampled_from(["a", "b", "/", "/**/", "**", "*", "?"]), max_size=7).map("".join),
    path=st.text(alphabet="ab/", max_size=8),
)
@example(pattern="**a**/b", path="aab")
@example(pattern="**/a/**/b", path="a//a/b")
def test_a_glob_means_what_trying_everything_finds(pattern, path):
    assert (glob_path(f"/{pattern}").match(f"/{path}") is not None) == means(f"/{pattern}", f"/{path}")


@pytest.mark.parametrize("pattern", ["/u" + "*a" * 20 + "b", "/" + "**a" * 20 + "b", "/" + "**/a*/" * 20 + "b"])
def test_many_stars_are_not_tried_in_every_combination(pattern):
    """The naive expression for these would not end within a lifetime."""
    assert glob_path(pattern).match("/" + "a" * 200 + "/a" * 200) is None


@pytest.mark.parametrize("pattern", ["", "a/b", "?x", "[a]", None, b"/a", "/[b-a]", "/[]"])
def test_a_glob_that_means_no_path_is_refused(pattern):
    with pytest.raises(RouteError, match="glob: "):
        glob_path(pattern)


@pytest.mark.parametrize(
    ("one", "other", "are_equal"),
    [
        (template("/a%20b"), template("/a b"), True),
        (template("/{id}"), template("/{id}"), True),
        (template("/{id}"), template("/{id:int}"), False),
        (template("/x{{y}}/{id}"), template("/x{y}/{id}"), False),
        (template("/{id}/x"), glob_path("/{id}/x"), False),
        (glob_path("/*"), glob_path("/*"), True),
        (template("/*"), glob_path("/*"), False),
        (regex_path(re.compile("/a")), regex_path(re.compile("/a")), True),
        (regex_path(re.compile("/a")), regex_path(re.compile("/a", re.DOTALL)), False),
    ],
)
def test_patterns_are_equal_when_they_mean_the_same(one, other, are_equal):
    assert (one == other) == are_equal
    if are_equal:
        assert hash(one) == hash(other)


@given(
    path=PATHS,
    text=st.sampled_from(
        ["/a/{x}", "/ab/*", "/a/**", "/{x}/a", "/a b/{x:path}", "/{x}{y}", "/?", "/[a-z]/a", "/*/{", "**", "/a%2Fb/{x}"]
    ),
)
def test_what_a_pattern_says_of_its_paths_is_true_of_each(path, text):
    """Tables look up by it: a path that matches and is said not to would never be tried."""
    pattern = glob_path(text) if any(character in text for character in "*?[") else template(text)

    if pattern.match(path) is None:
        return
    if pattern.first_segment is not None:
        assert path[1:].partition("/")[0] == pattern.first_segment
    if pattern.segments is not None:
        found = path.split("/")
        assert len(found) == len(pattern.segments)
        assert all(said in (None, segment) for said, segment in zip(pattern.segments, found, strict=True))


@pytest.mark.parametrize(
    ("pattern", "segments"),
    [
        (template("/v1/{id}"), ("", "v1", None)),
        (template("/v{n}/x"), ("", None, "x")),
        (template("/{a}-{b}/{{x}}"), ("", None, "{x}")),
        (template("/a%2Fb/{id:int}"), ("", "a%2Fb", None)),
        (template("/{id}/"), ("", None, "")),
        (template("/{rest:path}"), None),
        (glob_path("/v1/*"), ("", "v1", None)),
        (glob_path("/v?/[ab]/x"), ("", None, None, "x")),
        (glob_path("/**/x"), None),
        (glob_path("*/x"), None),
        (regex_path(re.compile("/v1/a")), None),
    ],
)
def test_segments_are_known_where_their_number_is(pattern, segments):
    assert pattern.segments == segments


@pytest.mark.parametrize(
    ("pattern", "segment"),
    [
        (template("/v1/{id}"), "v1"),
        (template("/v{n}/x"), None),
        (template("/{id}/x"), None),
        (template("/v1{id}"), None),
        (glob_path("/v1/*"), "v1"),
        (glob_path("/v?/x"), None),
        (glob_path("/[a]/x"), None),
        (glob_path("**/x"), None),
        (regex_path(re.compile("/v1/.*")), None),
    ],
)
def test_the_first_segment_is_known_where_it_is_literal(pattern, segment):
    assert pattern.first_segment == segment


@given(text=st.text(alphabet=string.printable, max_size=20).map(lambda text: f"/{text}"))
def test_any_text_is_a_template_or_refused(text):
    try:
        pattern = template(text)
    except RouteError:
        return

    assert pattern.text.startswith("/")
