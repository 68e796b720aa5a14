#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Explores the share of all programs that CI does, on every processor: all.sh EXPLORE. Prints the table that table.txt is: of
# each family at each beginning, the share that was drawn; how many programs there are, and how many were explored; in how many
# interleavings; with how many outcomes that differ; and how many of these were not judged, oracle.h. Fails if something is
# wrong. Where the library takes other steps than before, the counts are others: look at them, and put the table in the place of
# the older one.
#
# The share is that of programs without deadlines, triggers or time; of those with, it is an eighth, main.c. MORE=1 is what CI
# does; MORE=30 takes all programs of two threads, and some two hundred times as long.
set -eu

explore=$1
: "${MORE:=1}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export explore work

# A family, and of how many of its programs one is drawn.
share() {
        echo "$1 $(($2 / MORE > 0 ? $2 / MORE : 1))"
}

for beginning in $(seq 0 36); do
        for family in "$(share 2x1 1)" "$(share 2x2 30)" "$(share 1+3 200)" "$(share 3x1 12)" "$(share 3x2 3000000)"; do
                echo "$beginning $family"
        done
done | xargs -P "$(nproc)" -L 1 sh -c '
        "$explore" -b "$1" -f "$2" -s "$3" >"$work/$2-$(printf %02d "$1")" || echo "$1 $2" >>"$work/wrong"' explore

echo 'family share   beginning                               programs explored interleavings  outcomes not judged'
for family in 2x1 2x2 1+3 3x1 3x2; do
        cat "$work/$family"-??
done
[ ! -e "$work/wrong" ]
