"""`init-corpus` on what people really have: tables of every kind, layouts that mislead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from made_folders import EIGHT, init, listed, made_conf, speak

from bodysounds.commands.init_corpus import run
from bodysounds.corpora.base import recordings_table
from bodysounds.corpora.survey.facts import alone, doubts
from bodysounds.corpora.survey.fit import fits, verification
from bodysounds.corpora.survey.guess import guess_layout
from bodysounds.corpora.survey.layout import understand
from bodysounds.corpora.survey.words import fit_text
from bodysounds.params.predict import PredictParams
from bodysounds.scoring.class_baselines import logistic
from bodysounds.types import Table

FILES = listed("audio/{n:03}.wav", n=range(8))
WHOSE = [f"0{694 + k // 2}" for k in range(8)]


def folder_with(folder: Path, table: pd.DataFrame, **how: object) -> Path:
    speak(folder, FILES)
    table.to_csv(folder / "metadata.csv", index=False, **how)  # type: ignore[call-overload]
    return folder


def rows(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"file_name": FILES, "baby_id": WHOSE, **columns})


def manifest(n: int, **columns: object) -> Table:
    paths = [f"p{i}/{k}.wav" for i in range(n) for k in range(4)]
    who = [path.split("/")[0] for path in paths]
    table = recordings_table({"recording_id": paths, "path": paths, "subject_id": who, **columns})
    return table.assign(duration_s=1.0, sha256=paths)


def test_classes_that_look_like_numbers_are_weighed() -> None:
    rng = np.random.default_rng(0)
    labels = ["02"] * 30 + ["03"] * 10 + ["05"] * 5
    ids = [f"{k:02}" for k in range(45)]
    table = pd.DataFrame({"segment_id": ids, "label": labels, "subset": "train"}, dtype="str")
    features = rng.normal(size=(45, 2)) + np.repeat([0.0, 1.0, 2.0], [30, 10, 5])[:, None]
    classes = ["02", "03", "05"]
    params = PredictParams(balanced=True)
    told = logistic(features, table, table, classes, params)
    named = table.assign(label="class " + table["label"])
    same = logistic(features, named, named, [f"class {name}" for name in classes], params)
    np.testing.assert_array_equal(told, same)
    plain = logistic(features, table, table, classes, PredictParams(balanced=False))
    assert told[:, 2].mean() > plain[:, 2].mean()


def test_a_manifest_may_name_recordings_elsewhere(tmp_path: Path) -> None:
    speak(tmp_path, listed("sounds/{k}.wav", k=range(6)))
    (tmp_path / "lists").mkdir()
    labels = ["crying", "screaming", "normal"] * 2
    table = pd.DataFrame({"file_path": listed("../sounds/{k}.wav", k=range(6)), "label": labels})
    table.to_csv(tmp_path / "lists/data_manifest.csv", index=False)
    layout = understand(tmp_path / "lists", None, {})
    assert layout.recordings is not None
    assert len(layout.recordings) == 6
    assert run([str(tmp_path / "lists"), "--dry-run", "--conf", str(made_conf(tmp_path))]) == 0
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="give the folder that holds both"):
        understand(tmp_path / "empty", None, {})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda t: pd.concat([t, t.head(1).assign(baby_id="9")]), "1 say something else"),
        (lambda t: t.rename(columns={"file_name": "clip"}), "names the files in 'clip'"),
        (lambda t: t.assign(file_name=t["file_name"].str.replace("wav", "m4a")), "every row"),
        (lambda t: t.assign(file_name="C:\\x\\" + t["file_name"]), "every row"),
    ],
)
def test_why_a_table_must_be_rewritten_is_told(
    change: object, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folder_with(tmp_path / "recs", change(rows()))  # type: ignore[operator]
    conf = made_conf(tmp_path)
    with pytest.raises(ValueError, match=r"would be overwritten \(.*" + why):
        run([str(folder), "--conf", str(conf)])
    assert run([str(folder), "--conf", str(conf), "--dry-run"]) == 0  # it writes nothing
    assert why in capsys.readouterr().out
    found = init(tmp_path, folder, "--force").recordings
    assert found.set_index("path").loc[FILES, "subject_id"].tolist() == WHOSE


def test_a_table_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "recs", rows(note="Zoë"), encoding="latin-1")
    with pytest.raises(ValueError, match=r"metadata\.csv cannot be read .*UTF-8"):
        understand(folder, None, {})
    rows().head(2).to_csv(folder / "metadata.csv", index=False)
    with pytest.raises(ValueError, match="names 2 of the 8 recordings only"):
        understand(folder, None, {})


def test_a_table_of_a_spreadsheet_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it is saved on Windows: code page, absolute paths, columns and rows of nothing."""
    folder = tmp_path / "recs"
    speak(folder, FILES)
    lines = ["Datei;Patient ID;Länge;"]
    lines += [f"D:\\Zoë\\{path.replace('/', chr(92))};{who};1,5;" for path, who in
              zip(FILES, WHOSE, strict=True)]  # fmt: skip
    (folder / "Liste.csv").write_bytes("\r\n".join([*lines, ";;;", ";;;", ""]).encode("cp1252"))
    recordings = init(tmp_path, folder).recordings
    assert recordings.set_index("path").loc[FILES, "subject_id"].tolist() == WHOSE
    said = capsys.readouterr().out
    assert "Liste.csv is no UTF-8 and is read as cp1252" in said
    written = pd.read_csv(folder / "metadata.csv", dtype=str)
    assert list(written) == ["file_name", "subject", "order", "Länge"]
    assert len(written) == 8


