#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures what an idle limit costs httpd: beside itself without one, and beside the rivals, which all have one.

limits.py [--quick] [--check] [--json FILE] BUILD_DIR

Instructions are the user's, of the whole program with one thread, counted by callgrind, of valgrind, in two runs that differ only
in the number of requests: what lies between the two, by the requests between them, is the figure. All connections ask together,
so that one wait brings many of them; with a single connection each request has a wait to itself. callgrind hides the vDSO: a look
at the clock is a system call, whose instructions are missing. How many looks there are by request is told beside.

CPU time per request is as in compare.py, of all servers with the limit, and of httpd without one, which is "never".

The JSON is {..., "settings", "instructions": [{"connections", "with", "without", "ratio", "looks": {"with", "without"}}],
"loads": [{"connections", "servers", "ratios"}]}, the last as of compare.py, without system calls.
"""
import argparse
import contextlib
import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile

from compare import (LOADS, PATIENCE, REQUEST, SERVERS, Failure, Server, check, describe, read_answer, require,
                     run_rounds)

LIMITED, NEVER = "--idle-timeout=30", "--idle-timeout=never"
COUNTED = {64: 60, 1: 1000}  # by connections: how often all of them ask
LOOK = "clock_gettime"


def ask(port, connections, times):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE)) for _ in range(connections)]
        for _ in range(times):
            for client in clients:
                client.sendall(REQUEST)
            for client in clients:
                read_answer(client)


def calls_of(function, profile):
    """How often it was called, as a profile of callgrind says: a name is written once, and later on by its number."""
    names, called, count = {}, None, 0
    for line in profile.splitlines():
        named = re.match(r"(c?fn)=\((\d+)\)(?: (\S+))?", line)
        if named:
            if named[3]:
                names[named[2]] = named[3]
            if named[1] == "cfn":
                called = names[named[2]]
        elif line.startswith("calls=") and re.match(rf"{function}\b", called):
            count += int(line[len("calls="):].split()[0])
    return count


def count(program, limit, connections, times):
    """Instructions, and looks at the clock, of a whole life of httpd."""
    with tempfile.TemporaryDirectory() as directory:
        profile = pathlib.Path(directory) / "profile"
        server = Server("httpd", program, (limit,), 1,
                        ("valgrind", "--log-file=/dev/null", "--tool=callgrind", f"--callgrind-out-file={profile}"))
        try:
            ask(server.port, connections, times)
        finally:
            server.stop()
        text = profile.read_text()
        return int(re.search(r"^(?:summary|totals): (\d+)", text, re.M)[1]), calls_of(LOOK, text)


def count_instructions(program, connections, times):
    costs = {}
    for name, limit in (("with", LIMITED), ("without", NEVER)):
        few, many = count(program, limit, connections, times), count(program, limit, connections, 2 * times)
        costs[name] = [(b - a) / (connections * times) for a, b in zip(few, many)]
    result = {"connections": connections, **{name: cost[0] for name, cost in costs.items()},
              "ratio": costs["with"][0] / costs["without"][0], "looks": {name: cost[1] for name, cost in costs.items()}}
    print(f"{connections} connections: {result['with']:.1f} instructions per request with a limit, {result['without']:.1f} "
          f"without: {result['ratio']:.4f}; looks at the clock beside: {result['looks']['with']:.3f} and {result['looks']['without']:.3f}",
          flush=True)
    return result


def start(build, stack):
    servers = []
    programs = [("weir", SERVERS["weir"][0], LIMITED), ("never", SERVERS["weir"][0], NEVER),
                *((name, program, LIMITED) for name, (program, _) in SERVERS.items() if name != "weir")]
    for name, program, limit in programs:
        if (build / program).exists():
            servers.append(Server(name, build / program, (limit,)))
            stack.callback(servers[-1].stop)
        else:
            require(name in ("asio", "libevent"), f"{program} is not built")
    return servers


def measure(args):
    rounds, seconds = (3, 1) if args.quick else (9, 2)
    results = describe(args.build)
    results["settings"] = {"rounds": rounds, "seconds": seconds}
    results["instructions"] = [count_instructions(args.build / SERVERS["weir"][0], connections, times)
                               for connections, times in COUNTED.items()]
    results["loads"] = []
    with contextlib.ExitStack() as stack:
        servers = start(args.build, stack)
        for connections in LOADS:
            figures, ratios = run_rounds(servers, connections, rounds, seconds)
            results["loads"].append({"connections": connections, "servers": figures, "ratios": ratios})
            for name, row in ratios.items():
                print(f"{connections} connections: CPU per request, weir / {name}: {row['cpu_us']['median']:.3f} "
                      f"({row['cpu_us']['q1']:.3f} to {row['cpu_us']['q3']:.3f})", flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="3 rounds of 1 s instead of 9 of 2 s")
    parser.add_argument("--check", action="store_true", help="only look whether all give the same answers")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the results there, too")
    parser.add_argument("build", type=pathlib.Path, metavar="BUILD_DIR")
    args = parser.parse_args()
    try:
        if args.check:
            with contextlib.ExitStack() as stack:
                check(start(args.build, stack))
        else:
            for tool in ("wrk", "valgrind"):
                require(shutil.which(tool), f"{tool} is not installed")
            measure(args)
    except (Failure, OSError, subprocess.TimeoutExpired) as error:
        sys.exit(f"limits.py: {error}")


if __name__ == "__main__":
    main()
