#!/bin/sh
# Runs a cargo command, and puts the library where Meson looks for it: build.sh OUTPUT CARGO ... --target-dir DIRECTORY
set -eu

output=$1
shift
"$@"
for directory; do :; done # the last argument
cp "$directory/release/${output##*/}" "$output"
