#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs weir-bench-owned for a few turns, and looks at what comes out. Only figures in which there is no chance are judged.

smoke.py WEIR-BENCH-OWNED
"""
import json
import os
import subprocess
import sys
import tempfile

BENCH = sys.argv[1]
MESSAGES = [0, 1, 2, 3, 10, 1000]
FIGURES = ["waits", "epoll_ctl", "switches", "cpu"]


def run(*arguments):
    return subprocess.run([BENCH, *arguments], stdout=subprocess.PIPE, text=True, check=False)


def check(condition, what):
    if not condition:
        sys.exit(f"weir-bench-owned: {what}")


with tempfile.TemporaryDirectory() as directory:
    path = os.path.join(directory, "results.json")
    check(run("--quick", "--reps", "1", "--json", path).returncode == 0, "it fails")
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()

cases = json.loads("\n".join(lines))["cases"]
check(sum(line.startswith('{"name"') for line in lines) == len(cases), "a case is not a line")
check([(case["read"], case["messages"], case["figure"]) for case in cases] ==
      [(read, messages, figure) for read in ("late", "at once") for messages in MESSAGES for figure in FIGURES],
      "not every case gave a figure")
for case in cases:
    where = f"{case['figure']} with {case['messages']} messages, read {case['read']}"
    raw = case["raw_us" if case["figure"] == "cpu" else "raw_count"]["median"]
    if case["figure"] == "epoll_ctl":
        check(raw == 1, f"{where}: EPOLLONESHOT has one call in each turn, not {raw}")
        check(case["messages"] or case["weir"]["max"] == 0, f"{where}: {case['weir']['max']}, not 0")
    else:
        check(raw > 0 and case["weir"]["min"] > 0, f"{where}: is not a figure")

check(run("--turns", "0").returncode == 2, "no turns are no error")
check(run("--quick", "--json", path).returncode == 1, "a file that cannot be written is no error")
