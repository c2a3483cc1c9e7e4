"""The house of identification: registry, configuration and what the node functions are given."""

from __future__ import annotations

import dataclasses
import functools

import pytest
import yaml
from configured import CONF, ENVIRONMENTS, parameters_of

from bodysounds import params
from bodysounds.pipeline_registry import register_pipelines

TASK = "speaker_identification"
STAGES = {
    "ingest": params.IngestParams,
    "split_closed": params.SplitClosedParams,
    "featurize": params.FeaturizeParams,
    "train_classifier": params.TrainClassifierParams,
    "predict": params.PredictParams,
    "report_classes": params.ReportClassesParams,
}
RECIPES = list(
    yaml.safe_load((CONF / "base" / "parameters_classifier_recipes.yml").read_text())[
        "_classifiers"
    ]
)


written = functools.partial(parameters_of, TASK)


def test_a_task_is_six_rooms() -> None:
    rooms = {node.namespace for node in register_pipelines()[TASK].nodes}
    assert rooms == {f"{TASK}.{stage}" for stage in STAGES}


def test_evaluation_trains_nothing() -> None:
    pipeline = register_pipelines()[f"{TASK}_evaluate"]
    assert pipeline.inputs() >= {f"{TASK}.classifier", f"{TASK}.raw"}
    assert not [node for node in pipeline.nodes if "train" in node.name]


def test_only_what_is_classified_is_decoded() -> None:
    (pack,) = [n for n in register_pipelines()[TASK].nodes if n.short_name == "pack_waveforms"]
    assert f"{TASK}.examples" in pack.inputs
    assert f"{TASK}.segments" not in pack.inputs


@pytest.mark.parametrize("stage", STAGES)
def test_base_spells_out_every_parameter(stage: str) -> None:
    fields = {field.name for field in dataclasses.fields(STAGES[stage])}
    assert set(written("base")[stage]) == fields


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_parameters_build_every_stage(env: str) -> None:
    for stage, kind in STAGES.items():
        assert isinstance(kind(**written(env)[stage]).seed, int)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_chosen_by_its_name(recipe: str) -> None:
    chosen = params.TrainClassifierParams(
        **written("base", classifier_recipe=recipe)["train_classifier"]
    )
    assert (chosen.ccl_reg > 0) == ("ccl" in recipe)
    assert (chosen.size == 224) == (recipe != "ours")


def test_short_names_reach_the_split() -> None:
    split = written("base", n_speakers=30, resplit=True)["split_closed"]
    assert (split["n_speakers"], split["resplit"]) == (30, True)
