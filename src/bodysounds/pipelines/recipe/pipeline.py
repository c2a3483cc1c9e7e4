"""One recipe: its encoder and its scores; and all recipes' scores in one table."""

from __future__ import annotations

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from bodysounds.pipelines import score_pairs, train_embedding
from bodysounds.pipelines.recipe.nodes import gather

SHARED = (
    "raw", "manifest", "segments", "sides", "subsets", "trials", "waveforms", "descriptors",
)  # fmt: skip


def create_pipeline(recipe: str, baselines: bool = False) -> Pipeline:
    """Shared tables -> recipe_<name>.{encoder, history, embeddings, scores}.

    With `baselines` the untrained network, MFCC and the others are scored too.
    """
    scoring = score_pairs.create_pipeline(durations=False, baselines=baselines)
    return Pipeline(
        [train_embedding.create_pipeline(), scoring],
        namespace=f"recipe_{recipe}",
        inputs={name: name for name in SHARED},
        parameters={
            "params:train_embedding": f"params:recipes.{recipe}",
            "params:score_pairs": "params:score_pairs",
        },
    )


def create_gathering(*recipes: str) -> Pipeline:
    """recipe_*.scores -> scores, in which the first recipe is `ours` and has the baselines."""
    names = partial(gather, names=recipes[1:])
    return Pipeline(
        [
            Node(
                update_wrapper(names, gather),
                [f"recipe_{name}.scores" for name in recipes],
                "scores",
                name="gather",
            )
        ],
        namespace="gather",
        prefix_datasets_with_namespace=False,
    )
