"""Draws a result: what happened over time, latency and its distribution, the knee, recovery, peers."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from hdrh.histogram import HdrHistogram
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.peers import speed
from bench.report.palette import LIGHT, SERIES, by_variable

WIDTH_IN: Final = 10.0
_STYLE: Final[dict[Any, Any]] = {
    "font.family": "sans-serif",
    "font.size": 9,
    "svg.fonttype": "none",
    "text.color": LIGHT["ink"],
    "axes.labelcolor": LIGHT["muted"],
    "axes.edgecolor": LIGHT["grid"],
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": LIGHT["grid"],
    "grid.linewidth": 0.7,
    "xtick.color": LIGHT["muted"],
    "ytick.color": LIGHT["muted"],
    "legend.frameon": False,
    "figure.facecolor": LIGHT["paper"],
    "axes.facecolor": LIGHT["paper"],
}
_SPIKY: Final = 20
"""Arrivals in one step this many times the mean of answers would flatten all else."""
_NINES: Final = (0, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99)


def all_of(result: dict[str, Any]) -> dict[str, Figure]:
    """Every plot that this result has something for, by name."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": "docqa"}):
        return {name: draw(result) for name, (applies, draw) in _PLOTS.items() if applies(result)}


def as_svg(name: str, figure: Figure) -> str:
    """For a page: sized by it and coloured by its variables."""
    text = io.StringIO()
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', 'role="img"', svg[svg.index("<svg") :], count=1)
    return by_variable(re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL))


def write_png(path: Path, figure: Figure) -> None:
    """For a document or a message."""
    with mpl.rc_context(_STYLE):
        figure.savefig(path, dpi=150)


def timeline(result: dict[str, Any]) -> Figure:
    """Arrivals and what became of them, the queue against its bound, memory; what was done to the system as lines."""
    line = result["timeline"]
    figure = Figure(figsize=(WIDTH_IN, 7.2), layout="constrained")
    flow, queue, memory = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 2))
    _flow(flow, line)
    _queue(queue, line["queue"])
    _memory(memory, line["memory"])
    for axes in (flow, queue, memory):
        _marks(axes, result["marks"], is_named=axes is flow)
    memory.set_xlabel("seconds since the run began")
    return figure


def latency(result: dict[str, Any]) -> Figure:
    """Every answer where it was planned, and the distribution out to the last of them."""
    figure = Figure(figsize=(WIDTH_IN, 3.4), layout="constrained")
    over_time, distribution = figure.subplots(1, 2)
    points = result["timeline"]["latencies"]
    over_time.scatter([at for at, _ in points], [took for _, took in points], s=7, color=LIGHT["accepted"], lw=0)
    over_time.set(title="Seconds to the answer, by planned arrival", ylim=(0, None), xlabel="seconds")
    over_time.set_xlim(-0.02 * result["figures"]["elapsed_s"], result["figures"]["elapsed_s"])
    _marks(over_time, result["marks"], is_named=False)
    histogram = HdrHistogram.decode(result["latency_histogram"])
    seconds = [histogram.get_value_at_percentile(nine) / 1e6 for nine in _NINES]
    places = range(len(_NINES))
    distribution.plot(places, seconds, color=LIGHT["accepted"], marker="o", ms=3)
    distribution.set(title="Distribution", ylim=(0, None), xlabel="percentile")
    distribution.set_xticks(places, [f"{nine:g}" for nine in _NINES])
    return figure


def knee(result: dict[str, Any]) -> Figure:
    """Goodput and refusals against the rate of arrivals; latency beside it."""
    steps, figures = result["figures"]["steps"], result["figures"]
    figure = Figure(figsize=(WIDTH_IN, 3.6), layout="constrained")
    goodput, took = figure.subplots(1, 2)
    rates = [step["arrived"] for step in steps]
    goodput.plot(rates, rates, color=LIGHT["arrivals"], ls=":", label="arrivals")
    goodput.plot(rates, [step["goodput"] for step in steps], color=LIGHT["answered"], marker="o", label="answered")
    refused = [step["refused"] * step["arrived"] for step in steps]
    goodput.plot(rates, refused, color=LIGHT["refused"], marker="o", ms=3, label="refused")
    goodput.axvline(figures["knee_per_s"], color=LIGHT["fault"], lw=1, ls="--")
    goodput.set(title="Answered a second: the knee", xlabel="arrivals a second", ylim=(0, None))
    goodput.legend()
    for name, colour in (("p99_ms", "refused"), ("p50_ms", "accepted")):
        took.plot(rates, [step[name] / 1000 for step in steps], color=LIGHT[colour], marker="o", label=name[:3])
    took.set(title="Seconds to an answer", xlabel="arrivals a second", ylim=(0, None))
    took.legend()
    return figure


