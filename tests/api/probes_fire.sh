#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs a program that passes every probe point and tells what each must show, under a debugger that stops at each and prints
# what it does show: probes_fire.sh GDB HEADER PROGRAM. Skipped where nothing can be debugged.
set -eu

gdb=$1 header=$2 program=$3
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

if ! "$gdb" -nx -batch -ex run --args true >"$directory/try" 2>&1 || ! grep -q 'exited normally' "$directory/try"; then
        echo 'skipped: no program can be debugged here'
        exit 77
fi

sed -n '/^ \*   probe /,/^ \*$/p' "$header" | awk -F '  +' 'NF == 4 && NR > 1 {
        count = split($3, names, ",")
        format = $2
        arguments = ""
        for (i = 0; i < count; ++i) {
                format = format " %ld"
                arguments = arguments ", (long)$_probe_arg" i
        }
        printf "break -probe-stap weir:%s\ncommands\nsilent\nprintf \"%s\\n\"%s\ncontinue\nend\n", $2, format, arguments
}' >"$directory/commands"
echo "run >$directory/told" >>"$directory/commands"
"$gdb" -nx -batch -x "$directory/commands" "$program" >"$directory/seen" 2>&1
# A probe that is not in the program would leave its commands to the one before.
if grep 'No probe matching' "$directory/seen"; then
        exit 1
fi
names=$(awk '{ print $1 }' "$directory/told" | sort -u | paste -s -d '|')
grep -E "^($names) " "$directory/seen" | diff "$directory/told" -
echo "$(wc -l <"$directory/told") seen"
