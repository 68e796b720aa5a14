#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Has Meson build what tests and benchmarks need when these run, and not whenever `all` is made, which `meson install` does.
# Meson does so by itself from 1.7 on. Run after the build files are made, it moves these targets in build.ninja from `all`
# to `test` and `benchmark`; it leaves a file alone that is written in another way.
set -eu

file=$MESON_BUILD_ROOT/build.ninja
[ -f "$file" ] || exit 0
sed -i \
        -e 's/^build all: phony meson-test-prereq meson-benchmark-prereq/build all: phony/' \
        -e 's/^build meson-internal__test: CUSTOM_COMMAND all /&meson-test-prereq /' \
        -e 's/^build meson-internal__benchmark: CUSTOM_COMMAND all /&meson-benchmark-prereq /' "$file"
