"""What would only be found out after an hour of training, asked before the run starts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bodysounds.types import Metrics


def check_task(parameters: Metrics, nodes: Iterable[str]) -> None:
    """Raise ValueError where the parameters of a task cannot serve the nodes that will run.

    Parameters
    ----------
    parameters : dict
        Of the task, plain, by stage.
    nodes : iterable of str
        Full names of the nodes, such as `cry_verification.recipe_ours.train_embedding.train`.

    Asked are the encoders that are named by path, and whether scores that decide will exist.
    """
    names = list(nodes)
    if any(name.endswith((".score_trials", ".score_recipe")) for name in names):
        _check_scores(parameters)
    for name in names:
        if name.endswith(".train_embedding.train"):
            _check_start(_recipe_of(name, parameters))


def _check_scores(parameters: Metrics) -> None:
    scoring, threshold = parameters["score_pairs"], parameters["threshold"]
    if threshold["score"] == "normalised" and not scoring["cohort_subjects"]:
        raise ValueError(
            "threshold.score is normalised, and score_pairs.cohort_subjects is 0, so that there "
            "are no normalised scores: raise it, or set threshold.score to cosine"
        )
    if scoring["pretrained"]:
        rate = _encoder("score_pairs.pretrained", scoring["pretrained"]).front_end["sample_rate"]
        if rate != parameters["featurize"]["sample_rate"]:
            raise ValueError(
                f"score_pairs.pretrained was made for {rate} Hz, and featurize.sample_rate is "
                f"{parameters['featurize']['sample_rate']}: make the two equal"
            )


def _check_start(recipe: Metrics) -> None:
    if recipe["init_from"]:
        _encoder("train_embedding.init_from", recipe["init_from"])


def _recipe_of(name: str, parameters: Metrics) -> Metrics:
    for part in name.split("."):
        if part.startswith("recipe_"):
            recipe: Metrics = parameters["recipes"][part.removeprefix("recipe_")]
            return recipe
    alone: Metrics = parameters["train_embedding"]
    return alone


def _encoder(parameter: str, path: str) -> Any:
    from bodysounds.models.encoder import load_encoder

    try:
        return load_encoder(Path(path))
    except ValueError as error:
        raise ValueError(f"{parameter}: {error}") from error
