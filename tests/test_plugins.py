"""Plug-ins: found through the entry-point group, asked through hooks."""

import re
import subprocess
import sys
import textwrap

import pytest

from api_simulator import hookspecs, plugins
from api_simulator._core.secrets import RedactionRule

RULE = RedactionRule("acme-key", re.compile(rb"acme-[0-9]{6}"), (b"acme-",))


class Offering:
    """A plug-in as an object."""

    def __init__(self, *offered):
        self.offered = offered

    @hookspecs.hookimpl
    def api_simulator_redaction_rules(self):
        return self.offered


def registered(plugin, request):
    plugins.manager().register(plugin)
    request.addfinalizer(lambda: plugins.manager().unregister(plugin))


def test_rules_of_all_plugins_are_collected(request):
    registered(Offering(RULE), request)
    registered(Offering(), request)

    assert RULE in plugins.redaction_rules()


def test_what_is_no_rule_is_an_error(request):
    registered(Offering("acme-"), request)

    with pytest.raises(TypeError, match="a plug-in gave 'acme-', which is no RedactionRule"):
        plugins.redaction_rules()


def test_an_installed_package_is_found_by_its_entry_point(tmp_path):
    """A real distribution on the path of a fresh interpreter."""
    (tmp_path / "acme_rules.py").write_text(
        textwrap.dedent("""\
        import re
        from api_simulator._core.secrets import RedactionRule
        from api_simulator.hookspecs import hookimpl

        @hookimpl
        def api_simulator_redaction_rules():
            return [RedactionRule("acme-key", re.compile(rb"acme-[0-9]{6}"))]
        """)
    )
    metadata = tmp_path / "acme_rules-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-rules\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[api_simulator]\nacme = acme_rules\n")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from api_simulator import plugins; print([rule.kind for rule in plugins.redaction_rules()])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "['acme-key']\n"


def test_importing_looks_for_no_plugin():
    """The scan happens at first use."""
    program = "from api_simulator import plugins; print(plugins._manager)"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "None\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("Acme Key", re.compile(b"x")), "lower-case words joined by hyphens"),
        (("acme", re.compile("x")), "the pattern searches bytes"),
        (("acme", re.compile(b"x*")), "matches the empty text"),
        (("acme", re.compile(b"x"), (b"X",)), "needles are in lower case"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_when_it_is_made(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        RedactionRule(*arguments)
