"""
Fuzz a target by coverage: ``python -m tests.fuzz server -max_total_time=600``.

Needs atheris, which has wheels for Linux and CPython 3.11 to 3.13 (``make fuzz`` installs it into an environment of its
own). Arguments after the target's name are libFuzzer's.
Inputs worth keeping stay in ``.fuzz``.
"""

import sys
from pathlib import Path

import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]  # only in the environment of `make fuzz`

with atheris.instrument_imports(include=["api_simulator", "aiohttp"]):
    # Servers load the engine when they start, which would be too late.
    import api_simulator._engines._aiohttp  # noqa: F401
    from tests.fuzz.targets import SEEDS, TARGETS

CORPUS = Path(__file__).parents[2] / ".fuzz"


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: python -m tests.fuzz {{{'|'.join(TARGETS)}}} [libFuzzer options]")
    name = sys.argv.pop(1)
    corpus = CORPUS / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[name]):
        (corpus / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], str(corpus), *sys.argv[1:]], TARGETS[name])
    atheris.Fuzz()


main()
