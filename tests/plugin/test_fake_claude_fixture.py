"""``fake_claude``: a program for one test, on PATH only inside its ``with`` block."""

pytest_plugins = ["pytester"]


def test_every_test_has_a_program_of_its_own(suite):
    """PATH changes only inside ``with``, the executable exists at once, and nothing of a test reaches the next."""
    suite.write(
        "test_user.py",
        """
        import os
        import pathlib
        import shutil
        import subprocess
        import pytest

        PATH = os.environ["PATH"]
        executables = []

        @pytest.mark.parametrize("number", range(2))
        def test_user(fake_claude, number):
            assert os.environ["PATH"] == PATH
            assert all(not path.exists() for path in executables)
            assert fake_claude.executable.is_file()
            executables.append(fake_claude.executable)

            with fake_claude:
                assert shutil.which("claude") == str(fake_claude.executable)
                run = subprocess.run(["claude", "-p", "hello"], capture_output=True, timeout=20, check=True)

            assert run.stderr == b""
            assert os.environ["PATH"] == PATH

        def test_gone_after_the_test():
            assert len(executables) == 2
            assert all(not path.exists() for path in executables)

        def test_path_is_restored_when_the_block_raises(fake_claude):
            with pytest.raises(ZeroDivisionError), fake_claude:
                1 / 0
            assert os.environ["PATH"] == PATH
        """,
    )

    result = suite.run()

    result.assert_outcomes(passed=4)
    assert result.errlines == []
