"""The house: registry, configuration, catalog and what a start imports."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from kedro.config import OmegaConfigLoader
from kedro.framework.context import KedroContext
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from bodysounds import params
from bodysounds.pipeline_registry import RECIPES, register_pipelines

ENVIRONMENTS = ("base", "local", "test", "cryceleb", "donateacry", "emogator", "folder")
STAGES = {
    "ingest": params.IngestParams,
    "split": params.SplitParams,
    "featurize": params.FeaturizeParams,
    "train_embedding": params.TrainEmbeddingParams,
    "score_pairs": params.ScorePairsParams,
    "threshold": params.ThresholdParams,
    "report": params.ReportParams,
}


def config(project_dir: Path, env: str, **runtime: Any) -> OmegaConfigLoader:
    return OmegaConfigLoader(
        str(project_dir / "conf"),
        env=env,
        base_env="base",
        default_run_env="local",
        runtime_params=runtime,
        merge_strategy={"parameters": "soft"},
    )


@pytest.fixture
def context(project_dir: Path) -> KedroContext:
    bootstrap_project(project_dir)
    with KedroSession.create(project_dir, env="test") as session:
        return session.load_context()


def test_the_default_is_cry_verification() -> None:
    pipelines = register_pipelines()
    assert set(pipelines) >= {"cry_verification", "cry_verification_evaluate", "__default__"}
    assert pipelines["__default__"].nodes == pipelines["cry_verification"].nodes


def test_a_task_is_seven_rooms() -> None:
    rooms = {node.namespace for node in register_pipelines()["cry_verification"].nodes}
    assert rooms == {f"cry_verification.{stage}" for stage in STAGES}


def test_evaluation_trains_nothing() -> None:
    pipeline = register_pipelines()["cry_verification_evaluate"]
    assert "cry_verification.encoder" in pipeline.inputs()
    assert not [node for node in pipeline.nodes if "train" in node.name]


@pytest.mark.parametrize("name", sorted(register_pipelines()))
def test_every_node_is_named(name: str) -> None:
    for node in register_pipelines()[name].nodes:
        assert "__" not in node.short_name, node


@pytest.mark.parametrize("name", sorted(register_pipelines()))
def test_every_dataset_is_stored_in_a_layer(name: str, context: KedroContext) -> None:
    catalog = context.catalog
    for dataset in sorted(register_pipelines()[name].datasets()):
        if dataset.startswith("params:") or dataset == "parameters":
            continue
        entry = catalog[dataset]
        assert type(entry).__name__ != "MemoryDataset", f"{dataset} is in no catalog"
        assert entry.metadata["kedro-viz"]["layer"], dataset


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_parameters_build_every_stage(env: str, project_dir: Path) -> None:
    parameters = config(project_dir, env)["parameters"]
    for stage, kind in STAGES.items():
        built = kind(**parameters["cry_verification"][stage])
        assert isinstance(built.seed, int)


@pytest.mark.parametrize("stage", STAGES)
def test_base_spells_out_every_parameter(stage: str, project_dir: Path) -> None:
    written = config(project_dir, "base")["parameters"]["cry_verification"][stage]
    assert set(written) == {field.name for field in dataclasses.fields(STAGES[stage])}


def test_one_parameter_on_the_command_line_keeps_the_others(project_dir: Path) -> None:
    changed = {"cry_verification": {"train_embedding": {"epochs": 3}}}
    parameters = config(project_dir, "test", **changed)["parameters"]["cry_verification"]
    assert parameters["train_embedding"]["epochs"] == 3
    assert parameters["train_embedding"]["channels"] == 16
    assert parameters["split"]["enrol_session"] == "B"


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_a_corpus_changes_a_recipe_by_its_name(env: str, project_dir: Path) -> None:
    recipes = config(project_dir, env)["parameters"]["cry_verification"]["recipes"]
    assert set(recipes) == set(RECIPES)
    for name, written in recipes.items():
        chosen = config(project_dir, env, recipe=name)["parameters"]["cry_verification"]
        assert chosen["train_embedding"] == written
        params.TrainEmbeddingParams(**written)
    # what a corpus asks of ours leaves the published recipes as they are published
    assert recipes["aam_baseline"]["learning_rate"] == 1e-4
    assert recipes["triplet_2023"]["learning_rate"] == 1e-3


def test_an_environment_is_a_corpus(project_dir: Path) -> None:
    folders = {env: config(project_dir, env)["globals"]["corpus"] for env in ENVIRONMENTS[2:]}
    assert folders == {env: env for env in ENVIRONMENTS[2:]}


def test_raw_comes_from_the_command_line(project_dir: Path) -> None:
    catalog = config(project_dir, "donateacry", raw="/elsewhere")["catalog"]
    assert catalog["{task}.raw"]["filepath"] == "/elsewhere"


def test_an_unknown_recipe_is_named(project_dir: Path) -> None:
    with pytest.raises(Exception, match="nonsense"):
        config(project_dir, "base", recipe="nonsense")["parameters"]


def test_nodes_annotate_their_parameters() -> None:
    for node in register_pipelines()["cry_verification"].nodes:
        if any(name.startswith("params:") for name in node.inputs):
            hints = get_type_hints(node.func)
            assert any(dataclasses.is_dataclass(hint) for hint in hints.values()), node


def test_a_start_imports_nothing_heavy(project_dir: Path) -> None:
    script = (
        "import sys\n"
        "from kedro.framework.startup import bootstrap_project\n"
        "from kedro.framework.project import pipelines\n"
        f"bootstrap_project({str(project_dir)!r})\n"
        "assert 'cry_verification' in dict(pipelines)\n"
        "heavy = {'torch', 'torchaudio', 'speechbrain', 'transformers', 'pandas', 'sklearn',\n"
        "         'matplotlib', 'scipy', 'numpy', 'soundfile'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=project_dir
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("kind", "wrong", "message"),
    [
        (params.SplitParams, {"test_share": 2}, r"split.test_share must lie in \[0, 1\], got 2"),
        (params.SplitParams, {"dev_share": 0.6, "test_share": 0.6}, "must not exceed 1"),
        (params.SplitParams, {"enrol_session": "B"}, "go together"),
        (params.SplitParams, {"max_trials": 0}, "at least 1 or null"),
        (params.TrainEmbeddingParams, {"channels": 20}, "multiple of 8, got 20"),
        (params.TrainEmbeddingParams, {"dim": "abc"}, "train_embedding.dim must be a number"),
        (params.TrainEmbeddingParams, {"losses": []}, "losses is empty"),
        (params.TrainEmbeddingParams, {"losses": [{"name": "magic"}]}, "got 'magic'"),
        (params.TrainEmbeddingParams, {"augment": [{"name": "echo"}]}, "got 'echo'"),
        (params.TrainEmbeddingParams, {"crop_s": [3, 2]}, "shortest, longest"),
        (params.TrainEmbeddingParams, {"front_end": "mel"}, "got 'mel'"),
        (params.ScorePairsParams, {"systems": ["mfcc"]}, "must contain ours"),
        (params.ThresholdParams, {"policy": "best"}, "far, balanced, prior, got 'best'"),
        (params.ReportParams, {"weighting": "baby"}, "trial, subject, got 'baby'"),
    ],
)
def test_parameters_refuse_what_makes_no_sense(
    kind: type, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**wrong)
