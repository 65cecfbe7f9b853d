#!/bin/sh
# Compile requirements/*.in to requirements/*.txt: versions and hashes for every platform and Python 3.11 to 3.14.
#
# The package's own dependencies and extras are read from pyproject.toml, so that they are written once.
set -eu
cd "$(dirname "$0")/.."

compile() {
    output=$1
    shift
    echo "$output"
    "${UV:-uv}" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --emit-build-options --custom-compile-command "make lock" \
        ${UPGRADE:+--upgrade} --output-file "requirements/$output" "$@" >/dev/null
}

package="pyproject.toml --extra httpx --extra httpx2 --extra jsonpath --extra jsonschema --extra multipart --extra regex --extra yaml"

compile dev.txt $package --extra mcp requirements/test.in requirements/dev.in
# The others share dev.txt's versions where they share a package.
compile test.txt $package --extra mcp requirements/test.in -c requirements/dev.txt
compile fuzz.txt $package requirements/test.in requirements/fuzz.in -c requirements/dev.txt
compile bench.txt $package requirements/bench.in -c requirements/dev.txt
# A line of its own: the current SDK is in dev.txt.
compile oldsdk.txt $package requirements/oldsdk.in
compile lowest.txt $package --extra mcp requirements/lowest.in --resolution lowest-direct

# A pinned address would be somebody's mirror on everybody's machine.
if grep -n '://' requirements/*.txt; then
    echo "make lock: the lines above name an address" >&2
    exit 1
fi
