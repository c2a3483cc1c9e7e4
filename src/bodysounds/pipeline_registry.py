"""Which pipelines there are: a task is stages under its name."""

from __future__ import annotations

import warnings

from kedro.pipeline import Pipeline

from bodysounds.identification_pipelines import identification, identification_evaluate
from bodysounds.pipelines import (
    bundle,
    featurize,
    fold,
    ingest,
    inspect,
    recipe,
    report,
    score_pairs,
    split,
    threshold,
    train_embedding,
)
from bodysounds.respiratory_pipelines import respiratories
from bodysounds.scream_pipelines import screams, screams_evaluate

FOLDS = 5
RECIPES = ("ours", "aam_baseline", "triplet_2023")


def verification(task: str) -> Pipeline:
    """From recordings to a report: train on train, choose on dev, score test once."""
    stages = (ingest, split, featurize, train_embedding, score_pairs, threshold)
    return Pipeline(
        [
            *(stage.create_pipeline() for stage in stages),
            report.create_pipeline(task, "figure.training"),
            bundle.create_pipeline(task),
            inspect.create_pipeline(task),
        ],
        namespace=task,
    )


def evaluation(task: str) -> Pipeline:
    """The same for an encoder that exists: nothing is trained."""
    return Pipeline(
        [
            *(stage.create_pipeline() for stage in (ingest, split, featurize)),
            score_pairs.create_pipeline(dev_encoder="encoder"),
            threshold.create_pipeline(),
            report.create_pipeline(task),
            bundle.create_pipeline(task),
            inspect.create_pipeline(task),
        ],
        namespace=task,
    )


def cross_validation(task: str) -> Pipeline:
    """Each group is tested once, by an encoder that never heard it; the scores are pooled."""
    folds = [fold.create_pipeline(number, FOLDS) for number in range(FOLDS)]
    return Pipeline(
        [
            ingest.create_pipeline(),
            split.create_pipeline(with_trials=False),
            featurize.create_pipeline(),
            *folds,
            fold.create_pool(FOLDS),
            threshold.create_choice(),
            report.create_pipeline(
                task,
                encoder="fold_0.encoder",
                submission=False,
                durations=False,
                previous="previous_folds",
            ),
        ],
        namespace=task,
    )


def recipes(task: str) -> Pipeline:
    """Every recipe on the same recordings and trials, in one table with paired intervals."""
    ours, *others = RECIPES
    return Pipeline(
        [
            *(stage.create_pipeline() for stage in (ingest, split, featurize)),
            recipe.create_pipeline(ours, baselines=True),
            *(recipe.create_pipeline(name) for name in others),
            recipe.create_gathering(*RECIPES),
            threshold.create_pipeline(),
            report.create_pipeline(
                task,
                encoder=f"recipe_{ours}.encoder",
                submission=False,
                durations=False,
                previous="previous_recipes",
            ),
        ],
        namespace=task,
    )


def verifications(task: str) -> dict[str, Pipeline]:
    """Every pipeline of a verification task by its name."""
    return {
        task: verification(task),
        f"{task}_evaluate": evaluation(task),
        f"{task}_folds": cross_validation(task),
        f"{task}_recipes": recipes(task),
    }


def register_pipelines() -> dict[str, Pipeline]:
    """Return every pipeline by the name that `kedro run --pipelines=` takes."""
    with warnings.catch_warnings():
        # `figure.det` and `fold_0.scores` are namespaces on purpose
        warnings.filterwarnings("ignore", "One or more dataset names contain", UserWarning)
        tasks = {
            **verifications("cry_verification"),
            **verifications("speaker_verification"),
            "speaker_identification": identification("speaker_identification"),
            "speaker_identification_evaluate": identification_evaluate("speaker_identification"),
            "cry_scream_ensemble": screams("cry_scream_ensemble"),
            "cry_scream_ensemble_evaluate": screams_evaluate("cry_scream_ensemble"),
            **respiratories("respiratory_scl"),
        }
        return {**tasks, "__default__": tasks["cry_verification"]}
