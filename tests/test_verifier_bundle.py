"""The folder of a verifier: whole, the same bytes for the same run, refused where it is torn."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kedro.io import DatasetError, Version
from made import hashes
from made_verifier import CALIBRATION, DIM, RATE, bundle, voice, with_cohort
from safetensors.torch import save_file

from bodysounds import Verifier
from bodysounds.datasets.encoder import EncoderDataset
from bodysounds.datasets.verifier import VerifierDataset
from bodysounds.models.encoder import load_encoder, save_encoder, state_sha256
from bodysounds.models.stored import write_stored
from bodysounds.models.verifier import load_verifier, save_verifier
from bodysounds.params import BundleParams

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "bundle"
    save_verifier(path, with_cohort(bundle(), score="normalised", centred=True))
    return path


def copy(saved: Path, folder: Path) -> Path:
    path = folder / "bundle"
    shutil.copytree(saved, path)
    return path


def test_a_bundle_read_again_is_the_same(saved: Path) -> None:
    made = with_cohort(bundle(), score="normalised", centred=True)
    again = load_verifier(saved)
    assert {path.name for path in saved.iterdir()} == {
        "verifier.json", "encoder.safetensors", "cohort.safetensors", "README.md"
    }  # fmt: skip
    assert made.cohort is not None
    assert again.cohort is not None
    assert np.array_equal(again.cohort, made.cohort)
    assert again.card == made.card
    assert {name: again.about[name] for name in made.about} == made.about
    assert again.about["sha256"]["encoder"] == state_sha256(made.encoder.state)
    assert all(torch.equal(again.encoder.state[k], v) for k, v in made.encoder.state.items())


def test_equal_verifiers_are_equal_bytes(saved: Path, tmp_path: Path) -> None:
    save_verifier(tmp_path / "bundle", load_verifier(saved))
    assert hashes(tmp_path / "bundle") == hashes(saved)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    with pytest.raises(ValueError, match="exists: a verifier is saved as a new folder"):
        save_verifier(saved, bundle())


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        save_verifier(tmp_path / "bundle", bundle(headline=float("nan")))
    assert list(tmp_path.iterdir()) == []


def test_a_cohort_is_there_where_scores_take_one(tmp_path: Path) -> None:
    save_verifier(tmp_path / "bundle", bundle())
    assert not (tmp_path / "bundle" / "cohort.safetensors").exists()
    assert load_verifier(tmp_path / "bundle").cohort is None


def test_the_latest_version_of_a_folder_is_taken(tmp_path: Path) -> None:
    for version, threshold in (("2024-01-01T00", 0.1), ("2025-01-01T00", 0.2)):
        (tmp_path / version).mkdir()
        save_verifier(tmp_path / version / "bundle", bundle(threshold=threshold))
    assert Verifier.load(tmp_path).threshold == 0.2
    assert Verifier.load(tmp_path / "2024-01-01T00").threshold == 0.1
    assert Verifier.load(tmp_path / "2024-01-01T00" / "bundle").threshold == 0.1


def test_a_bundle_is_an_encoder(saved: Path, tmp_path: Path) -> None:
    expected = load_encoder(saved / "encoder.safetensors")
    shutil.copytree(saved, tmp_path / "a" / "bundle")
    save_verifier(tmp_path / "b" / "bundle", bundle(seed=1))
    assert state_sha256(load_encoder(saved).state) == state_sha256(expected.state)
    assert state_sha256(load_encoder(str(tmp_path)).state) != state_sha256(expected.state)
    shutil.rmtree(tmp_path / "b")
    assert state_sha256(load_encoder(tmp_path).state) == state_sha256(expected.state)
    # as what --params encoder= names: the folder itself, or its versions
    for path in (saved, tmp_path):
        dataset = EncoderDataset(filepath=str(path), version=Version(None, None))
        if path == tmp_path:
            (tmp_path / "a" / "bundle").rename(tmp_path / "a" / tmp_path.name)
        assert dataset.exists()
        assert state_sha256(dataset.load().state) == state_sha256(expected.state)
    (saved / "encoder.safetensors").rename(saved / "elsewhere")
    try:
        with pytest.raises(ValueError, match=r"bundle lacks its encoder\.safetensors"):
            load_encoder(saved)
    finally:
        (saved / "elsewhere").rename(saved / "encoder.safetensors")


def test_it_is_a_catalog_entry(tmp_path: Path) -> None:
    made = bundle()
    for number, threshold in enumerate((0.3, 0.4)):
        version = Version(None, f"2025-01-0{number + 1}T00.00.00.000Z")
        dataset = VerifierDataset(filepath=str(tmp_path / "bundle"), version=version)
        assert dataset.exists() == bool(number)
        about = {**made.about, "threshold": {"threshold": threshold}}
        dataset.save(replace(made, about=about))
    assert Verifier.load(tmp_path / "bundle").threshold == 0.4
    dataset = VerifierDataset(filepath=str(tmp_path / "bundle"), version=Version(None, None))
    assert dataset.load().about["threshold"] == {"threshold": 0.4}
    single = tmp_path / "bundle" / "2025-01-01T00.00.00.000Z" / "bundle"
    dataset = VerifierDataset(filepath=str(single), version=Version(None, "new"))
    assert dataset.load().about["threshold"] == {"threshold": 0.3}
    with pytest.raises(DatasetError, match="is a single verifier"):
        dataset.save(made)


@pytest.mark.parametrize("protocol", ["memory://bundles/bundle"])
def test_it_may_lie_at_a_url(protocol: str) -> None:
    dataset = VerifierDataset(filepath=protocol, version=Version(None, "2025"))
    dataset.save(bundle())
    assert dataset.exists()
    loaded = VerifierDataset(filepath=protocol, version=Version(None, None)).load()
    assert loaded.about["threshold"]["threshold"] == 0.9


def edited(path: Path, **changes: Any) -> None:
    about = json.loads((path / "verifier.json").read_text())
    told = {k: v for k, v in {**about, **changes}.items() if v is not None}
    (path / "verifier.json").write_text(json.dumps(told))


HEARD = bundle().about["heard"]
LEARNT = CALIBRATION.to_dict()


def rated(**rates: Any) -> dict[str, Any]:
    """An operating point with such rates on test."""
    return {"threshold": 0.5, "test": {"far": 0.1, "frr": 0.2, **rates}}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"format": "bodysounds.ensemble/1"}, "has the format 'bodysounds.ensemble/1'"),
        ({"format": None}, "has the format None"),
        ({"threshold": None}, "threshold must be a dict, got None"),
        ({"threshold": {}}, "threshold must be a number, got None"),
        ({"threshold": {"threshold": float("nan")}}, "threshold must be a number, got nan"),
        ({"threshold": {"threshold": True}}, "threshold must be a number, got True"),
        ({"threshold": rated(n_target_subjects="x")}, "subjects must be a whole number, got 'x'"),
        ({"threshold": rated(n_target_subjects=None)}, "must be a whole number, got None"),
        ({"threshold": rated(n_target_subjects=-1)}, "must be a whole number, got -1"),
        ({"threshold": rated(far="x")}, r"threshold\.test\.far must be a number, got 'x'"),
        (
            {"threshold": rated(frr_ci95=[0.1])},
            r"test\.frr_ci95 must be two numbers, got \[0\.1\]",
        ),
        ({"threshold": rated(far_ci95=["a", "b"])}, r"test\.far_ci95 must be two numbers"),
        ({"threshold": {"threshold": 0.5, "test": "x"}}, r"cannot be followed \(AttributeError"),
        ({"score": "llr"}, "score must be cosine or normalised, got 'llr'"),
        ({"heard": {}}, "heard must say embed, max_side_s"),
        ({"heard": {**HEARD, "device": "cuda"}}, "heard must say embed, max_side_s"),
        ({"heard": {**HEARD, "embed": "__import__"}}, r"score_pairs\.embed must be one of"),
        ({"heard": {**HEARD, "max_side_s": "60"}}, r"score_pairs\.max_side_s must be a number"),
        ({"heard": {**HEARD, "hop_s": 0}}, r"score_pairs\.hop_s must lie in"),
        ({"cohort_top_k": 1}, "cohort_top_k must be at least 2"),
        ({"cohort_top_k": True}, "cohort_top_k must be a int, got True"),
        ({"usable": {"min_s": 0.1}}, r"usable\.silence_dbfs must be a number"),
        ({"usable": {**BundleParams().usable, "min_s": -1}}, r"bundle\.min_s must lie in"),
        ({"centred": 1}, "centred must be a bool, got 1"),
        ({"corpus": "demo"}, "corpus must be a dict"),
        ({"limits": [1]}, "limits must be sentences"),
        ({"sample_rates": {"8000": "all"}}, "sample_rates must be a share a rate in Hz"),
        ({"sample_rates": {"8 kHz": 1.0}}, "sample_rates must be a share a rate in Hz"),
        ({"sample_rates": [8000]}, r"cannot be followed \(AttributeError"),
        ({"sha256": {}}, r"sha256\.encoder must be 64 hex digits"),
        ({"sha256": {"encoder": "../" * 22}}, r"sha256\.encoder must be 64 hex digits"),
        ({"calibration": {"why_not": 3}}, r"calibration\.why_not must be a sentence"),
        ({"calibration": {}}, r"calibration\.names must be \['score'\]"),
        ({"calibration": {**LEARNT, "coefficients": []}}, "coefficients must be a number a name"),
        ({"calibration": {**LEARNT, "coefficients": [1e400]}}, "coefficients must be a number"),
        ({"calibration": {**LEARNT, "intercept": "0"}}, "intercept must be a number"),
        ({"calibration": {**LEARNT, "code": "x"}}, r"cannot be followed \(TypeError"),
    ],
)
def test_what_cannot_be_followed_is_refused(
    saved: Path, tmp_path: Path, changes: Any, why: str
) -> None:
    path = copy(saved, tmp_path)
    edited(path, **changes)
    with pytest.raises(ValueError, match=why) as told:
        Verifier.load(path)
    assert str(path / "verifier.json") in str(told.value)
    assert str(told.value).endswith("give a folder that the stage bundle saved, whole")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_refused(saved: Path, tmp_path: Path, content: bytes) -> None:
    path = copy(saved, tmp_path)
    (path / "verifier.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"verifier\.json (cannot be read|has the format None)"):
        Verifier.load(path)


@pytest.mark.parametrize("name", ["encoder.safetensors", "cohort.safetensors"])
def test_weights_that_are_missing_or_torn_are_refused(
    saved: Path, tmp_path: Path, name: str
) -> None:
    path = copy(saved, tmp_path)
    content = (path / name).read_bytes()
    for torn in (b"", content[:100], content[:-1]):
        (path / name).write_bytes(torn)
        with pytest.raises(ValueError, match=rf"bundle/{name} is no safetensors file, or cut"):
            Verifier.load(path)
    (path / name).unlink()
    with pytest.raises(ValueError, match=rf"bundle lacks its {name}: give a folder"):
        Verifier.load(path)


def test_weights_of_another_verifier_are_refused(saved: Path, tmp_path: Path) -> None:
    path = copy(saved, tmp_path)
    save_encoder(path / "encoder.safetensors", bundle(seed=1).encoder)
    with pytest.raises(ValueError, match=r"is not the encoder that verifier\.json speaks of"):
        Verifier.load(path)
    shutil.copy(saved / "encoder.safetensors", path)
    save_file({"cohort": torch.ones(3, DIM)}, path / "cohort.safetensors", {"bodysounds": "{}"})
    with pytest.raises(ValueError, match=r"is not the cohort that verifier\.json speaks of"):
        Verifier.load(path)
    # the sha256 does not tell what fits
    for wrong in (
        {"cohort": torch.ones(3, DIM + 1)},
        {"cohort": torch.ones(DIM)},
        {"cohort": torch.ones(1, DIM)},
        {"cohort": torch.ones(3, DIM, dtype=torch.float64)},
        {"cohort": torch.full((3, DIM), torch.nan)},
        {"x": torch.ones(3, DIM)},
    ):
        write_stored(path / "cohort.safetensors", wrong, {})
        sha256 = {"encoder": state_sha256(load_encoder(saved).state), "cohort": state_sha256(wrong)}
        edited(path, sha256=sha256)
        with pytest.raises(ValueError, match=r"cohort\.safetensors must hold .*: give a folder"):
            Verifier.load(path)


def test_a_folder_without_a_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere does not exist: give a folder that the stage"):
        Verifier.load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"holds no verifier\.json: give a folder"):
        Verifier.load(tmp_path)
    save_encoder(tmp_path / "encoder.safetensors", bundle().encoder)
    with pytest.raises(ValueError, match=r"encoder\.safetensors holds no verifier\.json"):
        Verifier.load(tmp_path / "encoder.safetensors")


def test_a_bundle_that_knows_no_rates_of_its_recordings_is_loaded(
    saved: Path, tmp_path: Path
) -> None:
    path = copy(saved, tmp_path)
    edited(path, sample_rates=None)
    assert "sample_rates" not in Verifier.load(path, device="cpu").about


def test_a_bundle_without_its_card_still_answers(tmp_path: Path) -> None:
    save_verifier(tmp_path / "bundle", bundle())
    (tmp_path / "bundle" / "README.md").unlink()
    assert Verifier.load(tmp_path / "bundle").embed((voice(300.0), RATE)).shape == (DIM,)


@pytest.mark.parametrize(
    "changes",
    [{"min_s": 0}, {"silence_dbfs": 1}, {"clipped_share": 1.1}, {"min_s": "1"}, {"min_s": True}],
)
def test_parameters_that_make_no_sense_are_refused(changes: Any) -> None:
    with pytest.raises(ValueError, match=rf"bundle\.{next(iter(changes))} must"):
        BundleParams(**changes)
