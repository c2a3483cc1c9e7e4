"""Nodes of `split_patients`."""

from __future__ import annotations

from bodysounds.params.split_patients import SplitPatientsParams
from bodysounds.types import Metrics, Table


def assign_patients(
    manifest: Table, segments: Table, params: SplitPatientsParams
) -> tuple[Table, Metrics, Table]:
    """Return subset and condition of each recording, what was decided, and the cycles to learn."""
    from bodysounds.corpora.icbhi_facts import icbhi_facts
    from bodysounds.splitting.patients import split_patients

    # a table of somebody's own may not know the ages
    corpus = icbhi_facts(manifest, segments) if "age_group" in manifest else {}
    return split_patients(manifest, segments, params, {"corpus": corpus})
