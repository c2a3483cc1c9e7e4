"""The house of breath sounds: registry, configuration and what the branches are given."""

from __future__ import annotations

import dataclasses
import functools
import pickle
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import pytest
import torch
from configured import CONF, ENVIRONMENTS, parameters_of

from bodysounds import params
from bodysounds.beforehand import (
    RESPIRATORY_FOLDS,
    RESPIRATORY_METHODS,
    SHORTCUTS,
    check_recipe,
    check_task,
)
from bodysounds.beforehand import STAGES as KNOWN
from bodysounds.models.panns import build_panns
from bodysounds.params.train_respiratory import METHODS as TRAINED
from bodysounds.pipeline_registry import register_pipelines
from bodysounds.pipelines.runs.pipeline import METHODS
from bodysounds.respiratory_pipelines import FOLDS, SEEDS

TASK = "respiratory_scl"
STAGES: dict[str, Any] = {
    "ingest": params.IngestParams,
    "split_patients": params.SplitPatientsParams,
    "featurize": params.FeaturizeParams,
    "train_respiratory": params.TrainRespiratoryParams,
    "runs": params.RunsParams,
    "predict": params.PredictParams,
    "tasks": params.TasksParams,
    "report_classes": params.ReportClassesParams,
}
KINDS = ("", "_evaluate", "_folds", "_seeds")
EXAMPLES = ("ingest", "split_patients", "featurize")


written = functools.partial(parameters_of, TASK)


def rooms(name: str) -> set[str]:
    return {
        str(node.namespace).removeprefix(f"{TASK}.") for node in register_pipelines()[name].nodes
    }


def test_a_method_trains_and_everything_else_is_asked_of_it() -> None:
    own = {"train_respiratory", "predict", "tasks", "report_classes"}
    assert rooms(TASK) == {*EXAMPLES, *own}
    assert rooms(f"{TASK}_evaluate") == {*EXAMPLES, *own} - {"train_respiratory"}


def test_evaluation_trains_nothing() -> None:
    pipeline = register_pipelines()[f"{TASK}_evaluate"]
    assert pipeline.inputs() >= {f"{TASK}.classifier", f"{TASK}.raw"}
    assert not [node for node in pipeline.nodes if "train" in node.name]


@pytest.mark.parametrize(
    ("kind", "branch", "count", "gathered"),
    [("_folds", "fold", FOLDS, "pool"), ("_seeds", "seed", SEEDS, "gather")],
)
def test_runs_are_branches_with_a_node_a_method(
    kind: str, branch: str, count: int, gathered: str
) -> None:
    pipeline = register_pipelines()[TASK + kind]
    branches = {f"{branch}_{k}" for k in range(count)}
    assert rooms(TASK + kind) == {*EXAMPLES, *branches, gathered, "report_classes"}
    for name in branches:
        own = pipeline.filter(node_namespaces=[f"{TASK}.{name}"])
        assert {node.short_name for node in own.nodes} >= set(METHODS)
        # a branch needs nothing of another, and no method waits for one
        assert not [n for n in own.inputs() if f".{branch}_" in n]
        for node in own.nodes:
            if node.short_name in METHODS:
                assert set(node.inputs) <= own.inputs()
        if branch == "fold":
            assert {node.short_name for node in own.nodes} == {*METHODS, "by_cycle", "baselines"}
    assert written("base")["split_patients"]["folds"] == FOLDS
    assert written("base")["runs"]["n_seeds"] == SEEDS


def test_the_methods_are_those_that_can_be_trained() -> None:
    assert METHODS == TRAINED == RESPIRATORY_METHODS == tuple(written("base")["runs"]["methods"])


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_is_classified_is_decoded(kind: str) -> None:
    nodes = register_pipelines()[TASK + kind].nodes
    (pack,) = [node for node in nodes if node.short_name == "pack_waveforms"]
    assert f"{TASK}.examples" in pack.inputs


@pytest.mark.parametrize("kind", KINDS)
def test_every_node_reaches_another_process(kind: str) -> None:
    for node in register_pipelines()[TASK + kind].nodes:
        there = pickle.loads(ForkingPickler.dumps(node))
        assert (there.inputs, there.outputs) == (node.inputs, node.outputs)


@pytest.mark.parametrize("stage", STAGES)
def test_base_spells_out_every_parameter(stage: str) -> None:
    fields = {field.name for field in dataclasses.fields(STAGES[stage])}
    assert set(written("base")[stage]) == fields
    assert stage in KNOWN


