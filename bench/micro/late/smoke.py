#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs weir-bench-late for a moment, and looks whether every case gives a figure of every side. What it is does not matter here,
but that no timeout of weir is early: then it would fail.

smoke.py WEIR-BENCH-LATE
"""
import json
import os
import subprocess
import sys
import tempfile

BENCH = sys.argv[1]


def run(*arguments):
    return subprocess.run([BENCH, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode


def check(condition, what):
    if not condition:
        sys.exit(f"weir-bench-late: {what}")


def results(*arguments):
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "results.json")
        check(run("--quick", *arguments, "--json", path) == 0, "it fails")
        with open(path, encoding="utf-8") as file:
            return json.load(file)["cases"]


cases = results()
check([case["name"] for case in cases] == ["1ms", "1s", "10s", "many", "many-busy"], "a case is missing")
for case in cases:
    check({"timerfd", "weir"} <= case["sides"].keys(), "a side is missing")
    for figures in case["sides"].values():
        check(figures["n"] > 0 and figures["p50_us"] <= figures["p99_us"] <= figures["longest_us"], "figures out of order")
    check(case["sides"]["weir"]["early"] == 0, "weir was early")
check([case["name"] for case in results("--only", "many")] == ["many"], "--only takes more than one case, or none")
check(run("--what") == 2, "an option that is none is no error")
check(run("--only", "what") == 2, "a case that is none is no error")
check(run("--quick", "--json", "/nowhere/results.json") == 1, "a file that cannot be written is no error")
