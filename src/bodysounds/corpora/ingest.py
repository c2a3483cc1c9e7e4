"""From a corpus to its manifest."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from bodysounds.corpora.base import Corpus
from bodysounds.corpora.consistent import drop_lost, warn_of_single_sides
from bodysounds.corpora.duplicates import drop_duplicates, tested_recordings
from bodysounds.corpora.probe import probe
from bodysounds.corpora.registry import list_recordings
from bodysounds.params import IngestParams
from bodysounds.types import Table


class Ingested(NamedTuple):
    """The tables that every later stage reads."""

    manifest: Table
    rejected: Table
    segments: Table
    sides: Table
    listed_trials: Table


def ingest(corpus: Corpus, params: IngestParams) -> Ingested:
    """Return the manifest of a corpus, the rejected files, segments, sides and listed trials.

    Broken recordings are rejected with a reason, and so are copies where `params.duplicates` says
    drop; what depended on them is dropped and logged. Raises ValueError where the corpus's tables
    are wrong or too many files are broken.
    """
    listing = list_recordings(corpus)
    manifest, rejected = probe(corpus, listing, params)
    if params.duplicates == "drop":
        manifest, copies = drop_duplicates(manifest, tested_recordings(listing))
        rejected = pd.concat([rejected, copies], ignore_index=True)
    segments, sides, trials = drop_lost(listing, manifest)
    warn_of_single_sides(sides, manifest)
    return Ingested(manifest, rejected, segments, sides, trials)
