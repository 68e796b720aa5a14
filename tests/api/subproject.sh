#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Checks a parent project that has weir as a subproject, by the wrap of the README, once with static and once with shared
# libraries of its own: subproject.sh DIRECTORY [ARGUMENT OF MESON SETUP...]. The subproject needs nothing but the library's
# own part of the tree, installs nothing, and shows nothing in what the parent exports.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
directory=$1
shift

fail() {
        echo "subproject: $*" >&2
        exit 1
}

awk '/^```ini$/ { on = 1; next } /^```$/ { if (on) exit } on' "$root/README.md" |
        diff - "$root/tests/api/parent/subprojects/weir.wrap" || fail 'the README has another wrap'

rm -rf "$directory"
for kind in static shared; do
        parent=$directory/$kind
        mkdir -p "$parent"
        cp -r "$root/tests/api/parent/." "$parent"
        mkdir "$parent/subprojects/weir"
        cp -r "$root/include" "$root/lib" "$root/meson.build" "$root/meson_options.txt" "$parent/subprojects/weir"
        meson setup --werror --prefix=/usr --libdir=lib -Ddefault_library="$kind" "$@" "$parent/build" "$parent"
        meson test -C "$parent/build" --print-errorlogs
        DESTDIR=$(cd "$parent" && pwd)/installed meson install -C "$parent/build" --quiet
        case $kind in
        static) library=libservice.a ;;
        shared) library=libservice.so ;;
        esac
        (cd "$parent/installed" && find . -type f | sort) >"$parent/list"
        printf '%s\n' ./usr/bin/parent "./usr/lib/$library" | diff - "$parent/list" ||
                fail 'the subproject installs something'
done
# What libc's own start files export is not looked at.
library=$directory/shared/installed/usr/lib/libservice.so
nm --dynamic --defined-only "$library" | awk '{ print $3 }' >"$directory/exports"
grep -qx service_run "$directory/exports" || fail 'the shared library does not export its own function'
! grep weir "$directory/exports" || fail 'the shared library exports what is of weir'
