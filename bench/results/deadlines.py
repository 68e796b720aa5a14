#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes what deadlines and triggers cost, and how late they come, beside what was aimed at.

deadlines.py DIRECTORY

From deadlines.json (weir-bench), late.json (weir-bench-late) and limits.json (rivals/limits.py) of the directory it makes
deadlines.md there. A row is met if its figure, a median as measured and not as rounded, is not above the target. What bounds a
row that is not is told below, in words that are kept by hand, here.
"""
import json
import pathlib
import sys

from charts import caption
from loads import head, row

SAFE = ("libevent", "asio")  # whose timers may be set on any thread
OWN_TIMERFD = ("timerfd", "weir", "asio")  # what is no peer, or has a timerfd
FEW, MANY, DUE = 1000, 1000000, 18000
PAGE = 4096
BEFORE = 32  # bytes of a registration when there were no deadlines
SERVERS = ("weir", "never")  # of limits.json, that are no rivals

# By the kind of row, what bounds it where it is missed.
BOUNDS = {
    "idle": "libevent moves a timeout that is near the end of its heap by two locks and little more. weir moves a deadline by one "
            "compare-and-swap, after a look whether the registration is the one that is meant; the swap alone, with its load, is "
            "about 11 ns on this machine. No call with a locked instruction, which is what lets another thread expire the "
            "deadline meanwhile, comes to a tenth of what libevent needs where its heap is small.",
    "now": "Most of it is the look at the clock, 18 ns by itself. That is what weir_registry_moment() spares.",
    "set": "libev and libuv have no lock, for a loop belongs to one thread: a set is a few stores in a heap. The lock and the checks "
           "of weir are what lets any thread set and move a timer. libev looks at the clock once for all timers, as weir does here.",
    "remove": "Taking away is one compare-and-swap, and what is in the heap stays until it is met; a peer with no lock and a small "
              "heap needs less than that.",
    "expire": "Each timeout is taken out under the lock, becomes an event of a batch, and is looked at once more when it is handed "
              "out, for until then any thread may move it or end its registration. libuv and libev call back right out of the "
              "heap, on the only thread that may change it.",
    "growth": "With a million timers, wakers and heap lie in memory that no cache holds. Each timer is an object of its own beside "
              "its place in the heap, as with libevent; the growth is that of memory accesses. A peer that costs much with a few "
              "grows less, and one whose setting ends near the bottom of its heap touches less of it.",
    "beside": "Two threads take turns at one lock, and at one heap.",
    "trigger": "An armed one-shot is armed anew each time, a waker is not: that is a second call in the figure.",
    "short": "The kernel's slack for a sleep is 50 µs for each thread, see PR_SET_TIMERSLACK in prctl(2), and more for a long one.",
    "memory": "The table of registrations has a word more for each descriptor, or a page was counted on one side only.",
    "instructions": "One hundredth of a request is some 17 instructions: httpd's own parser, answers and checks are no more than "
                    "1,750. A call that checks what it is given and does one compare-and-swap takes more than these: by callgrind "
                    "about 140 for weir_set_deadline(), and 24 for four calls of weir_registry_moment(). A wait with a deadline "
                    "looks at the clock twice, which shows where each request has a wait of its own. In CPU time it is less: a "
                    "request is for the most part two system calls.",
    "cpu": "Of a request, the greater part is the kernel's recv(2) and send(2), which are the same for all. Bare epoll has one thread "
           "that looks through all connections once a second, so its limit is a store and a coarse clock for each request.",
}


def ns(case, side):
    """What an operation costs; None if the side cannot do that."""
    if side != "weir" and not case["peers"].get(side):
        return None
    return (case["weir"] if side == "weir" else case["peers"][side])["median"] * case["raw_ns"]["median"]


class Micro:
    """Cases by name and size."""

    def __init__(self, results):
        self.cases = {(case["name"], case["n"]): case for case in results["cases"]}
        self.peers = list(results["peers"])

    def sizes(self, name):
        return sorted(n for other, n in self.cases if other == name)

    def ns(self, name, n, side):
        return ns(self.cases[name, n], side) if (name, n) in self.cases else None

    def best(self, name, n, peers):
        """The peer that costs least, and what; None if there is none."""
        costs = [(self.ns(name, n, peer), peer) for peer in peers]
        return min(((peer, cost) for cost, peer in costs if cost), key=lambda each: each[1], default=None)


class Table:
    """The rows, and which kinds were missed."""

    def __init__(self):
        self.text = head("case", "to", "target", "figure", "met")
        self.missed = []

    def add(self, kind, case, against, target, value, shown=None):
        met = value <= target
        self.text += row(case, against, f"≤ {target:g}", shown or f"{value:.3f}", "yes" if met else "no")
        if not met and kind not in self.missed:
            self.missed.append(kind)

    def bounds(self):
        return "".join(f"- {KINDS[kind]}: {BOUNDS[kind]}\n" for kind in KINDS if kind in self.missed)


KINDS = {"idle": "Move later, the moment given", "now": "Move later, by weir_now()", "set": "Set", "remove": "Remove",
         "expire": "Expire", "growth": "Growth", "beside": "Two threads", "trigger": "Trigger", "short": "Lateness",
         "memory": "Memory", "instructions": "Instructions per request", "cpu": "CPU per request"}


# ---------------------------------------------------------------- the targets


def moves(table, micro):
    for kind, name, case, target in (("idle", "deadline-idle", "move later, the moment given", 0.1),
                                     ("now", "deadline-idle-now", "move later, by weir_now()", 0.3)):
        for n in micro.sizes(name):
            peer = micro.ns(name, n, "libevent")
            if peer:
                table.add(kind, f"{case}, {n:,}", "libevent", target, micro.ns(name, n, "weir") / peer)


def timers(table, micro):
    for kind in ("set", "remove"):
        for n in micro.sizes(f"deadline-{kind}"):
            for what, peers, target in (("that is thread-safe", SAFE, 0.7), ("of all", micro.peers, 1.2)):
                best = micro.best(f"deadline-{kind}", n, peers)
                if best:
                    table.add(kind, f"{kind}, {n:,}", f"the best peer {what}, {best[0]}", target,
                              micro.ns(f"deadline-{kind}", n, "weir") / best[1])
    best = micro.best("deadline-expire", DUE, micro.peers)
    if best:
        table.add("expire", f"expire and hand out, {DUE:,}", f"the best peer, {best[0]}", 1.0,
                  micro.ns("deadline-expire", DUE, "weir") / best[1])


def growths(table, micro):
    """To the peer that costs least when there are many."""
    for kind in ("set", "earlier", "remove", "expire"):
        name = f"deadline-{kind}"
        best = micro.best(name, MANY, micro.peers)
        if not best or (name, FEW) not in micro.cases:
            continue
        ours, theirs = (micro.ns(name, MANY, side) / micro.ns(name, FEW, side) for side in ("weir", best[0]))
        table.add("growth", f"{kind}, {FEW:,} to {MANY:,}", f"the growth of the best peer at {MANY:,}, {best[0]}", 1.0, ours / theirs,
                  f"{ours / theirs:.3f} ({ours:.2f} to {theirs:.2f})")


def threads(table, micro):
    for n in micro.sizes("deadline-beside-t2"):
        table.add("beside", f"set on 2 threads beside a waiter, {n:,}", "on 1 thread, per operation", 1.3,
                  micro.ns("deadline-beside-t2", n, "weir") / micro.ns("deadline-beside-t1", n, "weir"))


def triggers(table, micro):
    for name, case, target in (("trigger", "trigger of an armed one-shot", 1.2), ("trigger-owned", "trigger of an owned one", 0.6)):
        table.add("trigger", case, "a waker's wake, taken before the next", target,
                  micro.ns(name, None, "weir") / micro.ns("wake-taken", None, "weir"))


def lateness(table, late):
    for case in late["cases"]:
        sides = case["sides"]
        ours = sides["weir"]["p99_us"]
        if case["name"] == "1ms":
            table.add("short", "p99 of lateness on an idle poll, 1 ms", "—", 0.3, ours / 1000, f"{ours / 1000:.3f} ms")
        elif case["name"] in ("1s", "10s"):
            peers = {name: figures["p99_us"] for name, figures in sides.items() if name not in OWN_TIMERFD}
            if peers:
                best = min(peers, key=peers.get)
                table.add("short", f"the same, {case['name'][:-1]} s", f"the best peer without a timerfd, {best}", 1.0, ours / peers[best])


def memory(table, micro):
    n = micro.sizes("memory")[-1]
    alone, limited = (micro.cases[name, n]["weir"]["median"] for name in ("memory", "memory-deadline"))
    table.add("memory", f"memory for a registration with a deadline, {n:,}", "without one, bytes more", 32, limited - alone,
              f"{limited - alone:.1f}")
    table.add("memory", f"memory for one without, {n:,}, to the page", f"{BEFORE} bytes: when there were none, pages more", 0,
              int((alone - BEFORE) * n / PAGE))


def servers(table, limits):
    for counted in limits["instructions"]:
        table.add("instructions", f"httpd with its idle limit, instructions per request, {counted['connections']} connections",
                  "httpd without", 1.01, counted["ratio"])
    for load in limits["loads"]:
        ratios = {name: figures["cpu_us"]["median"] for name, figures in load["ratios"].items() if name not in SERVERS}
        worst = max(ratios, key=ratios.get)
        table.add("cpu", f"httpd with its idle limit, CPU per request, {load['connections']} connections",
                  f"the best rival with one, {worst}", 0.95, ratios[worst])


# ---------------------------------------------------------------- all figures


def cost_table(micro):
    text = head("case", "number", "epoll", "weir", *micro.peers)
    for (name, n), case in micro.cases.items():
        if case["unit"] == "bytes":
            values = [0.0, case["weir"]["median"], *(case["peers"][peer] and case["peers"][peer]["median"] for peer in micro.peers)]
        else:
            values = [case["raw_ns"]["median"], ns(case, "weir"), *(ns(case, peer) for peer in micro.peers)]
        text += row(name, "—" if n is None else f"{n:,}", *("—" if value is None else f"{value:.1f}" for value in values))
    return text


def late_table(late):
    text = head("case", "side", "timers", "p50, ms", "p99, ms", "longest, ms", "early")
    for case in late["cases"]:
        for name, figures in case["sides"].items():
            text += row(case["name"], name, f"{figures['n']:,}", *(f"{figures[key] / 1000:.3f}" for key in
                                                                   ("p50_us", "p99_us", "longest_us")), f"{figures['early']:,}")
    return text


def limit_tables(limits):
    text = head("connections", "with", "without", "ratio", "looks at the clock with", "without")
    for counted in limits["instructions"]:
        text += row(counted["connections"], f"{counted['with']:.0f}", f"{counted['without']:.0f}", f"{counted['ratio']:.3f}",
                    *(f"{counted['looks'][name]:.3f}" for name in ("with", "without")))
    text += "\n" + head("connections", "server", "CPU per request, µs", "weir to it", "middle half")
    for load in limits["loads"]:
        for name, figures in load["servers"].items():
            ratio = load["ratios"].get(name, {}).get("cpu_us")
            text += row(load["connections"], name, f"{figures['cpu_us']['median']:.2f}", f"{ratio['median']:.3f}" if ratio else "—",
                        f"{ratio['q1']:.3f} to {ratio['q3']:.3f}" if ratio else "—")
    return text


def page(costs, late, limits):
    micro, table = Micro(costs), Table()
    moves(table, micro)
    timers(table, micro)
    growths(table, micro)
    threads(table, micro)
    triggers(table, micro)
    lateness(table, late)
    memory(table, micro)
    servers(table, limits)
    return ("# Deadlines and triggers\n\nBy `bench/results/results.sh deadlines`. " + caption(costs, "") +
            "\n\nRatios of medians of laps that take turns, if no unit is named. With a million there are wakers alone, for so many "
            "descriptors are not to be had.\n\n" + table.text +
            ("\n## What bounds the rows that are missed\n\n" + table.bounds() if table.missed else "") +
            "\n## What an operation costs, in nanoseconds or bytes\n\nThe column epoll is what a program does without a library: "
            "timerfd_settime(2), or an eventfd.\n\n" + cost_table(micro) +
            "\n## How late timers come\n\nFrom the moment to the return of the wait that brings it; many are 100,000 of random lengths "
            "from 1 ms to 10 s, busy beside a descriptor that is always ready. libevent takes its time from a coarse clock, libuv "
            "counts whole milliseconds from one that has begun: both come early at times.\n\n" + late_table(late) +
            "\n## What an idle limit costs httpd\n\nInstructions of the user by callgrind, which does not see those of a look at the "
            f"clock; CPU by {limits['settings']['rounds']} paired rounds of {limits['settings']['seconds']} s of wrk. \"never\" is "
            "httpd without a limit.\n\n" + limit_tables(limits))


def main():
    directory = pathlib.Path(sys.argv[1])
    results = [json.loads((directory / f"{name}.json").read_text()) for name in ("deadlines", "late", "limits")]
    (directory / "deadlines.md").write_text(page(*results))


if __name__ == "__main__":
    main()
