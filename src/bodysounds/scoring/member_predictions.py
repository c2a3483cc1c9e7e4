"""What one member of an ensemble says of examples, as a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bodysounds.models.classifier import predict
from bodysounds.scoring.member_tables import PREFIX
from bodysounds.types import Classifier, Packed, Table


def member_table(
    classifier: Classifier, packed: Packed, examples: Table, more: Sequence[str], device: str
) -> Table:
    """Return segment_id, label, the columns `more` of the examples, and float32 p_<class>.

    Rows follow segment_id, columns the classifier's labels. Raises ValueError for a segment without
    audio and for probabilities that are not finite.
    """
    rows = examples.sort_values("segment_id", ignore_index=True)
    found = np.exp(predict(classifier, packed, rows["segment_id"].tolist(), device))
    table = rows[["segment_id", "label", *more]].copy()
    for k, label in enumerate(classifier.labels):
        table[f"{PREFIX}{label}"] = found[:, k]
    return table
