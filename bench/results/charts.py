#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws what was measured, by gnuplot.

charts.py DIRECTORY

From micro.json, which weir-bench writes, and servers.json, from rivals/compare.py, it makes in the same directory
  cost.svg     the cost of each thing against the number of descriptors, in nanoseconds
  ratios.svg   the ratio of that cost to raw epoll, with the targets
  servers.svg  requests per second and CPU time per request of a whole server
What is missing is left out, and so is a picture without its JSON. Read draw() first: a picture is a gnuplot script with its data
inside.
"""
import json
import pathlib
import subprocess
import sys

# Colours that the colour-blind can tell apart, after Okabe and Ito; the shape of the mark tells the same.
SIDES = {  # colour, mark
    "raw": ("#000000", 2),
    "weir": ("#0072b2", 7),
    "floor": ("#808080", 3),
    "libevent": ("#e69f00", 9),
    "libuv": ("#cc79a7", 11),
    "libev": ("#56b4e9", 13),
    "asio": ("#009e73", 5),
    "mio": ("#d55e00", 1),
}
BARS = {"epoll": "#707070"}  # a server, which the benches of single calls have as raw
LABELS = {"raw": "raw epoll", "floor": "the floor", "asio": "Asio"}

# Those of the cases with several sizes that are shown, and what they are called; dispatch has events, the others calls.
COSTS = {
    "register": "register",
    "reregister": "reregister",
    "deregister": "deregister",
    "dispatch": "dispatch, edge, per event",
    "dispatch-level": "dispatch, level, per event",
    "empty-wait": "empty wait",
    "one-of-n": "one ready: write, wait, read",
    "rearm": "rearm",
    "retoken": "retoken",
    "oneshot-short": "one-shot turn, short read",
    "oneshot-drain": "one-shot turn, to -EAGAIN",
    "churn-1": "churn, 1 thread beside a waiter",
    "churn-2": "churn, 2 threads beside a waiter",
    "deregister-p50": "deregister beside a waiter, p50",
    "deregister-p99": "deregister beside a waiter, p99",
}
COLUMNS, ROWS = 4, 4


def quote(text):
    """As gnuplot writes a text that it shall take as it is."""
    return "'" + text.replace("'", "''") + "'"


def block(name, rows):
    return f"${name} << EOD\n" + "".join(" ".join(str(cell) for cell in row) + "\n" for row in rows) + "EOD\n"


def caption(results, more):
    machine = results["machine"]
    return (f"weir {results['build']['weir']} on {machine['cpus']} processors {machine['cpu']}, {machine['architecture']}, "
            f"Linux {machine['kernel']}, {results['date']}. {more}")


def draw(path, size, title, note, script):
    head = (f"set terminal svg size {size[0]},{size[1]} font 'sans-serif,12' background '#ffffff'\n"
            f"set output {quote(str(path))}\n"
            f"set label 1001 {quote(title)} at screen 0.5, screen 1 offset 0, -1.2 center font ',16' noenhanced\n"
            f"set label 1002 {quote(note)} at screen 0.5, screen 0 offset 0, 1 center font ',10' noenhanced\n"
            "set border 3 linecolor '#606060'\nset tics nomirror\nset grid linecolor '#d0d0d0' linetype 1\n"
            "set encoding utf8\n")
    subprocess.run(["gnuplot"], input=head + script, text=True, check=True)
    print(path)


# ---------------------------------------------------------------- cost against the number of descriptors


def sides_of(case):
    """The ratios of all that a case was measured on; one of raw epoll to itself."""
    one = {key: 1.0 for key in ("median", "q1", "q3", "min", "max")}
    return {"raw": one, "weir": case["weir"], **{name: ratio for name, ratio in case["peers"].items() if ratio}}


def style(side):
    colour, mark = SIDES[side]
    return f"linecolor rgb '{colour}' linewidth {4 if side == 'weir' else 1.2} pointtype {mark} pointsize 0.55"


def logarithmic(values):
    """A range for a logarithmic axis around all values, and where its ticks are: as many as there is room for."""
    low, high = min(values) / 1.4, max(values) * 1.4
    for steps in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10**power for power in range(-1, 9) for step in steps if low <= step * 10**power <= high]
        if len(ticks) <= 7:
            break
    labels = ", ".join(f"'{tick:,g}' {tick}" for tick in ticks)
    return f"set yrange [{low}:{high}]\nset ytics ({labels})\n"


def draw_costs(path, results):
    script = ("unset key\nset logscale xy\nset xtics (100, '1,000' 1000, '10,000' 10000)\nset xrange [70:26000]\n"
              f"set multiplot layout {ROWS},{COLUMNS} margins 0.055, 0.985, 0.075, 0.925 spacing 0.05, 0.075\n")
    seen = {}
    shown = [name for name in COSTS if any(case["name"] == name for case in results["cases"])]
    for number, name in enumerate(shown):
        cases = [case for case in results["cases"] if case["name"] == name]
        lines = {}
        for case in cases:
            for side, ratio in sides_of(case).items():
                lines.setdefault(side, []).append((case["n"], ratio["median"] * case["raw_ns"]["median"]))
        lines = {side: lines[side] for side in SIDES if side in lines}
        seen.update(lines)
        script += f"set title {quote(COSTS[name])} offset 0, -0.7 noenhanced\n"
        script += f"set ylabel {quote('ns' if number % COLUMNS == 0 else '')} offset 1.5, 0\n"
        script += f"set xlabel {quote('descriptors' if number >= len(shown) - COLUMNS else '')} offset 0, 0.6\n"
        script += "".join(block(f"c{number}_{side}", points) for side, points in lines.items())
        script += logarithmic([cost for points in lines.values() for _, cost in points])
        # The broad line of weir lies below the others, so that one sees those that cost the same.
        order = sorted(lines, key=lambda side: side != "weir")
        script += "plot " + ", ".join(f"$c{number}_{side} with linespoints {style(side)}" for side in order) + "\n"
        script += "unset label 1001\nunset label 1002\n"
    # The last place holds the key.
    script += ("unset logscale\nunset title\nunset tics\nunset border\nunset grid\nunset xlabel\nunset ylabel\n"
               "set xrange [0:1]\nset yrange [0:1]\nset key center center vertical Left reverse samplen 3 spacing 1 font ',10'\n")
    order = [side for side in SIDES if side in seen]
    script += "plot " + ", ".join(f"NaN with linespoints {style(side)} title {quote(LABELS.get(side, side))}"
                                  for side in order) + "\nunset multiplot\n"
    note = f"Medians of {results['cases'][0]['repetitions']} repetitions. What a library cannot do has no line."
    draw(path, (1100, 980), "What it costs, in nanoseconds, against the number of descriptors", caption(results, note), script)


# ---------------------------------------------------------------- ratios to raw epoll


def ratio_marks(peers):
    """What there is on the chart: its data, how they are drawn, and the same without its extent, as the key has it."""
    weir = f"linecolor rgb '{SIDES['weir'][0]}' pointsize 0.8 linewidth 1.3 pointtype"
    target = "linewidth 2.5 linecolor rgb '#cc0000'"
    for peer in peers:
        mark = f"with points pointtype {SIDES[peer][1]} pointsize 0.7 linecolor rgb '{SIDES[peer][0]}'"
        yield f"${peer} {mark}", mark
    yield f"$many using 1:2:3:4 with xerrorbars {weir} 7", f"with points {weir} 7"
    yield f"$few with points {weir} 6", f"with points {weir} 6"
    yield f"$targets using 1:2:(0):(0.8) with vectors nohead {target}", f"with lines {target}"


def draw_ratios(path, results):
    """On the left everything; on the right, larger, what is near to 1. In a row weir lies above the peers."""
    cases = [case for case in results["cases"] if case["unit"] == "ratio"]
    names = list(dict.fromkeys(case["name"] for case in cases))
    few, many, targets, peers = [], [], [], {}
    for y, name in enumerate(reversed(names)):
        sizes = sorted((case for case in cases if case["name"] == name), key=lambda case: case["n"] or 0)
        most = sizes[-1]
        many.append((most["weir"]["median"], y + 0.15, most["weir"]["q1"], most["weir"]["q3"]))
        if len(sizes) > 1:
            few.append((sizes[0]["weir"]["median"], y + 0.15))
        if most["target"]:
            targets.append((most["target"], y - 0.4))
        for peer, ratio in most["peers"].items():
            if ratio:
                peers.setdefault(peer, []).append((ratio["median"], y - 0.2))
    peers = {peer: peers[peer] for peer in SIDES if peer in peers}
    numbers = [case["n"] for case in cases if case["n"]]

    script = block("many", many) + block("few", few) + block("targets", targets)
    script += "".join(block(peer, points) for peer, points in peers.items())
    rows = ", ".join(f"{quote(name)} {y}" for y, name in enumerate(reversed(names)))
    script += (f"set multiplot\nset logscale x\nset yrange [-0.6:{len(names) - 0.4}]\nset tmargin at screen 0.94\n"
               "set bmargin at screen 0.17\nset arrow 1 from 1, graph 0 to 1, graph 1 nohead linecolor '#404040' linewidth 1.2\n"
               "set xlabel 'ratio of the cost to raw epoll: less is better' offset 0, 0.3\n")
    plots, keys = zip(*ratio_marks(peers))
    titles = [LABELS.get(peer, peer) for peer in peers]
    titles += [f"weir, {max(numbers):,} descriptors or the most", f"weir, {min(numbers):,}", "target"]
    script += (f"set ytics ({rows}) noenhanced\nset lmargin at screen 0.155\nset rmargin at screen 0.58\n"
               "set xrange [0.001:30]\nset xtics (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)\nunset key\n"
               "plot " + ", ".join(plots) + "\nunset label 1001\nunset label 1002\n")
    script += ("set format y ''\nset ytics 0, 1\nset lmargin at screen 0.605\n"
               "set rmargin at screen 0.985\nset xrange [0.7:1.6]\nset xtics (0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6)\n"
               "set xlabel 'the same, near to 1'\nplot " + ", ".join(plots) + "\n")
    # A plot of nothing, over the whole width, has the key.
    script += ("unset logscale\nunset tics\nunset border\nunset grid\nunset xlabel\nunset arrow 1\nset xrange [0:1]\n"
               "set yrange [0:1]\nset lmargin at screen 0.01\nset rmargin at screen 0.99\n"
               "set key at screen 0.5, screen 0.07 center center horizontal Left reverse samplen 1.5 maxrows 2\n")
    script += "plot " + ", ".join(f"NaN {key} title {quote(title)}" for key, title in zip(keys, titles)) + "\nunset multiplot\n"
    note = f"Medians of {cases[0]['repetitions']} repetitions, bars: the middle half."
    draw(path, (1100, 900), "Ratios to raw epoll", caption(results, note), script)


# ---------------------------------------------------------------- whole servers


def draw_servers(path, results):
    loads, names = results["loads"], list(results["servers"])
    width = len(names) + 1  # of a group of bars, with the gap after it
    ticks = ", ".join(f"{quote(name)} {i * width + j}" for i in range(len(loads)) for j, name in enumerate(names))
    script = ("set multiplot layout 1,2 margins 0.07, 0.985, 0.24, 0.87 spacing 0.09, 0\nunset key\n"
              "set style fill solid 0.85 noborder\nset boxwidth 0.8\nunset grid\nset grid ytics linecolor '#d0d0d0' linetype 1\n"
              f"set yrange [0:*]\nset xtics ({ticks}) scale 0 font ',10' noenhanced\n"
              f"set xrange [-0.7:{len(loads) * width - 1.3}]\n")
    for i, load in enumerate(loads):
        middle = i * width + (len(names) - 1) / 2
        script += f"set label '{load['connections']} connections' at first {middle}, graph -0.13 center\n"
    for key, title, scale in (("requests_per_s", "requests per second, in thousands: more is better", 1e-3),
                              ("cpu_us", "server CPU per request, in µs: less is better", 1)):
        plots = []
        for j, name in enumerate(names):
            figures = [load["servers"][name][key] for load in loads]
            script += block(f"{key}_{name}", [(i * width + j, *(figure[part] * scale for part in ("median", "q1", "q3")))
                                              for i, figure in enumerate(figures)])
            plots.append(f"${key}_{name} using 1:2 with boxes linecolor rgb '{BARS.get(name) or SIDES[name][0]}'")
            plots.append(f"${key}_{name} using 1:3:(0):($4 - $3) with vectors heads size screen 0.004,90 linewidth 1.3 "
                         "linecolor rgb '#202020'")
        script += f"set ylabel {quote(title)} offset 1, 0\nplot {', '.join(plots)}\nunset label 1001\nunset label 1002\n"
    script += "unset multiplot\n"
    settings = results["settings"]
    note = f"Medians of {settings['rounds']} rounds of {settings['seconds']} s, bars: the middle half."
    draw(path, (1000, 430), f"The same server on weir and on others: {settings['threads']} threads, keep-alive",
         caption(results, note), script)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    directory = pathlib.Path(sys.argv[1])
    for source, pictures in (("micro.json", {"cost.svg": draw_costs, "ratios.svg": draw_ratios}),
                             ("servers.json", {"servers.svg": draw_servers})):
        if not (directory / source).exists():
            print(f"{directory / source}: not there, left out", file=sys.stderr)
            continue
        results = json.loads((directory / source).read_text())
        for name, function in pictures.items():
            function(directory / name, results)


if __name__ == "__main__":
    main()
