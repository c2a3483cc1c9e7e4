"""What would only be found out after an hour of training, asked before the run starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from bodysounds.types import Metrics

SHORTCUTS = (
    "audio_budget_s", "bundle", "channels", "classifier", "classifier_recipe", "complete",
    "constant_channel", "data", "demo_seed", "dim", "domain", "encoder", "group", "init_from",
    "init_published", "init_strict", "mean_over", "method", "n_dev", "n_speakers", "n_test",
    "n_train", "name", "network", "panns", "planted_metadata", "pretrained", "protocol", "raw",
    "recipe", "refit", "respiratory_recipe", "resplit", "session", "shared_identity",
    "shuffled_labels", "shuffles", "strict", "subject", "synthetic", "trials", "wav2vec2", "work",
    "yamnet",
)  # fmt: skip
"""What the configuration takes from --params by a short name."""


STAGES = (
    "ingest", "split", "featurize", "train_embedding", "recipes", "score_pairs", "threshold",
    "report", "split_closed", "split_sources", "split_patients", "train_classifier",
    "train_yamnet", "train_wav2vec2", "train_respiratory", "runs", "predict", "ensemble", "tasks",
    "report_classes", "bundle",
)  # fmt: skip


def check_names(given: Mapping[str, Any], tasks: Iterable[str]) -> None:
    """Raise ValueError for a parameter of the command line that nothing would read.

    `given` are those of --params. Below a stage nothing is asked: a wrong name there is refused
    where the stage's parameters are built.
    """
    known = (*SHORTCUTS, *tasks)
    for name, value in given.items():
        _refuse_unknown(name, name, known)
        for stage in value if isinstance(value, Mapping) else ():
            _refuse_unknown(stage, f"{name}.{stage}", STAGES)


RECIPES = {
    "recipe": ("parameters_recipes.yml", "_recipes"),
    "classifier_recipe": ("parameters_classifier_recipes.yml", "_classifiers"),
    "respiratory_recipe": ("parameters_respiratory_recipes.yml", "_respiratory"),
}
"""By what name --params chooses a recipe, and where those there are stand."""


RESPIRATORY_METHODS = ("sl", "scl", "hybrid", "mscl")
RESPIRATORY_FOLDS = 5


def check_recipe(
    recipe: str,
    conf: Path,
    chosen_by: str = "recipe",
    read: Callable[[str], str | bytes] = lambda path: Path(path).read_text(encoding="utf-8"),
) -> None:
    """Raise ValueError where the configuration has no recipe of that name, and list those it has.

    `read` reads a file of `conf` where that is no folder of this machine. The interpolation that
    looks the recipe up would only say that a key is missing.
    """
    import yaml

    file, key = RECIPES[chosen_by]
    path = conf / "base" / file
    known = list(yaml.safe_load(read(path.as_posix()))[key])
    if recipe not in known:
        told = ", ".join(known)
        raise ValueError(f"--params {chosen_by}={recipe}: the recipes are {told} ({path})")


def _refuse_unknown(name: str, told: str, known: Sequence[str]) -> None:
    if name in STAGES and name not in known:
        tasks = [f"{task}.{name}" for task in known if task not in SHORTCUTS]
        raise ValueError(
            f"--params {told} is read by nothing: a stage is named below its task, as "
            f"{' or '.join(tasks)}"
        )
    if name not in known:
        nearest = get_close_matches(name, known, 1)
        meant = f"did you mean {nearest[0]}?" if nearest else f"there are {', '.join(known)}"
        raise ValueError(f"--params {told} is read by nothing: {meant}")


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
    if any(name.endswith(".score_trials") for name in names):
        _check_scores(parameters)
    for name in names:
        if name.endswith(".train_embedding.train"):
            _check_start(_recipe_of(name, parameters))
        if name.endswith(".train_classifier.train") and parameters["train_classifier"]["init_from"]:
            check_classifier_start(parameters["train_classifier"]["init_from"])
        for member in ("yamnet", "wav2vec2"):
            if name.endswith(f".{member}.train"):
                check_published(parameters, f"train_{member}")
    if "train_respiratory" in parameters:
        _check_respiratory(parameters, names)


def _check_scores(parameters: Metrics) -> None:
    scoring, threshold = parameters["score_pairs"], parameters["threshold"]
    if threshold["score"] == "normalised" and not scoring["cohort_subjects"]:
        raise ValueError(
            "threshold.score is normalised, and score_pairs.cohort_subjects is 0, so that there "
            "are no normalised scores: raise it, or set threshold.score to cosine"
        )
    if scoring["pretrained"]:
        rate = check_encoder("score_pairs.pretrained", scoring["pretrained"]).front_end[
            "sample_rate"
        ]
        if rate != parameters["featurize"]["sample_rate"]:
            raise ValueError(
                f"score_pairs.pretrained was made for {rate} Hz, and featurize.sample_rate is "
                f"{parameters['featurize']['sample_rate']}: make the two equal"
            )


def _check_start(recipe: Metrics) -> None:
    from bodysounds.params.train_embedding import check_no_start

    if recipe["init_from"]:
        check_encoder("train_embedding.init_from", recipe["init_from"])
    else:
        check_no_start(recipe)


def _recipe_of(name: str, parameters: Metrics) -> Metrics:
    for part in name.split("."):
        if part.startswith("recipe_"):
            recipe: Metrics = parameters["recipes"][part.removeprefix("recipe_")]
            return recipe
    alone: Metrics = parameters["train_embedding"]
    return alone


def _check_respiratory(parameters: Metrics, names: Sequence[str]) -> None:
    taught = parameters["train_respiratory"]
    # a part of the pipeline, such as what is left of a run that failed, may hold fewer of its folds
    branches = any(".fold_" in name for name in names)
    dealt = parameters["split_patients"]["folds"]
    if branches and dealt != RESPIRATORY_FOLDS:
        raise ValueError(
            f"split_patients.folds is {dealt}, and the pipeline has {RESPIRATORY_FOLDS} folds: "
            "make the two equal"
        )
    ends = (".train_respiratory.train", *(f".{name}" for name in RESPIRATORY_METHODS))
    if not any(name.endswith(ends) for name in names):
        return
    rate = parameters["featurize"]["sample_rate"]
    if taught["f_max"] > rate / 2:
        raise ValueError(
            f"train_respiratory.f_max is {taught['f_max']:g} Hz, and waveforms of "
            f"featurize.sample_rate {rate} hold nothing above {rate / 2:g} Hz: raise that rate"
        )
    check_published(parameters, "train_respiratory")


def check_classifier_start(path: str) -> None:
    """Raise ValueError where train_classifier.init_from is nothing to start from."""
    from bodysounds.training.classifier_start import load_start

    try:
        load_start(path)
    except ValueError as error:
        raise ValueError(f"train_classifier.init_from: {error}") from error


def check_published(parameters: Metrics, stage: str) -> None:
    """Raise ValueError where the published weights of a stage are nothing to start from."""
    from bodysounds.params import TrainRespiratoryParams, TrainWav2vec2Params, TrainYamnetParams

    if not parameters[stage]["published"]:
        return
    import torch

    from bodysounds.training.classifier_networks import architecture
    from bodysounds.training.classifier_start import start_of

    kinds = (TrainYamnetParams, TrainWav2vec2Params, TrainRespiratoryParams)
    kind = next(kind for kind in kinds if kind.stage == stage)
    n_threads = torch.get_num_threads()
    # the branches of ParallelRunner are forked from here, and would wait for threads left behind
    torch.set_num_threads(1)
    asked = kind(**parameters[stage])
    try:
        start = start_of(asked)
    except ValueError as error:
        raise ValueError(f"{stage}.published: {error}") from error
    finally:
        torch.set_num_threads(n_threads)
    architecture(asked, start)


def check_classifier(path: str) -> None:
    """Raise ValueError where the runtime parameter classifier names none."""
    from bodysounds.models.classifier import load_classifier

    try:
        load_classifier(path)
    except ValueError as error:
        raise ValueError(f"classifier: {error}") from error


def check_bundle(path: str) -> None:
    """Raise ValueError where the runtime parameter bundle names no ensemble."""
    from bodysounds.models.bundle import load_bundle

    try:
        load_bundle(path)
    except ValueError as error:
        raise ValueError(f"bundle: {error}") from error


def check_encoder(parameter: str, path: str) -> Any:
    """Return the encoder of a path; ValueError that names the parameter where there is none."""
    from bodysounds.models.encoder import load_encoder

    try:
        return load_encoder(Path(path))
    except ValueError as error:
        raise ValueError(f"{parameter}: {error}") from error
