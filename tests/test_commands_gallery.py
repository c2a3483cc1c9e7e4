"""enrol and identify: whom a gallery holds, who is named, and nothing that is half done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_calls import HIGH, LOW, call, left_overs, record, silence, text_file
from made_verifier import bundle

from bodysounds import Verifier
from bodysounds.models.verifier import save_verifier

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "bundle"
    save_verifier(folder, bundle())
    return folder


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    record(folder / "bo" / "1.wav", HIGH)
    record(folder / "zoë m" / "1.wav", LOW)
    record(folder / "zoë m" / "2.wav", LOW, seed=1)
    (folder / ".hidden").mkdir()
    text_file(folder / "read me.txt")
    return folder


@pytest.fixture
def gallery(model: Path, people: Path, tmp_path: Path) -> Path:
    path = tmp_path / "new" / "gallery.safetensors"
    assert call("enrol", "--folder", people, "--gallery", path, "--model", model) == 0
    return path


def held(model: Path, gallery: Path) -> dict[str, int]:
    verifier = Verifier.load(model, device="cpu")
    verifier.load_gallery(gallery)
    return verifier.gallery.counts


def test_a_folder_of_people_is_enrolled(
    model: Path, people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gallery = tmp_path / "gallery"
    assert call("enrol", "--folder", people, "--gallery", gallery, "--model", model) == 0
    said = capsys.readouterr().out
    assert held(model, gallery) == {"bo": 1, "zoë m": 1}
    assert said.startswith("2 individuals enrolled by 3 recordings; ")
    assert said.endswith("holds 2 individuals, 2 references\n")


def test_who_is_enrolled_again_has_one_more(
    model: Path, people: Path, gallery: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--gallery", gallery, "--model", model]
    assert call("enrol", "bo", people / "bo" / "1.wav", *options) == 0
    assert held(model, gallery) == {"bo": 2, "zoë m": 1}
    assert call("enrol", "zoë m", *options, people / "zoë m", "--each") == 0
    assert held(model, gallery) == {"bo": 2, "zoë m": 3}
    capsys.readouterr()
    assert call("enrol", "new", people / "zoë m", *options, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "gallery": str(gallery),
        "individuals": 3,
        "references": {"bo": 2, "zoë m": 3, "new": 1},
    }
    for name in ("new", "bo"):
        assert call("enrol", "--remove", name, *options) == 0
    assert held(model, gallery) == {"zoë m": 3}
    assert call("enrol", "--remove", "bo", *options) == 2
    assert call("enrol", "--remove", "zoë m", *options) == 0
    assert not gallery.exists()


def test_who_is_in_a_gallery_is_listed_without_its_model(
    model: Path, people: Path, gallery: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["enrol", "--list", "--gallery", gallery]
    before = gallery.read_bytes()
    again = record(tmp_path / "again.wav", HIGH, seconds=2.5)
    assert call("enrol", "bo", again, "--gallery", gallery, "--model", model) == 0
    capsys.readouterr()
    for options in ([], ["--model", model]):
        assert call(*asked, *options) == 0
        assert capsys.readouterr().out == (
            "bo: 2 references, 3.5 s\nzoë m: 1 reference, 2.0 s\n"  # its two of 1 s are one
        )
    assert call(*asked, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "gallery": str(gallery),
        "individuals": 2,
        "references": {"bo": 2, "zoë m": 1},
        "seconds": {"bo": pytest.approx(3.5), "zoë m": pytest.approx(2.0)},
    }
    save_verifier(tmp_path / "other", bundle(seed=1))
    assert call(*asked, "--model", tmp_path / "other") == 2
    assert "was made by another encoder" in capsys.readouterr().err
    gallery.write_bytes(before[:-8])
    assert call(*asked) == 2
    assert "enrol again" in capsys.readouterr().err


def test_answers_come_one_by_one_and_ctrl_c_keeps_those(
    model: Path, gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    probes = tmp_path / "probes"
    text_file(record(probes / "0.wav"))  # with the first answer, in its place
    for number in (1, 2, 3):
        record(probes / f"{number}.wav", HIGH, seed=number)
    identify, seen = Verifier.identify, []

    def stopped(self: Verifier, path: Path, **options: Any) -> Any:
        seen.append(capsys.readouterr().out)
        if path.name == "3.wav":
            raise KeyboardInterrupt
        return identify(self, path, **options)

    monkeypatch.setattr(Verifier, "identify", stopped)
    asked = ["identify", probes, "--gallery", gallery, "--model", model]
    for options, names in (([], []), (["--json"], ["0.wav", "1.wav"])):
        seen.clear()
        assert call(*asked, *options, "--threshold", -1) == 130
        assert seen[:2] == ["", ""]
        assert seen[2].index("0.wav") < seen[2].index("1.wav")
        assert "2.wav: bo" in seen[3] or json.loads(seen[3])["subject"] == "bo"
        if names:
            lines = [json.loads(line) for line in seen[2].splitlines()]
            assert [Path(line["path"]).name for line in lines] == names
        assert "identify: stopped" in capsys.readouterr().err


def test_a_recording_that_cannot_be_used_changes_nothing(
    model: Path, people: Path, gallery: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = gallery.read_bytes()
    more = gallery.parent / "more"
    record(more / "ann" / "1.wav", HIGH)
    record(more / "cy" / "1.wav", HIGH)
    silence(more / "cy" / "2.wav")
    record(more / "di" / "1.wav", HIGH)
    text_file(more / "di" / "2.wav")
    capsys.readouterr()
    assert call("enrol", "--folder", more, "--gallery", gallery, "--model", model) == 2
    said = capsys.readouterr().err
    assert "cy: recording 2, " in said
    assert "di: " in said
    assert "2 of 3 cannot be enrolled, and nothing was written" in said
    silent = more / "cy" / "2.wav"
    assert call("enrol", "eve", silent, "--gallery", gallery, "--model", model) == 2
    assert gallery.read_bytes() == before
    assert left_overs(gallery.parent) == []


def test_the_best_is_named_and_a_stranger_is_not(
    model: Path, people: Path, gallery: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = Verifier.load(model, device="cpu")
    own.load_gallery(gallery)
    same = record(tmp_path / "same é.wav", HIGH, seed=5)
    silent = silence(tmp_path / "silent.wav")
    score = own.identify(same).candidates[0].score
    options = ["--gallery", gallery, "--model", model]
    capsys.readouterr()
    assert call("identify", same, *options, "--threshold", score - 0.01) == 0
    said = capsys.readouterr().out
    assert f"same é.wav: bo, score {score:.3f} (threshold {score - 0.01:.3f}), probability" in said
    assert "\n  then zoë m " in said
    assert call("identify", same, *options, "--threshold", score + 0.01, "--top-k", 1) == 1
    said = capsys.readouterr().out
    assert f"same é.wav: unknown; the nearest is bo, score {score:.3f}" in said
    assert "then" not in said
    assert call("identify", silent, *options) == 3
    said = capsys.readouterr().out
    assert said.startswith(f"{silent}: no answer, silent: its peak is digital zero")
    assert "no proof" not in said
    assert call("identify", silent, same, *options, "--threshold", score - 0.01) == 1


def test_json_is_a_line_a_recording(
    model: Path, gallery: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    probes = tmp_path / "probes"
    record(probes / "1.wav", HIGH)
    silence(probes / "2.wav")
    text_file(probes / "3.wav")
    capsys.readouterr()
    found = ["identify", probes, "--gallery", gallery, "--model", model]
    assert call(*found, "--json", "--threshold", -1) == 1
    caught = capsys.readouterr()
    lines = [json.loads(line) for line in caught.out.splitlines()]
    assert [Path(line["path"]).name for line in lines] == ["1.wav", "2.wav", "3.wav"]
    assert lines[0]["subject"] == "bo"
    scores = [candidate["score"] for candidate in lines[0]["candidates"]]
    assert scores == sorted(scores, reverse=True)
    assert [line["subject"] for line in lines[1:]] == [None, None]
    assert "silent" in lines[1]["abstained"]
    assert "not audio" in lines[2]["abstained"]
    assert "identify" in caught.err  # the bar


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["identify", "1.wav"], "identify: say which gallery with --gallery FILE"),
        (["identify", "1.wav", "--gallery", "gone"], "gone"),
        (["identify", "1.wav", "--gallery", "1.wav"], "1.wav is no safetensors file"),
        (["identify", "text.wav", "--gallery", "G"], "text.wav is not audio"),
        (["identify", "1.wav", "--gallery", "G", "--top-k", "0"], "top_k must be"),
        (["enrol", "bo", "1.wav"], "enrol: say which gallery with --gallery FILE"),
        (["enrol", "--gallery", "G"], "bodysounds enrol ID RECORDING..."),
        (["enrol", "bo", "--gallery", "G"], "bodysounds enrol ID RECORDING..."),
        (["enrol", "bo", "1.wav", "--folder", ".", "--gallery", "G"], "leave out the id"),
        (["enrol", "--folder", "1.wav", "--gallery", "G"], "1.wav is no folder"),
        (["enrol", "--folder", "flat", "--gallery", "G"], "flat has no folders"),
        (["enrol", " ", "1.wav", "--gallery", "G"], "an id is a text that is not empty"),
        (["enrol", "--remove", "bo", "--gallery", "gone"], "gone is no file"),
        (["enrol", "--list", "--gallery", "gone"], "gone is no file"),
        (["enrol", "--list"], "enrol: say which gallery with --gallery FILE"),
        (["enrol", "--list", "--gallery", "1.wav"], "1.wav is no safetensors file"),
        (["enrol", "bo", "--list", "--gallery", "G"], "--list and --remove take no recordings"),
        (["enrol", "bo", "--remove", "bo", "--gallery", "G"], "leave out the id"),
        (["enrol", "--folder", ".", "--list", "--gallery", "G"], "not allowed with"),
    ],
)
def test_errors_are_told_and_2(
    arguments: list[str],
    message: str,
    model: Path,
    gallery: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    record(tmp_path / "1.wav")
    record(tmp_path / "flat" / "1.wav")
    text_file(tmp_path / "text.wav")
    before = gallery.read_bytes()
    given = [str(gallery) if one == "G" else one for one in arguments]
    capsys.readouterr()
    assert call(*given, "--model", model) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err.strip().splitlines()[-1]
    assert gallery.read_bytes() == before


def test_a_gallery_of_another_model_is_refused(
    people: Path, gallery: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_verifier(tmp_path / "other", bundle(seed=1))
    before = gallery.read_bytes()
    options = ["--gallery", gallery, "--model", tmp_path / "other"]
    assert call("identify", people / "bo", *options) == 2
    assert "was made by another encoder" in capsys.readouterr().err
    assert call("enrol", "bo", people / "bo", *options) == 2
    assert gallery.read_bytes() == before


def test_ctrl_c_leaves_the_gallery_as_it_was(
    model: Path, people: Path, gallery: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    before, asked = gallery.read_bytes(), []
    enrol = Verifier.enrol

    def stopped(self: Verifier, *given: Any) -> None:
        asked.append(given)
        if len(asked) == 2:
            raise KeyboardInterrupt
        enrol(self, *given)

    monkeypatch.setattr(Verifier, "enrol", stopped)
    assert call("enrol", "--folder", people, "--gallery", gallery, "--model", model) == 130
    assert "enrol: stopped" in capsys.readouterr().err
    assert gallery.read_bytes() == before
    assert left_overs(gallery.parent) == []
