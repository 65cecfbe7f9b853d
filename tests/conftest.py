"""What holds for the whole suite."""

from hypothesis import settings

# A deadline is an absolute time, and says more about the machine than about the code; pytest-timeout watches instead.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")
