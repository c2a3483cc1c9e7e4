"""The folder of an ensemble, and the ensemble that is read from it."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kedro.io import DatasetError, Version
from made import hashes
from made_ensemble import CLIP_S, LABELS, RATE, noise, rule, small_ensemble, wav2vec2, yamnet

from bodysounds.audio.packed import write_packed
from bodysounds.datasets.ensemble import EnsembleDataset
from bodysounds.models.bundle import load_bundle
from bodysounds.models.classifier import predict
from bodysounds.models.ensemble import Ensemble, load_ensemble, said_of, save_ensemble
from bodysounds.scoring.ensemble import all_systems

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    return small_ensemble()


@pytest.fixture(scope="module")
def saved(ensemble: Ensemble, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "bundle"
    save_ensemble(path, ensemble)
    return path


def copy(saved: Path, folder: Path) -> Path:
    path = folder / "bundle"
    for file in saved.rglob("*"):
        if file.is_file():
            other = path / file.relative_to(saved)
            other.parent.mkdir(parents=True, exist_ok=True)
            other.write_bytes(file.read_bytes())
    return path


def test_a_bundle_read_again_says_the_same(ensemble: Ensemble, saved: Path) -> None:
    assert {path.name for path in saved.iterdir()} == {
        "ensemble.json", "yamnet.safetensors", "wav2vec2"
    }  # fmt: skip
    again = load_ensemble(saved, "cpu")
    assert again.rule == ensemble.rule
    clips = noise(5)
    one, two = ensemble.predict(clips), again.predict(clips)
    assert np.array_equal(one.log_probabilities, two.log_probabilities)
    for name, table in one.members.items():
        assert np.array_equal(table, two.members[name])
        assert table.dtype == np.float32
    assert one.log_probabilities.shape == (5, 3)
    assert np.ptp(one.log_probabilities) > 0.01


def test_equal_ensembles_are_equal_bytes(ensemble: Ensemble, saved: Path, tmp_path: Path) -> None:
    save_ensemble(tmp_path / "bundle", load_ensemble(saved, "cpu"))
    assert hashes(tmp_path / "bundle") == hashes(saved)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    with pytest.raises(ValueError, match="exists: an ensemble is saved as a new folder"):
        save_ensemble(saved, ensemble)


def test_what_fails_leaves_nothing(ensemble: Ensemble, tmp_path: Path) -> None:
    broken = Ensemble(ensemble.members, {**ensemble.rule, "hop_s": float("nan")}, "cpu")
    with pytest.raises(ValueError, match="JSON"):
        save_ensemble(tmp_path / "bundle", broken)
    assert list(tmp_path.iterdir()) == []


def test_the_members_are_what_they_say_alone(ensemble: Ensemble, tmp_path: Path) -> None:
    clips = noise(4)
    pieces = [(f"s{k}", np.int16(np.round(clip * 32768))) for k, clip in enumerate(clips)]
    packed = write_packed(tmp_path / "waveforms", pieces, RATE)
    names = [name for name, _ in pieces]
    told = said_of(ensemble, packed, names)
    for name, member in ensemble.members.items():
        alone = predict(member, packed, names, device="cpu")
        assert told[name] == pytest.approx(alone, abs=1e-5)
    heard = np.stack([packed.waveform(name) for name in names])
    said = ensemble.predict(heard)
    average = all_systems(ensemble.rule, said.members)["average"]
    assert said.log_probabilities == pytest.approx(average, abs=1e-6)
    other = write_packed(tmp_path / "slow", pieces, 8000)
    with pytest.raises(ValueError, match=r"16000 Hz and the waveforms have 8000 Hz"):
        said_of(ensemble, other, names)


def test_columns_are_matched_by_name() -> None:
    order = [2, 0, 1]
    plain = yamnet()
    turned = yamnet(labels=[LABELS[k] for k in order])
    head = {name: weight[order] for name, weight in plain.head.items()}
    turned = type(turned)(plain.encoder, head, turned.labels)
    clips = noise(3)
    one = Ensemble({"wav2vec2": wav2vec2(), "yamnet": plain}, rule(), "cpu").predict(clips)
    two = Ensemble({"wav2vec2": wav2vec2(), "yamnet": turned}, rule(), "cpu").predict(clips)
    assert two.members["yamnet"] == pytest.approx(one.members["yamnet"], abs=1e-6)
    assert two.log_probabilities == pytest.approx(one.log_probabilities, abs=1e-6)


def test_a_member_hears_as_much_as_it_was_trained_on() -> None:
    short = Ensemble({"yamnet": yamnet(clip_s=0.5), "wav2vec2": wav2vec2()}, rule(), "cpu")
    clips = noise(2)
    changed = clips.copy()
    changed[:, RATE // 2 :] = 0.1 * np.random.default_rng(0).standard_normal(RATE // 2)
    one, two = short.predict(clips).members, short.predict(changed).members
    assert np.array_equal(one["yamnet"], two["yamnet"])
    assert not np.allclose(one["wav2vec2"], two["wav2vec2"])


def test_clips_do_not_depend_on_their_company(ensemble: Ensemble) -> None:
    clips = noise(20)
    whole = ensemble.predict(clips)
    for k in (0, 7, 19):
        alone = ensemble.predict(clips[k : k + 1])
        for name, table in alone.members.items():
            assert table[0] == pytest.approx(whole.members[name][k], abs=1e-4)


def test_threads_get_their_own_answers(ensemble: Ensemble) -> None:
    clips = noise(16)
    whole = ensemble.predict(clips).log_probabilities
    start = threading.Barrier(8)

    def ask(k: int) -> np.ndarray:
        start.wait(timeout=30)
        return np.concatenate([ensemble.predict(clips[k : k + 1]).log_probabilities] * 2)

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(ask, range(8)))
    for k, own in enumerate(told):
        assert own == pytest.approx(np.stack([whole[k]] * 2), abs=1e-4)


def test_one_thread_at_a_time_is_in_a_network() -> None:
    own, inside, most = small_ensemble(), [], []

    def enter(*_: Any) -> None:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.02)

    for module, _ in own._networks.values():
        module.register_forward_pre_hook(enter)
        module.register_forward_hook(lambda *_: inside.pop() and None)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: own.predict(noise(1)), range(4)))
    assert len(most) == 8
    assert max(most) == 1


def test_no_answer_below_the_threshold(ensemble: Ensemble) -> None:
    clips = noise(12)
    sure = np.exp(ensemble.predict(clips).log_probabilities.max(axis=1))
    middle = float(np.median(sure))
    strict = small_ensemble(abstain={"aim": "fixed", "value": middle, "threshold": middle})
    said = strict.predict(clips)
    assert said.abstained.dtype == bool
    assert np.array_equal(said.abstained, sure < middle)
    assert 0 < said.abstained.sum() < 12
    assert not ensemble.predict(clips).abstained.any()


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        (np.zeros((0, 16_000), np.float32), r"\(n, 16000\) with n > 0.*got \(0, 16000\)"),
        (np.zeros((2, 8000), np.float32), r"got \(2, 8000\)"),
        (np.zeros(16_000, np.float32), r"got \(16000,\)"),
        (np.where(np.arange(32_000).reshape(2, -1) == 20_000, np.nan, 0.0), "clip 1 holds"),
    ],
)
def test_bad_clips_are_refused(ensemble: Ensemble, clips: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ensemble.predict(clips)


def test_members_that_do_not_fit_are_refused() -> None:
    both = {"yamnet": yamnet(), "wav2vec2": wav2vec2()}
    with pytest.raises(ValueError, match="'wav2vec2' is missing"):
        Ensemble({"yamnet": both["yamnet"]}, rule(), "cpu")
    with pytest.raises(ValueError, match="'third' is none of them"):
        Ensemble({**both, "third": yamnet()}, rule(), "cpu")
    other = {**both, "yamnet": yamnet(labels=["crying", "laughing", "normal"])}
    with pytest.raises(ValueError, match="'yamnet' knows the classes crying, laughing, normal"):
        Ensemble(other, rule(), "cpu")
    with pytest.raises(ValueError, match="hears 16000 Hz and the ensemble 8000 Hz"):
        Ensemble(both, rule(sample_rate=8000), "cpu")


BROKEN_RULES: list[tuple[dict[str, Any], str]] = [
    ({"chosen": "best"}, "chosen must be one of yamnet, wav2vec2, average"),
    ({"labels": "crying"}, "labels must be texts, each once"),
    ({"members": "yamnet"}, "members must be texts"),
    ({"clip_s": float("nan")}, "clip_s must be a number"),
    ({"hop_s": 1.5}, "hop_s must be a number from .* to 1, got 1.5"),
    ({"hop_s": 0}, "hop_s must be a number"),
    ({"sample_rate": "fast"}, "sample_rate must be a number"),
    ({"short": "pad"}, "short must be zeros or repeat"),
    ({"abstain": None}, "abstain.threshold must be a number"),
    ({"usable": {"min_s": 0.1}}, "usable.silence_dbfs must be a number"),
    ({"temperatures": {"yamnet": 1.0}}, "KeyError: 'wav2vec2'"),
    ({"temperatures": {"yamnet": 0.0, "wav2vec2": 1.0}}, "a temperature is above 0"),
    ({"weights": {"yamnet": 0.5, "wav2vec2": 0.6}}, "2 members take as many weights"),
    ({"meta": {}}, "KeyError: 'crying'"),
    ({"events": {"onset": 2.0}}, "events need 0 < offset <= onset <= 1"),
    ({"events": {"loud": 1}}, "unexpected keyword argument 'loud'"),
    ({"events": {"quiet": ["normal"]}}, "events.quiet is a label"),
]  # fmt: skip


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_damaged_bundle_is_named_in_one_sentence(saved: Path, tmp_path: Path) -> None:
    def refused(number: int, damage: Any, message: str) -> None:
        path = copy(saved, tmp_path / str(number))
        damage(path)
        with pytest.raises(ValueError, match=message) as error:
            load_ensemble(path, "cpu")
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)

    def rewritten(changes: dict[str, Any]) -> Any:
        def damage(path: Path) -> None:
            about = json.loads((path / "ensemble.json").read_text())
            (path / "ensemble.json").write_text(json.dumps(about | changes))

        return damage

    def wider(path: Path) -> None:
        from bodysounds.models.classifier import save_classifier

        member = yamnet()
        state = {
            name: torch.cat([w, w]) if w.ndim else w for name, w in member.encoder.state.items()
        }
        encoder = type(member.encoder)(state, member.encoder.architecture, member.encoder.front_end)
        save_classifier(path / "yamnet.safetensors", type(member)(encoder, member.head, LABELS))

    refused(0, lambda path: cut(path / "yamnet.safetensors"), "cut short")
    refused(
        1,
        lambda path: cut(path / "wav2vec2" / "model.safetensors"),
        "cut short|truncated|safetensors",
    )
    refused(2, lambda path: (path / "yamnet.safetensors").unlink(), "lacks its member 'yamnet'")
    refused(3, wider, "of shape .* where its architecture has")
    refused(4, lambda path: cut(path / "ensemble.json"), "cannot be read as JSON")
    refused(5, rewritten({"format": "other"}), "has the format 'other'")
    refused(6, rewritten({"rule": {"labels": LABELS}}), "the rule lacks 'members'")
    refused(9, rewritten({"files": {"yamnet": "../other.safetensors"}}), "lacks its member")
    for number, (changes, said) in enumerate(BROKEN_RULES, 10):
        refused(number, rewritten({"rule": rule(**changes)}), said)

    def told(name: str, changes: dict[str, Any]) -> Any:
        def damage(path: Path) -> None:
            file = path / "wav2vec2" / name
            file.write_text(json.dumps(json.loads(file.read_text()) | changes))

        return damage

    refused(50, told("bodysounds.json", {"front_end": None}), "has the front end None")
    refused(51, told("bodysounds.json", {"front_end": {"clip_s": "x"}}), "cannot be built")
    refused(52, told("preprocessor_config.json", {"sampling_rate": None}), "no rate in Hz")
    refused(7, rewritten({"files": {}}), "lacks its member 'yamnet'")
    refused(8, lambda path: (path / "ensemble.json").unlink(), "holds no ensemble.json")
    with pytest.raises(ValueError, match=r"nothing does not exist: give a folder"):
        load_ensemble(tmp_path / "nothing")


def test_the_catalog_keeps_versions_and_reads_a_folder(
    ensemble: Ensemble, saved: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bundle"
    clips = noise(2)
    for version, chosen in (("1", "average"), ("2", "vote")):
        dataset = EnsembleDataset(filepath=str(path), version=Version(None, version))
        assert dataset.exists() == (version == "2")
        dataset.save(Ensemble(ensemble.members, {**ensemble.rule, "chosen": chosen}, "cpu"))
        assert dataset.exists()
        assert (path / version / "bundle" / "ensemble.json").is_file()
    latest = EnsembleDataset(filepath=str(path), version=Version(None, None)).load()
    assert latest.rule["chosen"] == "vote"
    first = EnsembleDataset(filepath=str(path), version=Version("1", None)).load()
    assert first.rule["chosen"] == "average"
    assert load_bundle(path)[1]["chosen"] == "vote"
    single = EnsembleDataset(filepath=str(saved), version=Version(None, None))
    assert single.exists()
    assert single.resolve_load_version() is None
    said = single.load().predict(clips)
    assert np.array_equal(said.log_probabilities, ensemble.predict(clips).log_probabilities)
    with pytest.raises(DatasetError, match="leave out --params bundle"):
        single.save(ensemble)


def test_what_an_ensemble_tells_of_itself(ensemble: Ensemble) -> None:
    assert ensemble.labels == LABELS
    assert (ensemble.clip_s, ensemble.sample_rate, ensemble.n_samples) == (CLIP_S, RATE, RATE)
    assert (ensemble.event_rules.onset, ensemble.event_rules.quiet) == (0.6, "normal")
