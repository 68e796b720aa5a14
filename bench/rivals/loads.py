#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares httpd, on a crew, with other ways to share work among threads, by handlers of a length.

loads.py [--quick] [--check] [--json FILE] BUILD_DIR

A case is what a request costs, how many threads serve, and how many connections ask. A round starts all servers anew, for what
one of them got by chance, where its threads run and its memory lies, stays with it. Those that have no load sleep. A round puts
the load on one after another and begins with another one each time, so what disturbs the machine disturbs them alike, and what
counts are the ratios within a round. Of each round come requests per second and percentiles of latency, as wrk says; CPU time
of the server and voluntary context switches, per request; and which part of the CPU time the busiest thread had.

A case is missed when the middle half of its ratios lies on the wrong side; that it shared nothing out is another miss: one
thread had over 90 % of the work while connections waited and another thread slept.

The JSON is {..., "settings", "servers": {NAME: runs on}, "cases": [{"load", "threads", "connections",
"servers": {NAME: {FIGURE: {"median", "q1", "q3", "min", "max"}}}, "ratios": {NAME: {FIGURE: ...}}}]}: the ratios are those of
weir to that server.
"""
import argparse
import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from compare import Failure, PATIENCE, Server, check, describe, require, summary

SERVERS = {
    "weir": "bench/servers/httpd/httpd",
    "epoll-1": "bench/rivals/rival-epoll-1",
    "epoll-32": "bench/rivals/rival-epoll-32",
    "queue": "bench/rivals/rival-queue",
    "asio": "bench/rivals/rival-asio",
    "libevent": "bench/rivals/rival-libevent",
}
PROCESSORS = len(os.sched_getaffinity(0))
FIGURES = ("requests_per_s", "p50_us", "p99_us", "p999_us", "cpu_us", "switches", "share")

# What a request costs, the threads, the connections.
LOADS = [(("--work=0",), PROCESSORS), *((((f"--work={us}",), PROCESSORS)) for us in (5, 20, 100, 1000)),
         (("--work=5", "--rare=5000"), PROCESSORS), (("--sleep=1000",), 8)]
CONNECTIONS = (1, 8, 64, 512)
FEW = {"--work=0": CONNECTIONS, "--work=5": (1, 8, 64)}  # of a quick run; the others have 8 and 64

# wrk does not print the 99.9th percentile by itself.
SCRIPT = """done = function(summary, latency, requests)
   for _, p in ipairs({50, 99, 99.9}) do io.write(string.format("figure p%g %d\\n", p, latency:percentile(p))) end
   local e = summary.errors
   io.write(string.format("figure requests %d\\nfigure duration %d\\nfigure errors %d\\n", summary.requests, summary.duration,
                          e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def cpu_of_threads(server):
    """Nanoseconds, by thread."""
    return {thread.name: int((thread / "schedstat").read_text().split()[0]) for thread in server.threads()}


def switches(server):
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", (thread / "status").read_text(), re.M)[1])
               for thread in server.threads())


def measure(server, script, connections, seconds):
    before = cpu_of_threads(server), server.cpu(), switches(server)
    run = subprocess.run(["wrk", "--threads=1", f"--connections={connections}", f"--duration={seconds}s", "-s", script,
                          f"http://127.0.0.1:{server.port}/plain"], stdout=subprocess.PIPE, text=True, check=False,
                         timeout=seconds + PATIENCE)
    after = cpu_of_threads(server), server.cpu(), switches(server)
    server.require_alive()
    got = {name: float(number) for name, number in re.findall(r"^figure (\S+) (-?\d+)$", run.stdout, re.M)}
    require(run.returncode == 0 and got.get("requests", 0) > 0 and got["errors"] == 0, f"{server.name}: wrk: {run.stdout}")
    spent = [after[0][name] - before[0].get(name, 0) for name in after[0]]
    return {
        "requests_per_s": got["requests"] / got["duration"] * 1e6,
        "p50_us": got["p50"],
        "p99_us": got["p99"],
        "p999_us": got["p99.9"],
        "cpu_us": (after[1] - before[1]) * 1e6 / got["requests"],
        "switches": (after[2] - before[2]) / got["requests"],
        "share": max(spent) / sum(spent),
    }


def ratio(a, b):
    return a / b if b else 1.0 if a == b else 1e6


def run_case(build, script, case, rounds, seconds):
    options, threads, connections = case
    taken = {}
    for number in range(rounds):
        with contextlib.ExitStack() as stack:
            servers = start(build, stack, options, threads)
            for server in servers[number % len(servers):] + servers[:number % len(servers)]:
                taken.setdefault(server.name, []).append(measure(server, script, connections, seconds))
    taken = {server.name: taken[server.name] for server in servers}
    return {
        "load": options, "threads": threads, "connections": connections,
        "servers": {name: {key: summary([row[key] for row in rows]) for key in FIGURES} for name, rows in taken.items()},
        "ratios": {name: {key: summary([ratio(a[key], b[key]) for a, b in zip(taken["weir"], rows)]) for key in FIGURES}
                   for name, rows in taken.items() if name != "weir"},
    }


def start(build, stack, options, threads):
    servers = []
    for name, program in SERVERS.items():
        if (build / program).exists():
            servers.append(Server(name, build / program, options, threads))
            stack.callback(servers[-1].stop)
        else:
            require(name in ("asio", "libevent"), f"{program} is not built")
    return servers


def show(case):
    print(f"\n{' '.join(case['load'])}, {case['threads']} threads, {case['connections']} connections")
    for name, row in case["servers"].items():
        print(f"  {name:10}" + "".join(f"{key:>16} {row[key]['median']:<9.4g}" for key in FIGURES))


def run_all(args, script):
    rounds, seconds = (5 if args.quick else 9), 1
    results = describe(args.build)
    results["settings"] = {"rounds": rounds, "seconds": seconds, "load_average": os.getloadavg()[0]}
    results["servers"], results["cases"] = {}, []
    if "buildtype=release" not in results["build"]["options"]:
        print("warning: not a release build: these figures say little", file=sys.stderr)
    with contextlib.ExitStack() as stack:
        servers = start(args.build, stack, *LOADS[0])
        results["servers"] = {server.name: server.runs_on or f"weir {results['build']['weir']}" for server in servers}
    for options, threads in LOADS:
        for connections in FEW.get(" ".join(options), (8, 64)) if args.quick else CONNECTIONS:
            results["cases"].append(run_case(args.build, script, (options, threads, connections), rounds, seconds))
            show(results["cases"][-1])
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="5 rounds instead of 9, and fewer connections")
    parser.add_argument("--check", action="store_true", help="only look whether all give the same answers")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the results there, too")
    parser.add_argument("build", type=pathlib.Path, metavar="BUILD_DIR")
    args = parser.parse_args()
    try:
        os.environ["LOAD_RATE"] = subprocess.run([args.build / "bench/rivals/rate"], stdout=subprocess.PIPE, text=True,
                                                 check=True).stdout
        if args.check:
            for options, threads in LOADS:
                with contextlib.ExitStack() as stack:
                    check(start(args.build, stack, options, threads))
        else:
            with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
                script.write(SCRIPT)
                script.flush()
                run_all(args, script.name)
    except (Failure, OSError, subprocess.TimeoutExpired) as error:
        sys.exit(f"loads.py: {error}")


if __name__ == "__main__":
    main()
