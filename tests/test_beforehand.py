"""What would fail at the end of a run is said before it starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import FinishedRun, kedro

from bodysounds.beforehand import SHORTCUTS, STAGES, check_names, check_task
from bodysounds.models.encoder import Encoder, save_encoder, untrained
from bodysounds.params import FeaturizeParams, ScorePairsParams, ThresholdParams, plain

TRAIN = "task.train_embedding.train"
SCORE = "task.score_pairs.score_trials"


def parameters(**changes: dict[str, Any]) -> dict[str, Any]:
    own = {
        "featurize": FeaturizeParams(),
        "score_pairs": ScorePairsParams(),
        "threshold": ThresholdParams(),
        "train_embedding": {"init_from": None},
        "recipes": {"ours": {"init_from": None}, "other": {"init_from": "/nowhere/other"}},
    }
    return {stage: plain(values) | changes.get(stage, {}) for stage, values in own.items()}


def test_scores_that_decide_must_come_to_be() -> None:
    given = parameters(threshold={"score": "normalised"}, score_pairs={"cohort_subjects": 0})
    with pytest.raises(ValueError, match=r"cohort_subjects is 0.*set threshold\.score to cosine"):
        check_task(given, [TRAIN, SCORE])
    check_task(given, ["task.split.list_trials"])
    check_task(parameters(threshold={"score": "normalised"}), [TRAIN, SCORE])


def test_encoders_are_looked_for_where_they_are_used() -> None:
    given = parameters(score_pairs={"pretrained": "/nowhere/at/all"})
    with pytest.raises(ValueError, match=r"score_pairs\.pretrained: /nowhere/at/all does not"):
        check_task(given, [SCORE])
    check_task(given, [TRAIN])
    given = parameters(train_embedding={"init_from": "/nowhere/else"})
    with pytest.raises(ValueError, match=r"train_embedding\.init_from: /nowhere/else does not"):
        check_task(given, [TRAIN])
    check_task(given, [SCORE, "task.recipe_ours.train_embedding.train"])
    with pytest.raises(ValueError, match="/nowhere/other does not exist"):
        check_task(given, ["task.recipe_other.train_embedding.train"])


def test_a_frozen_encoder_hears_at_the_rate_of_the_waveforms(tmp_path: Path) -> None:
    network = {"name": "ecapa", "n_mels": 24, "channels": 8, "depth": 1, "dim": 4}
    heard = {"name": "speechbrain", "sample_rate": 16_000, "n_mels": 24, "mean_over": "band"}
    path = tmp_path / "encoder.safetensors"
    save_encoder(path, untrained(Encoder({}, network, heard), seed=0))
    given = parameters(score_pairs={"pretrained": str(path)})
    check_task(given, [SCORE])
    given["featurize"]["sample_rate"] = 8_000
    with pytest.raises(ValueError, match=r"made for 16000 Hz, and featurize\.sample_rate is 8000"):
        check_task(given, [SCORE])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"chanels": 16}, "--params chanels is read by nothing: did you mean channels?"),
        ({"task": {"threshhold": {"far": 1}}}, "--params task.threshhold is read by nothing: did"),
        ({"taks": {"threshold": {}}}, "--params taks is read by nothing: did you mean task?"),
        ({"zzz": 1}, "--params zzz is read by nothing: there are audio_budget_s,"),
    ],
)
def test_mistyped_parameters_are_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        check_names(given, ["task", "other"])


def test_known_parameters_pass(project_dir: Path) -> None:
    check_names({"channels": 16, "task": {"threshold": {"far": 1}}}, ["task"])
    texts = [path.read_text() for path in (project_dir / "conf").rglob("*.yml")]
    read = {name for text in texts for name in re.findall(r"runtime_params:(\w+)", text)}
    assert set(SHORTCUTS) == read
    base = project_dir / "conf" / "base"
    files = [path for path in base.glob("parameters_*.yml") if "recipes" not in path.name]
    tasks = [yaml.safe_load(path.read_text()) for path in files]
    assert len(tasks) >= 4
    stages = [stage for task in tasks for own in task.values() for stage in own]
    assert set(STAGES) == set(stages)


def test_a_run_stops_before_its_first_node(finished_run: FinishedRun) -> None:
    done = kedro(
        finished_run.project, "run", "--env=test", "--params=pretrained=/nowhere", check=False
    )
    assert done.returncode != 0
    assert "score_pairs.pretrained: /nowhere does not exist" in re.sub(r"\s+", " ", done.stdout)
    assert "Completed node" not in done.stdout
    done = kedro(
        finished_run.project, "run", "--env=test", "--pipelines=cry_verification_evaluate",
        "--params=encoder=/nope", check=False,
    )  # fmt: skip
    assert "encoder: /nope does not exist" in re.sub(r"\s+", " ", done.stdout)
    done = kedro(finished_run.project, "run", "--env=test", "--params=recipe=our", check=False)
    said = re.sub(r"\s+", " ", done.stdout)
    assert "recipe=our: the recipes are ours, aam_baseline, triplet_2023" in said


def test_another_sample_rate_reaches_the_encoder(finished_run: FinishedRun, tmp_path: Path) -> None:
    from bodysounds.audio.packed import open_packed
    from bodysounds.models.encoder import load_encoder

    kedro(
        finished_run.project,
        "run",
        "--env=test",
        "--to-nodes=cry_verification.train_embedding.train",
        f"--params=data={tmp_path},cry_verification.featurize.sample_rate=8000,"
        "cry_verification.train_embedding.epochs=1",
    )
    packed = open_packed(tmp_path / "04_feature" / "test" / "cry_verification" / "waveforms")
    encoder = load_encoder(
        tmp_path / "06_models" / "test" / "cry_verification" / "encoder.safetensors"
    )
    assert packed.sample_rate == encoder.front_end["sample_rate"] == 8_000
    seconds = packed.index["n_samples"].sum() / 8_000
    usual = open_packed(finished_run.results("04_feature") / "waveforms")
    assert seconds == pytest.approx(usual.index["n_samples"].sum() / 16_000, rel=0.01)


def test_a_stage_without_its_task_is_told_its_whole_name() -> None:
    with pytest.raises(ValueError, match=r"below its task, as some_task\.split$"):
        check_names({"split": {"dev_share": 0.4}}, ["some_task"])
