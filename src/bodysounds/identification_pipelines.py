"""The pipelines of a classifier that knows whom it will meet: stages under a task's name."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from bodysounds.pipelines import (
    featurize,
    ingest,
    predict,
    report_classes,
    split_closed,
    train_classifier,
)

CLASSES_ARE = "speakers"


def identification(task: str) -> Pipeline:
    """From recordings to a report: train on train, choose on dev, classify test once."""
    return Pipeline(
        [
            *_examples(),
            train_classifier.create_pipeline(),
            predict.create_pipeline(),
            report_classes.create_pipeline(task, "figure.training", classes_are=CLASSES_ARE),
        ],
        namespace=task,
    )


def identification_evaluate(task: str) -> Pipeline:
    """The same for a classifier that exists: no network is trained."""
    return Pipeline(
        [
            *_examples(),
            predict.create_pipeline(),
            report_classes.create_pipeline(task, classes_are=CLASSES_ARE),
        ],
        namespace=task,
    )


def _examples() -> tuple[Pipeline, ...]:
    # what the split leaves out is not decoded: the examples are segments, with more columns
    chosen = Pipeline([featurize.create_pipeline()], inputs={"segments": "examples"})
    return ingest.create_pipeline(), split_closed.create_pipeline(), chosen
