"""embed: a row a recording, what is left out, and a result that is whole or not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from made_calls import HIGH, LOW, call, left_overs, record, silence, text_file
from made_verifier import DIM, RATE, bundle, voice, with_cohort
from safetensors import safe_open

from bodysounds import Verifier
from bodysounds.models.encoder import save_encoder
from bodysounds.models.verifier import save_verifier
from bodysounds.scoring.embed_files import embed_files

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = ["a b.wav", "below/é/c.flac", "below/é/d.WAV"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "bundle"
    save_verifier(folder, bundle())
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "recordings"
    record(made / NAMES[0], LOW)
    (made / NAMES[1]).parent.mkdir(parents=True)
    soundfile.write(made / NAMES[1], voice(HIGH, 1.5, rate=8_000), 8_000)
    record(made / NAMES[2], HIGH, seconds=0.7)
    text_file(made / "notes.txt")
    text_file(made / ".hidden.wav")
    return made


def as_verified(model: Path, paths: list[Path]) -> np.ndarray:
    """What the library's object gives, one by one."""
    own = Verifier.load(model, device="cpu")
    return np.stack([own.embed(path) for path in paths])


def vectors(table: pd.DataFrame) -> np.ndarray:
    return table[[f"e{k:03d}" for k in range(DIM)]].to_numpy()


