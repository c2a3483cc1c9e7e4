"""The stage `score_pairs`."""

from __future__ import annotations

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines.score_pairs.nodes import score_durations, score_trials


def create_pipeline(
    dev_encoder: str = "dev_encoder", durations: bool = True, baselines: bool = True
) -> Pipeline:
    """encoder, waveforms, trials -> embeddings, embeddings_index, scores, duration_curve.

    `dev_encoder` scores dev, where it is not the one that scores test. Without `durations` there is
    no duration_curve, without `baselines` no system but ours.
    """
    tables = ["waveforms", "segments", "sides", "manifest", "subsets", "trials"]
    curve = Node(
        score_durations,
        ["encoder", dev_encoder, *tables, "params:score_pairs", "params:report"],
        "duration_curve",
        name="score_durations",
    )
    return Pipeline(
        [
            Node(
                update_wrapper(partial(score_trials, baselines=baselines), score_trials),
                [
                    "encoder",
                    dev_encoder,
                    *tables,
                    "descriptors",
                    "params:score_pairs",
                ],
                ["embeddings", "embeddings_index", "scores"],
                name="score_trials",
            ),
            *([curve] if durations else []),
        ],
        namespace="score_pairs",
        prefix_datasets_with_namespace=False,
    )
