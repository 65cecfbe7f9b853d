#!/bin/sh
# Build the native stand-in of fake programs into the package (or to the path given), where it is found from then on.
# Skips by name what this machine cannot do: fake programs work without it.
set -eu
cd "$(dirname "$0")/.."
target=${1:-src/api_simulator/_native_bin/stand-in}

skip() {
    echo "skipped: the native stand-in ($1); Python plays fake programs"
    exit 0
}

case "$(uname -sm)" in
"Linux x86_64" | "Linux aarch64") ;;
*) skip "made for Linux on x86_64 and aarch64 only" ;;
esac
cargo --version >/dev/null 2>&1 || skip "no cargo"

# With all libraries inside it starts in half the time, if their static forms are installed (libc6-dev, glibc-static).
build() {
    cargo rustc --manifest-path crates/Cargo.toml --quiet --offline --locked --profile stand-in \
        -p api-simulator-stand-in --bin api-simulator-stand-in -- "$@"
}
build -C target-feature=+crt-static -C relocation-model=static 2>/dev/null || build

built=${CARGO_TARGET_DIR:-crates/target}/stand-in/api-simulator-stand-in
if ! cmp -s "$built" "$target"; then
    mkdir -p "$(dirname "$target")"
    # Replaced as a whole: the old one may be running.
    cp "$built" "$target.new"
    mv "$target.new" "$target"
fi
