#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes what was measured into two pages: all of it, beside what was aimed at, and a few figures for those who come first.

tables.py DIRECTORY README

It takes micro.json, owned.json and servers.json of the directory, see charts.py, and replaces what stands between two
markers: all tables in README.md of the directory, the few figures in README. A target is met if the median is not above it,
as measured, not as rounded; and for each size that is shown.
"""
import json
import pathlib
import sys
import textwrap

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"

# What a reader of README is told of single calls: what it is called, what raw epoll does, and the cases whose costs add up.
FIRST = (
    ("an event handed out", "`epoll_wait` and a loop", ("dispatch",)),
    ("a one-shot turn: event, read, armed again", "the same, armed by `EPOLL_CTL_MOD`", ("oneshot-short",)),
    ("a connection registered and removed", "`EPOLL_CTL_ADD` and `DEL`", ("register", "deregister")),
    ("a wake, while the poll is awake", "a write to an eventfd", ("wake",)),
)

# What a row is called, what raw epoll does meanwhile, and the name of the case, which knows its target.
CASES = (
    ("dispatch per event, edge-triggered", "`epoll_wait` and a loop", "dispatch"),
    ("dispatch per event, level-triggered", "`epoll_wait` and a loop", "dispatch-level"),
    ("register", "`EPOLL_CTL_ADD`", "register"),
    ("deregister", "`EPOLL_CTL_DEL`", "deregister"),
    ("reregister", "`EPOLL_CTL_MOD`", "reregister"),
    ("rearm", "`EPOLL_CTL_MOD`", "rearm"),
    ("retoken", "`EPOLL_CTL_MOD`", "retoken"),
    ("one-shot turn on a stream, short read", "`EPOLLONESHOT`: the same read and a MOD", "oneshot-short"),
    ("one-shot turn on a stream, read to `-EAGAIN`", "`EPOLLONESHOT`: the same reads and a MOD", "oneshot-drain"),
    ("empty wait", "`epoll_wait`, timeout 0", "empty-wait"),
    ("one of all ready: write, wait, read", "the same", "one-of-n"),
    ("wake of a busy poller", "write to an eventfd", "wake"),
    ("wake ping-pong", "eventfd ping-pong", "wake-ping-pong"),
    ("wake ping-pong on one processor", "eventfd ping-pong", "wake-ping-pong-one"),
    ("clone and release", "`dup` and `close` of the epoll descriptor", "clone"),
    ("churn, 1 thread beside a waiter", "the same", "churn-1"),
    ("churn, 2 threads beside a waiter", "the same", "churn-2"),
    ("deregister beside a waiter with handlers of 1 ms, p50", "`EPOLL_CTL_DEL`", "deregister-p50"),
    ("the same, p99", "`EPOLL_CTL_DEL`", "deregister-p99"),
    ("defer, no batch open", "pushing on a list under a mutex", "defer"),
    ("defer, a batch open", "pushing on a list under a mutex", "defer-open-batch"),
    ("memory per registration, bytes", "—", "memory"),
)
GROWTH = 1.05  # of the cost from the fewest descriptors to the most, as a ratio to the growth on raw epoll

# The row, the figure, whether more is better, whether only servers that share one poller count, and the targets by connections.
SERVERS = (
    ("server CPU per request", "cpu_us", False, False, {64: 0.95, 8: 1.00}),
    ("requests/s", "requests_per_s", True, True, {64: 1.00, 8: 1.00}),
    ("p99", "p99_us", False, True, {64: 1.00, 8: 1.00}),
)
EPOLL_CTL = 0  # calls per request
CALLS = {64: 2.05}  # system calls per request
NOTHING = "—"


def machine(results):
    about = results["machine"]
    return (f"weir {results['build']['weir']} on {about['cpus']} processors {about['cpu']}, {about['architecture']}, Linux "
            f"{about['kernel']}, {results['date']}.")


def row(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |\n"


def head(*cells, sides):
    """sides: for each column l, to the left, or r."""
    return row(*cells) + "|" + "".join("---:|" if side == "r" else "---|" for side in sides) + "\n"


def paragraph(text):
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False) + "\n\n"


def short(value):
    """Three digits are enough."""
    return f"{value:.3f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


# ---------------------------------------------------------------- single calls


def target_text(case):
    return f"{case['target']:.0f}" if case["unit"] == "bytes" else f"{case['target']:.2f}"


def micro_row(title, beside, cases, most):
    shown = [cases[0]] if len(cases) == 1 else [cases[0], cases[-1]]
    few, many = shown[0], shown[-1]
    missed = [f"at {case['n'] or 0:,}" for case in shown if case["weir"]["median"] > case["target"]]
    targets = dict.fromkeys(target_text(case) for case in shown)
    raw = NOTHING if few["unit"] == "bytes" else short(few["raw_ns"]["median"])
    floors = [short(case["peers"]["floor"]["median"]) for case in shown if case["peers"].get("floor")]
    cells = [short(few["weir"]["median"]), NOTHING, "; ".join(floors) or NOTHING, NOTHING]
    if few is not many:
        cells[1] = short(many["weir"]["median"]) + ("" if many["n"] == most else f" ({many['n']:,})")
    if many["growth"] is not None:
        cells[3] = short(many["growth"])
        if many["growth"] > GROWTH:
            missed.append("growth")
    met = "yes" if not missed else "no" if few is many else "no: " + ", ".join(missed)
    return row(title, beside, raw, "; ".join(targets), *cells, met)


def micro(results):
    sizes = [case["n"] for case in results["cases"] if case["n"]]
    fewest, most = min(sizes), max(sizes)
    text = head("case", "raw epoll does", "raw, ns", "target", f"at {fewest:,}", f"at {most:,}", "floor", "growth",
                "met", sides="llrrrrrrl")
    for title, beside, name in CASES:
        cases = sorted((case for case in results["cases"] if case["name"] == name), key=lambda case: case["n"] or 0)
        if cases:
            text += micro_row(title, beside, cases, most)
    return paragraph(
        f"{machine(results)} Ratios to raw epoll, medians of {results['cases'][0]['repetitions']} repetitions. Raw, in "
        f"nanoseconds, is with {fewest:,} descriptors. The floor, at both numbers, is raw epoll with one word for each "
        f"descriptor, locked and unlocked around each `epoll_ctl` and looked at for each event: what it costs at least to tell "
        f"stale events from others. Growth is that of the cost from {fewest:,} descriptors to the most, as a "
        f"ratio to the growth on raw epoll; it is to be {GROWTH} at most.") + text + "\n" + paragraph(
            "The other libraries are in the pictures. What is to be known of them:") + "".join(
                f"- {name} {peer['version']}: {peer['note']}\n" for name, peer in results["peers"].items() if name != "floor")


# ---------------------------------------------------------------- a one-shot while it is owned


def owned(results):
    figures = list(dict.fromkeys(case["figure"] for case in results["cases"]))
    target = max(case["target"] for case in results["cases"])
    rows = {}
    for case in results["cases"]:
        rows.setdefault((case["read"], case["messages"]), {})[case["figure"]] = case
    text = head("messages to the owner", "read", *figures, "met", sides="rl" + "r" * len(figures) + "l")
    for (read, messages), cases in rows.items():
        missed = [figure for figure in figures if cases[figure]["weir"]["median"] > cases[figure]["target"]]
        text += row(f"{messages:,}", read, *(short(cases[figure]["weir"]["median"]) for figure in figures),
                    "no: " + ", ".join(missed) if missed else "yes")
    return paragraph(
        f"{machine(results)} One thread waits, another owns a one-shot, and a peer sends it messages meanwhile. Ratios to "
        f"`EPOLLONESHOT`, medians of {results['cases'][0]['repetitions']} repetitions: calls for events, `epoll_ctl`, context "
        f"switches of the waiter, CPU time of the process. The owner reads late, when the waiter had its chance to see each "
        f"message, or blocks for it and may be first. Each figure is to be {target:.2f} at most, "
        f"and without messages there is to be no `epoll_ctl`.") + text


# ---------------------------------------------------------------- whole servers


def calls(value):
    return NOTHING if value is None else f"{value:.2f}"


def measured(results):
    text = head("connections", "server", "one poller", "requests/s", "p99, µs", "CPU, µs per request", "`epoll_ctl` per request",
                "system calls per request", sides="lllrrrrr")
    for load in results["loads"]:
        for name, figures in load["servers"].items():
            server = results["servers"][name]
            text += row(load["connections"], server["runs_on"], "yes" if server["shares"] else "no, one per thread",
                        f"{figures['requests_per_s']['median']:,.0f}", f"{figures['p99_us']['median']:,.0f}",
                        f"{figures['cpu_us']['median']:.2f}", calls(figures["epoll_ctl"]), calls(figures["calls"]))
    return text


def best(results, load, figure, more, sharing):
    """The best of the others."""
    names = [name for name in load["ratios"] if results["servers"][name]["shares"] or not sharing]
    return (max if more else min)(names, key=lambda name: load["servers"][name][figure]["median"])


def aimed_at(results):
    text = head("httpd", "connections", "to", "target", "measured", "met", sides="lrlrrl")
    for title, figure, more, sharing, targets in SERVERS:
        for load in results["loads"]:
            name = best(results, load, figure, more, sharing)
            ratio = load["ratios"][name][figure]
            target = targets[load["connections"]]
            met = ratio["median"] >= target if more else ratio["median"] <= target
            text += row(title, load["connections"], results["servers"][name]["runs_on"], f"{'≥' if more else '≤'} {target:.2f}",
                        f"{ratio['median']:.3f} ({ratio['q1']:.3f} to {ratio['q3']:.3f})", "yes" if met else "no")
    for title, figure, targets in (("`epoll_ctl` per request", "epoll_ctl", dict.fromkeys((64, 8), EPOLL_CTL)),
                                   ("system calls per request", "calls", CALLS)):
        for load in results["loads"]:
            value, target = load["servers"]["weir"][figure], targets.get(load["connections"])
            if target is not None and value is not None:
                text += row(title, load["connections"], NOTHING, f"{target:g}", f"{value:.4g}",
                            "yes" if value <= target else "no")
    return text


def servers(results):
    settings = results["settings"]
    return paragraph(
        f"{machine(results)} The same server on each, with {settings['threads']} threads; medians of {settings['rounds']} "
        f"rounds of {settings['seconds']} s of {results['tools']['wrk'].split(' [')[0]} on the same machine. System calls are "
        "counted in a run of their own, by the kernel's tracepoints."
    ) + measured(results) + "\n" + paragraph(
        "httpd as a ratio to the best of the others, and for requests/s and p99 to the best whose threads share one poller; of "
        "each round by itself, with the middle half:"
    ) + aimed_at(results)


# ---------------------------------------------------------------- the pages


def everything(directory):
    for source, pictures, tables in (
            ("micro.json", {"ratios.svg": "Ratios to raw epoll", "cost.svg": "Cost against the number of descriptors"}, micro),
            ("owned.json", {}, owned),
            ("servers.json", {"servers.svg": "Requests per second, and CPU time per request"}, servers)):
        if (directory / source).exists():
            results = json.loads((directory / source).read_text())
            yield tables(results) + "".join(f"\n![{title}]({name})\n" for name, title in pictures.items())


def first_rows(cases):
    """Where a case has several sizes, the smallest."""
    few = {}
    for case in sorted(cases, key=lambda case: case["n"] or 0):
        few.setdefault(case["name"], case)
    for title, beside, names in FIRST:
        if all(name in few for name in names):
            raw = [few[name]["raw_ns"]["median"] for name in names]
            weir = [few[name]["raw_ns"]["median"] * few[name]["weir"]["median"] for name in names]
            yield row(title, f"{sum(weir):,.0f} ns", f"{sum(raw):,.0f} ns: {beside}")
    if "memory" in few:
        yield row("memory for each descriptor", f"{few['memory']['weir']['median']:.0f} bytes", "none of its own")


def first(directory):
    """For those who come first: single calls, and the server that has the most connections."""
    single = json.loads((directory / "micro.json").read_text())
    whole = json.loads((directory / "servers.json").read_text())
    load = max(whole["loads"], key=lambda load: load["connections"])
    served = [f"{load['servers'][name]['requests_per_s']['median']:,.0f}: {whole['servers'][name]['runs_on']}"
              for name in load["servers"] if name != "weir"]
    title = f"requests/s, an HTTP server with {whole['settings']['threads']} threads"
    yield f"{machine(whole)}\n\n" + head("medians", "weir", "others", sides="lrl") + "".join(first_rows(single["cases"])) + row(
        title, f"{load['servers']['weir']['requests_per_s']['median']:,.0f}", "; ".join(served))


def write_between(page, parts):
    text = page.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        sys.exit(f"tables.py: {page} has not the two markers")
    before, rest = text.split(BEGIN)
    page.write_text(before + BEGIN + "\n" + "\n".join(parts) + END + rest.split(END)[1])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    directory, readme = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
    write_between(directory / "README.md", everything(directory))
    write_between(readme, first(directory))


main()
