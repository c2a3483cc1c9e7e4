"""A trained encoder tells subjects apart in bfloat16 as well as in float32."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import made
import numpy as np
import pandas as pd
import pytest
from conftest import FinishedRun

from bodysounds.audio.packed import open_packed
from bodysounds.metrics.verification import equal_error_rate
from bodysounds.models.encoder import Encoder, load_encoder, network, untrained
from bodysounds.models.network import EmbeddingNetwork
from bodysounds.params import ScorePairsParams
from bodysounds.scoring import embed_batches
from bodysounds.scoring.cosine import cosine_scores
from bodysounds.scoring.durations import duration_grid
from bodysounds.scoring.embed import embed_sides, embed_waveforms
from bodysounds.scoring.systems import Source, embed_system
from bodysounds.sides import build_sides, side_waveform
from bodysounds.training.dev import dev_rates, dev_trials


def test_the_error_rate_of_a_trained_encoder_stays(finished_run: FinishedRun) -> None:
    def table(layer: str, name: str) -> pd.DataFrame:
        return pd.read_parquet(finished_run.results(layer) / f"{name}.parquet")

    packed = open_packed(finished_run.results("04_feature") / "waveforms")
    manifest, subsets = table("02_intermediate", "manifest"), table("03_primary", "subsets")
    segments, sides = table("02_intermediate", "segments"), table("02_intermediate", "sides")
    side_table = build_sides(packed, segments, sides, manifest, subsets)
    trials = table("03_primary", "trials")
    trials = trials[(trials["subset"] == "test") & trials["target"].notna()]
    encoder = load_encoder(finished_run.latest("06_models", "encoder.safetensors"))
    rows = [side_table.rows(trials[name]) for name in ("enrol_id", "test_id")]
    used, pairs = np.unique(np.stack(rows, axis=1), return_inverse=True)
    vectors = {
        precision: embed_sides(encoder, packed, side_table, used, 60.0, precision=precision)
        for precision in ("float32", "bf16")
    }
    assert not np.array_equal(vectors["bf16"], vectors["float32"])
    assert (vectors["bf16"] * vectors["float32"]).sum(axis=1).min() > 0.999
    wave = side_waveform(packed, side_table.spans[used[0]])[: 60 * packed.sample_rate]
    alone = embed_waveforms(encoder, [wave.astype(np.float32)], precision="float32")[0]
    np.testing.assert_allclose(vectors["float32"][0], alone, atol=1e-5)
    target = (trials["target"] == 1).to_numpy(bool)
    eers = {
        precision: equal_error_rate(target, cosine_scores(own, own, pairs.reshape(-1, 2)))[0]
        for precision, own in vectors.items()
    }
    metrics = json.loads(finished_run.latest("08_reporting", "metrics.json").read_text())
    low, high = metrics["test"]["ours"]["eer_ci95"]
    assert low <= eers["bf16"] <= high
    assert abs(eers["bf16"] - eers["float32"]) < (high - low) / 4


@pytest.mark.usefixtures("one_thread")
def test_the_parameter_reaches_every_network_and_dev_hears_in_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed, sides, trials = made.corpus(tmp_path, {"train": 2, "dev": 2, "test": 2}, seconds=0.5)
    architecture = {"name": "ecapa", "n_mels": 24, "channels": 16, "depth": 1, "dim": 8}
    features = {"name": "speechbrain", "sample_rate": 16_000, "n_mels": 24, "mean_over": "band"}
    encoder = untrained(Encoder({}, architecture, features), seed=0)
    asked: list[bool] = []
    listener = embed_batches.listener

    def watched(module: EmbeddingNetwork, bf16: bool) -> Callable:
        asked.append(bf16)
        return listener(module, bf16)

    monkeypatch.setattr(embed_batches, "listener", watched)
    monkeypatch.setattr("bodysounds.scoring.durations.MIN_PAIRS", 1)
    params = ScorePairsParams(device="cpu", shuffles=2, precision="bf16")
    for told in (params, replace(params, precision="float32")):
        source = Source(packed, sides, pd.DataFrame(), told)
        for system in ("ours", "averaged", "windows", "untrained"):
            embed_system(system, encoder, source, np.arange(3))
        duration_grid(encoder, packed, sides, trials, [0.3], precision=told.precision)
        assert asked == [told.precision == "bf16"] * 5
        asked.clear()
    # what dev chooses does not depend on the chip, however large the network
    monkeypatch.setattr(embed_batches, "BF16_WEIGHTS", 0)
    dev_rates(network(encoder), packed, sides, dev_trials(trials, sides))
    assert asked == [False]


def test_another_precision_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"score_pairs\.precision must be one of auto, bf16, float32"
    ):
        ScorePairsParams(precision="half")
