"""The house of the scream ensemble: registry, configuration and what the branches are given."""

from __future__ import annotations

import dataclasses
import functools
import pickle
from multiprocessing.reduction import ForkingPickler
from typing import Any

import pytest
from configured import ENVIRONMENTS, parameters_of

from bodysounds import params
from bodysounds.beforehand import STAGES as KNOWN
from bodysounds.beforehand import check_task
from bodysounds.params.ensemble import EnsembleParams
from bodysounds.params.split_sources import SplitSourcesParams
from bodysounds.pipeline_registry import register_pipelines
from bodysounds.pipelines.member import MEMBERS
from bodysounds.scream_pipelines import FOLDS

TASK = "cry_scream_ensemble"
STAGES: dict[str, Any] = {
    "ingest": params.IngestParams,
    "split_sources": SplitSourcesParams,
    "featurize": params.FeaturizeParams,
    "train_yamnet": params.TrainYamnetParams,
    "train_wav2vec2": params.TrainWav2vec2Params,
    "ensemble": EnsembleParams,
    "predict": params.PredictParams,
    "report_classes": params.ReportClassesParams,
}


written = functools.partial(parameters_of, TASK)


def test_the_members_are_rooms_beside_the_stages() -> None:
    rooms = {node.namespace for node in register_pipelines()[TASK].nodes}
    stages = ("ingest", "split_sources", "featurize", *MEMBERS, "ensemble", "report_classes")
    assert rooms == {f"{TASK}.{stage}" for stage in stages}


def test_a_branch_needs_nothing_of_another() -> None:
    pipeline = register_pipelines()[TASK]
    for member in MEMBERS:
        own = pipeline.filter(node_namespaces=[f"{TASK}.{member}"])
        others = [name for name in MEMBERS if name != member]
        assert not [n for n in own.inputs() if any(f".{other}" in n for other in others)]
        trained = {node.short_name for node in own.nodes if "classifier" not in str(node.inputs)}
        assert trained >= {"train", *(f"fold_{k}" for k in range(FOLDS))}
        # nothing that a branch trains waits for something that a branch gives
        free = own.inputs() - own.outputs()
        for node in own.nodes:
            if node.short_name == "train" or node.short_name.startswith("fold_"):
                assert set(node.inputs) <= free
    assert written("base")["split_sources"]["folds"] == FOLDS


def test_evaluation_trains_nothing() -> None:
    pipeline = register_pipelines()[f"{TASK}_evaluate"]
    assert pipeline.inputs() >= {f"{TASK}.bundle", f"{TASK}.raw"}
    assert not [node for node in pipeline.nodes if "train" in node.name or "fold" in node.name]


def test_only_what_is_classified_is_decoded() -> None:
    (pack,) = [n for n in register_pipelines()[TASK].nodes if n.short_name == "pack_waveforms"]
    assert f"{TASK}.examples" in pack.inputs


@pytest.mark.parametrize("name", [TASK, f"{TASK}_evaluate"])
def test_every_node_reaches_another_process(name: str) -> None:
    for node in register_pipelines()[name].nodes:
        there = pickle.loads(ForkingPickler.dumps(node))
        assert (there.inputs, there.outputs) == (node.inputs, node.outputs)


@pytest.mark.parametrize("stage", STAGES)
def test_base_spells_out_every_parameter(stage: str) -> None:
    fields = {field.name for field in dataclasses.fields(STAGES[stage])}
    assert set(written("base")[stage]) == fields
    assert stage in KNOWN


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_parameters_build_every_stage(env: str) -> None:
    for stage, kind in STAGES.items():
        assert isinstance(kind(**written(env)[stage]).seed, int)


def test_the_crops_fit_into_the_windows() -> None:
    for env in ("base", "test"):
        found = written(env)
        for member in MEMBERS:
            assert found[f"train_{member}"]["crop_s"] <= found["split_sources"]["window_s"]


def test_published_weights_come_from_the_command_line() -> None:
    assert written("base")["train_yamnet"]["published"] is None
    found = written("base", yamnet="/w/yamnet.tflite", wav2vec2="facebook/wav2vec2-base")
    assert found["train_yamnet"]["published"] == "/w/yamnet.tflite"
    assert found["train_wav2vec2"]["published"] == "facebook/wav2vec2-base"


@pytest.mark.parametrize("member", list(MEMBERS))
def test_weights_that_are_not_there_stop_a_run_at_its_start(member: str) -> None:
    found = written("test", **{member: "/nowhere/at/all"})
    nodes = [node.name for node in register_pipelines()[TASK].nodes]
    with pytest.raises(ValueError, match=rf"train_{member}\.published: .*/nowhere/at/all"):
        check_task(found, nodes)
    check_task(written("test"), nodes)
