"""
The command line: which measurements, how long, where the results go, and whether a missed bar is an error.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from api_simulator._engines.base import open_engine
from bench import chart, machine, measurements, result

RESULTS = Path(__file__).parent / "results"


def main(arguments: list[str]) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    for name in options.names:
        if name not in (*measurements.NAMES, *measurements.LONG):
            known = ", ".join((*measurements.NAMES, *measurements.LONG))
            parser.error(f"there is no measurement {name!r}; there are {known}")
    conditions: dict[str, Any] = {"quick": options.quick, "engine": open_engine().name, **machine.description()}
    print(f"engine of servers for which a measurement names none: {conditions['engine']}\n", flush=True)
    # A quick run must not replace the committed results of a full one.
    folder = options.results or (None if options.quick else RESULTS)
    found: list[result.Bar] = []
    for name in options.names or measurements.NAMES:
        begin = time.perf_counter()
        measured = measurements.run(name, quick=options.quick)
        print(f"{measured.text()}\n  took {time.perf_counter() - begin:.0f} s\n", flush=True)
        found += measured.bars
        if folder is not None:
            result.write(folder, measured, conditions)
    if folder is not None:
        chart.draw_all(folder, (*measurements.NAMES, *measurements.LONG))
    kept = sum(bar.met is True for bar in found)
    print(f"{kept} of {len(found)} bars met")
    # What could not be measured is not met: a check must not pass because a peer or wrk is missing.
    return 1 if options.check and kept < len(found) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure against peers in the same run.")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"which measurements: {', '.join(measurements.NAMES)}; all of these by default; "
        f"or, for long: {', '.join(measurements.LONG)}",
    )
    parser.add_argument(
        "--quick", action="store_true", help="a short version, written nowhere unless --results is given"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 if a bar is missed or could not be measured")
    parser.add_argument("--results", type=Path, metavar="DIR", help="where JSON and pictures go (bench/results)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
