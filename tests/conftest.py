"""What holds for the whole suite."""

from hypothesis import settings

# A deadline is an absolute time, and says more about the machine than about the code; pytest-timeout watches instead.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")


def pytest_addoption(parser):
    # Here and not where it is used: pytest reads options before it looks into folders.
    parser.addoption(
        "--require-engine", action="append", default=[], metavar="NAME", help="fail, not skip, where NAME is absent"
    )
