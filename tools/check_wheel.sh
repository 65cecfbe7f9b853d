#!/bin/sh
# Build sdist and wheel, install the wheel where there is no source tree, and run tests from it.
#
#   sh tools/check_wheel.sh            the contract tests
#   sh tools/check_wheel.sh engines    those of all engines, of which the native one must be in the wheel
#
# What this finds and the suite cannot: a file that is missing from the wheel, a dependency that is used and not
# declared, an entry point that names nothing. Run it by `make wheel` and `make wheeltest`. PYTHON names the interpreter
# of the environment: any that the package supports takes the same wheel.
set -eu
cd "$(dirname "$0")/.."

root=$(pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/api-simulator-wheel.XXXXXX")
trap 'rm -rf "$work"' EXIT

pip() {
    PIP_USER=0 "$work/env/bin/python" -m pip --disable-pip-version-check --no-input "$@"
}

echo "== build: the sdist from the tree, the wheel from the sdist"
rm -rf dist
.venv/bin/python -m build --no-isolation --outdir dist . >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; exit 1; }
ls -l dist

echo "== install the wheel, with the dependencies it declares and nothing else, in an empty environment"
"${PYTHON:-.venv/bin/python}" -m venv "$work/env"
pip install -qq dist/*.whl
pip check
cd "$work"
"$work/env/bin/python" - "$work/env" <<'PY'
import importlib, importlib.metadata, pathlib, sys

modules = ["api_simulator", "api_simulator.http", "api_simulator.process", "api_simulator.claude", "api_simulator.pytest_plugin"]
for name in modules:
    module = importlib.import_module(name)
    here = pathlib.Path(module.__file__).resolve()
    assert here.is_relative_to(pathlib.Path(sys.argv[1]).resolve()), f"{name} comes from {here}, not from the wheel"
for point in importlib.metadata.distribution("api-simulator").entry_points:
    point.load()
assert (pathlib.Path(importlib.import_module("api_simulator").__file__).parent / "py.typed").is_file()
print("imports:", *modules)
PY
"$work/env/bin/api-simulator" --help >/dev/null
echo "api-simulator --help: ok"

echo "== run tests on it"
# The tests and their settings, not src: what they import can only be the wheel.
cp -R "$root/tests" "$root/pyproject.toml" "$work/"
pip install -qq --require-hashes -r "$root/requirements/test.txt"
case ${1:-contract} in
contract)
    "$work/env/bin/python" -m pytest tests/contract
    ;;
engines)
    mkdir -p crates/capi
    cp -R "$root/crates/capi/include" crates/capi/
    "$work/env/bin/python" -m tests.installed
    ;;
*)
    echo "$0: expected contract or engines, found $1" >&2
    exit 2
    ;;
esac
