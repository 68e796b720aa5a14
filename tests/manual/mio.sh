#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Builds a program for mio with cargo, from the crates that Debian installs and without a network, and compares what it
# prints: mio.sh SOURCE EXPECTED. Skipped where there is no mio.
set -eu

registry=/usr/share/cargo/registry
version=$(ls "$registry" 2>/dev/null | sed -n 's/^mio-//p')
if [ -z "$version" ] || ! command -v cargo >/dev/null; then
        echo 'skipped: cargo or its mio is not installed'
        exit 77
fi

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
mkdir "$directory/src" "$directory/.cargo"
cp "$1" "$directory/src/main.rs"
cat >"$directory/Cargo.toml" <<END
[package]
name = "before"
version = "0.0.0"
edition = "2021"

[dependencies]
mio = { version = "=$version", features = ["os-poll", "os-ext", "net"] }
END
cat >"$directory/.cargo/config.toml" <<END
[source.crates-io]
replace-with = "installed"

[source.installed]
directory = "$registry"
END
(cd "$directory" && cargo build --quiet --offline --target-dir target)
"$directory/target/debug/before" | diff "$2" -
