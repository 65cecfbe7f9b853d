#!/bin/sh
# Check crates/: format, lints, tests. Skips by name what this machine cannot do: the project works without Rust.
set -eu
cd "$(dirname "$0")/../crates"

skip() {
    echo "skipped: $1 ($2)"
}

needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
# `cargo --version` is run, not looked up: rustup's proxy exists without a toolchain too.
if ! found=$(cargo --version 2>/dev/null); then
    for step in fmt clippy test; do skip "cargo $step" "no cargo"; done
    exit 0
fi
found=$(echo "$found" | cut -d' ' -f2)
if [ "$(printf '%s\n%s\n' "$needed" "$found" | sort -V | head -n 1)" != "$needed" ]; then
    for step in fmt clippy test; do skip "cargo $step" "cargo $found is older than $needed"; done
    exit 0
fi

if cargo fmt --version >/dev/null 2>&1; then
    echo "cargo fmt --check"
    cargo fmt --check
else
    skip "cargo fmt" "rustfmt is not installed"
fi
if cargo clippy --version >/dev/null 2>&1; then
    echo "cargo clippy"
    cargo clippy --quiet --offline --locked --all-targets -- -D warnings
else
    skip "cargo clippy" "clippy is not installed"
fi
echo "cargo test"
cargo test --quiet --offline --locked >/dev/null || cargo test --offline --locked
