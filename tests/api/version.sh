#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Checks that there is one version: version.sh MESON PROGRAM LIBRARY ROOT BUILD, the first being meson.build's own. The
# header and the library say it (PROGRAM prints both), and so do the pkg-config file, the changes in the README, the newest
# node of the version script, and the name by which a program finds LIBRARY.
set -eu

meson=$1 program=$2 library=$3 root=$4 build=$5
failed=0

check() {
        if [ "$2" != "$3" ]; then
                echo "version: $1 says '$2', not '$3'" >&2
                failed=1
        fi
}

# A major version is compatible within itself, and while it is 0 a minor one.
compatible=${meson%%.*}
[ "$compatible" != 0 ] || compatible=${meson%.*}

check 'the header' "$("$program" | sed -n 1p)" "$meson"
check 'weir_version()' "$("$program" | sed -n 2p)" "$meson"
check 'weir.pc' "$(sed -n 's/^Version: //p' "$build/meson-private/weir.pc")" "$meson"
check 'the README' "$(sed -n '/^## Changes/,$ s/^\([0-9.]*\):.*/\1/p' "$root/README.md" | head -n 1)" "$meson"
check 'weir.map' "$(sed -n 's/^WEIR_\(.*\) {.*/\1/p' "$root/lib/weir.map" | tail -n 1)" "${meson%.*}"
check 'the soname' "$(readelf -d "$library" | sed -n 's/.*(SONAME).*\[libweir\.so\.\(.*\)\]/\1/p')" "$compatible"
exit "$failed"
