#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares httpd with the same server on other things than weir, by wrk on the loopback address.

compare.py [--quick] [--check] [--json FILE] BUILD_DIR

All servers run all the time, each with two threads; those that have no load sleep. A round puts the load on one after another,
and each round begins with another server, so what disturbs the machine disturbs them alike. Of each round come requests
per second and the p99 of latency, as wrk says, and the CPU time of the server process, by its own clock, per request.
System calls are counted in a short run of their own, by perf and the kernel's tracepoints; a request is one send there.

--check only looks whether every server gives the same answers to the same requests; it needs no wrk.

The JSON is {"date", "machine": {"cpu", "cpus", "kernel", "architecture"}, "build": {"weir", "options"}, "tools": {NAME: VERSION},
"settings": {"threads", "rounds", "seconds"}, "servers": {NAME: {"runs_on", "shares"}},
"loads": [{"connections", "servers": {NAME: {"requests_per_s", "p99_us", "cpu_us", "epoll_ctl", "calls"}},
           "ratios": {NAME: {"requests_per_s", "p99_us", "cpu_us"}}}]}:
a figure is {"median", "q1", "q3", "min", "max"}, or a mere number of calls per request, null without perf; a ratio is weir
to that server, of each round by itself; "shares" says that all threads share one poller.
"""
import argparse
import contextlib
import json
import os
import pathlib
import platform
import re
import select
import shutil
import socket
import statistics
import subprocess
import sys
import time

# The program, and whether its threads share one poller. The first is the one that the others are compared with.
SERVERS = {
    "weir": ("bench/servers/httpd/httpd", True),
    "epoll": ("bench/rivals/rival-epoll", True),
    "asio": ("bench/rivals/rival-asio", True),
    "libevent": ("bench/rivals/rival-libevent", False),
}
FIGURES = {"requests_per_s": "requests/s", "p99_us": "p99, µs", "cpu_us": "CPU, µs/request"}
LOADS = [64, 8]  # connections
THREADS = 2
# The kernel's tracepoints: every call; that of a poller; those that answer a request.
CALLS = ["raw_syscalls:sys_enter", *(f"syscalls:sys_enter_{call}" for call in ("epoll_ctl", "sendto", "sendmsg"))]
PATIENCE = 10  # seconds for what takes none
REQUEST = b"GET /plain HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
BODY = b"\r\n\r\nHello, weir\n"


class Failure(Exception):
    """What cannot be measured."""


def require(condition, what):
    if not condition:
        raise Failure(what)


class Server:
    """One that runs, on a port of its own."""

    def __init__(self, name, program, options=(), threads=THREADS, under=()):
        self.name = name
        self.process = subprocess.Popen([*under, program, "--port=0", f"--threads={threads}", *options],
                                        stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline() if select.select([self.process.stdout], [], [], PATIENCE)[0] else ""
        said = re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)/(?: with (.*))?\n", line)
        if not said:
            self.stop()
            raise Failure(f"{name}: does not start")
        self.port = int(said[1])
        self.runs_on = said[2]

    def require_alive(self):
        require(self.process.poll() is None, f"{self.name}: has ended, with {self.process.returncode}")

    def cpu(self):
        """Seconds of CPU time so far, of all threads; see clock_getcpuclockid(3) and its kernel side, CPUCLOCK_SCHED."""
        return time.clock_gettime(~self.process.pid << 3 | 2)

    def threads(self):
        return (pathlib.Path("/proc") / str(self.process.pid) / "task").iterdir()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


# ---------------------------------------------------------------- answers


def answer(connection):
    """Asks once, and reads to the end of the body."""
    connection.sendall(REQUEST)
    return read_answer(connection)


def read_answer(connection):
    got = b""
    while not got.endswith(BODY):
        part = connection.recv(4096)
        require(part, f"the connection ends after {got!r}")
        got += part
    return got


def check(servers):
    """That all give the same answer, and a second time on the same connection."""
    answers = {}
    for server in servers:
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as connection:
            try:
                answers[server.name] = [answer(connection), answer(connection)]
            except (Failure, OSError) as error:
                raise Failure(f"{server.name}: {error}") from error
    for name, got in answers.items():
        require(got == [answers["weir"][0]] * 2, f"{name}: answers {got}, weir {answers['weir']}")


# ---------------------------------------------------------------- load


def microseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]


def wrk(server, connections, seconds):
    return ["wrk", "--threads=1", f"--connections={connections}", f"--duration={seconds}s", "--latency",
            f"http://127.0.0.1:{server.port}/plain"]


def measure(server, connections, seconds):
    cpu = server.cpu()
    run = subprocess.run(wrk(server, connections, seconds), stdout=subprocess.PIPE, text=True, check=False,
                         timeout=seconds + PATIENCE)
    cpu = server.cpu() - cpu
    where = f"{server.name}, {connections} connections"
    server.require_alive()
    require(run.returncode == 0, f"{where}: wrk fails: {run.stdout}")
    for fault in ("Socket errors", "Non-2xx"):
        require(fault not in run.stdout, f"{where}: requests err: {run.stdout}")
    requests = int(re.search(r"(\d+) requests in", run.stdout)[1])
    require(requests > 0, f"{where}: no request was answered")
    return {
        "requests_per_s": float(re.search(r"Requests/sec:\s*([\d.]+)", run.stdout)[1]),
        "p99_us": microseconds(re.search(r"^\s+99%\s+(\S+)$", run.stdout, re.M)[1]),
        "cpu_us": cpu * 1e6 / requests,
    }


def summary(values):
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": median, "q1": q1, "q3": q3, "min": min(values), "max": max(values)}


def run_rounds(servers, connections, rounds, seconds):
    """The figures of each server, and the ratios of the first to each other one."""
    taken = {server.name: [] for server in servers}
    for number in range(rounds):
        for i in range(len(servers)):
            server = servers[(number + i) % len(servers)]
            taken[server.name].append(measure(server, connections, seconds))
        print(f"\r{connections} connections: round {number + 1} of {rounds} ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    weir = taken["weir"]
    return (
        {name: {key: summary([each[key] for each in rows]) for key in FIGURES} for name, rows in taken.items()},
        {name: {key: summary([a[key] / b[key] for a, b in zip(weir, rows)]) for key in FIGURES}
         for name, rows in taken.items() if name != "weir"},
    )


# ---------------------------------------------------------------- system calls


def count_calls(server, connections, seconds):
    """epoll_ctl and all calls per request, between the arrival of the clients and their end; None if they cannot be counted."""
    none = {"epoll_ctl": None, "calls": None}
    if not shutil.which("perf"):
        return none
    with subprocess.Popen(wrk(server, connections, seconds + 2), stdout=subprocess.DEVNULL) as load:
        time.sleep(0.5)
        perf = subprocess.run(
            ["perf", "stat", "-x,", "-p", str(server.process.pid), "-e", ",".join(CALLS), "--", "sleep", str(seconds)],
            stderr=subprocess.PIPE, text=True, check=False)
        load.terminate()
    server.require_alive()
    counts = {name: int(count) for count, name in re.findall(r"^(\d+),[^,]*,([^,]+),", perf.stderr, re.MULTILINE)}
    if len(counts) < len(CALLS):
        print(f"{server.name}: system calls are not counted: {perf.stderr.strip()}", file=sys.stderr)
        return none
    every, epoll_ctl, *sends = (counts[name] for name in CALLS)
    require(sum(sends) > 0, f"{server.name}: no request while system calls were counted")
    return {"epoll_ctl": epoll_ctl / sum(sends), "calls": every / sum(sends)}


# ---------------------------------------------------------------- what comes out


def first_line(*command):
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return run.stdout.splitlines()[0]


def describe(build):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        cpu = re.search(r"^model name\s*: (.*)$", file.read(), re.M)
    project = json.loads((build / "meson-info/intro-projectinfo.json").read_text())
    options = {each["name"]: each["value"] for each in json.loads((build / "meson-info/intro-buildoptions.json").read_text())}
    shown = ("buildtype", "optimization", "debug", "b_lto", "b_ndebug")
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": {"cpu": cpu[1] if cpu else "unknown", "cpus": os.cpu_count(), "kernel": platform.release(),
                    "architecture": platform.machine()},
        "build": {"weir": project["version"], "options": " ".join(f"{name}={str(options[name]).lower()}" for name in shown)},
        "tools": {name: first_line(*command) for name, command in {"wrk": ("wrk", "-v"), "perf": ("perf", "-v")}.items()
                  if shutil.which(name)},
    }


def spread(figure, digits):
    return f"{figure['median']:.{digits}f} ({figure['q1']:.{digits}f} to {figure['q3']:.{digits}f})"


def show(load):
    print(f"\n{load['connections']} connections: the median, and between which two the middle half lies\n")
    print(f"{'':10}" + "".join(f"{title:>27}" for title in FIGURES.values()) + f"{'epoll_ctl':>11}{'all calls':>11}")
    for name, row in load["servers"].items():
        calls = ["-" if row[key] is None else f"{row[key]:.3f}" for key in ("epoll_ctl", "calls")]
        print(f"{name:10}" + "".join(f"{spread(row[key], 2 if key == 'cpu_us' else 0):>27}" for key in FIGURES) +
              "".join(f"{each:>11}" for each in calls))
    for name, row in load["ratios"].items():
        print(f"{'weir / ' + name:15}" + f"{spread(row['requests_per_s'], 3):>22}" +
              "".join(f"{spread(row[key], 3):>27}" for key in ("p99_us", "cpu_us")))


def compare(servers, args):
    rounds, seconds = (3, 1) if args.quick else (9, 3)
    results = describe(args.build)
    results["settings"] = {"threads": THREADS, "rounds": rounds, "seconds": seconds}
    results["servers"] = {server.name: {"runs_on": server.runs_on or f"weir {results['build']['weir']}",
                                        "shares": SERVERS[server.name][1]} for server in servers}
    results["loads"] = []
    if "buildtype=release" not in results["build"]["options"]:
        print("warning: not a release build: these figures say little", file=sys.stderr)
    if not shutil.which("perf"):
        print("perf is not installed: no system calls are counted", file=sys.stderr)
    for connections in LOADS:
        figures, ratios = run_rounds(servers, connections, rounds, seconds)
        for server in servers:
            figures[server.name].update(count_calls(server, connections, 1 if args.quick else 2))
        results["loads"].append({"connections": connections, "servers": figures, "ratios": ratios})
        show(results["loads"][-1])
    print()
    for name, server in results["servers"].items():
        print(f"{name}: {server['runs_on']}, {'one poller' if server['shares'] else 'a poller for each thread'}")
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="3 rounds of 1 s instead of 9 of 3 s")
    parser.add_argument("--check", action="store_true", help="only look whether all give the same answers")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the results there, too")
    parser.add_argument("build", type=pathlib.Path, metavar="BUILD_DIR")
    args = parser.parse_args()
    try:
        require(args.check or shutil.which("wrk"), "wrk is not installed")
        programs = {name: args.build / program for name, (program, _) in SERVERS.items()}
        for name in ("weir", "epoll"):
            require(programs[name].exists(), f"{programs[name]} is not built")
        with contextlib.ExitStack() as stack:
            servers = []
            for name, program in programs.items():
                if program.exists():
                    servers.append(Server(name, program))
                    stack.callback(servers[-1].stop)
                else:
                    print(f"{name}: not built, left out", file=sys.stderr)
            check(servers)
            if not args.check:
                compare(servers, args)
    except (Failure, OSError, subprocess.TimeoutExpired) as error:
        sys.exit(f"compare.py: {error}")


if __name__ == "__main__":
    main()
