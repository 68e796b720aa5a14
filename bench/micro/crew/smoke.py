#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs weir-bench-crew for a moment, and looks whether every case gives a figure. What the figure is does not matter here.

smoke.py WEIR-BENCH-CREW
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
        sys.exit(f"weir-bench-crew: {what}")


with tempfile.TemporaryDirectory() as directory:
    path = os.path.join(directory, "results.json")
    check(run("--quick", "--json", path) == 0, "it fails")
    with open(path, encoding="utf-8") as file:
        results = json.load(file)

check([case["name"] for case in results["cases"]] ==
      ["one-64", "one-1", "asleep", "long-call", "behind", "first", "blocked"], "a case is missing")
check(all(case["weir"]["median"] > 0 for case in results["cases"]), "a case gave no figure")
check(run("--what") == 2, "an option that is none is no error")
check(run("--quick", "--json", path) == 1, "a file that cannot be written is no error")
