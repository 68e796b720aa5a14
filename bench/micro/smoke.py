#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs weir-bench on few descriptors, each case once, and looks at what comes out; no figure is judged.

smoke.py WEIR-BENCH
"""
import json
import os
import resource
import subprocess
import sys
import tempfile

SIZES = [16, 1500]  # the larger one takes more than one batch
BENCH = sys.argv[1]


def run(*arguments, **more):
    return subprocess.run([BENCH, *arguments], stdout=subprocess.PIPE, text=True, check=False, **more)


def few_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))


def check(condition, what):
    if not condition:
        sys.exit(f"weir-bench: {what}")


def check_summary(summary, where, least):
    ordered = [summary[name] for name in ("min", "q1", "median", "q3", "max")]
    check(ordered == sorted(ordered), f"{where}: {ordered} is not in order")
    check(least(ordered[0]), f"{where}: {ordered[0]} is not a figure")


listed = run("--list")
check(listed.returncode == 0, "--list fails")
names = [line.split()[0] for line in listed.stdout.splitlines()]
check(len(names) == len(set(names)), "two cases of one name")

with tempfile.TemporaryDirectory() as directory:
    path = os.path.join(directory, "results.json")
    sizes = ",".join(str(size) for size in SIZES)
    check(run("--quick", "--reps", "1", "--sizes", sizes, "--json", path).returncode == 0, "a case fails")
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()

results = json.loads("\n".join(lines))
check(results["machine"]["cpus"] >= 1 and results["machine"]["kernel"] and results["build"]["compiler"], "which machine?")
check(sum(line.startswith('{"name"') for line in lines) == len(results["cases"]), "a case is not a line")
check([name for i, name in enumerate(case["name"] for case in results["cases"])
       if i == 0 or name != results["cases"][i - 1]["name"]] == names, "not every case gave a figure, in the order of --list")

for case in results["cases"]:
    where = f"{case['name']} {case['n']}"
    memory = case["unit"] == "bytes"
    least = (lambda value: value >= 0) if memory else (lambda value: value > 0)
    check_summary(case["raw_bytes" if memory else "raw_ns"], f"{where}, raw", least)
    check_summary(case["weir"], f"{where}, weir", least)
    check(case["n"] in [None, *SIZES], f"{where}: not a size asked for")
    check(list(case["peers"]) == list(results["peers"]), f"{where}: other peers")
    for peer, summary in case["peers"].items():
        if summary:
            check_summary(summary, f"{where}, {peer}", least)
for peer in results["peers"]:
    check(any(case["peers"][peer] for case in results["cases"]), f"{peer} did nothing")

some = [line.split()[0] for line in run("--list", "--filter", "clone,no such case,rearm").stdout.splitlines()]
check(some == [name for name in names if "clone" in name or "rearm" in name], f"a filter of some names gives {some}")
check(run("--filter", "no such case,nor this").returncode == 2, "a filter that matches nothing is no error")
check(run("--sizes", "0").returncode == 2, "no descriptors are no error")
check(run("--filter", "register", "--sizes", "1000", preexec_fn=few_descriptors).returncode == 1, "no figure is no error")
check(run("--filter", "clone", "--json", path).returncode == 1, "a file that cannot be written is no error")
