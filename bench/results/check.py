#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the tables, and the pictures where gnuplot is installed, from figures that are made up, and looks at what comes out."""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).resolve().parent
MACHINE = {"date": "2001-02-03", "machine": {"cpu": "Abacus", "cpus": 2, "kernel": "4.14", "architecture": "wood"}}
PAGE = "before\n<!-- results: begin -->\nold\n<!-- results: end -->\nafter\n"


def check(condition, what):
    if not condition:
        sys.exit(f"results: {what}")


def figure(median):
    return {"median": median, "q1": median * 0.9, "q3": median * 1.1, "min": median * 0.8, "max": median * 1.2}


def case(name, n, weir, target, growth=None, unit="ratio"):
    return {"name": name, "n": n, "threads": 1, "repetitions": 9, "baseline": "", "unit": unit,
            "raw_bytes" if unit == "bytes" else "raw_ns": figure(500.0), "weir": figure(weir), "target": target, "growth": growth,
            "peers": {"floor": figure(1.01) if name == "dispatch" else None, "libevent": figure(2.0), "libev": None}}


def server(requests, p99, cpu, calls):
    return {"requests_per_s": figure(requests), "p99_us": figure(p99), "cpu_us": figure(cpu), "epoll_ctl": calls - 2,
            "calls": calls}


def ratios(a, b):
    return {key: figure(a[key]["median"] / b[key]["median"]) for key in ("requests_per_s", "p99_us", "cpu_us")}


PEERS = {"floor": {"version": "1", "note": "least"}, "libevent": {"version": "2", "note": "heavy"}}
MICRO = {**MACHINE, "build": {"weir": "0", "options": ""}, "peers": PEERS, "cases": [
    case("register", 100, 1.0304, 1.03), case("register", 18000, 1.02, 1.03, 0.99),  # shown as what is aimed at, but above it
    case("deregister", 100, 1.0, 1.03),
    case("dispatch", 100, 1.05, 1.05), case("dispatch", 18000, 1.07, 1.08, 1.051),
    case("rearm", 100, 0.01, 0.04), case("rearm", 18000, 0.02, 0.04, 1.0),
    case("oneshot-short", 100, 0.8, 0.81), case("oneshot-short", 9000, 0.82, 0.81, 1.02),
    case("wake", None, 0.02, 0.02), case("wake-first", None, 0.5, None), case("clone", None, 0.04, 0.03),
    case("memory", 1000, 30.0, 32, unit="bytes"), case("memory", 18000, 31.0, 32, unit="bytes"),
]}
OWNED = {**MACHINE, "build": {"weir": "0"}, "cases": [
    {"name": "owned", "figure": name, "messages": messages, "read": "late", "repetitions": 9, "weir": figure(ratio),
     "target": target}
    for messages, name, ratio, target in ((0, "waits", 1.0, 1.1), (0, "epoll_ctl", 0.0, 0.0), (1000, "waits", 1.101, 1.1),
                                          (1000, "epoll_ctl", 1.1, 1.1))]}
WEIR, EPOLL, LIBEVENT = server(1000, 90, 9.4, 2.06), server(900, 100, 11, 2.0), server(1100, 80, 10, 2.05)
SERVERS = {**MACHINE, "build": {"weir": "0", "options": ""}, "tools": {"wrk": "wrk 4"},
           "settings": {"threads": 2, "rounds": 9, "seconds": 3},
           "servers": {"weir": {"runs_on": "weir 0", "shares": True}, "epoll": {"runs_on": "bare epoll", "shares": True},
                       "libevent": {"runs_on": "libevent 2", "shares": False}},
           "loads": [{"connections": 64, "servers": {"weir": WEIR, "epoll": EPOLL, "libevent": LIBEVENT},
                      "ratios": {"epoll": ratios(WEIR, EPOLL), "libevent": ratios(WEIR, LIBEVENT)}},
                     {"connections": 8, "servers": {"weir": EPOLL, "epoll": WEIR, "libevent": LIBEVENT},
                      "ratios": {"epoll": ratios(EPOLL, WEIR), "libevent": ratios(EPOLL, LIBEVENT)}}]}

