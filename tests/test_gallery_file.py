"""Who is enrolled, in a file: kept whole, and refused where it is torn or another model's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_verifier import DIM, RATE, bundle, verifier, voice, with_cohort
from safetensors import safe_open
from safetensors.torch import save_file

from bodysounds import Verifier
from bodysounds.verifier import Heard

pytestmark = pytest.mark.usefixtures("one_thread")

LOW, HIGH = voice(220.0), voice(610.0, seed=1)
IDS = ["Łukasz", "宝宝 1", "a/b\\c\n", "0012", "\U0001f476", "None"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    return verifier(tmp_path_factory.mktemp("verifier"))


@pytest.fixture(scope="module")
def saved(model: Verifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    for number, subject in enumerate(IDS):
        model.enrol(subject, (voice(200.0 + 60 * number), RATE))
    model.enrol(IDS[1], [(LOW, RATE), (voice(300.0, 0.4), RATE)])
    path = tmp_path_factory.mktemp("gallery") / "new" / "gallery.safetensors"
    model.save_gallery(path)
    return path


def fresh(model: Verifier) -> Verifier:
    return Verifier(model.bundle, "cpu")


def rewritten(saved: Path, path: Path, state: dict[str, Any], **changes: Any) -> Path:
    """The file with tensors and facts replaced; a fact that is None is left out."""
    with safe_open(saved, framework="pt") as opened:
        about = json.loads(opened.metadata()["bodysounds"])
        kept = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    told = {k: v for k, v in {**about, **changes}.items() if v is not None}
    tensors = {k: v for k, v in {**kept, **state}.items() if v is not None}
    save_file(tensors, path, {"bodysounds": json.dumps(told)})
    return path


def test_a_gallery_read_again_says_the_same(model: Verifier, saved: Path) -> None:
    again = fresh(model)
    again.enrol("somebody else", (HIGH, RATE))
    again.load_gallery(saved)
    assert again.gallery.ids == IDS
    assert again.gallery.counts == model.gallery.counts == {**dict.fromkeys(IDS, 1), IDS[1]: 2}
    for wave in (LOW, HIGH):
        assert again.identify((wave, RATE), top_k=9) == model.identify((wave, RATE), top_k=9)
    with safe_open(saved, framework="pt") as opened:
        about = json.loads(opened.metadata()["bodysounds"])
    assert about["made_by"]["encoder"] == model.about["sha256"]["encoder"]


def test_equal_galleries_are_equal_bytes(model: Verifier, saved: Path, tmp_path: Path) -> None:
    again = fresh(model)
    again.load_gallery(saved)
    again.save_gallery(tmp_path / "gallery.safetensors")
    assert (tmp_path / "gallery.safetensors").read_bytes() == saved.read_bytes()
    # saved over itself, with one more
    again.enrol("new", (HIGH, RATE))
    again.save_gallery(tmp_path / "gallery.safetensors")
    other = fresh(model)
    other.load_gallery(tmp_path / "gallery.safetensors")
    assert other.gallery.ids == [*IDS, "new"]
    assert [path.name for path in tmp_path.iterdir()] == ["gallery.safetensors"]


def test_the_seconds_of_references_are_kept(tmp_path: Path, model: Verifier) -> None:
    model = fresh(model)
    model.enrol("a", [(LOW, RATE), (voice(300.0, 0.4, 48_000), 48_000)])
    model.save_gallery(tmp_path / "gallery.safetensors")
    again = fresh(model)
    again.load_gallery(tmp_path / "gallery.safetensors")
    assert again.gallery.references().seconds == pytest.approx([1.4])


def test_an_empty_gallery_is_not_saved(model: Verifier, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the gallery is empty"):
        fresh(model).save_gallery(tmp_path / "gallery.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_another_models_gallery_is_refused(model: Verifier, saved: Path, tmp_path: Path) -> None:
    other = verifier(tmp_path / "other", bundle(seed=1))
    with pytest.raises(
        ValueError, match=r"gallery\.safetensors was made by another encoder"
    ) as told:
        other.load_gallery(saved)
    for one in (model, other):
        assert one.about["sha256"]["encoder"][:12] in str(told.value)
    windows = verifier(tmp_path / "windows", bundle(scoring={"centre": [], "embed": "windows"}))
    with pytest.raises(ValueError, match=r"by this encoder from sides that were heard otherwise"):
        windows.load_gallery(saved)
    centred = verifier(tmp_path / "centred", with_cohort(bundle(), centred=True))
    with pytest.raises(ValueError, match=r"heard otherwise \(centred_by\)"):
        centred.load_gallery(saved)
    # another threshold or calibration compares the same embeddings
    verifier(tmp_path / "strict", bundle(calibration=None, threshold=0.99)).load_gallery(saved)
    precise = bundle(scoring={"centre": [], "precision": "float32"})
    verifier(tmp_path / "precise", precise).load_gallery(saved)


ROWS = len(IDS) + 1
NAN = torch.full((ROWS, DIM), torch.nan)


@pytest.mark.parametrize(
    ("state", "changes", "why"),
    [
        ({}, {"format": "bodysounds.encoder/1"}, "has the format 'bodysounds.encoder/1'"),
        ({}, {"format": None}, "has the format None"),
        ({}, {"made_by": None}, "was made by another encoder"),
        ({}, {"made_by": []}, "was made by another encoder"),
        ({}, {"ids": [*IDS[:-1], IDS[0]]}, f"the id '{IDS[0]}' stands there twice"),
        ({}, {"ids": [*IDS[:-2], "Zoë", "Zoe\u0308"]}, "the id 'Zoë' stands there twice"),
        ({}, {"ids": [*IDS[:-1], ""]}, "an id is a text"),
        ({}, {"ids": [*IDS[:-1], 3]}, "an id is a text"),
        ({}, {"ids": IDS[:-1]}, "each id has one count"),
        ({}, {"ids": None}, "no whole gallery"),
        ({}, {"ids": 5}, "no whole gallery"),
        ({}, {"ids": [], "counts": []}, "0 references of 0 ids"),
        ({}, {"counts": [1, 2, 1, 1, 1, 0]}, "each id has one count"),
        ({}, {"counts": [1, 2, 1, 1, 1, "1"]}, "each id has one count"),
        ({}, {"counts": [1] * 6}, "6 references of 6 ids"),
        ({"embeddings": None}, {}, "no whole gallery"),
        ({"embeddings": torch.ones(ROWS, DIM + 1)}, {}, "have float32 embeddings of 8"),
        ({"embeddings": torch.ones(ROWS, DIM, dtype=torch.float64)}, {}, "float32 embeddings"),
        ({"embeddings": NAN}, {}, "reference 0 has the length nan"),
        ({"embeddings": torch.ones(ROWS, DIM)}, {}, r"reference 0 has the length 2\.83"),
        ({"seconds": torch.ones(ROWS - 1)}, {}, "lasts a number of seconds above 0"),
        ({"seconds": torch.zeros(ROWS)}, {}, "lasts a number of seconds above 0"),
        ({"seconds": torch.full((ROWS,), torch.inf)}, {}, "lasts a number of seconds above 0"),
    ],
)
def test_a_file_that_is_no_whole_gallery_is_refused(
    model: Verifier, saved: Path, tmp_path: Path, state: Any, changes: Any, why: str
) -> None:
    path = rewritten(saved, tmp_path / "other.safetensors", state, **changes)
    one = fresh(model)
    one.enrol("kept", (LOW, RATE))
    with pytest.raises(ValueError, match=why) as told:
        one.load_gallery(path)
    assert str(path) in str(told.value)
    assert "enrol again" in str(told.value)
    assert "\n" not in str(told.value)
    assert one.gallery.ids == ["kept"]


def test_a_torn_file_is_refused(model: Verifier, saved: Path, tmp_path: Path) -> None:
    content = saved.read_bytes()
    for number, part in enumerate((b"", content[:7], content[:300], content[:-1], b"junk" * 99)):
        path = tmp_path / f"{number}.safetensors"
        path.write_bytes(part)
        with pytest.raises(ValueError, match=rf"{number}\.safetensors .*: enrol again"):
            fresh(model).load_gallery(path)
    for path in (tmp_path / "missing.safetensors", tmp_path):
        with pytest.raises(ValueError, match="is no file: enrol again"):
            fresh(model).load_gallery(path)
    plain = tmp_path / "plain.safetensors"
    save_file({"embeddings": torch.ones(1, DIM)}, plain)
    with pytest.raises(ValueError, match="does not say"):
        fresh(model).load_gallery(plain)


def test_ten_thousand_are_searched_at_once(model: Verifier, tmp_path: Path) -> None:
    one = fresh(model)
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((10_000, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for number, vector in enumerate(vectors):
        one.enrol(f"s{number}", Heard(vector, 1.0, None))
    one.save_gallery(tmp_path / "many.safetensors")
    one.load_gallery(tmp_path / "many.safetensors")
    probe = one.embed((LOW, RATE)).astype(np.float64)
    cosines = vectors.astype(np.float64) @ probe
    found = one.identify((LOW, RATE), top_k=4).candidates
    assert [c.subject for c in found] == [f"s{row}" for row in np.argsort(-cosines)[:4]]
    assert [c.score for c in found] == pytest.approx(np.sort(cosines)[::-1][:4], abs=1e-6)
