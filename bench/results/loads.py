#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes how a crew shares work, from what rivals/loads.py and weir-bench-crew measured.

loads.py DIRECTORY

From loads.json and crew.json of the directory it makes loads.md there, tables with each target beside it, and loads.svg, ratios
to the best rival, where gnuplot is installed. A row is missed when the middle half of its ratios lies on the wrong side; what
bounds it is told below, in words that are kept by hand, here.
"""
import json
import pathlib
import shutil
import sys

from charts import block, caption, draw

TITLES = {"requests_per_s": "requests/s", "p50_us": "p50, µs", "p99_us": "p99, µs", "p999_us": "p99.9, µs",
          "cpu_us": "CPU, µs/request", "switches": "switches/request", "share": "busiest thread"}
MORE_IS_BETTER = ("requests_per_s",)
SHARES_NO_POLLER = ("libevent",)

# What bounds a row where it is missed, by the kind of load.
BOUNDS = {
    "one": ("1 connection", "Nothing can be shared: each request wakes a thread, and what counts is how deep processors sleep. Asio "
            "switches threads twice for a request, which keeps a second processor awake; it pays with 1.4 times the CPU time."),
    "none": ("No work", "With 8 connections one thread can do it, and a crew leaves it to one: that takes the least CPU time for a "
             "request. Asio does more of them with two threads, and with more CPU time for each. Where a thread fetches "
             "several events and loses its processor to the client, these wait until it has it back, which is the p99; a server "
             "that fetches one at a time has one that waits."),
    "short": ("Up to 20 µs, or that and a rare long one", "Server and client keep both processors busy, with either server, so what "
              "counts is CPU time for a request, the client's included. With 8 connections and 5 µs a crew leaves most to one "
              "thread, and the client has a processor to itself: that is why its p99 is a fraction of the others'. It calls another "
              "thread for what pays for the call, by a system call of its own; raw epoll has the kernel wake one out of the "
              "client's write. A thread that wakes by a timer is dear on a virtual machine: one that sleeps 1 ms in a loop, in any "
              "process, takes a fifth of the requests/s away beside 5 µs and 8 connections. In p99 a slice of the scheduler "
              "shows, of 3 ms: who has the turn may lose its processor, and the others cannot wait in its place, for one waits at "
              "a time; and of what it has fetched, up to 200 µs, all waits."),
    "long": ("100 µs and more", "Requests/s are within 5 % of raw epoll. Beside either server requests begin one at a time, and in the order in which "
             "they came: of 5,700 of 1 ms, and of 48,000 of 100 µs, with 64 connections, 99 of 100 were overtaken by none or one. So "
             "the p99 is how long all 64 take when it takes longest, and of a run of 1 s the slowest hundredth are 20 requests of "
             "1 ms. Something else that takes 80 ms of a processor makes that 60 ms instead of 38, beside either server. Of 15 "
             "paired rounds of 1 s the ratio to raw epoll was 1.02 (0.93 to 1.07), with 100 µs 1.00 (0.96 to 1.04). It is 1.2 and "
             "more where the thread that accepts answers at once what came with a connection: then it answers most of the first 64 "
             "alone, and the last one after 75 ms instead of 39."),
    "sleep": ("Handlers that sleep", "Who has such an event calls the next thread by a futex before it begins, where raw epoll has all "
              "threads wait in the kernel: 9 µs of CPU time for a request, beside a sleep of 1 ms."),
}


def kind(case):
    if cost(case, "sleep"):
        return "sleep"
    if case["connections"] < 8:
        return "one"
    work = cost(case, "work")
    return "none" if not work else "short" if work <= 20 else "long"


def cost(case, name):
    """What an option of the load says, 0 if it is not there."""
    return next((int(each.split("=")[1]) for each in case["load"] if each.startswith(f"--{name}=")), 0)


def targets(case):
    """Figure, target, and which rivals count."""
    everybody = list(case["ratios"])
    shared = [name for name in everybody if name not in SHARES_NO_POLLER]
    if cost(case, "rare") or cost(case, "sleep"):
        return [("requests_per_s", 1.00, everybody), ("p99_us", 1.00, everybody)]
    if cost(case, "work"):
        return ([("requests_per_s", 0.98, everybody)] if case["connections"] >= 8 else []) + [("p99_us", 1.00, everybody)]
    return ([("cpu_us", 0.95, everybody)] if case["connections"] in (8, 64) else []) + [
        ("requests_per_s", 1.00, shared), ("p99_us", 1.00, shared)]


def best_ratio(case, figure, rivals):
    """The rival that weir looks worst beside, and the ratio."""
    worst = min if figure in MORE_IS_BETTER else max
    name = worst(rivals, key=lambda each: case["ratios"][each][figure]["median"])
    return name, case["ratios"][name][figure]


def is_met(figure, ratio, target):
    return ratio["q3"] >= target if figure in MORE_IS_BETTER else ratio["q1"] <= target


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.3f}"


def row(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |\n"


def head(*cells):
    return row(*cells) + "|" + "---|" * len(cells) + "\n"


def title(case):
    return f"{' '.join(case['load'])}, {case['threads']} threads, {case['connections']} connections"


def is_shared(case):
    """With one connection there is nothing to share; where requests cost nothing, one thread and the client may be the best."""
    return case["connections"] < 8 or case["servers"]["weir"]["share"]["median"] <= 0.9


def target_table(cases):
    text = head("case", "figure", "target", "best rival", "weir to it", "middle half", "met")
    for case in cases:
        for figure, target, rivals in targets(case):
            name, ratio = best_ratio(case, figure, rivals)
            text += row(title(case), TITLES[figure].split(",")[0], f"{'≥' if figure in MORE_IS_BETTER else '≤'} {target:.2f}", name,
                        f"{ratio['median']:.3f}", f"{ratio['q1']:.3f} to {ratio['q3']:.3f}",
                        "yes" if is_met(figure, ratio, target) else "no")
        if not is_shared(case):
            share = case["servers"]["weir"]["share"]["median"]
            text += row(title(case), "busiest thread", "≤ 0.90", "—", f"{share:.3f}", "—", "no")
    return text


def is_missed(case):
    return not is_shared(case) or any(not is_met(figure, best_ratio(case, figure, rivals)[1], target)
                                      for figure, target, rivals in targets(case))


def bounds(cases):
    missed = {kind(case) for case in cases if is_missed(case)}
    return "".join(f"- {name}: {text}\n" for key, (name, text) in BOUNDS.items() if key in missed)


def figure_tables(cases):
    text = ""
    for case in cases:
        text += f"\n{title(case)}:\n\n" + head("server", *TITLES.values())
        for name, figures in case["servers"].items():
            text += row(name, *(number(figures[key]["median"]) for key in TITLES))
    return text


def micro_table(results):
    text = head("case", "baseline", "median", "middle half", "target", "met")
    for case in results["cases"]:
        value, target = case["weir"], case["target"]
        unit = "" if case["unit"] == "ratio" else f" {case['unit']}"
        text += row(case["name"], case["baseline"] or "—", number(value["median"]) + unit,
                    f"{number(value['q1'])} to {number(value['q3'])}", "—" if target is None else f"≤ {target:g}",
                    "—" if target is None else "yes" if value["q1"] <= target else "no")
    return text


def picture(path, results):
    cases, rows = results["cases"], []
    for at, case in enumerate(cases):
        cells = [at, '"' + title(case).replace("--", "") + '"']
        for figure in ("requests_per_s", "p99_us"):
            ratio = best_ratio(case, figure, list(case["ratios"]))[1]
            cells += [min(ratio[key], 10) for key in ("median", "q1", "q3")]
        rows.append(cells)
    script = block("ratios", rows)
    script += (f"set lmargin 48\nset yrange [{len(cases) - 0.5}:-0.5]\nset logscale x\nset xrange [0.1:10]\n"
               "set xlabel 'weir to the best rival'\nset key outside top right\nset arrow 1 from 1, graph 0 to 1, graph 1 nohead\n"
               "plot $ratios using 3:($1-0.12):4:5:ytic(2) with xerrorbars pointtype 7 linecolor rgb '#0072b2' "
               "title 'requests/s', "
               "$ratios using 6:($1+0.12):7:8 with xerrorbars pointtype 5 linecolor rgb '#d55e00' title 'p99'\n")
    draw(path, (900, 120 + 24 * len(cases)), "A crew beside the best rival, by what a request costs",
         caption(results, "The bars are the middle half."), script)


def main():
    directory = pathlib.Path(sys.argv[1])
    results = json.loads((directory / "loads.json").read_text())
    micro = json.loads((directory / "crew.json").read_text())
    settings = results["settings"]
    (directory / "loads.md").write_text(
        "# How a crew shares work\n\nBy `bench/results/results.sh crew`. " + caption(results, "") +
        f"\n\nRatios to the best rival, of {settings['rounds']} paired rounds of {settings['seconds']} s. When it began, the "
        f"load average of the machine was {settings['load_average']:.1f}; above 1 or so the figures say little. A row is missed when the "
        "middle half of its ratios lies on the wrong side.\n\n" + target_table(results["cases"]) +
        "\n## What bounds what is missed\n\n" + bounds(results["cases"]) +
        "\n## By itself\n\n" + micro_table(micro) +
        "\nA crew that is idle makes no system call and no context switch: tests/contract/g14_rules.c looks.\n" + "\n## All figures, medians\n" + figure_tables(results["cases"]))
    if shutil.which("gnuplot"):
        picture(directory / "loads.svg", results)


if __name__ == "__main__":
    main()