LOAD_KEYS = ("requests_per_s", "p50_us", "p99_us", "p999_us", "cpu_us", "switches", "share")


def load(option, connections, weir, rival):
    """Each figure of weir is so much, of the rival likewise, but for the share of the busiest thread."""
    ratio = {key: figure(weir / rival) for key in LOAD_KEYS}
    return {"load": [option], "threads": 2, "connections": connections,
            "servers": {"weir": {key: figure(0.95 if key == "share" else weir) for key in LOAD_KEYS},
                        "queue": {key: figure(rival) for key in LOAD_KEYS}}, "ratios": {"queue": ratio}}


CREW_LOADS = {**MACHINE, "build": {"weir": "0", "options": ""}, "settings": {"rounds": 7, "seconds": 2, "load_average": 0.1},
              "servers": {"weir": "weir 0", "queue": "a queue"},
              "cases": [load("--work=20", 8, 100, 100), load("--work=20", 1, 200, 100), load("--sleep=1000", 64, 50, 100)]}
CREW = {**MACHINE, "cases": [{"name": "one-64", "baseline": "a loop", "unit": "ratio", "weir": figure(1.0), "target": 1.03},
                             {"name": "behind", "baseline": "", "unit": "us", "weir": figure(3000.0), "target": 2000}]}
CREW_ROWS = (
    ("| --work=20, 2 threads, 8 connections | requests/s | ≥ 0.98 | queue |", "| 0.900 to 1.100 | yes |"),
    ("| --work=20, 2 threads, 8 connections | busiest thread |", "| no |"),
    ("| --work=20, 2 threads, 1 connections | p99 |", "| 1.800 to 2.200 | no |"),
    ("| --sleep=1000, 2 threads, 64 connections | requests/s |", "| no |"),
    ("| --sleep=1000, 2 threads, 64 connections | p99 |", "| yes |"),
    ("| one-64 |", "| yes |"),
    ("| behind |", "| no |"),
)



def micro(name, n, weir, libevent, libuv=None):
    """Ratios to raw epoll, which takes 100 ns; bytes, where the name says memory."""
    unit = "bytes" if name.startswith("memory") else "ns"
    return {"name": name, "n": n, "unit": "bytes" if unit == "bytes" else "ratio", f"raw_{unit}": figure(100.0),
            "weir": figure(weir), "peers": {"libevent": figure(libevent), "libuv": libuv and figure(libuv)}}


def lateness(name, **p99):
    return {"name": name, "busy": False, "sides": {side: {"n": 9, "p50_us": 1.0, "p99_us": value, "longest_us": value, "early": 0}
                                                   for side, value in p99.items()}}


DEADLINES = {**MACHINE, "build": {"weir": "0"}, "peers": {"libevent": {}, "libuv": {}}, "cases": [
    micro("deadline-idle", 100, 0.1, 1.0), micro("deadline-idle-now", 100, 0.4, 1.0),
    micro("deadline-set", 1000, 0.6, 1.0, 0.5), micro("deadline-set", 1000000, 1.8, 2.0, 1.0),
    micro("deadline-remove", 1000, 0.8, 1.0, 2.0), micro("deadline-expire", 18000, 1.0, 2.0, 0.5),
    micro("deadline-beside-t1", 1000, 1.0, 1.0), micro("deadline-beside-t2", 1000, 1.4, 1.0),
    micro("trigger", None, 1.1, 1.0), micro("trigger-owned", None, 0.7, 1.0), micro("wake-taken", None, 1.0, 1.0),
    micro("memory", 18000, 32.1, 100.0), micro("memory-deadline", 18000, 65.0, 100.0)]}
LATE = {**MACHINE, "cases": [lateness("1ms", timerfd=20.0, weir=200.0, libevent=100.0),
                             lateness("1s", timerfd=20.0, weir=200.0, libevent=100.0, libuv=300.0, asio=50.0),
                             lateness("10s", timerfd=20.0, weir=90.0, libevent=100.0)]}
