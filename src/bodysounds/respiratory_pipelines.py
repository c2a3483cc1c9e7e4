"""The pipelines of breath sounds: one method, folds of patients, and seeds, as branches."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from bodysounds.pipelines import (
    featurize,
    ingest,
    predict,
    report_classes,
    runs,
    split_patients,
    tasks,
    train_respiratory,
)

FOLDS = 5
SEEDS = 10
CLASSES_ARE = "kinds of breath sound"
GROUPS_ARE = "patients"
OF_TASKS = ("task_predictions", "task_facts")


def respiratory(task: str) -> Pipeline:
    """From recordings to a report: one method trains, dev chooses, test is classified once."""
    return Pipeline(
        [
            *_examples(),
            train_respiratory.create_pipeline(),
            predict.create_pipeline(),
            tasks.create_pipeline(),
            *_report(task, "figure.training", "figure.embedding_map", tables=OF_TASKS),
        ],
        namespace=task,
    )


def respiratory_evaluate(task: str) -> Pipeline:
    """The same for a classifier that exists: no network is trained."""
    return Pipeline(
        [
            *_examples(),
            predict.create_pipeline(),
            tasks.create_pipeline(),
            *_report(task, "figure.embedding_map", tables=OF_TASKS),
        ],
        namespace=task,
    )


def respiratory_folds(task: str) -> Pipeline:
    """Each patient is tested once, by every method, which never heard it; pooled."""
    return Pipeline(
        [
            *_examples(),
            *(runs.create_fold(number) for number in range(FOLDS)),
            runs.create_pool(FOLDS),
            *_report(task, model="rule", previous="previous_folds"),
        ],
        namespace=task,
    )


def respiratory_seeds(task: str) -> Pipeline:
    """Every method with several seeds on one split: mean and deviation, and the mean's answer."""
    return Pipeline(
        [
            *_examples(),
            *(runs.create_seed(number) for number in range(SEEDS)),
            runs.create_gathering(SEEDS),
            *_report(
                task,
                model="rule",
                tables=("runs",),
                drawn=("figure.runs",),
                previous="previous_seeds",
            ),
        ],
        namespace=task,
    )


def respiratories(task: str) -> dict[str, Pipeline]:
    """Every pipeline of breath sounds by its name."""
    return {
        task: respiratory(task),
        f"{task}_evaluate": respiratory_evaluate(task),
        f"{task}_folds": respiratory_folds(task),
        f"{task}_seeds": respiratory_seeds(task),
    }


def _examples() -> tuple[Pipeline, ...]:
    # what the split leaves out is not decoded: the examples are segments, with more columns
    chosen = Pipeline([featurize.create_pipeline()], inputs={"segments": "examples"})
    return ingest.create_pipeline(), split_patients.create_pipeline(), chosen


def _report(
    task: str,
    *figures: str,
    model: str = "classifier",
    tables: tuple[str, ...] = (),
    drawn: tuple[str, ...] = (),
    previous: str = "previous",
) -> tuple[Pipeline, Pipeline]:
    page = report_classes.create_details(
        task,
        *figures,
        "figure.breath_right_wrong",
        model=model,
        classes_are=CLASSES_ARE,
        groups_are=GROUPS_ARE,
        tables=("split_facts", *tables),
        drawn=("figure.groups", *drawn),
        previous=previous,
    )
    return tasks.create_gallery(), page
