"""What a bundle from anywhere, and recordings as people have them, must not do to an answer."""

from __future__ import annotations

import json
import logging
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from made_verifier import (
    ARCHITECTURE,
    CALIBRATION,
    DIM,
    FRONT_END,
    RATE,
    SOUND,
    bundle,
    verifier,
    voice,
)

from bodysounds import Verifier
from bodysounds.audio.packed import to_int16
from bodysounds.audio.read import resample
from bodysounds.corpora.base import Corpus
from bodysounds.models.encoder import FORMAT, load_encoder, state_sha256
from bodysounds.models.folders import newest_folder
from bodysounds.models.stored import write_stored
from bodysounds.models.verifier import save_verifier
from bodysounds.models.verifier_about import about_verifier
from bodysounds.params import BundleParams, ScorePairsParams
from bodysounds.scoring.given_side import given_side, warn_of_rate
from bodysounds.verifier import Heard

pytestmark = pytest.mark.usefixtures("one_thread")

LOW, HIGH = voice(220.0), voice(610.0, seed=1)
LIMITS = {"min_s": 0.25, "silence_dbfs": -60.0, "clipped_share": 0.1}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    return verifier(tmp_path_factory.mktemp("verifier"))


@pytest.mark.parametrize(
    ("scoring", "heard_s"),
    [({"max_side_s": 2.0}, 2), ({"embed": "first", "first_s": 0.5, "max_side_s": 60.0}, 0.5)],
)
def test_a_side_whose_sound_comes_later_than_it_is_heard_gets_no_answer(
    scoring: dict[str, Any], heard_s: float, tmp_path: Path
) -> None:
    model = verifier(tmp_path, bundle(scoring=SOUND | scoring))
    # all that the network would hear of both is silence: it would find them alike
    one, two = (np.concatenate([np.zeros(3 * RATE, np.float32), wave]) for wave in (LOW, HIGH))
    found = model.verify((one, RATE), (two, RATE))
    assert (found.same, found.score, found.probability) == (None, None, None)
    assert f"(of its first {heard_s:g} s, which is all that is heard)" in str(found.abstained)
    assert model.verify((one[::-1].copy(), RATE), (LOW, RATE)).abstained is None


def test_what_is_not_heard_is_not_judged_but_must_be_sound(tmp_path: Path) -> None:
    model = verifier(tmp_path, bundle(scoring=SOUND | {"max_side_s": 0.5}))
    clipped = np.sign(HIGH)
    for side in ([LOW, clipped], np.concatenate([LOW, clipped])):
        assert np.array_equal(
            model.embed(side, sample_rate=RATE), model.embed(LOW[: RATE // 2], sample_rate=RATE)
        )
    assert model.hear([LOW, clipped], sample_rate=RATE).seconds == 2.0
    nan = np.full(RATE, np.nan)
    with pytest.raises(ValueError, match="samples are finite numbers"):
        model.embed([LOW, nan], sample_rate=RATE)


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000])
def test_a_long_recording_is_heard_as_its_whole_would_be(rate: int) -> None:
    wave = voice(300.0, 6.0, rate)
    whole = to_int16(resample(wave, rate, RATE))
    for longest_s in (0.3, 1.7, 5.99):
        given = given_side([(wave, rate)], None, RATE, LIMITS, longest_s)
        n = round(longest_s * RATE)
        assert len(given.packed.samples) >= n
        assert np.array_equal(given.packed.samples[:n], whole[:n])
        assert given.seconds == pytest.approx(6.0)


def test_hours_take_no_more_memory_than_their_file(model: Verifier, tmp_path: Path) -> None:
    path = tmp_path / "night.wav"
    minute = to_int16(np.tile(LOW, 60))
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for _ in range(15):
            file.write(minute)
    tracemalloc.start()
    heard = given_side(path, None, RATE, LIMITS, 60.0)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert heard.seconds == 900.0
    assert most < 1.3 * path.stat().st_size + 40 * len(minute)


def test_a_telephone_is_heard_and_told_once(
    model: Verifier, caplog: pytest.LogCaptureFixture
) -> None:
    warn_of_rate.cache_clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert model.verify((voice(220.0, rate=8000), 8000), (LOW, RATE)).abstained is None
    (told,) = [record.message for record in caplog.records]
    assert told.startswith("a recording of 8000 Hz holds nothing above 4000 Hz")


@pytest.mark.parametrize(
    ("learnt", "told"),
    [
        ({"8000": 0.6, "16000": 0.4}, []),
        ({"8000": 0.05, "16000": 0.95}, []),
        ({"8000": 0.04, "16000": 0.96}, ["4.0% of the recordings that taught it were such"]),
        ({"16000": 1.0}, ["0.0% of the recordings that taught it were such"]),
        ({}, ["unless its own recordings were such"]),
    ],
)
def test_a_rate_that_it_has_learnt_from_is_no_surprise(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, learnt: dict[str, float], told: list[str]
) -> None:
    warn_of_rate.cache_clear()
    model = verifier(tmp_path, bundle(sample_rates=learnt))
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        model.hear((voice(220.0, rate=8000), 8000))
    assert [part in one.message for one, part in zip(caplog.records, told, strict=True)] == (
        [True] * len(told)
    )


def test_what_another_model_heard_is_refused(model: Verifier, tmp_path: Path) -> None:
    other = verifier(tmp_path, bundle(seed=1))
    theirs = other.hear((LOW, RATE))
    mine = model.hear((LOW, RATE))
    assert model.verify(mine, mine).same
    for ask in (model.verify, lambda a, b: model.verify(b, a)):
        with pytest.raises(ValueError, match="heard by another model"):
            ask(theirs, mine)
    with pytest.raises(ValueError, match="heard by another model"):
        model.enrol("low", theirs)
    assert len(model.gallery) == 0
    wrong = Heard(np.ones(DIM + 1, np.float32), 1.0, None)
    with pytest.raises(ValueError, match="heard by another model"):
        model.embed(wrong)


