"""What each change of a recipe is worth: runs on the same trials in one table, paired.

    python benchmarks/levers.py "AAM=/runs/aam" "ours=/runs/ours" "ours, AS-norm=/runs/ours:ours:normalised"

Each argument is NAME=DATA[:SYSTEM[:SCORE]]: the data folder of a finished run (its --params data=),
a system of its table (ours) and a score (cosine). Each row is compared with the one above it and
with the first: the difference of their EERs, with the interval over test subjects. All runs must
have scored the same trials. Options choose the task, the weighting and the targets.
"""  # noqa: E501

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from bodysounds.metrics.intervals import normal_interval
from bodysounds.params import ReportParams
from bodysounds.reporting.rating import Rating
from bodysounds.reporting.trial_table import trial_table

COSTS = {"p_target": 0.05, "c_miss": 1.0, "c_fa": 1.0}


def newest(folder: Path, layer: str, task: str, name: str) -> Path:
    """Return the newest version of a file of a run, or the file itself."""
    found = sorted(folder.glob(f"{layer}/*/{task}/{name}*"))
    if not found:
        raise SystemExit(f"{folder} has no {layer}/<corpus>/{task}/{name}: is it a run's data=?")
    return sorted(found[-1].glob(f"*/{name}"))[-1] if found[-1].is_dir() else found[-1]


def read(argument: str, task: str) -> tuple[str, Path, pd.DataFrame]:
    """Return the name of a row, its run's folder, and its scores as those of a system."""
    name, _, where = argument.rpartition("=")
    folder, *asked = where.split(":")
    system, score = [*asked, *("ours", "cosine")[len(asked) :]]
    scores = pd.read_parquet(newest(Path(folder), "07_model_output", task, "scores.parquet"))
    own = scores[scores["system"] == system]
    if own.empty:
        raise SystemExit(f"{folder} has no system {system}: {', '.join(scores['system'].unique())}")
    return name, Path(folder), own.assign(system=name, cosine=own[score])


def table(
    rows: list[str], task: str, weighting: str, condition: str, subset: str
) -> list[tuple[str, ...]]:
    """Return name, EER with its interval, difference to the row above and to the first."""
    named = [read(row, task) for row in rows]
    first = named[0][1]
    trials, sides, manifest = (
        pd.read_parquet(newest(first, layer, task, name))
        for layer, name in (
            ("03_primary", "trials.parquet"),
            ("02_intermediate", "sides.parquet"),
            ("02_intermediate", "manifest.parquet"),
        )
    )
    scores = pd.concat([own for _, _, own in named], ignore_index=True)
    selection = trial_table(scores, trials, sides, manifest).select(subset, condition)
    rating = Rating(selection, ReportParams(), COSTS)

    def against(name: str, other: str) -> str:
        difference = rating.eer(name, weighting) - rating.eer(other, weighting)
        draws, others = rating.draws(name, weighting), rating.draws(other, weighting)
        if draws is None or others is None:
            return f"{100 * difference:+.1f}"
        low, high = normal_interval(difference, draws - others)
        return f"{100 * difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"

    found = []
    for place, (name, _, _) in enumerate(named):
        interval = rating.interval(name, weighting) or [None, None]
        low, high = (float("nan") if end is None else 100 * end for end in interval)
        eer = f"{100 * rating.eer(name, weighting):.1f} ({low:.1f} to {high:.1f})"
        above = against(name, named[place - 1][0]) if place else ""
        found.append((name, eer, above, against(name, named[0][0]) if place > 1 else ""))
    return found


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("rows", nargs="+", metavar="NAME=DATA[:SYSTEM[:SCORE]]")
    parser.add_argument("--task", default="speaker_verification")
    parser.add_argument("--weighting", default="subject", choices=["subject", "trial"])
    parser.add_argument("--condition", default="all")
    parser.add_argument("--subset", default="test", choices=["dev", "test"])
    given = parser.parse_args()
    rows = table(given.rows, given.task, given.weighting, given.condition, given.subset)
    print("| system | EER, % (95%) | against the row above | against the first |")
    print("|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
