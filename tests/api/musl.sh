#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Checks the library with musl instead of glibc: musl.sh DIRECTORY. A parent project runs it as a subproject; and what can be
# built without any other library is built: the program of the README, and random operations against a model.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
directory=$(cd "$1" && pwd)

cat >"$directory/musl.ini" <<END
[binaries]
c = 'musl-gcc'
END
sh "$root/tests/api/subproject.sh" "$directory/parent" --native-file "$directory/musl.ini"

library=$directory/parent/static/build/subprojects/weir/lib/libweir.a
compile() {
        musl-gcc -std=c11 -Wall -Wextra -pedantic -Werror -I"$root/include" "$@" "$library" -pthread
}

awk '/^```c$/ { on = 1; next } /^```$/ { if (on) exit } on' "$root/README.md" >"$directory/readme.c"
compile "$directory/readme.c" -o "$directory/readme"
"$root/tests/e2e/readme.py" "$directory/readme"

# The clock stands still for these: the seam is that of the tests.
fuzz=$root/tests/fuzz
model=$root/tests/sequential
seam=$(find "$root/lib" -name '*.c' ! -path '*/reactor/sys.c')
# shellcheck disable=SC2086
compile -D_GNU_SOURCE -DWEIR_YIELD_POINTS -iquote "$root/lib/reactor" -iquote "$root/tests" -I"$model" "$root/tests/fault.c" $seam \
        "$fuzz/random.c" "$fuzz/body.c" "$fuzz/world.c" "$fuzz/descriptors.c" "$fuzz/batches.c" "$fuzz/deferred.c" \
        "$model/model.c" "$model/model_event.c" "$model/model_own.c" -o "$directory/random"
"$directory/random"
