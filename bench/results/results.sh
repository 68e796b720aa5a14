#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Measures everything anew and writes it down: bench/results/results.sh [PART]. A name does that part:
#   micro      weir-bench, into bench/results/micro.json
#   owned      weir-bench-owned, into bench/results/owned.json
#   servers    bench/rivals/compare.py, into bench/results/servers.json
#   crew       weir-bench-crew and bench/rivals/loads.py, into crew.json, loads.json, loads.md and loads.svg there
#   deadlines  weir-bench, weir-bench-late and bench/rivals/limits.py, into deadlines.json, late.json, limits.json, deadlines.md
#   charts     the pictures in bench/results, the tables in its README.md and the figures in that of the project, from these
# It wants a quiet machine, gnuplot, wrk, perf and valgrind, and the libraries that weir is compared with. It takes an hour.
set -euo pipefail
cd "$(dirname "$0")/../.."

build="build-results"
results=bench/results

make_build() {
        [[ -d $build ]] || meson setup "$build" --buildtype=release
        meson compile -C "$build" weir-bench weir-bench-owned weir-bench-crew weir-bench-late bench-servers
}

# measure NAME PROGRAM [ARGUMENT...]
measure() {
        local name=$1 program=$2 json=$build/$1.json

        shift 2
        make_build
        "$build/bench/micro/$program" "$@" --json "$json"
        sed "1s/^{/{\"date\": \"$(date -u +%F)\", /" "$json" >"$results/$name.json"
}

micro() {
        measure micro weir-bench
}

owned() {
        measure owned weir-bench-owned
}

servers() {
        make_build
        bench/rivals/compare.py --json "$results/servers.json" "$build"
}

# With arguments for the latter.
crew() {
        measure crew weir-bench-crew
        bench/rivals/loads.py "$@" --json "$results/loads.json" "$build"
        "$results/loads.py" "$results"
}

# With arguments for all three, which is --quick, for a first look.
deadlines() {
        measure deadlines weir-bench --filter deadline,trigger,wake-taken,memory "$@"
        measure late weir-bench-late "$@"
        bench/rivals/limits.py "$@" --json "$results/limits.json" "$build"
        "$results/deadlines.py" "$results"
}

charts() {
        "$results/charts.py" "$results"
        "$results/tables.py" "$results" README.md
}

case ${1:-all} in
micro | owned | servers | crew | deadlines | charts) "$@" ;;
all)
        micro
        owned
        servers
        crew
        deadlines
        charts
        ;;
*)
        sed -n '3,10s/^# //p' "$0" >&2
        exit 2
        ;;
esac