LIMITS = {"settings": {"rounds": 9, "seconds": 2},
          "instructions": [{"connections": 64, "with": 101.0, "without": 100.0, "ratio": 1.01, "looks": {"with": 1.0, "without": 0.0}},
                           {"connections": 1, "with": 103.0, "without": 100.0, "ratio": 1.03, "looks": {"with": 1.0, "without": 0.0}}],
          "loads": [{"connections": 64, "servers": {name: {"cpu_us": figure(9.0)} for name in ("weir", "never", "epoll", "libevent")},
                     "ratios": {name: {"cpu_us": figure(ratio)} for name, ratio in
                                (("never", 1.2), ("epoll", 0.9), ("libevent", 0.96))}}]}
DEADLINE_ROWS = (
    ("| move later, the moment given, 100 |", "| 0.100 | yes |"),
    ("| move later, by weir_now(), 100 |", "| 0.400 | no |"),
    ("| set, 1,000 | the best peer that is thread-safe, libevent |", "| 0.600 | yes |"),
    ("| set, 1,000 | the best peer of all, libuv |", "| 1.200 | yes |"),
    ("| remove, 1,000 | the best peer that is thread-safe, libevent |", "| 0.800 | no |"),
    ("| expire and hand out, 18,000 | the best peer, libuv |", "| 2.000 | no |"),
    ("| set, 1,000 to 1,000,000 |", "| 1.500 (3.00 to 2.00) | no |"),
    ("| set on 2 threads beside a waiter, 1,000 |", "| 1.400 | no |"),
    ("| trigger of an armed one-shot |", "| 1.100 | yes |"),
    ("| trigger of an owned one |", "| 0.700 | no |"),
    ("| p99 of lateness on an idle poll, 1 ms |", "| 0.200 ms | yes |"),
    ("| the same, 1 s | the best peer without a timerfd, libevent |", "| 2.000 | no |"),
    ("| the same, 10 s | the best peer without a timerfd, libevent |", "| 0.900 | yes |"),
    ("| memory for a registration with a deadline, 18,000 |", "| 32.9 | no |"),
    ("| memory for one without, 18,000, to the page |", "| yes |"),
    ("| httpd with its idle limit, instructions per request, 64 connections |", "| 1.010 | yes |"),
    ("| httpd with its idle limit, instructions per request, 1 connection |", "| 1.030 | no |"),
    ("| httpd with its idle limit, CPU per request, 64 connections | the best rival with one, libevent |", "| 0.960 | no |"),
    ("- Remove: ", "."),
)

# How a row must begin and end.
ROWS = (
    ("- libevent", " 2: heavy"),
    ("| register |", "| no: at 100 |"),
    ("| dispatch per event, edge-triggered |", "| 1.05; 1.08 | 1.050 | 1.070 | 1.010; 1.010 | 1.051 | no: growth |"),
    ("| rearm |", "| 0.04 | 0.010 | 0.020 | — | 1.000 | yes |"),
    ("| one-shot turn on a stream, short read |", "| 0.81 | 0.800 | 0.820 (9,000) | — | 1.020 | no: at 9,000 |"),
    ("| wake of a busy poller |", "| 0.02 | 0.020 | — | — | — | yes |"),
    ("| clone and release |", "| 0.03 | 0.040 | — | — | — | no |"),
    ("| memory per registration, bytes | — | — |", "| 32 | 30.0 | 31.0 | — | — | yes |"),
    ("| 0 | late |", "| 1.000 | 0.000 | yes |"),
    ("| 1,000 | late |", "| 1.101 | 1.100 | no: waits |"),
    ("| 64 | libevent 2 | no, one per thread |", "| 1,100 | 80 | 10.00 | 0.05 | 2.05 |"),
    ("| server CPU per request | 64 | libevent 2 |", "| yes |"),
    ("| server CPU per request | 8 | bare epoll |", "| no |"),
    ("| requests/s | 64 | bare epoll |", "| yes |"),
    ("| requests/s | 8 | bare epoll |", "| no |"),
    ("| p99 | 64 | bare epoll |", "| yes |"),
    ("| p99 | 8 | bare epoll |", "| no |"),
    ("| `epoll_ctl` per request | 64 |", "| no |"),
    ("| `epoll_ctl` per request | 8 |", "| yes |"),
    ("| system calls per request | 64 |", "| no |"),
)

