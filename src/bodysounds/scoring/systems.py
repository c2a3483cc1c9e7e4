"""Every system of the table scores every trial."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from bodysounds.audio.packed import Packed
from bodysounds.models.encoder import Encoder, backend_part, network_of, state_sha256, untrained
from bodysounds.params import ScorePairsParams
from bodysounds.params.score_pairs import BACKENDS, MODES
from bodysounds.scoring.averaging import dot_scores, embed_sides_shuffled
from bodysounds.scoring.cohort import cohort_rows, cohort_subjects
from bodysounds.scoring.cosine import cosine_scores
from bodysounds.scoring.embed import embed_means
from bodysounds.scoring.mfcc import mfcc_embeddings
from bodysounds.scoring.modes import embed_in_mode
from bodysounds.scoring.normalise import as_norm, centre, cohort_means
from bodysounds.scoring.sexes import differ, learn_sexes, log_accuracy, set_lowest, sure_sexes
from bodysounds.scoring.shards import ShardedMeans
from bodysounds.sides import SideTable
from bodysounds.types import Array, Floats, Ints, Table

log = logging.getLogger(__name__)

Float32s = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Encoders:
    """Who listens."""

    test: Encoder
    """Scores test."""
    dev: Encoder
    """Scores dev: the encoder that dev chose. Another one where `test` was fitted again with dev
    inside."""
    pretrained: Encoder | None = None
    """Of the system `pretrained`."""


def score_systems(
    encoders: Encoders,
    packed: Packed,
    side_table: SideTable,
    trials: Table,
    descriptors: Table,
    params: ScorePairsParams,
) -> tuple[dict[str, Float32s], Table, Table]:
    """Return the embeddings of the sides that trials name, and the scores of all trials, by system.

    Returns
    -------
    embeddings : dict of float32 (n_sides, dim)
        Row i is row i of `index`, of unit length; those of `averaged` are means of such vectors,
        whose products are mean cosines. `random` has none, and those of `unfiltered` are ours.
    index : Table
        The rows of the side table that some trial names, in its order.
    scores : Table
        system, trial_id, cosine (float64 in [-1, 1]) and normalised (AS-norm against train
        subjects; NaN for `averaged` and `random`, and without a cohort). With `params.sex_filter`
        pairs of two sexes have the lowest scores of ours, and `unfiltered` has them as they were.

    Raises ValueError where a trial names a side without audio, and where the filter by sex cannot
    learn two sexes.
    """
    if "dev" in ((encoders.dev.training.get("refit") or {}).get("subsets") or ()):
        log.warning(
            "the encoder that scores dev was fitted on dev too: thresholds and calibrations that "
            "dev chooses are optimistic"
        )
    named = [side_table.rows(trials[column]) for column in ("enrol_id", "test_id")]
    rows, places = np.unique(np.concatenate(named), return_inverse=True)
    pairs = places.reshape(2, -1).T
    is_dev = (trials["subset"] == "dev").to_numpy(bool)
    embeddings: dict[str, Float32s] = {}
    tables = []
    sharded = ShardedMeans(params.shards, Path(params.work_dir)) if params.shards > 1 else None
    source = Source(packed, side_table, descriptors, params, sharded or embed_means)

    def add(system: str, cosine: Floats, normalised: Floats) -> None:
        log.info("%s: %d trials scored", system, len(pairs))
        tables.append(
            pd.DataFrame(
                {
                    "system": pd.Series([system] * len(pairs), dtype="str"),
                    "trial_id": trials["trial_id"].to_numpy(),
                    "cosine": cosine,
                    "normalised": normalised,
                }
            )
        )

    for system in params.rows:
        if system == "unfiltered":  # beside ours
            continue
        if system == "random":
            random = np.random.default_rng(params.seed).uniform(-1.0, 1.0, len(pairs))
            add(system, random, np.full(len(pairs), np.nan))
            continue
        by = _listeners(system, encoders, is_dev, params.seed)
        if not by:
            log.info("%s is left out: the encoder has no such part of a backend", system)
            continue
        embeddings[system], cosine, normalised, lowest = score_system(
            system, by, source, rows, pairs
        )
        if lowest is None:
            add(system, cosine, normalised)
            continue
        log.info(
            "%d of %d trials are of two sexes, as %s", lowest.sum(), len(pairs), params.sex_filter
        )
        add(system, *set_lowest(cosine, normalised, lowest, is_dev))
        add("unfiltered", cosine, normalised)
    if sharded:
        sharded.clear()
    index = side_table.table.take(rows).reset_index(drop=True)
    return embeddings, index, pd.concat(tables, ignore_index=True)


@dataclass(frozen=True)
class Source:
    """What there is to hear, and how."""

    packed: Packed
    side_table: SideTable
    descriptors: Table
    params: ScorePairsParams
    embed: Callable[..., Float32s] = embed_means
    """Embeds sides, called as `embed_means`."""


def _listeners(
    system: str, encoders: Encoders, is_dev: Array, seed: int
) -> list[tuple[Encoder, Array]]:
    """Return which encoder scores which trials; nothing for a part that the encoder has not."""
    everything = np.ones(len(is_dev), bool)
    if system == "pretrained":
        if encoders.pretrained is None:
            raise ValueError("the system pretrained needs score_pairs.pretrained, a path")
        return [(encoders.pretrained, everything)]
    if system in BACKENDS:
        dev, test = (backend_part(encoder, system) for encoder in (encoders.dev, encoders.test))
        return [(dev, is_dev), (test, ~is_dev)] if dev and test else []
    if system == "untrained":
        # without a backend: its statistics hear the microphone, trained or not
        return [(untrained(network_of(encoders.test), seed), everything)]
    if system == "mfcc" or state_sha256(encoders.dev.state) == state_sha256(encoders.test.state):
        return [(encoders.test, everything)]
    return [(encoders.dev, is_dev), (encoders.test, ~is_dev)]


def score_system(
    system: str,
    listeners: Sequence[tuple[Encoder, Array]],
    source: Source,
    rows: Ints,
    pairs: Ints,
) -> tuple[Float32s, Floats, Floats, Array | None]:
    """Return embeddings (n_sides, dim), cosines (n_trials,), normalised scores (n_trials,) and
    which trials the filter by sex sets lowest, bool (n_trials,), None where there is no filter.
    """
    params = source.params
    cohort = cohort_rows(source.side_table, params.cohort_subjects, params.seed)
    # a mode's row is ours in all but the mode
    centred = ("ours" if system in (*MODES, *BACKENDS) else system) in params.centre
    if centred and not len(cohort):
        log.warning("%s is not centred: train has fewer than two known subjects", system)
    cosine, normalised = np.empty(len(pairs)), np.full(len(pairs), np.nan)
    lowest = np.zeros(len(pairs), bool) if system == "ours" and params.sex_filter else None
    found: list[tuple[Ints, Float32s]] = []
    for encoder, mask in listeners:
        used, own = np.unique(pairs[mask], return_inverse=True)
        own = own.reshape(-1, 2)
        sides = embed_system(system, encoder, source, rows[used])
        heard = embed_system(system, encoder, source, cohort) if system != "averaged" else None
        if lowest is not None and heard is not None:
            lowest[mask] = differ(_sexes(source, rows[used], sides, cohort, heard), own)
        if len(cohort) and heard is not None:
            train = cohort_means(heard, cohort_subjects(source.side_table, cohort))
            if centred:
                sides, train = centre(sides, train), centre(train, train)
            cosine[mask] = cosine_scores(sides, sides, own)
            normalised[mask] = _normalised(system, cosine[mask], own, sides, train, params)
        elif system == "averaged":
            cosine[mask] = dot_scores(sides, sides, own)
        else:
            cosine[mask] = cosine_scores(sides, sides, own)
        found.append((used, sides))
    # a backend that was fitted again on more subjects may have more directions
    widest = max(sides.shape[1] for _, sides in found)
    embeddings = np.zeros((len(rows), widest), np.float32)
    for used, sides in found:
        embeddings[used, : sides.shape[1]] = sides
    return embeddings, cosine, normalised, lowest


def _sexes(source: Source, rows: Ints, sides: Float32s, cohort: Ints, heard: Float32s) -> Array:
    """Return the sex of rows of the side table, as the manifest says or their embeddings do."""
    table, certainty = source.side_table.table, source.params.sex_certainty
    sexes, subjects = (table[name].astype(object).to_numpy() for name in ("sex", "subject_id"))
    if source.params.sex_filter == "known":
        return sexes[rows]
    model = learn_sexes(heard, sexes[cohort], subjects[cohort])
    dev = (table["subset"] == "dev").to_numpy(bool)[rows]
    if dev.any():
        log_accuracy(model, sides[dev], sexes[rows][dev], subjects[rows][dev])
    return sure_sexes(model, sides, certainty)


def _normalised(
    system: str, cosine: Floats, pairs: Ints, sides: Float32s, train: Float32s,
    params: ScorePairsParams,
) -> Floats:  # fmt: skip
    try:
        return as_norm(cosine, pairs, sides, sides, train, top_k=params.cohort_top_k)
    except ValueError as error:
        # such as a network that gives all sides one embedding: its cosines still stand
        log.warning("%s has no normalised scores: %s", system, error)
        return np.full(len(pairs), np.nan)


def embed_system(system: str, encoder: Encoder, source: Source, rows: Ints) -> Float32s:
    """Return the embeddings of rows of the side table by any system but `random`."""
    packed, params = source.packed, source.params
    if system == "mfcc":
        return mfcc_embeddings(source.descriptors, source.side_table, packed.index)[rows]
    if system == "averaged":
        return embed_sides_shuffled(
            encoder, packed, source.side_table, rows, params.shuffles,
            max_side_s=params.max_side_s, slice_s=params.slice_s, seed=params.seed,
            device=params.device, progress=True, precision=params.precision, embed=source.embed,
        )  # fmt: skip
    mode = system if system in MODES else params.embed
    return embed_in_mode(
        mode, encoder, packed, source.side_table, rows, params, progress=True, embed=source.embed
    )
