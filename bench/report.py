"""From the results of all rounds to figures: medians with their range, ratios to C of the same round, verdicts."""

import importlib
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.scenario import Figure, Result, Round, Scenario


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
class Row:
    """One figure over all rounds."""

    label: str
    figure: Figure
    feige: Spread
    limit: Spread | None
    """None without a yardstick in C."""
    ratio: Spread | None
    """None without one, or if its figure is too small to divide by."""

    @classmethod
    def of(cls, label: str, figure: Figure, rounds: Sequence[Round]) -> "Row":
        pairs = [(figure.of(feige), figure.of(limit)) for feige, limit in rounds if limit is not None]
        is_ratio = bool(pairs) and min(limit for _, limit in pairs) > 0
        return cls(
            label,
            figure,
            feige=Spread.of([figure.of(feige) for feige, _ in rounds]),
            limit=Spread.of([limit for _, limit in pairs]) if pairs else None,
            ratio=Spread.of([feige / limit for feige, limit in pairs]) if is_ratio else None,
        )

    @property
    def is_met(self) -> bool | None:
        """None without a target."""
        target = self.figure.target
        if target is None:
            return None
        spread = self.feige if target.of == "figure" else self.ratio
        return spread is not None and target.admits(spread.median)


@dataclass(frozen=True, slots=True)
class Summary:
    """`rounds` are pairs of one round: Feige's result and that of C."""

    scenario: Scenario
    rounds: Sequence[Round]

    @property
    def rows(self) -> list[Row]:
        """The first one has the scenario's name."""
        return [
            Row.of("" if number else self.scenario.name, figure, self.rounds)
            for number, figure in enumerate(self.scenario.figures)
        ]

    @property
    def middle(self) -> Result:
        """Feige's result with the median figure: what the details tell of."""
        ordered = sorted((feige for feige, _ in self.rounds), key=self.scenario.figures[0].of)
        return ordered[(len(ordered) - 1) // 2]


def table(summaries: Sequence[Summary]) -> str:
    rows = [("", "unit", "Feige", "C", "ratio", "target", "")]
    for row in (row for summary in summaries for row in summary.rows):
        figure = row.figure
        rows.append(
            (
                row.label,
                figure.unit,
                row.feige.show(figure.digits),
                row.limit.show(figure.digits) if row.limit else "–",
                row.ratio.show(2) if row.ratio else "–",
                str(figure.target or ""),
                {True: "met", False: "MISSED", None: ""}[row.is_met],
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths).rstrip())
    return "\n".join(lines)


def details(summaries: Sequence[Summary]) -> str:
    width = max(len(summary.scenario.name) for summary in summaries)
    return "\n".join(
        f"{summary.scenario.name:{width}}  {summary.scenario.title}; {summary.scenario.details(summary.middle)}"
        for summary in summaries
    )


def write_json(path: Path, machine: str, summaries: Sequence[Summary]) -> None:
    document = {
        "machine": machine.splitlines(),
        "scenarios": {
            summary.scenario.name: {
                "title": summary.scenario.title,
                "figures": [
                    {
                        "unit": row.figure.unit,
                        "feige": row.feige.median,
                        "c": row.limit.median if row.limit else None,
                        "ratio": row.ratio.median if row.ratio else None,
                        "target": str(row.figure.target) if row.figure.target else None,
                        "met": row.is_met,
                    }
                    for row in summary.rows
                ],
                "rounds": [
                    {"feige": dict(feige), "c": None if limit is None else dict(limit)}
                    for feige, limit in summary.rounds
                ],
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
    """A small chart for each figure: medians as bars, the range as a whisker, the target as a line. PlotError."""
    check_plot()
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    charts = [(summary.scenario.name, row) for summary in summaries for row in summary.rows]
    columns = min(4, len(charts))
    lines = -(-len(charts) // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(4.2 * columns, 3.4 * lines), squeeze=False)
    for place in axes.flat[len(charts) :]:
        place.set_axis_off()
    for place, (name, row) in zip(axes.flat, charts, strict=False):
        bars = {"Feige": row.feige} | ({"C": row.limit} if row.limit else {})
        spreads = list(bars.values())
        whiskers = [[s.median - s.least for s in spreads], [s.most - s.median for s in spreads]]
        colors = ("#2a6f97", "#a9a9a9")[: len(bars)]
        place.bar(list(bars), [s.median for s in spreads], yerr=whiskers, capsize=4, color=colors, width=0.6)
        target = row.figure.target
        if target is not None:
            height = target.bound * (row.limit.median if target.of == "ratio" and row.limit else 1)
            place.axhline(height, color="#c1121f", linestyle="--", linewidth=1)
        place.set_title(f"{name}: {row.figure.unit}", fontsize=10)
        place.set_ylim(bottom=0)
    figure.suptitle(machine, fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)
