"""How often the 95% intervals over subjects contain the truth, in a simulation that knows it.

Subjects have an effect on their target scores (some are hard to recognise) and on their non-target
scores, as enrolment and as test (some resemble everybody), and these effects are correlated. Each
trial sets one side of the first period against one of the second, as CryCeleb does. The truth is
the equal error rate of millions of such trials, each of fresh subjects.

    OMP_NUM_THREADS=1 python benchmarks/intervals.py

It takes a quarter of an hour; `--only "40 subjects"` runs one world.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from bodysounds.metrics.intervals import beta_interval, normal_interval, percentile_interval
from bodysounds.metrics.resampling import resampler
from bodysounds.metrics.verification import equal_error_rate


@dataclass(frozen=True)
class World:
    """A population of subjects, and how two correlated systems score its trials."""

    n_subjects: int
    shift: float  # of the targets' scores: what identity is worth
    sides: int = 1  # of each subject in each period
    of_target: float = 0.7  # standard deviation of the subjects' effect on their target scores
    of_other: float = 0.4  # and of that on non-target scores, from either side
    of_trial: float = 0.7
    skewed: bool = False  # effects that are exponential: a few subjects cause most errors
    worse_by: float = 0.4  # deviation of what the second system adds to the scores of the first

    def effects(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
        """Draw n subjects' effects on targets, as enrolment and as test, each of variance 1."""
        drawn = rng.exponential(size=(3, n)) - 1 if self.skewed else rng.normal(size=(3, n))
        target, own, test = drawn
        enrol = 0.6 * target + 0.8 * own
        sign = -1 if self.skewed else 1  # the long tail of the targets' effects points downwards
        return sign * target, enrol, 0.6 * enrol + 0.8 * test

    def scores(self, rng, labels, effects, enrol, test):
        """Score the trials of subjects `enrol` and `test` by both systems."""
        of_target, as_enrol, as_test = effects
        others = self.of_other * (as_enrol[enrol] + as_test[test])
        score = np.where(labels == 1, self.shift + self.of_target * of_target[enrol], others)
        score = score + self.of_trial * rng.normal(size=len(labels))
        return score, score + self.worse_by * rng.normal(size=len(labels))

    def trials(self, rng: np.random.Generator):
        """Draw one study: labels, the scores of two systems, and the subjects of both sides."""
        who = np.repeat(np.arange(self.n_subjects), self.sides)
        enrol, test = (side.ravel() for side in np.meshgrid(who, who, indexing="ij"))
        labels = (enrol == test).astype(np.int64)
        effects = self.effects(rng, self.n_subjects)
        return labels, *self.scores(rng, labels, effects, enrol, test), enrol, test

    def truth(self, n: int = 4_000_000) -> tuple[float, float]:
        """The equal error rates of both systems, from n targets and n non-targets."""
        rng = np.random.default_rng(2024)
        labels = np.repeat([1, 0], n)
        enrol, test = np.tile(np.arange(n), 2), np.tile(np.roll(np.arange(n), 1), 2)
        scores = self.scores(rng, labels, self.effects(rng, n), enrol, test)
        return tuple(equal_error_rate(labels, score)[0] for score in scores)


WORLDS = {
    "40 subjects": World(40, 1.28),
    "40, EER near 5%": World(40, 3.1),
    "40, EER near 2%": World(40, 3.9),
    "40, skewed effects": World(40, 1.28, skewed=True),
    "40, hard targets": World(40, 2.0, of_target=1.6),
    "40, 2 sides a period": World(40, 1.28, sides=2),
    "40, 2 sides, EER near 5%": World(40, 3.1, sides=2),
    "80 subjects": World(80, 1.28),
    "160 subjects": World(160, 1.28),
    "160, EER near 2%": World(160, 3.9),
}


def simulate(world: World, simulations: int, draws: int, by_trial=False, truth=None):
    """Return the truth, and `{method: (inside, below, above, width)}` of the intervals.

    `inside` counts the intervals that contain the truth; `below` the truths below an interval.
    With `by_trial` trials are resampled as if each had subjects of its own, which is wrong: the
    simulation can tell.
    """
    truth = truth or world.truth()
    counts: dict[str, list[float]] = {}
    for number in range(simulations):
        rng = np.random.default_rng([world.n_subjects, number])
        labels, ours, other, enrol, test = world.trials(rng)
        if by_trial:
            enrol = np.arange(len(labels))
            test = enrol + len(labels) * (labels == 0)
        sample = resampler(labels, enrol, test, n=draws, seed=number)
        eer, drawn = sample.with_observed(ours, "eer")
        second, second_drawn = sample.with_observed(other, "eer")
        apart, apart_drawn = eer - second, drawn - second_drawn
        found = {
            "percentile": percentile_interval(drawn),
            "normal": normal_interval(eer, drawn),
            "beta": beta_interval(eer, drawn, world.n_subjects, int(labels.sum())),
            "difference, percentile": percentile_interval(apart_drawn),
            "difference, normal": normal_interval(apart, apart_drawn),
        }
        for name, (low, high) in found.items():
            true = truth[0] - truth[1] if "difference" in name else truth[0]
            count = counts.setdefault(name, [0, 0, 0, 0.0])
            count[0] += low <= true <= high
            count[1] += true < low
            count[2] += true > high
            count[3] += (high - low) / simulations
    return truth, counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument(
        "--simulations", type=int, default=1000, help="studies of each world of 40; of more, half"
    )
    parser.add_argument("--draws", type=int, default=400, help="resamples of each study")
    parser.add_argument("--only", help="worlds whose name contains this")
    options = parser.parse_args()
    print("Simulated scores. A nominal 95%; the margin is 1.96 Monte-Carlo standard errors.")
    print("| world | truth % | interval | inside | coverage % | truth below / above | width |")
    print("|---|---|---|---|---|---|---|")
    for name, world in WORLDS.items():
        if options.only and options.only not in name:
            continue
        simulations = options.simulations // (1 if world.n_subjects <= 40 else 2)
        truth, counts = simulate(world, simulations, options.draws)
        for method, (inside, below, above, width) in counts.items():
            share = inside / simulations
            margin = 1.96 * np.sqrt(share * (1 - share) / simulations)
            true = f"{100 * (truth[0] - truth[1] if 'difference' in method else truth[0]):.2f}"
            print(f"| {name} | {true} | {method} | {inside}/{simulations} | "
                  f"{100 * share:.1f} +- {100 * margin:.1f} | {below} / {above} | "
                  f"{100 * width:.1f} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
