#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Checks that a library has the probe points of lib/reactor/probe.h and no others, with as many arguments as are told there:
# probes.sh HEADER LIBRARY. Skipped if it was built without them: probes.sh.
set -eu

if [ $# -eq 0 ]; then
        echo 'skipped: there are no probe points in this build'
        exit 77
fi

found=$(mktemp)
trap 'rm -f "$found"' EXIT

# Each argument is printed as size@place.
readelf --notes "$2" | awk '
        /Provider: / { ours = / weir$/ }
        ours && $1 == "Name:" { name = $2 }
        ours && $1 == "Arguments:" { print name, gsub(/@/, "") }' | sort -u >"$found"
sed -n '/^ \*   probe /,/^ \*$/p' "$1" |
        awk -F '  +' 'NF == 4 && NR > 1 { print $2, split($3, arguments, ",") }' | sort | diff - "$found"
echo "$(wc -l <"$found") probes"
