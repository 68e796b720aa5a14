#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Makes a release archive of what is committed, and checks that it is whole: dist.sh DIRECTORY. It holds the files that
# git knows and no others; unpacked elsewhere, with no git about, it builds without a warning, passes its quick tests, and
# installs; and a parent project finds weir in it by a wrap. `meson dist` alone would run the long tests, too.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
rm -rf "$1"
mkdir -p "$1"
directory=$(cd "$1" && pwd)
elsewhere=$(mktemp -d)
trap 'rm -rf "$elsewhere"' EXIT

meson setup "$directory/build" "$root" >/dev/null
meson dist -C "$directory/build" --no-tests --allow-dirty
archive=$(echo "$directory"/build/meson-dist/*.tar.xz)
name=$(basename "$archive" .tar.xz)

tar -tf "$archive" | sed -n "s,^$name/\(.*[^/]\)$,\1,p" | sort >"$directory/packed"
git -C "$root" ls-tree -r --name-only HEAD | sort | diff - "$directory/packed"

tar -xf "$archive" -C "$elsewhere"
meson setup --werror -Dpeers=disabled --prefix=/usr "$elsewhere/build" "$elsewhere/$name"
meson test -C "$elsewhere/build" --no-suite model --no-suite stress --print-errorlogs
DESTDIR=$elsewhere/installed meson install -C "$elsewhere/build" --quiet
test -f "$elsewhere/installed/usr/include/weir/weir.h"

parent=$elsewhere/parent
cp -r "$elsewhere/$name/tests/api/parent" "$parent"
mkdir -p "$parent/subprojects/packagecache"
cp "$archive" "$parent/subprojects/packagecache"
cat >"$parent/subprojects/weir.wrap" <<END
[wrap-file]
directory = $name
source_url = https://example.org/$name.tar.xz
source_filename = $name.tar.xz
source_hash = $(sha256sum "$archive" | cut -d ' ' -f 1)

[provide]
dependency_names = weir
END
meson setup --werror "$parent/build" "$parent"
meson test -C "$parent/build" --print-errorlogs
echo "$name.tar.xz: $(wc -l <"$directory/packed") files, $(wc -c <"$archive") bytes"
