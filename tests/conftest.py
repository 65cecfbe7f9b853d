"""What holds for the whole suite."""

import pytest
from hypothesis import settings

from tests.libraries import OPTIONAL

# A deadline is an absolute time, and says more about the machine than about the code; pytest-timeout watches instead.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


def pytest_addoption(parser):
    # Here and not where it is used: pytest reads options before it looks into folders.
    parser.addoption(
        "--require-engine", action="append", default=[], metavar="NAME", help="fail, not skip, where NAME is absent"
    )


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """Skip a module that imports an optional package which is not installed."""
    report = yield
    error = report.call.excinfo.value if report.failed and report.call.excinfo is not None else None
    while error is not None and not isinstance(error, ModuleNotFoundError):
        # pytest's own errors stand around it.
        error = error.__cause__
    if isinstance(error, ModuleNotFoundError) and error.name in OPTIONAL:
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, f"Skipped: needs {error.name}, which is not installed")
    return report
