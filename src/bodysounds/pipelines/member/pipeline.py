"""The branch of a member: training, the folds of train, predictions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, update_wrapper
from typing import Any

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.member.nodes import (
    draw_training,
    fold_wav2vec2,
    fold_yamnet,
    predict_windows,
    train_wav2vec2,
    train_yamnet,
)
from bodysounds.types import Table

MEMBERS: dict[str, tuple[Callable[..., Any], Callable[..., Table]]] = {
    "yamnet": (train_yamnet, fold_yamnet),
    "wav2vec2": (train_wav2vec2, fold_wav2vec2),
}
SHARED = ("raw", "manifest", "subsets", "examples", "waveforms")


def create_pipeline(member: str, folds: int) -> Pipeline:
    """Shared tables -> <member>.{classifier, history, fold_<k>, predicted}, a figure.

    Its parameters are `train_<member>` and `predict`.
    """
    train, train_fold = MEMBERS[member]
    parameters = f"params:train_{member}"
    of_folds = [
        Node(
            update_wrapper(partial(train_fold, fold=number), train_fold),
            ["waveforms", "examples", parameters],
            f"fold_{number}",
            name=f"fold_{number}",
        )
        for number in range(folds)
    ]
    draw = update_wrapper(partial(draw_training, member=member), draw_training)
    return Pipeline(
        [
            Node(
                train,
                ["waveforms", "examples", "manifest", "subsets", parameters],
                ["classifier", "history"],
                name="train",
            ),
            *of_folds,
            Node(
                predict_windows,
                ["classifier", "waveforms", "examples", "params:predict"],
                "predicted",
                name="predict_windows",
            ),
            Node(draw, ["history", "raw"], f"figure.training_{member}", name="draw_training"),
        ],
        namespace=member,
        inputs={name: name for name in SHARED},
        outputs={f"figure.training_{member}": f"figure.training_{member}"},
        parameters={name: name for name in (parameters, "params:predict")},
    )
