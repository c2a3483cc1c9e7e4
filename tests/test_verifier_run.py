"""A bundle answers as the run did that saved it, in every way that sides are heard and scored."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import FinishedRun

from bodysounds import Verifier
from bodysounds.audio.packed import open_packed
from bodysounds.corpora.base import Corpus
from bodysounds.models.encoder import Encoder, load_encoder, state_sha256
from bodysounds.models.heard import DIGITS
from bodysounds.models.verifier import VerifierBundle, save_verifier
from bodysounds.params import BundleParams, ScorePairsParams, ThresholdParams
from bodysounds.pipelines.bundle.nodes import bundle_up, sample_rates
from bodysounds.pipelines.score_pairs.nodes import score_trials
from bodysounds.pipelines.threshold.nodes import calibrate, choose_operating_point, decide

pytestmark = pytest.mark.usefixtures("one_thread")

COSINE_BOUND, LLR_BOUND = 1e-6, 1e-3
"""Of float32: other batches round products otherwise, and a steep calibration shows it."""
N_TRIALS = 40


class Recordings:
    """The tables of a finished run, and which files each side is."""

    def __init__(self, run: FinishedRun):
        self.manifest = pd.read_parquet(run.results("02_intermediate") / "manifest.parquet")
        self.segments = pd.read_parquet(run.results("02_intermediate") / "segments.parquet")
        self.sides = pd.read_parquet(run.results("02_intermediate") / "sides.parquet")
        self.subsets = pd.read_parquet(run.results("03_primary") / "subsets.parquet")
        self.trials = pd.read_parquet(run.results("03_primary") / "trials.parquet")
        self.waveforms = open_packed(run.results("04_feature") / "waveforms")
        self.descriptors = pd.read_parquet(run.results("04_feature") / "descriptors.parquet")
        paths = self.manifest.set_index("recording_id")["path"]
        ordered = self.sides.sort_values(["side_id", "order", "recording_id"])
        self.files = {
            side: [run.results("01_raw") / paths[name] for name in own]
            for side, own in ordered.groupby("side_id")["recording_id"]
        }

    def tested(self) -> pd.DataFrame:
        """Some test trials, target and not."""
        own = self.trials[self.trials["subset"] == "test"]
        return own.sample(min(N_TRIALS, len(own)), random_state=0)


def check_as_the_run(
    verifier: Verifier, found: Recordings, scores: pd.DataFrame, decisions: pd.DataFrame
) -> None:
    """Ask about test trials by their files, and hold the answers against the run's own."""
    system = "unfiltered" if "unfiltered" in set(scores["system"]) else "ours"
    own = scores[scores["system"] == system].set_index("trial_id")[verifier.about["score"]]
    decided = decisions.set_index("trial_id")
    spread = float(own.std())
    answered = set()
    for trial in found.tested().itertuples():
        sides = [found.files[side] for side in (trial.enrol_id, trial.test_id)]
        answer = verifier.verify(*sides)
        assert answer.abstained is None
        bound = COSINE_BOUND if verifier.about["score"] == "cosine" else 1e-4 * spread
        assert answer.score == pytest.approx(own[trial.trial_id], abs=bound)
        if system == "ours":
            row = decided.loc[trial.trial_id]
            assert answer.llr == pytest.approx(row["llr"], abs=LLR_BOUND, nan_ok=True)
            near = abs(answer.score - answer.threshold) < bound
            assert answer.same == bool(row["decision"]) or near
            answered.add(answer.same)
    assert spread > 100 * bound
    assert answered in ({True, False}, set())


@pytest.mark.parametrize("fixture", ["finished_run", "finished_speakers"])
def test_the_bundle_of_a_run_answers_as_the_run(
    fixture: str, request: pytest.FixtureRequest
) -> None:
    run: FinishedRun = request.getfixturevalue(fixture)
    path = max((run.results("06_models") / "bundle").glob("*/bundle"))

    def saved(layer: str, name: str) -> Path:
        """A result of the run that saved the bundle: other pipelines may have run since."""
        return run.results(layer) / name / path.parent.name / name

    verifier = Verifier.load(path.parent.parent, device="cpu")
    scores = pd.read_parquet(saved("07_model_output", "scores.parquet"))
    decisions = pd.read_parquet(saved("07_model_output", "decisions.parquet"))
    check_as_the_run(verifier, Recordings(run), scores, decisions)

    about = verifier.about
    point = json.loads(saved("07_model_output", "operating_point.json").read_text())
    metrics = json.loads(saved("08_reporting", "metrics.json").read_text())
    calibration = json.loads(saved("07_model_output", "calibration.json").read_text())
    assert {**about["threshold"], "calibration": calibration} == point
    assert about["calibration"] == calibration["ours"]
    assert about["headline"] == metrics["headline"]
    assert about["task"] == run.task
    assert about["corpus"]["synthetic"] is True
    card = saved("08_reporting", "model_card.md").read_text(encoding="utf-8")
    assert verifier.bundle.card == card
    assert about["sha256"]["encoder"] == state_sha256(load_encoder(path).state)
    manifest = pd.read_parquet(run.results("02_intermediate") / "manifest.parquet")
    assert set(about["sample_rates"]) <= set(manifest["sample_rate"].astype(str))
    assert sum(about["sample_rates"].values()) == pytest.approx(1)
    assert about["threshold"]["test"]["n_target_subjects"] > 0
    # nothing of the machine's folders leaves with the model
    assert str(run.project) not in json.dumps(about)


