"""Each stage's nodes, one after the other, on a small demo and without a session."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from matplotlib.figure import Figure

from bodysounds.audio.packed import Packed, write_packed
from bodysounds.corpora.base import Corpus
from bodysounds.corpora.demo import DemoParams, synthesise
from bodysounds.figures.picture import Picture
from bodysounds.params import (
    FeaturizeParams,
    IngestParams,
    ReportParams,
    ScorePairsParams,
    SplitParams,
    ThresholdParams,
    TrainEmbeddingParams,
)
from bodysounds.pipelines import split
from bodysounds.pipelines.featurize import nodes as featurize
from bodysounds.pipelines.fold import nodes as fold
from bodysounds.pipelines.ingest import nodes as ingest
from bodysounds.pipelines.recipe import nodes as recipe
from bodysounds.pipelines.report import nodes as report
from bodysounds.pipelines.score_pairs import nodes as score_pairs
from bodysounds.pipelines.split import nodes as split_nodes
from bodysounds.pipelines.threshold import nodes as threshold
from bodysounds.pipelines.train_embedding import nodes as train_embedding

SPLIT = SplitParams(enrol_session="B", test_session="D")


class Stages:
    """The results of each stage, made when a test first asks for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        synthesise(folder / "raw", DemoParams(n_train=8, n_train_one_period=1, n_dev=4, n_test=5))
        self.raw = Corpus(folder / "raw", "cryceleb", "demo", synthetic=True)

    @cache  # noqa: B019
    def ingest(self) -> dict[str, pd.DataFrame]:
        names = ("manifest", "rejected", "segments", "sides", "listed_trials")
        return dict(zip(names, ingest.read_corpus(self.raw, IngestParams()), strict=True))

    @cache  # noqa: B019
    def split(self) -> dict[str, pd.DataFrame]:
        tables = self.ingest()
        subsets = split_nodes.assign_subsets(tables["manifest"], SPLIT)
        trials = split_nodes.list_trials(
            tables["sides"], tables["manifest"], subsets, tables["listed_trials"], SPLIT
        )
        return {"subsets": subsets, "trials": trials}

    @cache  # noqa: B019
    def featurize(self) -> tuple[Packed, pd.DataFrame]:
        tables = self.ingest()
        pieces = featurize.pack_waveforms(
            self.raw, tables["manifest"], tables["segments"], FeaturizeParams()
        )
        packed = write_packed(self.folder / "waveforms", pieces, 16_000)
        return packed, featurize.describe_segments(packed, FeaturizeParams())

    def tables(self) -> list[Any]:
        own = self.ingest()
        joined = [own[name] for name in ("segments", "sides", "manifest")]
        return [self.featurize()[0], *joined, *self.split().values()]

    @cache  # noqa: B019
    def train(self) -> tuple[Any, Any, pd.DataFrame]:
        params = TrainEmbeddingParams(
            channels=16,
            depth=1,
            dim=8,
            subjects_per_batch=4,
            crops_per_subject=2,
            crop_s=[0.8, 0.8],
            epochs=2,
            device="cpu",
            work_dir=str(self.folder / "work"),
        )
        return train_embedding.train(*self.tables(), params)

    @cache  # noqa: B019
    def score(self) -> tuple[dict[str, np.ndarray], pd.DataFrame, pd.DataFrame]:
        params = ScorePairsParams(device="cpu")
        encoder, dev_encoder, _ = self.train()
        return score_pairs.score_trials(
            encoder, dev_encoder, *self.tables(), self.featurize()[1], params
        )

    @cache  # noqa: B019
    def calibrate(self) -> tuple[pd.DataFrame, dict[str, Any]]:
        own = self.ingest()
        tables = (own[name] for name in ("sides", "manifest", "segments"))
        return threshold.calibrate(
            self.score()[2], self.split()["trials"], *tables, ThresholdParams()
        )

    @cache  # noqa: B019
    def threshold(self) -> tuple[dict[str, Any], pd.DataFrame]:
        own, trials, scores = self.ingest(), self.split()["trials"], self.score()[2]
        params = ThresholdParams(n_bootstrap=20)
        llrs, calibration = self.calibrate()
        point = threshold.choose_operating_point(
            scores, trials, own["sides"], own["manifest"], calibration, params
        )
        return point, threshold.decide(scores, trials, point, llrs)

    @cache  # noqa: B019
    def measure(self) -> dict[str, Any]:
        own, divided = self.ingest(), self.split()
        return report.measure(
            self.score()[2],
            divided["trials"],
            own["sides"],
            own["manifest"],
            self.featurize()[1],
            own["segments"],
            self.threshold()[0],
            self.calibrate()[0],
            divided["subsets"],
            self.raw,
            ReportParams(n_bootstrap=20),
        )


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Stages:
    torch.set_num_threads(1)  # tiny networks lose to the threads' own cost
    return Stages(tmp_path_factory.mktemp("stages"))


def test_ingest_reads_every_cry(stages: Stages) -> None:
    tables = stages.ingest()
    listed = pd.read_csv(stages.raw.root / "metadata.csv", dtype=str)
    assert sorted(tables["manifest"]["recording_id"]) == sorted(listed["file_id"])
    assert tables["rejected"].empty
    assert len(tables["listed_trials"]) == 4 * 4 + 5 * 5


def test_split_keeps_babies_apart(stages: Stages) -> None:
    divided, manifest = stages.split(), stages.ingest()["manifest"]
    subset = divided["subsets"].merge(manifest, on="recording_id").groupby("subject_id")["subset"]
    assert (subset.nunique() == 1).all()
    assert subset.first().value_counts().to_dict() == {"train": 9, "test": 5, "dev": 4}
    assert divided["trials"].groupby("subset")["target"].sum().to_dict() == {"dev": 4, "test": 5}


