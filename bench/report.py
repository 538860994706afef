"""From the results of all rounds to figures: medians with their range, ratios to C of the same round, verdicts."""

import importlib
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.scenarios import Result, Scenario


class PlotError(Exception):
    """There is no matplotlib."""


@dataclass(frozen=True, slots=True)
class Spread:
    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))

    def show(self, digits: int) -> str:
        if self.least == self.most:
            return f"{self.median:,.{digits}f}"
        return f"{self.median:,.{digits}f} ({self.least:,.{digits}f}–{self.most:,.{digits}f})"


@dataclass(frozen=True, slots=True)
class Summary:
    """`rounds` are pairs of one round: Feige's result and that of C."""

    scenario: Scenario
    rounds: Sequence[tuple[Result, Result]]

    @property
    def feige(self) -> Spread:
        return Spread.of([self.scenario.figure(feige) for feige, _ in self.rounds])

    @property
    def limit(self) -> Spread:
        return Spread.of([self.scenario.figure(limit) for _, limit in self.rounds])

    @property
    def ratio(self) -> Spread | None:
        """None if C's figure is too small to divide by."""
        pairs = [(self.scenario.figure(feige), self.scenario.figure(limit)) for feige, limit in self.rounds]
        return None if min(limit for _, limit in pairs) <= 0 else Spread.of([feige / limit for feige, limit in pairs])

    @property
    def is_met(self) -> bool | None:
        """None without a target."""
        target = self.scenario.target
        if target is None:
            return None
        spread = self.feige if target.of == "figure" else self.ratio
        return spread is not None and spread.median <= target.at_most

    @property
    def middle(self) -> Result:
        """Feige's result with the median figure: what the details tell of."""
        ordered = sorted((feige for feige, _ in self.rounds), key=self.scenario.figure)
        return ordered[(len(ordered) - 1) // 2]


def table(summaries: Sequence[Summary]) -> str:
    rows = [("", "unit", "Feige", "C, sockets only", "ratio", "target", "")]
    for summary in summaries:
        scenario, target, ratio = summary.scenario, summary.scenario.target, summary.ratio
        wanted = ""
        if target is not None:
            wanted = f"≤ {target.at_most:g} × C" if target.of == "ratio" else f"≤ {target.at_most:,g}"
        rows.append(
            (
                scenario.name,
                scenario.unit,
                summary.feige.show(scenario.digits),
                summary.limit.show(scenario.digits),
                ratio.show(2) if ratio else "–",
                wanted,
                {True: "met", False: "MISSED", None: ""}[summary.is_met],
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths).rstrip())
    return "\n".join(lines)


def details(summaries: Sequence[Summary]) -> str:
    return "\n".join(
        f"{summary.scenario.name:8}{summary.scenario.title}; {summary.scenario.details(summary.middle)}"
        for summary in summaries
    )


def write_json(path: Path, machine: str, summaries: Sequence[Summary]) -> None:
    document = {
        "machine": machine.splitlines(),
        "scenarios": {
            summary.scenario.name: {
                "title": summary.scenario.title,
                "unit": summary.scenario.unit,
                "feige": summary.feige.median,
                "c": summary.limit.median,
                "ratio": summary.ratio.median if summary.ratio else None,
                "met": summary.is_met,
                "rounds": [{"feige": dict(feige), "c": dict(limit)} for feige, limit in summary.rounds],
            }
            for summary in summaries
        },
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")


def check_plot() -> None:
    """Before minutes are spent. PlotError."""
    try:
        importlib.import_module("matplotlib")
    except ImportError as error:
        raise PlotError("--plot needs matplotlib: pip install 'feige[bench]'") from error


def plot(path: Path, machine: str, summaries: Sequence[Summary]) -> None:
    """A small chart for each scenario: medians as bars, the range as a whisker, the target as a line. PlotError."""
    check_plot()
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    columns = min(3, len(summaries))
    lines = -(-len(summaries) // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(4.2 * columns, 3.4 * lines), squeeze=False)
    for place in axes.flat[len(summaries) :]:
        place.set_axis_off()
    for place, summary in zip(axes.flat, summaries, strict=False):
        spreads = (summary.feige, summary.limit)
        medians = [spread.median for spread in spreads]
        whiskers = [[s.median - s.least for s in spreads], [s.most - s.median for s in spreads]]
        place.bar(("Feige", "C"), medians, yerr=whiskers, capsize=4, color=("#2a6f97", "#a9a9a9"), width=0.6)
        target = summary.scenario.target
        if target is not None:
            height = target.at_most * (summary.limit.median if target.of == "ratio" else 1)
            place.axhline(height, color="#c1121f", linestyle="--", linewidth=1)
        place.set_title(f"{summary.scenario.name}: {summary.scenario.unit}", fontsize=10)
        place.set_ylim(bottom=0)
    figure.suptitle(machine, fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)
