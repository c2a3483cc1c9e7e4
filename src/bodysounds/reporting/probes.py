"""Pairs seen as searches: each probe against the people enrolled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bodysounds.metrics.arrays import subject_codes
from bodysounds.reporting.trial_table import Selection
from bodysounds.types import Array, Floats, Ints, Table


@dataclass(frozen=True)
class Searches:
    """Probes, arrays of shape (n_probes,), and their scores against others, (n_rows,)."""

    subject: Ints
    """Number of the probe's person."""
    others: Ints
    """People, other than its own, whom it is scored against."""
    above: Ints
    """Those of them who reach the threshold."""
    mate: Floats
    """Score of its own person, NaN where that one is not enrolled."""
    beaten: Ints
    """Others who reach the mate's score."""
    pool: Ints
    """Others who are enrolled in its part of the corpus; no trial joins two parts."""
    probe: Ints
    """Of each row: the position of its probe."""
    person: Ints
    """Of each row: the number of the other person."""
    is_above: Array
    is_beaten: Array

    def only(self, kept: Array) -> Searches:
        """Return the searches of the probes in a mask (n_probes,)."""
        rows = kept[self.probe]
        position = np.cumsum(kept) - 1
        return Searches(
            self.subject[kept], self.others[kept], self.above[kept], self.mate[kept],
            self.beaten[kept], self.pool[kept], position[self.probe[rows]], self.person[rows],
            self.is_above[rows], self.is_beaten[rows],
        )  # fmt: skip


def searches(chosen: Selection, scores: Floats, threshold: float) -> Searches:
    """Return the searches that the pairs of a selection make, each person by their best score.

    Test sides are the probes and enrol sides the gallery; where sides do both, every side is a
    probe against all others.
    """
    pairs = _pairs(chosen, scores)
    probe, names = pd.factorize(pairs["probe"], sort=True)
    pairs = pairs.assign(probe=probe, own=pairs["person"] == pairs["subject"])
    first = pairs.groupby("probe", sort=True)[["subject", "part"]].first()
    best = pairs.groupby(["probe", "person", "own"])["score"].max().reset_index()
    own, other = best[best["own"]], best[~best["own"]]
    mate = np.full(len(names), np.nan)
    mate[own["probe"]] = own["score"]
    row = other["probe"].to_numpy(np.int64)
    is_above = (other["score"] >= threshold).to_numpy(bool)
    is_beaten = other["score"].to_numpy() >= mate[row]

    def count(mask: Array | None = None) -> Ints:
        return np.bincount(row if mask is None else row[mask], minlength=len(names))

    return Searches(
        subject=first["subject"].to_numpy(np.int64),
        others=count(),
        above=count(is_above),
        mate=mate,
        beaten=count(is_beaten),
        pool=_pool(pairs, first),
        probe=row,
        person=other["person"].to_numpy(np.int64),
        is_above=is_above,
        is_beaten=is_beaten,
    )


def _pairs(chosen: Selection, scores: Floats) -> Table:
    """Return person (enrolled), subject (of the probe), enrol, probe, part and score."""
    person, subject, _ = subject_codes(chosen.enrol, chosen.test, chosen.labels)
    pairs = pd.DataFrame(
        {"person": person, "subject": subject, "enrol": chosen.enrol_id, "probe": chosen.test_id,
         "part": _parts(chosen.enrol_id, chosen.test_id), "score": scores}
    )  # fmt: skip
    if not set(chosen.enrol_id) & set(chosen.test_id):
        return pairs
    swapped = {"person": "subject", "subject": "person", "enrol": "probe", "probe": "enrol"}
    both = pd.concat([pairs, pairs.rename(columns=swapped)], ignore_index=True)
    return both.drop_duplicates(["enrol", "probe"])


def _pool(pairs: Table, probes: Table) -> Ints:
    """Return how many people other than its own are enrolled in each probe's part."""
    enrolled = pairs[["part", "person"]].drop_duplicates()
    size = probes["part"].map(enrolled["part"].value_counts()).to_numpy(np.int64)
    there = pd.MultiIndex.from_frame(enrolled)
    own = pd.MultiIndex.from_frame(probes[["part", "subject"]]).isin(there)
    return size - np.asarray(own, dtype=np.int64)


def _parts(enrol: Array, test: Array) -> Ints:
    """Number the parts of the corpus that trials join, one number a trial."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    codes, names = pd.factorize(np.concatenate([enrol, test]), sort=True)
    first, second = codes[: len(enrol)], codes[len(enrol) :]
    edges = coo_array((np.ones(len(first)), (first, second)), shape=(len(names), len(names)))
    parts: Ints = connected_components(edges, directed=False)[1][first]
    return parts
