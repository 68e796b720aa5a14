#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Explores with GenMC more of the programs that tests/explore enumerates than the tests do, and prints a table of it: for each
# beginning, how many programs were drawn, how many of them it knows, and in how many executions these were explored.
#
#   enumerated.sh EXPLORE GENMC MODEL FAMILY SHARE [BEGINNING...]
#
# MODEL is rc11 or imm; one of so many programs of the family is drawn, by seed; of those with deadlines, triggers or time one of so
# many as OWN says, if it is set. Fails if something is wrong. programs.txt is what came of it.
set -eu

explore=$1
genmc=$2
model=$3
family=$4
share=$5
shift 5
here=$(dirname "$0")
root=$here/../..
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
own=${OWN:+-o $OWN}
export own explore genmc model family share here root work

[ $# -gt 0 ] || set -- $(seq 0 36)
printf '%s\n' "$@" | xargs -P "${JOBS:-$(nproc)}" -L 1 sh -c '
        list=$work/$1.h
        "$explore" -f "$family" -s "$share" $own -b "$1" -g 0-100000 >"$list"
        sets=
        case $1 in
        24 | 35) sets=-DMODEL_SETS=2 ;;
        6 | 25) sets=-DMODEL_BEHIND=2 ;;
        10 | 11 | 12) sets="-DMODEL_SETS=4 -DMODEL_BEHIND=2" ;;
        esac
        said=$(sh "$here/check.sh" "$genmc" "$model" "$here/enumerated.c" -include "$list" $sets -I"$here/include" \
                -I"$root/lib/reactor" -I"$root/include") || said="$said WRONG"
        sed -n "s|^/\* \(.*\): $family, .*: \([0-9]*\) of \([0-9]*\) programs \*/|$family 1/$share $model \1 \3 \2|p" "$list" |
                sed "s/\$/ $(echo "$said" | sed -n "s/.*: \([0-9]*\) executions/\1/p")/" |
                awk "{ name = \$4; for (i = 5; i < NF - 2; i++) name = name \" \" \$i;
                        printf \"%-6s %-7s %-5s %-38s %8s %8s %11s\n\", \$1, \$2, \$3, name, \$(NF - 2), \$(NF - 1), \$NF }"
        case $said in *WRONG) echo "$said" >>"$work/wrong" ;; esac' explore
if [ -e "$work/wrong" ]; then
        cat "$work/wrong" >&2
        exit 1
fi