def recovery(result: dict[str, Any]) -> Figure:
    """How long after each kind of fault the next query was answered."""
    kinds = dict(sorted(result["figures"]["recovery_s"].items(), key=lambda kind: kind[1]["median"]))
    figure = Figure(figsize=(WIDTH_IN, 0.7 + 0.36 * len(kinds)), layout="constrained")
    axes = figure.subplots()
    axes.barh(list(kinds), [kind["max"] for kind in kinds.values()], color=LIGHT["grid"], label="slowest")
    axes.barh(
        list(kinds), [kind["median"] for kind in kinds.values()], height=0.5, color=LIGHT["queue"], label="median"
    )
    axes.set(title="Seconds from the fault to the first answer of a query sent after it")
    axes.grid(visible=False, axis="y")
    axes.legend(loc="lower right")
    return figure


def peers(result: dict[str, Any]) -> Figure:
    """Questions a second of each system in each workload, with the spread over the rounds."""
    contests = speeds(result)
    heights = [len(found["systems"]) for found in contests.values()]
    figure = Figure(figsize=(WIDTH_IN, 0.7 * len(contests) + 0.36 * sum(heights)), layout="constrained")
    all_axes = figure.subplots(len(contests), 1, squeeze=False, sharex=True, height_ratios=heights)[:, 0]
    for axes, (name, found) in zip(all_axes, contests.items(), strict=True):
        systems = {system: row["answers_per_s"] for system, row in found["systems"].items()}
        _with_spread(axes, systems)
        axes.set(title=f"{name}: questions a second, median, least and most of the rounds")
    return figure


def ratios(result: dict[str, Any]) -> Figure:
    """Ours against llama-server in each workload, and what was to be reached."""
    rows = {f"{name}: {system}": ratio for name, found in speeds(result).items()
            for system, ratio in found["ratios"].items() if system.startswith("docqa")}  # fmt: skip
    figure = Figure(figsize=(WIDTH_IN, 0.9 + 0.36 * len(rows)), layout="constrained")
    axes = figure.subplots()
    _with_spread(axes, rows)
    bars = [speed.bar_of(*row.split(": ")) for row in reversed(rows)]
    axes.scatter(bars, range(len(rows)), marker="|", s=260, color=LIGHT["fault"], zorder=3, label="to reach")
    axes.axvline(1, color=LIGHT["muted"], lw=1, ls="--")
    axes.set(title="Times as many questions a second as llama-server (the dashed line)")
    axes.legend(loc="lower right")
    return figure


def risk(result: dict[str, Any]) -> Figure:
    """How many answers are wrong as ever less supported ones are given: a curve for each row."""
    figure = Figure(figsize=(WIDTH_IN, 3.4), layout="constrained")
    axes = figure.subplots()
    for row in _curves(result):
        points = row["risk_coverage"]
        label = f"{row['model']}, {row['style']}, {row.get('read', '')}".removesuffix(", ")
        axes.plot([point[0] for point in points], [point[1] for point in points], lw=1.4, label=label)
    axes.set(title="Share of wrong answers as ever less supported ones are given", xlabel="share given")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.legend(fontsize="small")
    return figure


def _curves(result: dict[str, Any]) -> list[dict[str, Any]]:
    found: dict[str, Any] = result["figures"].get("models", {})
    return [row for row in found.get("rows", []) if row.get("risk_coverage")]


def speeds(result: dict[str, Any]) -> dict[str, Any]:
    """The contests that measured questions a second."""
    contests: dict[str, Any] = result["figures"].get("contests", {})
    return {name: found for name, found in contests.items() if "ratios" in found and found["systems"]}