def test_the_rates_that_taught_are_those_of_train_that_it_has_heard() -> None:
    manifest = pd.DataFrame(
        {
            "recording_id": list("abcde"),
            "sha256": [letter * 64 for letter in "abcde"],
            "sample_rate": [8000, 8000, 16_000, 44_100, 48_000],
        }
    )
    # the last of train taught another one
    subsets = pd.DataFrame({"recording_id": list("abcde"), "subset": ["train"] * 3 + ["test"] * 2})
    subsets.loc[4, "subset"] = "train"
    encoder = Encoder({}, {}, {}, training={"heard": [letter * DIGITS for letter in "abcd"]})
    found = sample_rates(encoder, manifest, subsets)
    assert found == {"8000": pytest.approx(2 / 3), "16000": pytest.approx(1 / 3)}
    assert sample_rates(Encoder({}, {}, {}), manifest, subsets) == {}


VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "windows": ({"embed": "windows", "window_s": 0.6, "hop_s": 0.25}, {}),
    "loud": ({"embed": "loud", "loud_share": 0.3}, {"calibrate_durations": True}),
    "first": ({"embed": "first", "first_s": 0.7, "max_side_s": 0.9}, {"policy": "far", "far": 0.1}),
    "normalised": ({"cohort_top_k": 5}, {"score": "normalised"}),
    "centred": ({"centre": ["ours"], "cohort_subjects": 9}, {"calibrate_durations": True}),
    "centred and normalised": (
        {"centre": ["ours"], "cohort_subjects": 12, "embed": "windows", "window_s": 0.5,
         "hop_s": 0.5},
        {"score": "normalised", "calibrate_durations": True, "policy": "prior"},
    ),
    "of one sex": ({"sex_filter": "known"}, {}),
}  # fmt: skip


@pytest.fixture(scope="module")
def recordings(finished_run: FinishedRun) -> Recordings:
    return Recordings(finished_run)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_way_to_hear_and_score(
    finished_run: FinishedRun, recordings: Recordings, tmp_path: Path, variant: str
) -> None:
    changed, decided = VARIANTS[variant]
    if "sex_filter" in changed:
        recordings = _with_sexes(recordings)
    made, scores, decisions = _run_again(finished_run, recordings, changed, decided)
    save_verifier(tmp_path / "bundle", made)
    needs = variant in ("normalised", "centred", "centred and normalised")
    assert (tmp_path / "bundle" / "cohort.safetensors").exists() == needs
    verifier = Verifier.load(tmp_path / "bundle", device="cpu")
    check_as_the_run(verifier, recordings, scores, decisions)
    assert any("two sexes" in limit for limit in verifier.about["limits"]) == (
        variant == "of one sex"
    )
    trial = recordings.tested().iloc[0]
    verifier.enrol("enrolled", recordings.files[trial["enrol_id"]])
    (candidate,) = verifier.identify(recordings.files[trial["test_id"]]).candidates
    system = "unfiltered" if variant == "of one sex" else "ours"
    own = scores[(scores["system"] == system) & (scores["trial_id"] == trial["trial_id"])]
    assert candidate.score == pytest.approx(own[verifier.about["score"]].item(), rel=1e-3)


def _with_sexes(recordings: Recordings) -> Recordings:
    other = object.__new__(Recordings)
    other.__dict__.update(recordings.__dict__)
    codes = pd.factorize(recordings.manifest["subject_id"])[0]
    other.manifest = recordings.manifest.assign(sex=np.where(codes % 2, "f", "m"))
    return other


def _run_again(
    run: FinishedRun, found: Recordings, changed: dict[str, Any], decided: dict[str, Any]
) -> tuple[VerifierBundle, pd.DataFrame, pd.DataFrame]:
    """Score, choose and bundle as the nodes do, with other parameters; return decisions too."""
    scoring = replace(ScorePairsParams(device="cpu", systems=["ours"], pretrained=None), **changed)
    threshold = replace(ThresholdParams(n_bootstrap=10), **decided)
    encoder = load_encoder(run.results("06_models") / "encoder.safetensors")
    tables = (found.waveforms, found.segments, found.sides, found.manifest, found.subsets)
    _, _, scores = score_trials(encoder, encoder, *tables, found.trials, found.descriptors, scoring)
    joined = (scores, found.trials, found.sides, found.manifest)
    llrs, calibration = calibrate(*joined, found.segments, threshold)
    point = choose_operating_point(*joined, calibration, threshold)
    made = bundle_up(
        encoder, point, calibration, {"headline": {}}, "card", *tables,
        Corpus(run.results("01_raw"), "demo", "demo"), scoring, BundleParams(), task=run.task,
    )  # fmt: skip
    return made, scores, decide(scores, found.trials, point, llrs)
