"""
Fuzz the native request parser by coverage: ``python -m tests.fuzz.native run -max_total_time=600``.

Stable rustc instruments ``crates/fuzz``, and clang links it with libFuzzer; arguments are libFuzzer's. Inputs worth
keeping stay in ``.fuzz/native``. ``replay`` sends them to both engines and says where they differ.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from bench import machine
from tests.conformance.inputs import GOOD

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / ".fuzz" / "native"
FINDINGS = ROOT / ".fuzz" / "native-findings"
RESULT = ROOT / "bench" / "results" / "fuzz_native.json"
#: What cargo-fuzz passes too, as far as stable rustc takes it.
INSTRUMENTED = " ".join(
    [
        "-C passes=sancov-module -C codegen-units=1 -C debug-assertions=on -C overflow-checks=on -C panic=abort",
        *(
            f"-C llvm-args=-sanitizer-coverage-{option}"
            for option in ("level=4", "inline-8bit-counters", "pc-table", "trace-compares")
        ),
    ]
)
#: The first two bytes choose the cuts; 0x80 stands for a long run, 0x81 for many fields (crates/fuzz/src/input.rs).
SEEDS = [
    *(b"\0\1" + good for good in GOOD),
    b"\1\0" + b"".join(GOOD[:9]),
    b"\2\0GET /\x80 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\3\0GET / HTTP/1.1\r\nHost: x\r\n\x81Expect: 100-continue\r\n\r\n",
    b"\4\0PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;\x80\r\na\r\n0\r\n\x81\r\n",
    b"\5\0CONNECT [::1]:80 HTTP/1.1\r\nHost: x\r\nConnection: upgrade, close\r\nUpgrade: a\r\n\r\n",
    b"\6\0\x16\x03\x01",
]


def missing() -> str | None:
    """Return which tool is absent and how to get it, None if all are there."""
    if sys.platform == "win32":
        return "libFuzzer is linked on Linux and macOS only"
    if shutil.which("cargo") is None:
        return "cargo is not on PATH"
    if shutil.which("clang") is None:
        return "clang is not on PATH (a Debian package of that name; it brings libFuzzer)"
    return None


def build() -> Path:
    """Build the fuzzer and return its path."""
    target = ROOT / "crates" / "target" / "fuzz"
    command = ["cargo", "build", "--release", "--offline", "--locked", "--quiet", "--package", "api-simulator-fuzz"]
    environment = {**os.environ, "RUSTFLAGS": INSTRUMENTED, "CARGO_TARGET_DIR": str(target)}
    # Link-time optimisation would go over the instrumented code again.
    environment["CARGO_PROFILE_RELEASE_LTO"] = "off"
    subprocess.run(command, cwd=ROOT / "crates", env=environment, check=True, timeout=900)
    archive, program = target / "release" / "libapi_simulator_fuzz.a", target / "fuzz_native"
    libraries = ["-lpthread", "-lm", *(["-ldl"] if sys.platform == "linux" else [])]
    subprocess.run(["clang", "-fsanitize=fuzzer", archive, "-o", program, *libraries], check=True, timeout=300)
    return program


def run(options: list[str]) -> int:
    """Fuzz with libFuzzer's *options*, and write the figures of a run that was long enough to say something."""
    program = build()
    for folder in (CORPUS, FINDINGS):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS):
        (CORPUS / f"seed-{number}").write_bytes(seed)
    command = [str(program), str(CORPUS), f"-artifact_prefix={FINDINGS}/", "-print_final_stats=1", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as fuzzer:
        assert fuzzer.stderr is not None
        said = []
        for line in fuzzer.stderr:
            said.append(line)
            print(line, end="", file=sys.stderr)
    figures = machine.description() | summary("".join(said), fuzzer.returncode)
    print(json.dumps(figures, indent=2))
    if int(figures["seconds"] or 0) >= 300:
        RESULT.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return fuzzer.returncode


def summary(text: str, returncode: int) -> dict[str, str | int | None]:
    """Return the figures of what libFuzzer *text* says."""

    def last(pattern: str) -> int | None:
        found = re.findall(pattern, text)
        return int(found[-1]) if found else None

    return {
        "measurement": "fuzz_native",
        "question": "Does the native request parser keep its promises for inputs found by coverage?",
        "executions": last(r"stat::number_of_executed_units:\s+(\d+)"),
        "seconds": last(r"Done \d+ runs in (\d+) second"),
        "executions_per_s": last(r"stat::average_exec_per_sec:\s+(\d+)"),
        "edges_covered": last(r"\bcov: (\d+)"),
        "edges_instrumented": last(r"Loaded \d+ modules\s+\((\d+) inline 8-bit counters\)"),
        "features": last(r"\bft: (\d+)"),
        "corpus_inputs": last(r"\bcorp: (\d+)/"),
        "peak_memory_mib": last(r"stat::peak_rss_mb:\s+(\d+)"),
        "findings": 0 if returncode == 0 else 1,
    }


def replay(limit: int) -> int:
    """Send the smallest *limit* inputs of the corpus to both engines; return how many they read differently."""
    from api_simulator.http import MockHttpServer
    from tests.conformance.test_engines_read_the_same import agree, seen, without_known_faults

    inputs = sorted((file.read_bytes()[2:] for file in CORPUS.iterdir()), key=lambda data: (len(data), data))
    compared = differences = 0
    with (
        MockHttpServer(engine="aiohttp", strict=False) as reference,
        MockHttpServer(engine="native", strict=False) as native,
    ):
        for data in filter(without_known_faults, inputs[:limit]):
            answers = seen(native, data), seen(reference, data)
            compared += 1
            if not agree(*answers):
                differences += 1
                print(f"{data!r}\n  native:    {answers[0]}\n  reference: {answers[1]}")
    print(f"{compared} inputs of the corpus compared, {differences} read differently")
    return differences


def main(arguments: list[str]) -> int:
    reason = missing()
    if reason is not None:
        print(f"skipped: the native parser is not fuzzed ({reason})")
        return 0
    match arguments:
        case ["run", *options]:
            return run(options)
        case ["replay"]:
            return min(1, replay(limit=2000))
        case _:
            sys.exit("usage: python -m tests.fuzz.native {run [libFuzzer options]|replay}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