def _with_spread(axes: Axes, spreads: dict[str, dict[str, Any]]) -> None:
    """One bar each, the first one on top; ours in green."""
    rows = dict(reversed(spreads.items()))
    middle = [row["median"] for row in rows.values()]
    low, high = ([abs(row[end] - row["median"]) for row in rows.values()] for end in ("min", "max"))
    colours = [LIGHT["answered"] if "docqa" in name else LIGHT["arrivals"] for name in rows]
    axes.barh(list(rows), middle, height=0.7, xerr=(low, high), color=colours, ecolor=LIGHT["ink"], capsize=3)
    axes.grid(visible=False, axis="y")


def _flow(axes: Axes, line: dict[str, Any]) -> None:
    step_s = line["step_s"]
    for name in ("arrivals", "accepted", "refused", "answered"):
        rates = [count / step_s for count in line[name]]
        moments = [step_s * (number + 0.5) for number in range(len(rates))]
        if name == "arrivals":
            axes.fill_between(moments, rates, step="mid", color=LIGHT["grid"], label=name)
        else:
            axes.plot(moments, rates, drawstyle="steps-mid", lw=1.3, color=LIGHT[name], label=name)
    is_spiky = max(line["arrivals"]) > _SPIKY * max(sum(line["answered"]) / len(line["answered"]), 0.1)
    if is_spiky:
        axes.set_yscale("function", functions=(lambda rate: np.sqrt(np.maximum(rate, 0)), np.square))
    axes.set(title=f"Queries a second{', on a square-root scale' if is_spiky else ''}", ylim=(0, None))
    axes.legend(ncols=4, loc="upper right", bbox_to_anchor=(1, 1.16))


def _queue(axes: Axes, points: list[list[float]]) -> None:
    if not points:
        return
    moments = [point[0] for point in points]
    axes.fill_between(moments, [point[1] for point in points], step="post", color=LIGHT["queue"], alpha=0.25)
    axes.step(moments, [point[1] for point in points], where="post", color=LIGHT["queue"], lw=1.2)
    axes.axhline(points[-1][3], color=LIGHT["fault"], lw=1, ls="--")
    axes.set(title="Places taken in the queue, and its bound", ylim=(0, max(points[-1][3] * 1.15, 1)))


def _memory(axes: Axes, parts: dict[str, list[list[float]]]) -> None:
    for number, (part, points) in enumerate(parts.items()):
        colour = LIGHT[SERIES[number % len(SERIES)]]
        axes.plot([point[0] for point in points], [point[1] for point in points], color=colour, lw=1.3, label=part)
    axes.set(title="Memory, MiB", ylim=(0, None))
    if parts:
        axes.legend(ncols=8, loc="upper right", bbox_to_anchor=(1, 1.22))


def _marks(axes: Axes, marks: list[dict[str, Any]], *, is_named: bool) -> None:
    for mark in marks:
        axes.axvline(mark["at_s"], color=LIGHT["fault"], lw=0.7, alpha=0.7)
    # Beyond a dozen the names would cover each other: the list below the plot has them all.
    if is_named and len(marks) <= 12:
        for number, mark in enumerate(marks):
            place = (mark["at_s"], 0.93 - 0.09 * (number % 4))
            axes.annotate(
                f" {mark['what']}", place, xycoords=("data", "axes fraction"), fontsize=7, color=LIGHT["fault"]
            )


Applies = Callable[[dict[str, Any]], object]
_PLOTS: Final[dict[str, tuple[Applies, Callable[[dict[str, Any]], Figure]]]] = {
    "timeline": (lambda result: result.get("timeline"), timeline),
    "latency": (lambda result: result.get("timeline", {}).get("latencies"), latency),
    "knee": (lambda result: "knee_per_s" in result["figures"], knee),
    "recovery": (lambda result: result["figures"].get("recovery_s"), recovery),
    "peers": (speeds, peers),
    "ratios": (lambda result: any(found["ratios"] for found in speeds(result).values()), ratios),
    "risk": (_curves, risk),
}
