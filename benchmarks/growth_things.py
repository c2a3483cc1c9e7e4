"""What grows: each thing, how many of it are x1, and how it is prepared and done.

A function here takes a number and an empty folder, makes what is needed, and returns the work that
is measured. Modules are loaded inside, since each thing is measured in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import growth_made as made
import numpy as np

Work = Callable[[], object]
SECOND = 1.0
DIM, COHORT, TOP_K = 192, 1_000, 100
DRAWS = 100


@dataclass(frozen=True)
class Thing:
    """Something that is done to n of something."""

    told: str
    """As a figure's title has it."""
    of: str
    """What is counted, such as recordings of 1 s."""
    base: int
    """How many are x1."""
    least: int
    """How many are as good as none: what they take is overhead."""
    prepare: Callable[[int, Path], Work]
    quadratic: bool = False
    """Whether it grows with the square by nature."""


def ingest(n: int, folder: Path) -> Work:
    from bodysounds.corpora.ingest import ingest as work
    from bodysounds.params import IngestParams

    corpus = made.sounds(n, SECOND, folder)
    return lambda: work(corpus, IngestParams())


def featurize(n: int, folder: Path) -> Work:
    from bodysounds.audio.pack import decode_segments
    from bodysounds.audio.packed import write_packed
    from bodysounds.corpora.ingest import ingest as list_all
    from bodysounds.params import FeaturizeParams, IngestParams

    corpus = made.sounds(n, SECOND, folder / "raw")
    tables = list_all(corpus, IngestParams())

    def work() -> object:
        pieces = decode_segments(corpus, tables.manifest, tables.segments, FeaturizeParams())
        return write_packed(folder / "packed", pieces, made.RATE)

    return work


def descriptors(n: int, folder: Path) -> Work:
    from bodysounds.audio.descriptors import describe
    from bodysounds.params import FeaturizeParams

    packed = made.packed(n, SECOND, folder / "packed")
    return lambda: describe(packed, FeaturizeParams())


def split(n: int, folder: Path) -> Work:
    """From a manifest to subsets, sides and trials: a list of at most 5 trials a recording."""
    from bodysounds.params import SplitParams
    from bodysounds.sides import build_sides
    from bodysounds.splitting.subsets import make_subsets
    from bodysounds.splitting.trials import make_trials

    tables, packed = made.tables(n), made.silent(n)
    params = SplitParams(max_trials=5 * n)

    def work() -> object:
        subsets = make_subsets(tables.manifest, params)
        given = tables.sides, tables.manifest, subsets
        sides = build_sides(packed, tables.segments, *given)
        return sides, make_trials(*given, tables.listed_trials, params)

    return work


def plan(n: int, folder: Path) -> Work:
    """Who teaches, the batches of ten passes, and the key that a checkpoint is found by."""
    from bodysounds.params import SplitParams, TrainEmbeddingParams
    from bodysounds.sides import build_sides
    from bodysounds.splitting.subsets import make_subsets
    from bodysounds.training.checkpoints import training_key
    from bodysounds.training.sampler import plan_epoch
    from bodysounds.training.subjects import choose_sources

    tables, packed = made.tables(n), made.silent(n)
    subsets = make_subsets(tables.manifest, SplitParams())
    sides = build_sides(packed, tables.segments, tables.sides, tables.manifest, subsets)

    def work() -> object:
        sources = choose_sources(sides, TrainEmbeddingParams(), made.RATE)
        key = training_key(packed, sides, tables.listed_trials, {}, None)
        rng = np.random.default_rng(0)
        return key, plan_epoch(sources.train, 16, 4, [2.0, 3.0], made.RATE, 10, rng)

    return work


def train(n: int, folder: Path) -> Work:
    """One epoch of a small ECAPA-TDNN, with the dev trials after it: train_encoder as it is."""
    from bodysounds.params import SplitParams, TrainEmbeddingParams
    from bodysounds.sides import build_sides
    from bodysounds.splitting.subsets import make_subsets
    from bodysounds.splitting.trials import make_trials
    from bodysounds.training.embedding import train_encoder

    tables, packed = made.tables(n), made.packed(n, 0.5, folder / "packed")
    params = SplitParams(max_trials=5 * n)
    subsets = make_subsets(tables.manifest, params)
    given = tables.sides, tables.manifest, subsets
    sides = build_sides(packed, tables.segments, *given)
    trials = make_trials(*given, tables.listed_trials, params)
    small = TrainEmbeddingParams(
        n_mels=24, channels=16, depth=1, dim=32, epochs=1, crop_s=[0.4, 0.4], device="cpu",
        checkpoint_every=10**6, work_dir=str(folder / "work"),
    )  # fmt: skip
    return lambda: train_encoder(packed, sides, trials, small)