def test_names_that_several_folders_share_are_told(tmp_path: Path) -> None:
    speak(tmp_path, listed("{n}/{k}.wav", n=EIGHT, k=range(2)))
    table = pd.DataFrame({"file": ["0.wav", "1.wav"] * 8, "speaker": np.repeat(EIGHT, 2)})
    table.to_csv(tmp_path / "index.csv", index=False)
    notes = " ".join(understand(tmp_path, None, {}).notes)
    assert "index.csv names none of the 16" in notes
    assert "several are called 0.wav; give them with their folders" in notes


def test_lists_of_kaldi_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    speak(folder, FILES)
    scp = [f"{who}-{k} sph2pipe -f wav /export/{path} |" for k, (path, who) in
           enumerate(zip(FILES, WHOSE, strict=True))]  # fmt: skip
    lists = {
        "wav.scp": scp,
        "utt2spk": [f"{who}-{k} {who}" for k, who in enumerate(WHOSE)],
        "spk2gender": [f"{who} {'mf'[int(who) % 2]}" for who in dict.fromkeys(WHOSE)],
    }
    for name, lines in lists.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    recordings = init(tmp_path, folder).recordings.set_index("path")
    assert recordings.loc[FILES, "subject_id"].tolist() == WHOSE
    assert recordings.loc[FILES[2], "sex"] == "f"
    (folder / "metadata.csv").unlink()
    cuts = [f"u{k} {whose}-{of} 0 0.1" for k, (whose, of) in
            enumerate([(WHOSE[0], 0), (WHOSE[0], 0), (WHOSE[1], 1)])]  # fmt: skip
    (folder / "segments").write_text("\n".join(cuts))
    (folder / "utt2spk").write_text("u0 anna\nu1 ben\nu2 ben\n")
    with pytest.raises(ValueError, match=r"utterances of several speakers, such as 0694-0"):
        understand(folder, None, {})
    (folder / "utt2spk").write_text("u0 anna\nu1 anna\nu2 ben\n")
    from bodysounds.corpora.survey.kaldi import read_lists

    assert read_lists(folder)["speaker"].tolist()[:2] == ["anna", "ben"]


def test_one_who_has_most_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few, many = listed("{n}/{k}.wav", n=EIGHT, k="ab"), listed("zoe/{k}.wav", k=range(24))
    speak(tmp_path / "recs", [*few, *many])
    asked = [str(tmp_path / "recs"), "--dry-run", "--conf", str(made_conf(tmp_path))]
    assert run(asked) == 0
    assert "zoe alone has 60% of them" in capsys.readouterr().out


