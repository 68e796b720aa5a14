#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Measures everything anew and writes it down: bench/results/results.sh [micro|owned|servers|charts]. A name does that part:
#   micro    weir-bench, into bench/results/micro.json
#   owned    weir-bench-owned, into bench/results/owned.json
#   servers  bench/rivals/compare.py, into bench/results/servers.json
#   charts   the pictures in bench/results and the tables in README.md, from these
# It wants a quiet machine, gnuplot, wrk and strace, and the libraries that weir is compared with. It takes a quarter of an hour.
set -euo pipefail
cd "$(dirname "$0")/../.."

build="build-results"
results=bench/results

make_build() {
        [[ -d $build ]] || meson setup "$build" --buildtype=release
        meson compile -C "$build" weir-bench weir-bench-owned bench-servers
}

# measure NAME PROGRAM
measure() {
        local json=$build/$1.json

        make_build
        "$build/bench/micro/$2" --json "$json"
        sed "1s/^{/{\"date\": \"$(date -u +%F)\", /" "$json" >"$results/$1.json"
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

charts() {
        "$results/charts.py" "$results"
        "$results/tables.py" "$results" README.md
}

case ${1:-all} in
micro | owned | servers | charts) "$1" ;;
all)
        micro
        owned
        servers
        charts
        ;;
*)
        sed -n '3,8s/^# //p' "$0" >&2
        exit 2
        ;;
esac