def test_featurize_packs_what_was_decoded(stages: Stages) -> None:
    packed, descriptors = stages.featurize()
    manifest = stages.ingest()["manifest"]
    assert len(packed.samples) == round((manifest["duration_s"] * 16_000).sum())
    assert descriptors["segment_id"].tolist() == packed.index["segment_id"].tolist()


def test_train_chooses_the_epoch_with_the_lowest_dev_eer(stages: Stages) -> None:
    encoder, dev_encoder, history = stages.train()
    assert dev_encoder is encoder
    assert len(history) == 2
    chosen = history[history["chosen"]]
    assert chosen["dev_eer"].item() == history["dev_eer"].min()
    assert encoder.architecture["channels"] == 16
    assert isinstance(train_embedding.draw_training(history, stages.raw), Figure)


def test_score_pairs_scores_each_trial_by_each_system(stages: Stages) -> None:
    embeddings, index, scores = stages.score()
    assert set(embeddings) == {"ours", "untrained", "mfcc"}
    assert embeddings["ours"].shape == (len(index), 8)
    counts = scores["system"].value_counts().to_dict()
    assert counts == dict.fromkeys(("ours", "untrained", "mfcc", "random"), 4 * 4 + 5 * 5)


def test_threshold_comes_from_dev(stages: Stages) -> None:
    point, decisions = stages.threshold()
    trials, scores = stages.split()["trials"], stages.score()[2]
    ours = trials.merge(scores[scores["system"] == "ours"], on="trial_id")
    dev = ours[ours["subset"] == "dev"]
    accepted = dev["cosine"] >= point["threshold"]
    assert point["dev"]["far"] == pytest.approx(accepted[dev["target"] == 0].mean())
    assert point["dev"]["frr"] == pytest.approx(1 - accepted[dev["target"] == 1].mean())
    assert len(decisions) == 25
    assert decisions["llr"].notna().all()
    llrs, calibration = stages.calibrate()
    assert point["calibration"] == calibration
    assert llrs["llr"].notna().all()


def test_report_draws_measures_and_submits(stages: Stages) -> None:
    metrics, point = stages.measure(), stages.threshold()[0]
    scores, trials = stages.score()[2], stages.split()["trials"]
    assert metrics["headline"]["subset"] == "test"
    assert metrics["test"]["ours"]["n_target"] == 5
    figures = report.draw(scores, trials, metrics, point)
    assert all(isinstance(figure, Figure) for figure in figures)
    made = report.submit(scores, trials, point, stages.raw)
    sample = pd.read_csv(stages.raw.root / "sample_submission.csv", dtype=str)
    assert made["id"].tolist() == sample["id"].tolist()

    own = stages.ingest()
    page = report.write_page(
        metrics,
        point,
        own["manifest"],
        own["rejected"],
        stages.split()["subsets"],
        own["sides"],
        stages.train()[0],
        stages.raw,
        {"cry_verification": {"split": SPLIT}},
        task="cry_verification",
        det=Picture(b"\x89PNG", "det"),
    )
    assert f"{100 * metrics['headline']['eer']:.1f}%" in page
    assert "ynthetic" in page
    assert "enrol_session" in page


def test_a_list_that_folds_cannot_use_is_said_once(
    stages: Stages, caplog: pytest.LogCaptureFixture
) -> None:
    own = stages.ingest()
    for number in range(SPLIT.n_folds):
        subsets = fold.subsets_of_fold(stages.split()["subsets"], number, SPLIT.n_folds)
        for listed in (own["listed_trials"], own["listed_trials"][:0]):
            fold.trials_of_fold(own["sides"], own["manifest"], subsets, listed, SPLIT)
    said = [record.getMessage() for record in caplog.records if "lists" in record.getMessage()]
    assert len(said) == 1
    assert "lists 41 trials" in said[0]
    assert "every pair of a fold is compared instead" in said[0]


def test_a_pair_of_two_folds_keeps_two_scores() -> None:
    first, second = (
        pd.DataFrame({"system": ["ours"], "trial_id": ["a~b"], "cosine": [score]})
        for score in (0.1, 0.2)
    )
    scores = fold.pool(first, second)
    assert scores["trial_id"].tolist() == ["fold_0:a~b", "fold_1:a~b"]
    assert scores["cosine"].tolist() == [0.1, 0.2]
    learnt = fold.list_calibrations({"ours": 1}, {"ours": 2})
    assert learnt == {"fold_0": {"ours": 1}, "fold_1": {"ours": 2}}


def test_recipes_stand_in_one_table_by_name() -> None:
    ours = pd.DataFrame({"system": ["ours", "mfcc"], "trial_id": "a~b", "cosine": [0.1, 0.2]})
    other = pd.DataFrame({"system": ["ours"], "trial_id": "a~b", "cosine": [0.3]})
    scores = recipe.gather(ours, other, names=("triplet_2023",))
    assert scores["system"].tolist() == ["ours", "mfcc", "triplet_2023"]
    assert scores["cosine"].tolist() == [0.1, 0.2, 0.3]


def test_the_stage_runs_on_an_in_memory_catalog(stages: Stages) -> None:
    catalog = DataCatalog()
    for name in ("manifest", "sides", "listed_trials"):
        catalog[name] = MemoryDataset(stages.ingest()[name])
    catalog["params:split"] = MemoryDataset(SPLIT)
    outputs = SequentialRunner().run(split.create_pipeline(), catalog)
    pd.testing.assert_frame_equal(outputs["trials"].load(), stages.split()["trials"])
