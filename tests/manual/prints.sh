#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs a program and compares what it prints: prints.sh PROGRAM EXPECTED. Fails, too, if the program does.
printed=$("$1") || { echo "$1 exits with $?" >&2; exit 1; }
printf '%s\n' "$printed" | diff "$2" -
