"""What `make fuzznative` and `make leaks` say without their tools, and what they read from what the tools say."""

import pytest

from tests._engines.native import leaks
from tests.fuzz import native

DONE = """\
INFO: Loaded 1 modules   (2936 inline 8-bit counters): 2936 [0x55c6a8008040, 0x55c6a8008bb8),
#19\tINITED cov: 268 ft: 561 corp: 18/1291b exec/s: 0 rss: 28Mb
#900\tDONE   cov: 302 ft: 600 corp: 20/1291b exec/s: 450 rss: 28Mb
Done 900 runs in 2 second(s)
stat::number_of_executed_units: 900
stat::average_exec_per_sec:     450
stat::peak_rss_mb:              28
"""
REPORT = """\
<valgrindoutput>
  <error><kind>{kind}</kind><xwhat><text>10 bytes in 1 blocks</text><leakedbytes>10</leakedbytes></xwhat>
    <stack><frame><obj>/lib/malloc.so</obj><fn>malloc</fn></frame><frame><obj>/x/{library}</obj><fn>f</fn></frame></stack>
  </error>
</valgrindoutput>
"""


@pytest.mark.parametrize(("program", "tool"), [(native, "cargo"), (leaks, "valgrind")])
def test_a_missing_tool_is_named_and_is_no_failure(program, tool, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    assert program.main(["run"] if program is native else []) == 0

    assert f"{tool} is not on PATH" in capsys.readouterr().out


def test_the_figures_of_a_run_are_read():
    found = native.summary(DONE, 0)

    assert (found["executions"], found["seconds"], found["edges_covered"]) == (900, 2, 302)
    assert (found["edges_instrumented"], found["corpus_inputs"], found["findings"]) == (2936, 20, 0)
    assert native.summary(DONE, 77)["findings"] == 1


@pytest.mark.parametrize(("library", "bytes_"), [("libours.so", 10), ("libpython.so", 0)])
def test_only_what_the_library_lost_counts(library, bytes_, tmp_path):
    report = tmp_path / "report.xml"
    report.write_text(REPORT.format(kind="Leak_DefinitelyLost", library=library))

    found, places = leaks.losses(report, "libours.so")

    assert found["Leak_DefinitelyLost"] == bytes_
    assert len(places) == bool(bytes_)
