"""Trial lists: each format there and back, its traps, and the names in it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodysounds.corpora.base import Corpus
from bodysounds.corpora.registry import list_recordings
from bodysounds.splitting.side_names import resolve_sides
from bodysounds.splitting.trial_lists import read_trials, write_trials

FORMATS = ("voxceleb", "kaldi", "cryceleb", "zalo", "csv", "parquet")
ANY = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)
TRICKY = st.sampled_from(["NA", "nan", "007", "1e5", "0694", "a.b.c", '"', "#x", "'", "1", "True"])
NAMES = st.one_of(TRICKY, ANY)
TARGETS = st.sampled_from([1, 0, None])


def trials_of(rows: list[tuple[str, str, int | None]], **more: list[object]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["enrol_id", "test_id", "target"])
    return table.assign(**more).astype({"target": "Int64", "enrol_id": "str", "test_id": "str"})


def text_file(tmp_path: Path, text: str, name: str = "list.txt") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def rows_of(trials: pd.DataFrame) -> list[tuple[str, str, int | None]]:
    target = [None if pd.isna(value) else int(value) for value in trials["target"]]
    return list(zip(trials["enrol_id"], trials["test_id"], target, strict=True))


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(NAMES, NAMES, TARGETS), min_size=1, max_size=6))
@pytest.mark.parametrize("format", FORMATS)
def test_there_and_back(
    tmp_path_factory: pytest.TempPathFactory,
    format: str,
    rows: list[tuple[str, str, int | None]],
) -> None:
    if format == "voxceleb":
        rows = [(a, b, target or 0) for a, b, target in rows]
    if format == "kaldi" and any(target is None for _, _, target in rows):
        rows = [(a, b, None) for a, b, _ in rows]
    if format == "cryceleb":
        rows = [(f"{a}_B", f"{b}_D", target) for a, b, target in rows]
    ids = [f"trial {i}, {a}" for i, (a, _, _) in enumerate(rows)]
    path = tmp_path_factory.mktemp("list") / "list"
    write_trials(path, trials_of(rows, trial_id=ids), format)
    back = read_trials(path, format)
    assert rows_of(back) == rows
    assert list(back.columns) == ["trial_id", "enrol_id", "test_id", "target"]
    assert back["target"].dtype == "Int64"
    assert back["enrol_id"].dtype == back["test_id"].dtype == back["trial_id"].dtype == "str"
    if format in ("cryceleb", "csv", "parquet"):
        assert back["trial_id"].tolist() == ids
    else:
        assert back["trial_id"].iloc[0] == f"{rows[0][0]}~{rows[0][1]}"
        assert back["trial_id"].is_unique


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_a_subset_survives(tmp_path: Path, format: str) -> None:
    trials = trials_of([("a", "b, c", 1), ("a", " d ", None)], subset=["dev", "test"])
    write_trials(tmp_path / "list", trials, format)
    back = read_trials(tmp_path / "list")
    assert back["subset"].tolist() == ["dev", "test"]
    assert rows_of(back) == [("a", "b, c", 1), ("a", " d ", None)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (  # VoxCeleb1-O: names keep all after their dots
            "1 id10270/5r0dWxy17C8/00001.wav id10270/x.y/00003.wav\n\n0\tid10270/a   id9/b  \n",
            [
                ("id10270/5r0dWxy17C8/00001.wav", "id10270/x.y/00003.wav", 1),
                ("id10270/a", "id9/b", 0),
            ],
        ),
        ("0 a b\r\n1 c d\r\n", [("a", "b", 0), ("c", "d", 1)]),
        ("\ufeff1 a b\n", [("a", "b", 1)]),
        ("a b target\nNA 007 nontarget", [("a", "b", 1), ("NA", "007", 0)]),
        ("1 b target\n0 b nontarget\n", [("1", "b", 1), ("0", "b", 0)]),
        ("a b\n0 1\n", [("a", "b", None), ("0", "1", None)]),
        (
            "baby_id_B,baby_id_D,id,label\n0694,0694,0694_0694,1\n0694,0007,0694_0007,0\n",
            [("0694_B", "0694_D", 1), ("0694_B", "0007_D", 0)],
        ),
        ("baby_id_B,baby_id_D,id\n0694,0007,0694_0007\n", [("0694_B", "0007_D", None)]),
        ("audio_1,audio_2\nspk_1/1.wav,02.wav\n", [("spk_1/1.wav", "02.wav", None)]),
        ('"audio_1","audio_2","label"\na.wav,b.wav,1\n', [("a.wav", "b.wav", 1)]),
        ("target,enrol,test\n1,a.wav,b.wav\n,NA,b.wav\n", [("a.wav", "b.wav", 1),
                                                         ("NA", "b.wav", None)]),
    ],
)  # fmt: skip
def test_formats_are_recognised(
    tmp_path: Path, text: str, expected: list[tuple[str, str, int | None]]
) -> None:
    assert rows_of(read_trials(text_file(tmp_path, text))) == expected


def test_cryceleb_keeps_its_own_ids(tmp_path: Path) -> None:
    text = "baby_id_B,baby_id_D,id\n0694,0007,0694_0007\n"
    assert read_trials(text_file(tmp_path, text))["trial_id"].tolist() == ["0694_0007"]
    text = "baby_id_B,baby_id_D\n0694,0007\n"
    assert read_trials(text_file(tmp_path, text))["trial_id"].tolist() == ["0694_0007"]


def test_repeated_trials_have_ids_of_their_own(tmp_path: Path) -> None:
    ids = read_trials(text_file(tmp_path, "1 a b\n1 a b\n0 b a\n1 a b\n"))["trial_id"]
    assert ids.tolist() == ["a~b", "a~b~2", "b~a", "a~b~3"]


@pytest.mark.parametrize(
    ("text", "format", "said"),
    [
        ("1 a b\n\n0 c\n", None, r"list.txt has 2 fields on line 3 \('0 c'\), expected `label"),
        ("1 a b\n0 c d e\n", None, r"has 4 fields on line 2 .*expected `label enrol test`"),
        ("1 a b\n\n\n2 c d\n", None, r"has the label '2' on line 4, where 1 or 0 must stand"),
        ("a b target\nc d\n", None, r"has 2 fields on line 2 .* on all or none"),
        ("a b\nc d target\n", None, r"has 3 fields on line 2"),
        ("a b target\nc d Target\n", None, r"label 'Target' on line 2, where target or nontarget"),
        ("a b c d\n", "voxceleb", r"has 4 fields on line 1 \('a b c d'\)"),
        ("", None, r"in no known format, its first line is ''"),
        ("", "kaldi", r"list.txt is empty"),
        ("a b c\n", None, r"no known format, its first line is 'a b c': .*\(zalo\)"),
        ("audio_1,audio_2\n", None, r"holds no trial"),
        ("audio_1,audio_2\na,\n", None, r"no audio_2 on 1 lines \(the first is line 2\)"),
        ("audio_1,audio_2\na,b\na,b,1\n", None, r"cannot be read .*line 3"),
        ("audio_1,audio_2\na,b,1\na,c,1\n", None, r"more cells on its lines than names"),
        ("audio_1,audio_2,label\na,b,yes\n", None, r"'yes' in column 'label' \(line 2\)"),
        ("enrol,test,subset\na,b,holdout\n", None, r"'holdout' in column 'subset' \(line 2\)"),
        ("enrol,test\na,b\n", "zalo", r"no column 'audio_1', 'audio_2'"),
        ("1 a b\n", "parquet", r"cannot be read as Parquet"),
        ("1 a b\n", "sre", r"must be one of voxceleb, .*parquet, got 'sre'"),
    ],
)  # fmt: skip
def test_broken_lists_are_named(tmp_path: Path, text: str, format: str | None, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        read_trials(text_file(tmp_path, text), format)
    assert "\n" not in str(caught.value)


def test_a_list_that_is_missing_or_no_utf8_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"gone.txt is not there"):
        read_trials(tmp_path / "gone.txt")
    (tmp_path / "latin").write_bytes("1 ä b\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin is no UTF-8 text"):
        read_trials(tmp_path / "latin")


def test_parquet_may_have_the_names_of_the_csv(tmp_path: Path) -> None:
    path = tmp_path / "list.parquet"
    own = pd.DataFrame({"enrol": ["007"], "test": ["b"], "target": [1]})
    own.to_parquet(path)
    assert rows_of(read_trials(path)) == [("007", "b", 1)]
    own.assign(enrol_id="c", test_id="d").to_parquet(path)  # ours come first
    assert rows_of(read_trials(path)) == [("c", "d", 1)]


def test_parquet_with_numbers_for_ids_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"enrol_id": [694], "test_id": [7]}).to_parquet(tmp_path / "list.parquet")
    with pytest.raises(ValueError, match=r"'enrol_id' was read as numbers .*leading zeros"):
        read_trials(tmp_path / "list.parquet")
    pd.DataFrame({"enrol_id": ["a"], "test_id": ["b"], "target": [0.5]}).to_parquet(
        tmp_path / "list.parquet"
    )
    with pytest.raises(ValueError, match=r"has the target (np.float64\()?0.5"):
        read_trials(tmp_path / "list.parquet")


@pytest.mark.parametrize(
    ("rows", "format", "said"),
    [
        ([("a", "b", 1), ("a", "c", None)], "voxceleb", r"1 trials have no label, which voxceleb"),
        ([("a", "b", 1), ("a", "c", None)], "kaldi", r"1 of 2 trials have no label, and kaldi"),
        ([("a b", "c", 1)], "voxceleb", r"name 'a b' has a blank"),
        ([("a", "b\u2003c", 1)], "kaldi", r"has a blank"),
        ([("a_B", "b_B", 1)], "cryceleb", r"side _B with one _D, and test_id has 'b_B'"),
        ([("a", "", 1)], "csv", r"row 0 of the trials has no test_id"),
        ([("a", "b", 2)], "csv", r"target must be 1, 0 or missing, got 2"),
        ([("a", "b", 1)], "sre", r"must be one of voxceleb"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(
    tmp_path: Path, rows: list[tuple[str, str, int | None]], format: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        write_trials(tmp_path / "list", trials_of(rows), format)
    assert not (tmp_path / "list").exists()


def test_a_million_lines_are_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    n = 1_000_000
    path.write_text("".join(f"{i % 2} id{i % 1251:05d}/x/{i % 77}.wav id{i}/y\n" for i in range(n)))
    trials = read_trials(path)
    assert len(trials) == n
    assert rows_of(trials.iloc[[4321]]) == [("id00568/x/9.wav", "id4321/y", 1)]


KNOWN = ["id1/a.b/1.wav", "id1/a.b/2.wav", "id2/c/1.wav", "id2/c/extra/7.flac"]


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("id1/a.b/1.wav", "id1/a.b/1.wav"),
        ("./id1/a.b/1.wav", "id1/a.b/1.wav"),
        ("id1\\a.b\\1.wav", "id1/a.b/1.wav"),
        ("id1/a.b/1", "id1/a.b/1.wav"),
        ("id1/a.b/1.FLAC", "id1/a.b/1.wav"),
        ("/data/wav/id2/c/1.wav", "id2/c/1.wav"),
        ("wav/id2/c/1", "id2/c/1.wav"),
        ("7.flac", "id2/c/extra/7.flac"),
        ("extra/7", "id2/c/extra/7.flac"),
        ("id1/a", None),
        ("id1/a.b", None),
        ("id1/a.b/11.wav", None),
        ("xid2/c/1.wav", None),
        ("3.wav", None),
    ],
)
def test_names_are_resolved(name: str, side: str | None) -> None:
    trials = trials_of([(name, "id1/a.b/2.wav", 1)])
    resolved, unknown = resolve_sides(trials, KNOWN)
    assert resolved["enrol_id"].tolist() == [side or name]
    assert resolved["test_id"].tolist() == ["id1/a.b/2.wav"]
    assert unknown == ([] if side else [name])


def test_an_id_comes_before_a_path_and_paths_may_share_a_side() -> None:
    paths = {"x/1.wav": "0694_B", "x/2.wav": "0694_B", "y/1.wav": "0694_D"}
    trials = trials_of([("0694_B", "y/1", 1), ("x/1.wav", "x/2", 1), ("2.wav", "gone", 0)])
    resolved, unknown = resolve_sides(trials, ["0694_B", "0694_D"], paths)
    assert resolved["enrol_id"].tolist() == ["0694_B"] * 3
    assert resolved["test_id"].tolist() == ["0694_D", "0694_B", "gone"]
    assert unknown == ["gone"]


def test_names_that_fit_several_are_refused() -> None:
    with pytest.raises(ValueError, match=r"name 1.wav fits several sides \(id1/a.b/1.wav, id2/c/1"):
        resolve_sides(trials_of([("1.wav", "id1/a.b/2.wav", 1)]), KNOWN)
    with pytest.raises(ValueError, match=r"name a fits several sides \(a.flac, a.wav\)"):
        resolve_sides(trials_of([("a", "b", 1)]), ["a.wav", "a.flac", "b"])
    # a flat folder must not swallow the recordings of many folders
    with pytest.raises(ValueError, match=r"id1/1, id2/1 all fit the recording 1.wav"):
        resolve_sides(trials_of([("id1/1.wav", "id2/1.wav", 0)]), ["1.wav", "2.wav"])


def folder(tmp_path: Path, split: bool = False) -> Path:
    rows = ["file_name,who" + ",split" * split]
    for i, subset in enumerate(["dev", "dev", "test", "test", "", ""]):
        rows.append(f"wav/s{i // 2}/{i}.wav,s{i // 2}" + f",{subset}" * split)
    text_file(tmp_path, "\n".join(rows), "metadata.csv")
    text_file(tmp_path, "enrol,test\nwav/s0/0.wav,wav/s0/1.wav\n", "trials.csv")
    return tmp_path


def listed(root: Path, **options: str) -> pd.DataFrame:
    return list_recordings(
        Corpus(root, "table", "made", {"subject": "who", **options})
    ).listed_trials


@pytest.mark.parametrize(
    "text",
    [
        "1 s1/2.wav s1/3.wav\n0 s1/2.wav s2/5.wav\n",
        "wav/s1/2 wav/s1/3 target\nwav/s1/2 wav/s2/5 nontarget\n",
        "audio_1,audio_2,label\n2.wav,3.wav,1\n2.wav,5.wav,0\n",
    ],
)
def test_a_folder_takes_a_list_from_outside(tmp_path: Path, text: str) -> None:
    root = folder(tmp_path)
    trials = listed(root, trials=str(text_file(tmp_path, text)))
    assert rows_of(trials) == [
        ("wav/s1/2.wav", "wav/s1/3.wav", 1), ("wav/s1/2.wav", "wav/s2/5.wav", 0),
    ]  # fmt: skip
    assert trials["subset"].tolist() == ["test", "test"]
    assert listed(root)["enrol_id"].tolist() == ["wav/s0/0.wav"]  # else its own trials.csv


def test_a_list_belongs_to_the_subset_of_its_sides(tmp_path: Path) -> None:
    root = folder(tmp_path, split=True)
    path = text_file(tmp_path, "1 s0/0 s0/1\n1 s1/2 s1/3\n0 s2/4 s1/2\n")
    assert listed(root, trials=str(path))["subset"].tolist() == ["dev", "test", "test"]
    corpus = Corpus(root, "table", "made", {"subject": "who", "trials": str(path)})
    hints = list_recordings(corpus).recordings["subset_hint"]
    assert hints[:5].tolist() == ["dev", "dev", "test", "test", "test"]
    assert hints.isna().tolist() == [False] * 5 + [True]


def test_a_list_of_other_recordings_is_named(tmp_path: Path) -> None:
    root = folder(tmp_path)
    with pytest.raises(ValueError, match=r"list.txt names 1 recordings that metadata.csv .*: 9;"):
        listed(root, trials=str(text_file(tmp_path, "1 s0/0 9\n")))
    with pytest.raises(ValueError, match=r"gone is not there"):
        listed(root, trials=str(tmp_path / "gone"))
