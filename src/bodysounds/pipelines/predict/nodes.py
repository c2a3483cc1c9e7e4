"""Nodes of `predict`."""

from __future__ import annotations

import logging

from bodysounds.params.predict import PredictParams
from bodysounds.types import Classifier, Packed, Table

log = logging.getLogger(__name__)


def predict_classes(
    classifier: Classifier,
    waveforms: Packed,
    examples: Table,
    descriptors: Table,
    manifest: Table,
    subsets: Table,
    params: PredictParams,
) -> Table:
    """Return what the classifier and each baseline say of each clip."""
    from bodysounds.models.heard import warning_of
    from bodysounds.scoring.classify import classify

    told = warning_of(classifier.encoder, manifest, subsets)
    if told:
        log.warning("ours: %s", told)
    return classify(classifier, waveforms, examples, descriptors, params)