FIRST_ROWS = (
    ("| an event handed out |", " | 525 ns | 500 ns: `epoll_wait` and a loop |"),
    ("| a one-shot turn", "| 400 ns | 500 ns: the same, armed by `EPOLL_CTL_MOD` |"),
    ("| a connection registered", "| 1,015 ns | 1,000 ns: `EPOLL_CTL_ADD` and `DEL` |"),
    ("| a wake", "| 10 ns | 500 ns: a write to an eventfd |"),
    ("| memory", "| 30 bytes | none of its own |"),
    ("| requests/s, an HTTP server with 2 threads |", "| 1,000 | 900: bare epoll; 1,100: libevent 2 |"),
)


def check_rows(text, rows):
    for begin, end in rows:
        found = [line for line in text.splitlines() if line.startswith(begin)]
        check(len(found) == 1 and found[0].endswith(end), f"{begin}: {found} should end in {end}")


def run(program, *arguments):
    return subprocess.run([HERE / program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)


with tempfile.TemporaryDirectory() as name:
    directory = pathlib.Path(name)
    everything, first = directory / "README.md", directory / "FIRST.md"
    (directory / "micro.json").write_text(json.dumps(MICRO))
    (directory / "owned.json").write_text(json.dumps(OWNED))
    (directory / "servers.json").write_text(json.dumps(SERVERS))

    for page in everything, first:
        page.write_text(PAGE)
    made = run("tables.py", directory, first)
    check(made.returncode == 0, f"tables.py fails: {made.stderr.decode()}")
    texts = [page.read_text() for page in (everything, first)]
    for text in texts:
        check(text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text, "the page around is not as it was")
        check("Abacus" in text and "2001-02-03" in text, "where do the figures come from?")
    check_rows(texts[0], ROWS)
    check_rows(texts[1], FIRST_ROWS)
    run("tables.py", directory, first)
    check([page.read_text() for page in (everything, first)] == texts, "a second time they are other pages")
    for page in first, everything:
        page.write_text("no markers\n")
        check(run("tables.py", directory, first).returncode == 1, "a page without markers is no error")

    (directory / "loads.json").write_text(json.dumps(CREW_LOADS))
    (directory / "crew.json").write_text(json.dumps(CREW))
    made = run("loads.py", directory)
    check(made.returncode == 0 and not made.stderr, f"loads.py fails: {made.stderr.decode()}")
    check_rows((directory / "loads.md").read_text(), CREW_ROWS)

    for file, results in (("deadlines", DEADLINES), ("late", LATE), ("limits", LIMITS)):
        (directory / f"{file}.json").write_text(json.dumps(results))
    made = run("deadlines.py", directory)
    check(made.returncode == 0 and not made.stderr, f"deadlines.py fails: {made.stderr.decode()}")
    text = (directory / "deadlines.md").read_text()
    check_rows(text, DEADLINE_ROWS)
    check("- Move later, the moment given" not in text, "a row that is met is explained")

    if shutil.which("gnuplot"):
        made = run("charts.py", directory)
        check(made.returncode == 0 and not made.stderr, f"charts.py fails: {made.stderr.decode()}")
        for picture in ("cost.svg", "loads.svg", "ratios.svg", "servers.svg"):
            words = "".join(xml.etree.ElementTree.parse(directory / picture).getroot().itertext())
            check("Abacus" in words and "2001-02-03" in words and "weir" in words, f"{picture}: what is it?")