def embed(n: int, folder: Path) -> Work:
    from bodysounds.models.network import EmbeddingNetwork
    from bodysounds.scoring.embed import embed_spans

    packed = made.packed(n, SECOND, folder / "packed")
    heard = {"name": "speechbrain", "sample_rate": made.RATE, "n_mels": 40, "mean_over": "band"}
    body = {"name": "ecapa", "n_mels": 40, "channels": 32, "depth": 3, "dim": DIM}
    network = EmbeddingNetwork(body, heard, 0)
    spans = np.split(packed.index[["first_sample", "n_samples"]].to_numpy(), n)
    return lambda: embed_spans(network, packed, spans, 60.0)


def all_pairs(n: int, folder: Path) -> Work:
    """Every cosine once, block by block; a list of them would be quadratic in memory too."""
    from bodysounds.scoring.cosine import cosine_blocks

    sides = made.embeddings(n, DIM)
    return lambda: sum(float(block[:, 0].sum()) for _, block in cosine_blocks(sides, sides))


def as_norm(n: int, folder: Path) -> Work:
    from bodysounds.scoring.normalise import as_norm as work

    sides, cohort = made.embeddings(n, DIM), made.embeddings(COHORT, DIM)
    pairs = np.random.default_rng(1).integers(0, n, (10 * n, 2))
    scores = np.random.default_rng(2).normal(size=len(pairs))
    return lambda: work(scores, pairs, sides, sides, cohort, TOP_K)


def metrics(n: int, folder: Path) -> Work:
    from bodysounds.metrics.verification import cllr, eer_and_min_dcf, min_cllr

    trials = made.trials(n)

    def work() -> object:
        given = trials.labels, trials.scores
        return eer_and_min_dcf(*given, 0.05), cllr(*given), min_cllr(*given)

    return work


def bootstrap(n: int, folder: Path) -> Work:
    from bodysounds.metrics.bootstrap import bootstrap_interval

    trials = made.trials(n)
    return lambda: bootstrap_interval(*trials, "eer", n=DRAWS)


def classification(n: int, folder: Path) -> Work:
    """Every rate of 10 classes with its interval over groups of ten rows, and the areas."""
    from bodysounds.metrics.classification import per_class
    from bodysounds.metrics.groups import draw_groups

    labels, predictions, probabilities = made.predictions(n)
    groups = np.array([f"g{k:07d}" for k in np.arange(n) // 10], dtype=object)

    def work() -> object:
        drawn = draw_groups(groups, n=DRAWS).class_rates(labels, predictions)
        return drawn, per_class(labels, predictions, sorted(set(labels)), probabilities)

    return work


def report(n: int, folder: Path) -> Work:
    """The tables under a report: trials with subjects and scores, groups of pairs, the audit."""
    from bodysounds.params import SplitParams
    from bodysounds.reporting.pair_groups import pair_groups
    from bodysounds.reporting.shortcuts import side_properties
    from bodysounds.reporting.side_facts import side_facts
    from bodysounds.reporting.trial_table import trial_table
    from bodysounds.splitting.subsets import make_subsets
    from bodysounds.splitting.trials import make_trials

    tables, params = made.tables(n), SplitParams(max_trials=5 * n)
    subsets = make_subsets(tables.manifest, params)
    trials = make_trials(tables.sides, tables.manifest, subsets, tables.listed_trials, params)
    scores = made.scores(trials)

    def work() -> object:
        joined = trial_table(scores, trials, tables.sides, tables.manifest)
        chosen = joined.select("test", "all")
        described = tables.manifest, tables.segments, tables.descriptors
        facts = side_facts(tables.sides, *described)
        conditions = joined.table["condition"].to_numpy(object)[chosen.rows]
        return (
            pair_groups(chosen, facts, conditions),
            chosen.counts,
            side_properties(tables.sides, tables.manifest, tables.descriptors, tables.segments),
        )

    return work


THINGS: Mapping[str, Thing] = {
    "ingest": Thing("Ingest", "recordings of 1 s", 200, 1, ingest),
    "featurize": Thing("Featurize: packed waveforms", "recordings of 1 s", 200, 1, featurize),
    "descriptors": Thing("Descriptors", "segments of 1 s", 50, 1, descriptors),
    "split": Thing("Subsets, sides and trials", "recordings", 1_000, 112, split),
    "plan": Thing("Sources, batches and key of a training", "recordings", 1_000, 112, plan),
    "train": Thing("Training, one epoch", "recordings of 0.5 s", 280, 112, train),
    "embed": Thing("Embedding", "sides of 1 s", 50, 1, embed),
    "all_pairs": Thing("Cosines of all pairs", "sides", 300, 2, all_pairs, quadratic=True),
    "as_norm": Thing("AS-norm, cohort of 1,000", "sides, 10 pairs each", 1_000, 4, as_norm),
    "metrics": Thing("EER, minDCF, Cllr, minCllr", "trials", 20_000, 40, metrics),
    "bootstrap": Thing("Interval of the EER, 100 draws", "trials", 10_000, 200, bootstrap),
    "classification": Thing("Rates of 10 classes, 100 draws", "clips", 1_000, 40, classification),
    "report": Thing("Tables of a report", "recordings, 10 trials each", 1_000, 112, report),
}