def test_no_stage_is_left_over() -> None:
    assert set(written("base")) == set(STAGES)


@pytest.mark.parametrize("recipe", ["ours", "published"])
@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_parameters_build_every_stage(env: str, recipe: str) -> None:
    found = written(env, respiratory_recipe=recipe)
    for stage, kind in STAGES.items():
        assert isinstance(kind(**found[stage]).seed, int)
    # what is heard fits below half the rate at which it is heard
    assert found["train_respiratory"]["f_max"] <= found["featurize"]["sample_rate"] / 2


def test_a_recipe_brings_its_own_rate() -> None:
    assert written("base")["featurize"]["sample_rate"] == 4000
    assert written("base", respiratory_recipe="published")["featurize"]["sample_rate"] == 16_000
    check_recipe("published", CONF, "respiratory_recipe")
    with pytest.raises(ValueError, match="respiratory_recipe=icbhi: the recipes are ours, publ"):
        check_recipe("icbhi", CONF, "respiratory_recipe")


def test_short_names_reach_the_stages() -> None:
    given = {"method": "scl", "network": "cnn10", "panns": "/w/Cnn10_mAP=0.380.pth",
             "protocol": "published", "strict": True}  # fmt: skip
    for recipe in ("ours", "published"):
        found = written("base", respiratory_recipe=recipe, **given)
        taught = found["train_respiratory"]
        assert (taught["method"], taught["network"]) == ("scl", "cnn10")
        assert taught["published"] == "/w/Cnn10_mAP=0.380.pth"
        assert found["split_patients"]["protocol"] == "published"
        assert found["split_patients"]["strict"] is True
    assert {*given, "respiratory_recipe"} <= set(SHORTCUTS)


@pytest.mark.parametrize("kind", ["", "_folds", "_seeds"])
def test_weights_that_are_not_there_stop_a_run_at_its_start(kind: str) -> None:
    nodes = [node.name for node in register_pipelines()[TASK + kind].nodes]
    found = written("test", panns="/nowhere/Cnn6.pth")
    with pytest.raises(ValueError, match=r"train_respiratory\.published: .*/nowhere/Cnn6\.pth"):
        check_task(found, nodes)
    check_task(written("test"), nodes)
    evaluated = [node.name for node in register_pipelines()[f"{TASK}_evaluate"].nodes]
    check_task(found, evaluated)


def test_weights_of_another_network_stop_a_run_at_its_start(tmp_path: Path) -> None:
    weights = tmp_path / "Cnn6.pth"
    torch.save({"model": build_panns("cnn6", 1.0, seed=0).state_dict()}, weights)
    nodes = [node.name for node in register_pipelines()[TASK].nodes]
    check_task(written("test", panns=str(weights)), nodes)
    with pytest.raises(ValueError, match=r"trains cnn10: .* or take --params network=cnn6"):
        check_task(written("test", panns=str(weights), network="cnn10"), nodes)


def test_what_cannot_be_heard_or_dealt_stops_a_run_at_its_start() -> None:
    folds = [node.name for node in register_pipelines()[f"{TASK}_folds"].nodes]
    found = dict(written("test"))
    found["featurize"] = {**found["featurize"], "sample_rate": 2000}
    with pytest.raises(ValueError, match=r"f_max is 1800 Hz.*hold nothing above 1000 Hz"):
        check_task(found, folds)
    found = dict(written("test"))
    found["split_patients"] = {**found["split_patients"], "folds": 10}
    with pytest.raises(ValueError, match="folds is 10, and the pipeline has 5 folds"):
        check_task(found, folds)
    check_task(found, [node.name for node in register_pipelines()[TASK].nodes])
    # what is left of a run that failed
    assert RESPIRATORY_FOLDS == FOLDS
    check_task(written("test"), [name for name in folds if ".fold_1." not in name])


def test_runs_refuse_what_makes_no_sense() -> None:
    for wrong, told in (
        ({"methods": ["ce"]}, r"runs\.methods\[\] must be one of sl, scl, hybrid, mscl, got 'ce'"),
        ({"methods": []}, "a list of methods"),
        ({"methods": ["sl", "sl"]}, "one twice"),
        ({"n_seeds": 11}, r"runs\.n_seeds must lie in \[1, 10\], got 11"),
        ({"by_cycle": "no"}, r"runs\.by_cycle must be"),
    ):
        with pytest.raises(ValueError, match=told):
            params.RunsParams(**wrong)
