"""What the original file alone says of a class, before anything is cut from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from bodysounds.types import Floats, Table

FILE_PROPERTIES = ("duration_s", "sample_rate", "format")
MOST_LEAVES = 12


def file_predictions(
    examples: Table, wanted: Table, manifest: Table, classes: Sequence[str], seed: int = 0
) -> dict[str, Floats]:
    """Return log-probabilities (n_wanted, n_classes) by a tree on each property of the files.

    Parameters
    ----------
    examples, wanted : Table
        segment_id, recording_id, label and subset; the tree is fitted on the recordings of train,
        all classes weighing equally, and asked for those of `wanted`.
    manifest : Table
        recording_id, duration_s, sample_rate and path, whose suffix is the format.

    A tree finds a length between two others too, which a line does not. Properties that never vary
    are left out, and all of them where there is no train or one class only; `together` is a tree on
    all that vary.
    """
    from sklearn.tree import DecisionTreeClassifier

    known = manifest.set_index("recording_id")
    table = pd.DataFrame(
        {
            "duration_s": known["duration_s"].astype(np.float64),
            "sample_rate": known["sample_rate"].astype(np.float64),
            "format": pd.factorize(known["path"].map(_suffix), sort=True)[0],
        },
        index=known.index,
    )
    train = examples.loc[examples["subset"] == "train", ["recording_id", "label"]]
    train = train.drop_duplicates().sort_values(["recording_id", "label"])
    if train["label"].nunique() < 2:
        return {}
    fit, asked = table.loc[train["recording_id"]], table.loc[wanted["recording_id"]]
    varying = [name for name in FILE_PROPERTIES if fit[name].nunique() > 1]
    parts = {name: [name] for name in varying}
    if len(varying) > 1:
        parts["together"] = varying
    found = {}
    for name, columns in parts.items():
        tree = DecisionTreeClassifier(
            max_leaf_nodes=MOST_LEAVES, min_samples_leaf=max(1, len(fit) // 100),
            class_weight="balanced", random_state=seed,
        )  # fmt: skip
        tree.fit(fit[columns].to_numpy(), train["label"].to_numpy(object).astype(str))
        said = np.full((len(asked), len(classes)), 1e-6)
        place = pd.Index(list(classes)).get_indexer(pd.Index(tree.classes_))
        said[:, place] = np.maximum(tree.predict_proba(asked[columns].to_numpy()), 1e-6)
        found[name] = np.log(said / said.sum(axis=1, keepdims=True))
    return found


def _suffix(path: object) -> str:
    return PurePosixPath(str(path)).suffix.lower()
