"""The house: registry, configuration, catalog and what a start imports."""

from __future__ import annotations

import dataclasses
import functools
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
from bodysounds.corpora.demos import DEMOS
from bodysounds.pipeline_registry import RECIPES, register_pipelines

ENVIRONMENTS = (
    "base", "local", "test", "cry_scream", "cryceleb", "donateacry", "emogator", "folder",
    "icbhi", "voxceleb", "zalo",
)  # fmt: skip
VERIFICATIONS = ("cry_verification", "speaker_verification")
STAGES = {
    "ingest": params.IngestParams,
    "split": params.SplitParams,
    "featurize": params.FeaturizeParams,
    "train_embedding": params.TrainEmbeddingParams,
    "score_pairs": params.ScorePairsParams,
    "threshold": params.ThresholdParams,
    "report": params.ReportParams,
    "bundle": params.BundleParams,
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


@functools.cache
def parameters_of(project_dir: Path, env: str, **runtime: Any) -> dict[str, Any]:
    """The parameters of every task, which take a while to read."""
    return config(project_dir, env, **runtime)["parameters"]


@pytest.fixture(scope="module")
def context(project_dir: Path) -> KedroContext:
    bootstrap_project(project_dir)
    with KedroSession.create(project_dir, env="test") as session:
        return session.load_context()


def test_the_default_is_cry_verification() -> None:
    pipelines = register_pipelines()
    assert set(pipelines) >= {"cry_verification", "cry_verification_evaluate", "__default__"}
    assert pipelines["__default__"].nodes == pipelines["cry_verification"].nodes


@pytest.mark.parametrize("task", VERIFICATIONS)
def test_a_task_is_nine_rooms(task: str) -> None:
    rooms = {node.namespace for node in register_pipelines()[task].nodes}
    # the data inspection has no parameters of its own
    assert rooms == {f"{task}.{stage}" for stage in (*STAGES, "inspect")}


@pytest.mark.parametrize("task", VERIFICATIONS)
def test_evaluation_trains_nothing(task: str) -> None:
    pipeline = register_pipelines()[f"{task}_evaluate"]
    assert f"{task}.encoder" in pipeline.inputs()
    assert not [node for node in pipeline.nodes if "train" in node.name]


def test_a_verification_has_the_pipelines_of_every_other() -> None:
    names = set(register_pipelines())
    for task in VERIFICATIONS:
        for kind in ("", "_evaluate", "_folds", "_recipes"):
            assert task + kind in names


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
    parameters = parameters_of(project_dir, env)
    for task in VERIFICATIONS:
        for stage, kind in STAGES.items():
            built = kind(**parameters[task][stage])
            assert isinstance(built.seed, int)


@pytest.mark.parametrize("task", VERIFICATIONS)
@pytest.mark.parametrize("stage", STAGES)
def test_base_spells_out_every_parameter(stage: str, task: str, project_dir: Path) -> None:
    written = parameters_of(project_dir, "base")[task][stage]
    assert set(written) == {field.name for field in dataclasses.fields(STAGES[stage])}


def test_one_parameter_on_the_command_line_keeps_the_others(project_dir: Path) -> None:
    changed = {"cry_verification": {"train_embedding": {"epochs": 3}}}
    parameters = config(project_dir, "test", **changed)["parameters"]["cry_verification"]
    assert parameters["train_embedding"]["epochs"] == 3
    assert parameters["train_embedding"]["channels"] == 16
    assert parameters["split"]["enrol_session"] == "B"


@pytest.mark.parametrize("task", VERIFICATIONS)
@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_a_corpus_changes_a_recipe_by_its_name(env: str, task: str, project_dir: Path) -> None:
    recipes = parameters_of(project_dir, env)[task]["recipes"]
    assert set(recipes) >= set(RECIPES)
    for name, written in recipes.items():
        chosen = parameters_of(project_dir, env, recipe=name)[task]
        assert chosen["train_embedding"] == written
        params.TrainEmbeddingParams(**written)
    # what a corpus asks of ours leaves the published recipes as they are published
    assert recipes["aam_baseline"]["learning_rate"] == 1e-4
    assert recipes["triplet_2023"]["learning_rate"] == 1e-3


def test_speakers_have_recipes_of_their_own(project_dir: Path) -> None:
    parameters = parameters_of(project_dir, "base")
    cries, speakers = (parameters[task]["recipes"] for task in VERIFICATIONS)
    assert list(cries) == list(speakers)
    assert cries["aam_baseline"]["train_session"] == "B"
    # nobody but cries has a period B: no recipe may ask for one
    assert {recipe["train_session"] for recipe in speakers.values()} == {None}
    assert {recipe["validate_session"] for recipe in speakers.values()} == {None}
    # in test, too, a task's recipes are changed apart
    small = parameters_of(project_dir, "test")
    for task in VERIFICATIONS:
        assert {recipe["channels"] for recipe in small[task]["recipes"].values()} == {16}


@pytest.mark.parametrize("env", ["base", "test"])
def test_every_task_with_a_demo_says_how_large_it_is(env: str, project_dir: Path) -> None:
    written = config(project_dir, env)["catalog"]["{task}.raw"]["demo"]
    assert set(written) == set(DEMOS)
    for task, demo in DEMOS.items():
        demo.params(**written[task])
    controls = {"shared_identity": True, "shuffled_labels": True, "constant_channel": True}
    seeded = config(project_dir, env, demo_seed=7, n_train=33, **controls)["catalog"]
    for fields in seeded["{task}.raw"]["demo"].values():
        assert (fields["seed"], fields["n_train"]) == (7, 33)
        assert [value for value in fields.values() if isinstance(value, bool)] == [True, True]


def test_an_environment_is_a_corpus(project_dir: Path) -> None:
    folders = {env: config(project_dir, env)["globals"]["corpus"] for env in ENVIRONMENTS[2:]}
    assert folders == {env: env for env in ENVIRONMENTS[2:]}


def test_raw_comes_from_the_command_line(project_dir: Path) -> None:
    catalog = config(project_dir, "donateacry", raw="/elsewhere")["catalog"]
    assert catalog["{task}.raw"]["filepath"] == "/elsewhere"


def test_a_challenge_keeps_its_own_protocol(project_dir: Path) -> None:
    zalo = parameters_of(project_dir, "zalo")["speaker_verification"]
    assert zalo["threshold"]["policy"] == "prior"
    assert (zalo["split"]["test_share"], zalo["ingest"]["duplicates"]) == (0.0, "drop")
    catalog = config(project_dir, "voxceleb", trials="H-cleaned")["catalog"]
    assert catalog["{task}.raw"]["options"] == {"trials": "H-cleaned"}
    # a list compares speakers that were never heard, a closed set has no others
    assert catalog["speaker_identification.raw"]["options"] == {"identification": True}


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