def test_subjects_that_look_wrong_are_told() -> None:
    sexes = ["m", "f", "f", "f"] + ["m"] * 4
    odd = manifest(2, sex=sexes).assign(subject_id=["1.0"] * 4 + ["2.0"] * 4)
    told = " ".join(doubts(odd))
    assert "1 of 2 subjects have several sexes (1.0)" in told
    assert "leading zeros" in told
    assert "4 recordings are of the subject nan" in " ".join(
        doubts(odd.assign(subject_id=["a"] * 4 + ["nan"] * 4))
    )
    assert doubts(manifest(3)) == []


def test_what_one_subject_alone_has_is_told() -> None:
    table = manifest(4).assign(sample_rate=16_000, channels=1)
    table.loc[table["subject_id"] == "p2", "sample_rate"] = 8_000
    assert alone(table) == [{"subject": "p2", "what": "sample_rate", "value": "8000"}]
    table.loc[0, "sample_rate"] = 8_000
    assert alone(table) == []


@pytest.mark.parametrize(
    "paths",
    [
        [f"{'covid' if i % 2 else 'healthy'}/a{i * 7919:08x}/{k}.wav"
         for i in range(14) for k in range(3)],
        [f"{'boys' if i % 2 else 'girls'}/{n}{k}.wav" for i, n in enumerate(EIGHT)
         for k in range(3)],
        listed("S{i:02}_R{k:02}.wav", i=range(1, 15), k=range(1, 4)),
    ],
)  # fmt: skip
def test_two_outer_folders_and_takes_are_no_subjects(paths: list[str]) -> None:
    best = guess_layout([Path(path) for path in paths])[0]
    inner = {"field1"} if "_R" in paths[0] or "boys" in paths[-1] else {"folder2"}
    assert best.roles["subject"] in inner
    assert best.confidence < 0.4 or "_R" not in paths[0]


def test_six_subjects_of_many_recordings_serve() -> None:
    assert verification(manifest(6)).works


def test_the_interval_counts_who_is_compared() -> None:
    """The headline is of pairs across sessions: recordings of one hour are none."""
    at = np.tile([0.0, 60.0, 120.0, 180.0], 40) + 1e9
    together = fits(manifest(40, recorded_at=at))["verification"].facts
    assert not together["across_sessions"]
    several = at + np.where(np.arange(160) < 80, np.tile([0, 0, 7200, 7200], 40), 0)
    apart = verification(manifest(40, recorded_at=several)).facts
    assert apart["across_sessions"]
    assert 0 < apart["interval"].get("with_two", 1) < together["interval"]["with_two"]


def test_a_published_layout_serves_its_own_tasks() -> None:
    assert list(fits(manifest(6), ("respiratory_scl",))) == ["respiratory_scl"]
    assert fit_text(fits(manifest(6), ("respiratory_scl",))).split() == ["respiratory_scl", "yes"]


def test_odd_files_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / 'odd, "x" ü'
    speak(folder, listed("p{n}/{k}.wav", n=range(6), k=range(2)))
    wave = np.random.default_rng(0).normal(size=(16_000, 8)) * 0.1
    soundfile.write(folder / "p0/eight.wav", wave, 16_000, subtype="PCM_24")
    (folder / "p0/zero.wav").write_bytes(b"")
    (folder / "p0/._0.wav").write_bytes(b"x")
    (folder / "p1/gone.wav").symlink_to(tmp_path / "nowhere.wav")
    (folder / "p1/loop").symlink_to(folder)
    asked = [str(folder), "--dry-run", "--name", "odd", "--conf", str(made_conf(tmp_path))]
    assert run(asked) == 0
    told = capsys.readouterr().out
    assert "15, of which 13 can be used" in told
    assert "zero.wav is empty" in told
    assert "gone.wav is not there" in told