def test_answers_make_a_table_and_a_verifier_says_what_it_is(model: Verifier) -> None:
    found = [model.verify((LOW, RATE), (wave, RATE)) for wave in (LOW, HIGH, LOW[:100])]
    table = pd.DataFrame(found)
    assert table["same"].tolist()[0] is True
    assert table["score"].isna().tolist() == [False, False, True]
    shown = repr(model)
    assert "cry_verification on made" in shown
    assert "cosine" in shown
    assert "threshold 0.9" in shown


def test_the_latest_version_is_no_half_written_and_no_other_folder(tmp_path: Path) -> None:
    for name in ("2026-01-01T00.00.00.000Z", "2026-02-01T00.00.00.000Z"):
        save_verifier(tmp_path / name / "bundle", bundle())
    latest = tmp_path / "2026-02-01T00.00.00.000Z" / "bundle"
    # what a killed run leaves, and what people put beside versions
    for other in ("2026-03-01T00.00.00.000Z/.bundle.7.partial", "old/bundle", "~/bundle"):
        (tmp_path / other).mkdir(parents=True)
        (tmp_path / other / "verifier.json").write_text("{")
    assert newest_folder(tmp_path, "verifier.json", "") == latest
    assert Verifier.load(tmp_path, "cpu").about["task"] == "cry_verification"
    assert load_encoder(tmp_path).architecture == ARCHITECTURE


def test_of_folders_without_versions_none_is_guessed(tmp_path: Path) -> None:
    save_verifier(tmp_path / "mine", bundle())
    assert Verifier.load(tmp_path, "cpu").threshold == 0.9
    save_verifier(tmp_path / "yours", bundle())
    for load in (Verifier.load, load_encoder):
        with pytest.raises(ValueError, match=r"holds 2 of them.*name one, such as .*yours"):
            load(tmp_path)


def test_a_network_that_has_learnt_from_dev_says_so() -> None:
    told = {}
    for name, training in (("refit", {"refit": {"subsets": ["train", "dev"]}}), ("plain", {})):
        told[name] = about_verifier(
            "cry_verification", Corpus(Path("nowhere"), "demo", "made"), {"score": "cosine"},
            {"ours": CALIBRATION.to_dict()}, {"headline": {}}, ScorePairsParams(), BundleParams(),
            {}, centred=False, training=training,
        )["limits"]  # fmt: skip
    (more,) = set(told["refit"]) - set(told["plain"])
    assert more.startswith("The network has learnt from dev too")


def _with_network(folder: Path, architecture: Any, front_end: Any) -> None:
    """Write another network's description over that of a bundle, and its sha256."""
    state = bundle().encoder.state
    about = {"format": FORMAT, "architecture": architecture, "front_end": front_end, "training": {}}
    write_stored(folder / "encoder.safetensors", state, about)
    told = json.loads((folder / "verifier.json").read_text())
    told["sha256"]["encoder"] = state_sha256(state)
    (folder / "verifier.json").write_text(json.dumps(told))


@pytest.mark.parametrize(
    ("architecture", "front_end"),
    [
        ([1], {}),
        ("ecapa", {}),
        ({}, {}),
        ({"name": ["ecapa"]}, {}),
        ({"channels": 10**12}, {}),
        ({"channels": "16"}, {}),
        ({"depth": -1}, {}),
        ({"n_mels": [24]}, {}),
        ({}, "speechbrain"),
        ({}, {"name": []}),
        ({}, {"sample_rate": "16000"}),
        ({}, {"sample_rate": 10**9}),
        ({}, {"sample_rate": 0}),
        ({}, {"n_mels": 80}),
        ({}, {"n_mels": "24"}),
        ({}, {"extra": 1}),
    ],
)
def test_a_network_that_cannot_be_is_one_sentence(
    architecture: Any, front_end: Any, tmp_path: Path
) -> None:
    save_verifier(tmp_path / "bundle", bundle())
    body = ARCHITECTURE | architecture if isinstance(architecture, dict) else architecture
    heard = FRONT_END | front_end if isinstance(front_end, dict) else front_end
    if architecture == front_end == {}:
        body = {}
    _with_network(tmp_path / "bundle", body, heard)
    with pytest.raises(ValueError, match=r"encoder\.safetensors"):
        Verifier.load(tmp_path / "bundle")


def test_a_calibration_that_falls_as_scores_rise_is_refused(tmp_path: Path) -> None:
    falling = {"names": ["score"], "coefficients": [-5.0], "intercept": 0.0, "prior": 0.5}
    save_verifier(tmp_path / "bundle", bundle(calibration=None))
    told = json.loads((tmp_path / "bundle" / "verifier.json").read_text())
    (tmp_path / "bundle" / "verifier.json").write_text(json.dumps({**told, "calibration": falling}))
    with pytest.raises(ValueError, match="must not fall as scores rise"):
        Verifier.load(tmp_path / "bundle")


@pytest.mark.parametrize(
    "change", [lambda weight: weight, lambda weight: weight.bfloat16(), lambda weight: weight.T]
)
def test_weights_of_any_kind_have_a_sha256(
    change: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    weight = change(torch.arange(6.0).reshape(2, 3))
    state = {"a": weight, "b": torch.tensor(3)}
    assert state_sha256(state) == state_sha256({"b": torch.tensor(3), "a": weight.clone()})
    assert state_sha256(state) != state_sha256(state | {"a": weight + 1})
