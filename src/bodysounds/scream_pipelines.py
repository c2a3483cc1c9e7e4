"""The pipelines of the ensemble that tells cries and screams from other sound."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from bodysounds.pipelines import (
    ensemble,
    featurize,
    ingest,
    member,
    report_classes,
    split_sources,
)

FOLDS = 3
CLASSES_ARE = "kinds of sound"


def screams(task: str) -> Pipeline:
    """From recordings to a report: members train as branches, one rule combines them."""
    figures = [f"figure.training_{name}" for name in member.MEMBERS]
    return Pipeline(
        [
            *_examples(),
            *(member.create_pipeline(name, FOLDS) for name in member.MEMBERS),
            ensemble.create_pipeline(tuple(member.MEMBERS), FOLDS),
            report_classes.create_details(task, *figures, model="bundle", classes_are=CLASSES_ARE),
        ],
        namespace=task,
    )


def screams_evaluate(task: str) -> Pipeline:
    """The same for an ensemble that exists: no network is trained."""
    return Pipeline(
        [
            *_examples(),
            ensemble.create_evaluation(),
            report_classes.create_details(task, model="bundle", classes_are=CLASSES_ARE),
        ],
        namespace=task,
    )


def _examples() -> tuple[Pipeline, ...]:
    # what the split leaves out is not decoded: the examples are segments, with more columns
    chosen = Pipeline([featurize.create_pipeline()], inputs={"segments": "examples"})
    return ingest.create_pipeline(), split_sources.create_pipeline(), chosen