def test_a_row_a_recording(
    model: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "embeddings.parquet"
    assert call("embed", folder, "--out", out, "--model", model) == 0
    caught = capsys.readouterr()
    assert caught.out == f"{out} holds 3 embeddings of {DIM} numbers\n"
    assert "embed files" in caught.err  # the bar
    table = pd.read_parquet(out)
    assert table["path"].tolist() == NAMES
    np.testing.assert_allclose(table["duration_s"], [1.0, 1.5, 0.7])
    expected = as_verified(model, [folder / name for name in NAMES])
    np.testing.assert_allclose(vectors(table), expected, atol=1e-6)
    kinds = table.dtypes.astype(str)
    assert kinds.tolist() == ["str", "float64", *["float32"] * DIM]  # nothing that Viz trips over
    assert list(out.parent.iterdir()) == [out]


def test_what_is_broken_is_listed_and_the_rest_goes_on(
    model: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text_file(folder / "below" / "broken ü.wav")
    (folder / "empty.mp3").write_bytes(b"")
    out, listing = tmp_path / "e.parquet", tmp_path / "e.rejected.csv"
    asked = ["embed", folder, "--out", out, "--model", model]
    assert call(*asked) == 1
    caught = capsys.readouterr()
    assert caught.err.count("left out: ") == 2
    assert "2 recordings left out, listed in " in caught.out
    assert pd.read_parquet(out)["path"].tolist() == NAMES
    rejected = pd.read_csv(listing)
    assert sorted(rejected["path"]) == ["below/broken ü.wav", "empty.mp3"]
    assert rejected["reason"].str.contains("not audio|is empty").all()
    assert call(*asked, "--force", "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["recordings"], said["dim"], len(said["rejected"])) == (3, DIM, 2)
    (folder / "below" / "broken ü.wav").unlink()
    (folder / "empty.mp3").unlink()
    assert call(*asked, "--force") == 0
    assert not listing.exists()  # it was that of the result before


@pytest.mark.parametrize("ending", [".csv", ".npz", ".safetensors"])
def test_other_formats_hold_the_same(
    ending: str, model: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / f"e{ending}"
    assert call("embed", folder, "--out", out, "--model", model) == 0
    expected = as_verified(model, [folder / name for name in NAMES])
    if ending == ".csv":
        table = pd.read_csv(out)
        paths, found = table["path"].tolist(), vectors(table)
    elif ending == ".npz":
        arrays = np.load(out)  # no pickle
        paths, found = arrays["path"].tolist(), arrays["embeddings"]
        np.testing.assert_allclose(arrays["duration_s"], [1.0, 1.5, 0.7])
    else:
        with safe_open(out, framework="np") as opened:
            paths, found = json.loads(opened.metadata()["paths"]), opened.get_tensor("embeddings")
    assert paths == NAMES
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert left_overs(tmp_path) == []


def test_an_encoder_and_its_versions_are_models_too(folder: Path, tmp_path: Path) -> None:
    task = tmp_path / "06_models" / "cry_verification"
    entry = task / "encoder.safetensors"
    save_encoder(entry / "2026-01-01T00.00.00.000Z" / "encoder.safetensors", bundle().encoder)
    silence(folder / "z.wav")  # nothing says here that it is no evidence
    out = tmp_path / "e.parquet"
    expected = embed_files(bundle().encoder, [folder / name for name in [*NAMES, "z.wav"]])
    for given in (entry, task):
        assert call("embed", folder, "--out", out, "--model", given, "--force") == 0
        table = pd.read_parquet(out)
        np.testing.assert_allclose(vectors(table), expected, atol=1e-6)
        np.testing.assert_allclose(table["duration_s"], [1.0, 1.5, 0.7, 1.0])


KINDS: dict[str, dict[str, Any]] = {
    "whole": {},
    "windows": {"embed": "windows", "window_s": 0.4, "hop_s": 0.15},
    "loud": {"embed": "loud", "loud_share": 0.3},
    "first": {"embed": "first", "first_s": 0.5},
    "short": {"max_side_s": 0.6},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("centred", [False, True])
def test_cosines_of_rows_are_the_scores_of_verify(
    kind: str, centred: bool, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bodysounds.scoring.hearing.TOGETHER", 2)  # more than one group
    record(folder / "e.wav", 300.0, seconds=1.3)
    made = bundle(scoring=KINDS[kind])
    made = with_cohort(made, centred=True) if centred else made
    save_verifier(tmp_path / "bundle", made)
    verifier = Verifier.load(tmp_path / "bundle", device="cpu")
    out = tmp_path / "e.parquet"
    assert call("embed", folder, "--out", out, "--model", tmp_path / "bundle") == 0
    table = pd.read_parquet(out)
    cosines = vectors(table).astype(float) @ vectors(table).astype(float).T
    paths = [folder / name for name in table["path"]]
    for a in range(4):
        for b in range(a):
            score = verifier.verify(paths[a], paths[b]).score
            assert cosines[a, b] == pytest.approx(score, abs=1e-6)
    if kind != "whole" or centred:  # and it matters
        plain = embed_files(made.encoder, paths).astype(float)
        assert np.abs(plain @ plain.T - cosines).max() > 1e-3


def test_what_verify_would_not_answer_is_left_out_with_its_name(
    model: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    silence(folder / "silent.wav")
    record(folder / "short.wav", LOW, seconds=0.1)
    out = tmp_path / "e.parquet"
    assert call("embed", folder, "--out", out, "--model", model) == 1
    told = capsys.readouterr().err
    assert f"left out: {folder / 'silent.wav'}: silent: its peak is" in told
    assert pd.read_parquet(out)["path"].tolist() == NAMES
    rejected = pd.read_csv(tmp_path / "e.rejected.csv").set_index("path")["reason"]
    assert "too short: 0.1 s" in rejected["short.wav"]


def test_only_the_start_of_a_long_recording_is_heard(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "e.parquet"
    call("embed", folder, "--out", out, "--model", model, "--max-side-s", 0.5)
    start = soundfile.read(folder / NAMES[0], dtype="float32")[0][: RATE // 2]
    soundfile.write(tmp_path / "start.wav", start, RATE)
    expected = as_verified(model, [tmp_path / "start.wav"])
    np.testing.assert_allclose(vectors(pd.read_parquet(out))[:1], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["recordings"], "say where the result goes with --out FILE, a name in .parquet"),
        (["recordings", "--out", "e.txt"], "--out must end in .parquet"),
        (["recordings", "--out", "there.csv"], "there.csv exists"),
        (["gone", "--out", "e.csv"], "gone is no folder"),
        (["there.csv", "--out", "e.csv"], "there.csv is no folder"),
        (["broken", "--out", "e.csv"], "none of 1 recording could be used"),
        (["empty", "--out", "e.csv"], "empty holds no audio files"),
        (["recordings", "--out", "e.csv", "--max-side-s", "0"], "max_side_s"),
        (["recordings", "--out", "e.csv", "--model", "there.csv"], "is no safetensors file"),
    ],
)
def test_errors_write_nothing(
    arguments: list[str], message: str, model: Path, folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    text_file(tmp_path / "broken" / "a.wav")
    text_file(tmp_path / "there.csv")
    before = sorted(tmp_path.rglob("*"))
    assert call("embed", "--model", model, *arguments) == 2
    caught = capsys.readouterr()
    assert caught.out == ""
    assert message in caught.err.strip().splitlines()[-1]
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "there.csv").read_text() == "this is no sound\n"


def test_without_a_model_encoders_and_verifiers_are_listed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    models = tmp_path / "data" / "06_models" / "demo"
    save_verifier(models / "a_verification" / "bundle" / "v1" / "bundle", bundle())
    entry = models / "speaker_identification" / "encoder.safetensors"
    save_encoder(entry / "v1" / "encoder.safetensors", bundle().encoder)
    assert call("embed", folder, "--out", "e.csv") == 2
    listed = [line.split()[1] for line in capsys.readouterr().err.splitlines()[1:]]
    assert [str(Path(one).relative_to("data/06_models/demo")) for one in listed] == [
        "a_verification/bundle", "speaker_identification/encoder.safetensors",
    ]  # fmt: skip
    for one in listed:
        assert call("embed", folder, "--out", "e.csv", "--model", one, "--force") == 0


@pytest.mark.parametrize("at", ["to_parquet", "listen"])
def test_ctrl_c_leaves_what_was_there(
    at: str, model: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "e.parquet"
    out.write_text("before")

    def stopped(*given: Any, **_: Any) -> None:
        if at == "to_parquet":
            Path(given[1]).write_text("half")
        raise KeyboardInterrupt

    if at == "to_parquet":
        monkeypatch.setattr(pd.DataFrame, "to_parquet", stopped)
    else:
        monkeypatch.setattr("bodysounds.scoring.hearing.given_side", stopped)
    assert call("embed", folder, "--out", out, "--model", model, "--force") == 130
    assert out.read_text() == "before"
    assert left_overs(tmp_path) == []
