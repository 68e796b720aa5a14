#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Checks a parent project that has weir as a subproject, by subprojects/weir.wrap as it stands, once with static and once with
# shared libraries of its own: subproject.sh DIRECTORY [ARGUMENT OF MESON SETUP...]. What the wrap names as its url is a copy
# made here. The subproject needs nothing but the library's own part of the tree and the wraps, brings no other subproject
# along, installs nothing, and shows nothing in what the parent exports.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
directory=$1
shift

fail() {
        echo "subproject: $*" >&2
        exit 1
}

rm -rf "$directory"
mkdir -p "$directory"
copy=$(cd "$directory" && pwd)/weir.git
mkdir "$copy"
cp -r "$root/include" "$root/lib" "$root/meson.build" "$root/meson_options.txt" "$copy"
mkdir "$copy/subprojects"
cp -r "$root"/subprojects/*.wrap "$root/subprojects/packagefiles" "$copy/subprojects"

wrap=$root/subprojects/weir.wrap
GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_COUNT=1
GIT_CONFIG_KEY_0=url.file://$copy.insteadOf GIT_CONFIG_VALUE_0=$(sed -n 's/^url = //p' "$wrap")
export GIT_CONFIG_GLOBAL GIT_CONFIG_COUNT GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0
git -C "$copy" init -q
git -C "$copy" add -A
git -C "$copy" -c user.name=weir -c user.email=weir@example.org commit -q -m copy

for kind in static shared; do
        parent=$directory/$kind
        mkdir -p "$parent"
        cp -r "$root/tests/api/parent/." "$parent"
        mkdir "$parent/subprojects"
        cp "$wrap" "$parent/subprojects"
        meson setup --werror --prefix=/usr --libdir=lib -Ddefault_library="$kind" "$@" "$parent/build" "$parent"
        ls "$parent/subprojects" >"$parent/list"
        printf '%s\n' weir weir.wrap | diff - "$parent/list" || fail 'the subproject brings another one along'
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
