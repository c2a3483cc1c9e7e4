"""What a classifier of breath must beat: bands over time, and what is known before listening."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_class_weight

from bodysounds.audio.packed import Packed, to_int16, write_packed
from bodysounds.params import PredictParams
from bodysounds.scoring.class_baselines import logistic, standardised
from bodysounds.scoring.class_weights import class_weights
from bodysounds.scoring.classify import baselines
from bodysounds.scoring.log_mel_baseline import (
    LOG_MEL_C,
    N_MELS,
    log_mel_frames,
    log_mel_statistics,
    mel_hz,
)
from bodysounds.scoring.metadata_alone import metadata_features

CLASSES = ["both", "crackle", "normal", "wheeze"]
RATE = 4000
SCORE = PredictParams(
    baselines=["log_mel", "most_frequent"], audit=False, balanced=True, weigh="score",
    negative="normal",
)  # fmt: skip


def tone(hertz: float, seconds: float, rate: int = RATE) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate).astype(np.float32)


@pytest.fixture(scope="module")
def breath(tmp_path_factory: pytest.TempPathFactory) -> tuple[Packed, pd.DataFrame]:
    """Noise, with a tone where it wheezes; a click where it crackles; both."""
    rng = np.random.default_rng(0)
    rows, pieces = [], []
    for k in range(160):
        label = CLASSES[k % 4]
        wave = 0.02 * rng.standard_normal(RATE + 40 * k)
        if label in ("wheeze", "both"):
            wave += 0.2 * tone(rng.uniform(380, 420), len(wave) / RATE)
        if label in ("crackle", "both"):
            for at in rng.integers(0, len(wave) - 60, 12):
                wave[at : at + 60] += tone(900, 60 / RATE) * np.hanning(60)
        pieces.append((f"p{k // 8:02d}#{k:03d}", to_int16(wave)))
        rows.append((pieces[-1][0], label, ("train", "train", "dev", "test")[k // 8 % 4]))
    table = pd.DataFrame(rows, columns=["segment_id", "label", "subset"])
    table["condition"] = np.where(table["subset"] == "train", "train", "unseen_patient")
    return write_packed(tmp_path_factory.mktemp("breath") / "packed", pieces, RATE), table


def test_frames_are_log_energies_of_bands_below_2_khz() -> None:
    for rate in (4000, 16_000):
        bands = log_mel_frames(tone(500, 1.0, rate), rate)
        assert bands.shape == (1 + (rate - round(0.064 * rate)) // round(0.032 * rate), N_MELS)
        middle = mel_hz(rate)
        assert middle[bands.mean(axis=0).argmax()] == pytest.approx(500, rel=0.05)
        assert middle[-1] < (1800 if rate == 4000 else 2000)
        assert middle[0] > 50
    short = log_mel_frames(tone(500, 0.01), RATE)
    assert short.shape == (1, N_MELS)
    assert np.isfinite(log_mel_frames(np.zeros(5, np.float32), RATE)).all()


def test_one_frame_against_a_slow_transform() -> None:
    wave = np.random.default_rng(0).standard_normal(256).astype(np.float32)
    n = np.arange(256)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / 256)
    power = np.array([abs(np.sum(wave * window * np.exp(-2j * np.pi * k * n / 256))) ** 2
                      for k in range(129)])  # fmt: skip
    low, top = (2595 * np.log10(1 + hz / 700) for hz in (50, 1800))
    edges = 700 * (10 ** (np.linspace(low, top, N_MELS + 2) / 2595) - 1)
    slow = []
    for low, middle, high in zip(edges, edges[1:], edges[2:], strict=False):
        weights = [max(0.0, min((hz - low) / (middle - low), (high - hz) / (high - middle)))
                   for hz in np.arange(129) * 4000 / 256]  # fmt: skip
        slow.append(np.log(np.dot(power, weights) + 1e-10))
    assert log_mel_frames(wave, RATE)[0] == pytest.approx(np.array(slow), abs=2e-3)


def test_statistics_are_of_each_band_and_no_other_row(
    breath: tuple[Packed, pd.DataFrame],
) -> None:
    packed, table = breath
    ids = table["segment_id"].tolist()
    whole = log_mel_statistics(packed, ids)
    assert whole.shape == (160, 5 * N_MELS)
    bands = log_mel_frames(packed.waveform(ids[7]), RATE).astype(float)
    told = [bands.mean(0), bands.std(0), *(np.percentile(bands, q, axis=0) for q in (10, 50, 90))]
    assert whole[7] == pytest.approx(np.concatenate(told))
    assert (log_mel_statistics(packed, ids[::-1]) == whole[::-1]).all()
    with pytest.raises(ValueError, match="'nobody' has no audio"):
        log_mel_statistics(packed, ["nobody"])


def test_log_mel_tells_breath_apart_as_its_oracle(breath: tuple[Packed, pd.DataFrame]) -> None:
    packed, table = breath
    wanted = table[table["subset"] == "test"].reset_index(drop=True)
    about = table[["segment_id"]].assign(duration_s=1.0)
    found = dict(baselines(table, wanted, about, CLASSES, SCORE, packed))
    assert list(found) == ["log_mel", "most_frequent"]
    right = np.array(CLASSES)[found["log_mel"].argmax(axis=1)] == wanted["label"]
    assert right.mean() > 0.9
    train = np.flatnonzero(table["subset"] == "train")
    features = standardised(log_mel_statistics(packed, table["segment_id"].tolist()), train)
    own = table["label"].to_numpy(str)[train]
    weight = np.where(own == "normal", 0.5 / np.sum(own == "normal"), 0.5 / np.sum(own != "normal"))
    oracle = LogisticRegression(C=LOG_MEL_C, max_iter=200)
    oracle.fit(features[train], own, sample_weight=weight * len(own))
    slow = oracle.predict_log_proba(features[wanted.index.map(
        lambda k: table.index[table["segment_id"] == wanted["segment_id"][k]][0])])  # fmt: skip
    assert found["log_mel"] == pytest.approx(slow, abs=1e-3)
    # the rows' order changes nothing
    mixed = table.sample(frac=1, random_state=1)
    again = dict(baselines(mixed, wanted, about, CLASSES, SCORE, packed))
    assert (again["log_mel"] == found["log_mel"]).all()


def test_log_mel_without_waveforms_is_refused(breath: tuple[Packed, pd.DataFrame]) -> None:
    table = breath[1]
    about = table[["segment_id"]].assign(duration_s=1.0)
    with pytest.raises(ValueError, match="log_mel needs the waveforms"):
        list(baselines(table, table, about, CLASSES, SCORE))


def test_each_property_known_beforehand_is_asked_alone() -> None:
    rng = np.random.default_rng(0)
    n = 300
    table = pd.DataFrame({"segment_id": [f"s{k:03d}" for k in range(n)]})
    table["subset"] = np.array(["train", "dev", "test"])[np.arange(n) % 3]
    table["condition"] = "unseen_patient"
    table["label"] = rng.choice(CLASSES, n)
    table["domain"] = table["label"].map(
        {"normal": "Meditron", "wheeze": "Litt3200", "both": "AKGC417L"}
    )  # a missing device is a level of its own: crackles
    table["sample_rate"] = np.where(table["label"] == "wheeze", 4000, 44_100)
    table["sex"] = rng.choice(["F", "M"], n)
    table["age_group"] = "adult"
    about = table[["segment_id"]].copy()
    for name in ("duration_s", "level_dbfs", "peak_dbfs", "clipped_share", "noise_floor_dbfs",
                 "bandwidth_hz", "silence_share"):  # fmt: skip
        about[name] = 0.0
    about["duration_s"] = rng.uniform(1, 4, n)
    names = ["device", "sample_rate", "sex", "age_group", "location"]
    asked = PredictParams(baselines=[], metadata=names, balanced=True)
    wanted = table[table["subset"] == "test"].reset_index(drop=True)
    found = dict(baselines(table, wanted, about, CLASSES, asked))
    # what is the same for all, and what examples do not have, is not audited
    assert set(found) == {"alone_duration_s", "alone_device", "alone_sample_rate", "alone_sex"}
    right = {k: (np.array(CLASSES)[v.argmax(axis=1)] == wanted["label"]).mean()
             for k, v in found.items()}  # fmt: skip
    assert right["alone_device"] == 1.0
    assert 0.3 < right["alone_sample_rate"] < 0.75
    assert right["alone_sex"] < 0.45
    plain = PredictParams(baselines=[], balanced=True)
    assert set(dict(baselines(table, wanted, about, CLASSES, plain))) == {"alone_duration_s"}


def test_an_unseen_level_says_nothing() -> None:
    table = pd.DataFrame({"sex": ["F", "F", "M", np.nan, "X"], "mode": list("abcde")})
    train = np.array([True, True, True, False, False])
    levels = metadata_features(table, ["sex"], train)["sex"]
    assert levels.tolist() == [[1, 0], [1, 0], [0, 1], [2 / 3, 1 / 3], [2 / 3, 1 / 3]]
    known = np.array([True, True, True, True, False])
    assert metadata_features(table, ["sex"], known)["sex"][3].tolist() == [1, 0, 0]
    assert metadata_features(table.assign(sex="F"), ["sex", "device"], train) == {}


def test_weights_even_out_what_the_rate_counts() -> None:
    counts = {"both": 55, "crackle": 160, "normal": 893, "wheeze": 151, "none": 0}
    labels = np.repeat(list(counts), list(counts.values()))
    there = sorted(set(labels))
    oracle = compute_class_weight("balanced", classes=np.array(there), y=labels)
    assert class_weights(counts) == dict(zip(there, oracle, strict=True))
    halves = class_weights(counts, "score", "normal")
    total = {name: weight * counts[name] for name, weight in halves.items()}
    assert total["normal"] == pytest.approx(sum(counts.values()) / 2)
    assert sum(total.values()) == pytest.approx(sum(counts.values()))
    assert halves["both"] == halves["crackle"] == halves["wheeze"]
    assert set(class_weights({"both": 3, "wheeze": 1}, "score", "normal").values()) == {1.0}
    # a fit with the dictionary is the one with scikit-learn's own word, to the last bit
    table = pd.DataFrame({"segment_id": [f"{k:04d}" for k in range(len(labels))],
                          "label": labels, "subset": "train"})  # fmt: skip
    features = np.random.default_rng(0).standard_normal((len(labels), 3))
    found = logistic(features, table, table, there, PredictParams(balanced=True))
    model = LogisticRegression(max_iter=200, class_weight="balanced")
    whole = standardised(features, np.arange(len(labels)))
    assert (found == model.fit(whole, labels).predict_log_proba(whole)).all()


def test_wrong_parameters_are_named() -> None:
    with pytest.raises(ValueError, match=r"weigh: score needs predict\.negative"):
        PredictParams(weigh="score")
    with pytest.raises(ValueError, match=r"predict\.weigh must be one of classes, score"):
        PredictParams(weigh="clips")
    with pytest.raises(ValueError, match=r"predict\.metadata must be one of device"):
        PredictParams(metadata=["bmi"])
    assert "log_mel" not in PredictParams().baselines
    assert list(PredictParams().metadata) == []


@pytest.mark.data
def test_real_cycles_have_finite_statistics(data_dir: Path, tmp_path: Path) -> None:
    import soundfile
    import soxr

    files = sorted((data_dir / "respiratory" / "audio").glob("*.flac"))[:12]
    pieces = []
    for file in files:
        sound, rate = soundfile.read(file, dtype="float32", always_2d=True)
        spans = np.loadtxt(file.with_suffix(".txt"), ndmin=2)[:, :2]
        low = soxr.resample(sound[:, 0], rate, RATE)
        for k, (start, end) in enumerate(spans):
            pieces.append(
                (f"{file.stem}#{k:03d}", to_int16(low[int(start * RATE) : int(end * RATE)]))
            )
    packed = write_packed(tmp_path / "packed", pieces, RATE)
    found = log_mel_statistics(packed, [name for name, _ in pieces])
    assert np.isfinite(found).all()
    # a band's deviation is never below 0, and its percentiles rise
    spread = found.reshape(len(found), 5, N_MELS)
    assert (spread[:, 1] >= 0).all()
    assert (np.diff(spread[:, 2:], axis=1) >= 0).all()
    assert found.std(axis=0).min() > 0
