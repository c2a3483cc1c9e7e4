"""Nodes of `ingest`."""

from __future__ import annotations

from bodysounds.params import IngestParams
from bodysounds.types import Corpus, Table


def read_corpus(raw: Corpus, params: IngestParams) -> tuple[Table, Table, Table, Table, Table]:
    """Return manifest, rejected, segments, sides and the trials that the corpus lists."""
    from bodysounds.corpora.ingest import ingest

    return ingest(raw, params)
