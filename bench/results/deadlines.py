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
    "idle": "libevent moves a timeout under a lock, which nobody else wants here, by a coarse clock and a step in its heap: a tenth "
            "of it is two to five nanoseconds. weir finds the registration, stores the moment, and then looks at the place in the "
            "heap. These two must not change their order, or a timeout that is about to pass is lost: on x86 the store is a "
            "locked exchange. To remove one is little else, and that takes more than a tenth of libevent's move already.",
    "now": "The difference to the former is the look at the clock, twice as much as the rest: alone it takes more than three tenths "
           "of libevent's move. weir_registry_moment() spares it. libevent takes its time from a coarse clock, and is early at "
           "times, see below.",
    "set": "libev has no lock, for its loop belongs to one thread: a set is a few stores in its heap. What any thread may set, "
           "move and take away needs an exchange and a lock, which are two or three locked instructions. libevent's set of one of "
           "a hundred is short, too, for it has little to move in its heap.",
    "remove": "Taking away is an exchange, and what is in the heap stays until its time has come.",
    "expire": "libevent calls back right out of its heap. weir takes each out under the lock and makes it an event of a batch, "
              "and looks once more when it is handed out, for until then any thread may move the deadline or end the "
              "registration. libevent gains by it as long as its events lie in the cache; with a million it needs the more.",
    "growth": "With a million timers, the wakers and the heap lie in memory that no cache holds.",
    "beside": "All sets of one poll go through one lock and into one heap, so two threads take turns; the lock's line goes from "
              "one processor to the other each time, and with a hundred timers a lap is shorter than the start of its threads.",
    "trigger": "An armed one-shot is armed anew each time, and a waker is not: that is a second call in the figure.",
    "late": "The kernel stretches the sleep of a thread: see PR_SET_TIMERSLACK in prctl(2).",
    "memory": "There are two tables, of 16 bytes each for a number, and what is counted is whole pages: the last one of each has "
              "room to spare.",
    "instructions": "One hundredth of a request is some 17 instructions, no more than one call needs that looks at what it is "
                    "given. By callgrind weir_set_deadline() takes some 95, and 12 are weir_registry_moment(). "
                    "A wait with a deadline looks at the clock twice, and tells the kernel when to end; that shows where each "
                    "request has a wait of its own. Most of a request is in the kernel: in CPU time the limit costs less, see "
                    "\"never\" below.",
    "cpu": "Most of a request is the kernel's recv(2) and send(2), which are the same for all. Without any limit httpd would not "
           "be at 0.95 either. The limit of bare epoll is a coarse clock and a store for each request; for that it is late by up "
           "to a second, and a thread looks through all connections each second, which hardly shows with so few.",
}


def ns(case, side):
    """What an operation costs; None if the side cannot do that."""
    if side != "weir" and not case["peers"].get(side):
        return None
    return (case["weir"] if side == "weir" else case["peers"][side])["median"] * case["raw_ns"]["median"]


class Micro:
    """Cases by name and size."""

    def __init__(self, results):
        self.cases = {(case["name"], case["n"] and int(case["n"])): case for case in results["cases"]}
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
         "expire": "Expire", "growth": "Growth", "beside": "Two threads", "trigger": "Trigger", "late": "Lateness",
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
            table.add("late", "p99 of lateness on an idle poll, 1 ms", "—", 0.3, ours / 1000, f"{ours / 1000:.3f} ms")
        elif case["name"] in ("1s", "10s"):
            peers = {name: figures["p99_us"] for name, figures in sides.items() if name not in OWN_TIMERFD}
            if peers:
                best = min(peers, key=peers.get)
                table.add("late", f"the same, {case['name'][:-1]} s", f"the best peer without a timerfd, {best}", 1.0,
                          ours / peers[best])


def memory(table, micro):
    n = micro.sizes("memory")[-1]
    alone, limited = (micro.cases[name, n]["weir"]["median"] for name in ("memory", "memory-deadline"))
    table.add("memory", f"memory for a registration with a deadline, {n:,}", "without one, bytes more", 32, limited - alone,
              f"{limited - alone:.1f}")
    table.add("memory", f"memory for one without, {n:,}, to the page", f"{BEFORE} bytes: when there were none, pages more", 0,
              int((alone - BEFORE) * n / PAGE))


def connections(of):
    return f"{of['connections']} connection{'s' * (of['connections'] != 1)}"


def servers(table, limits):
    for counted in limits["instructions"]:
        table.add("instructions", f"httpd with its idle limit, instructions per request, {connections(counted)}", "httpd without",
                  1.01, counted["ratio"])
    for load in limits["loads"]:
        ratios = {name: figures["cpu_us"]["median"] for name, figures in load["ratios"].items() if name not in SERVERS}
        worst = max(ratios, key=ratios.get)
        table.add("cpu", f"httpd with its idle limit, CPU per request, {connections(load)}",
                  f"the best rival with one, {worst}", 0.95, ratios[worst])


# ---------------------------------------------------------------- all figures


def cost_table(micro):
    text = head("case", "number", "epoll", "weir", *micro.peers)
    for (name, n), case in micro.cases.items():
        if case["unit"] == "bytes":
            values = [0.0, case["weir"]["median"],
                      *(case["peers"][peer] and case["peers"][peer]["median"] for peer in micro.peers)]
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
    return ("# Deadlines and triggers\n\nBy `bench/results/results.sh deadlines`. " + caption(costs, "").strip() +
            "\n\nRatios of medians of laps that take turns, if no unit is named. With a million there are wakers alone, for so many "
            "descriptors are not to be had.\n\n" + table.text +
            ("\n## What bounds the rows that are missed\n\n" + table.bounds() if table.missed else "") +
            "\n## What an operation costs, in nanoseconds or bytes\n\nThe column epoll is what a program does without a library: "
            "timerfd_settime(2), or an eventfd.\n\n" + cost_table(micro) +
            "\n## How late timers come\n\nFrom the moment to the return of the wait that brings it; many are 100,000 of random "
            "lengths from 1 ms to 10 s, busy beside a descriptor that is always ready. libevent takes its time from a coarse clock, "
            "libuv counts whole milliseconds from one that has begun: both come early at times.\n\n" + late_table(late) +
            "\n## What an idle limit costs httpd\n\nInstructions of the user by callgrind, which does not see those of a look at the "
            f"clock; CPU by {limits['settings']['rounds']} paired rounds of {limits['settings']['seconds']} s of wrk. \"never\" is "
            "httpd without a limit.\n\n" + limit_tables(limits))


def main():
    directory = pathlib.Path(sys.argv[1])
    results = [json.loads((directory / f"{name}.json").read_text()) for name in ("deadlines", "late", "limits")]
    (directory / "deadlines.md").write_text(page(*results))


if __name__ == "__main__":
    main()
