"""What a folder's layout is taken for: guesses, their reasons, and when one is asked."""

from __future__ import annotations

import itertools
import json
from pathlib import Path, PurePosixPath

import pytest
from conftest import PROJECT
from made_folders import EIGHT, everything, listed, made_conf, touch

from bodysounds.commands.init_corpus import run
from bodysounds.corpora.survey.guess import guess_layout, near
from bodysounds.corpora.survey.paths import name_fields, path_columns
from bodysounds.corpora.survey.published import published_layout

LAYOUTS: dict[str, tuple[list[str], dict[str, str]]] = {
    "a folder a subject": (
        listed("{n}/{k:02}.wav", n=EIGHT, k=range(5)), {"subject": "folder1", "order": "field1"},
    ),
    "subject and day": (
        listed("{n}/2024-05-{d:02}/{k}.wav", n=EIGHT, d=(1, 2), k=range(3)),
        {"subject": "folder1", "session": "folder2", "recorded_at": "folder2"},
    ),
    "day and subject": (
        listed("2024-05-{d:02}/{n}/{k}.wav", n=EIGHT, d=(1, 2), k=range(3)),
        {"subject": "folder2", "session": "folder1"},
    ),
    "subject and chapter": (
        [f"{s}/{100 * s + c}/{s}-{100 * s + c}-{k:04}.flac" for s in (84, 174, 1272, 3000)
         for c in (1, 2) for k in range(4)],
        {"subject": "folder1", "session": "folder2", "order": "field3"},
    ),
    "split above": (
        [f"{'train' if i < 5 else 'dev' if i < 6 else 'test'}/{n}/{k}.wav"
         for i, n in enumerate(EIGHT) for k in range(4)],
        {"subject": "folder2", "split": "folder1"},
    ),
    "sites hold patients": (
        [f"{h}/patient{p}/{k}.wav" for h, ps in (("north", range(5)), ("south", range(5, 9)))
         for p in ps for k in range(3)],
        {"subject": "folder2"},
    ),
    "name, session, take": (
        listed("{n}_s{s}_{k:03}.wav", n=EIGHT, s=(1, 2), k=range(3)),
        {"subject": "field1", "session": "field2", "order": "field3"},
    ),
    "take and name": (
        [f"{i:03}-{n}.wav" for i, (n, _) in enumerate(itertools.product(EIGHT, range(4)))],
        {"subject": "field2"},
    ),
    "time and name": (
        [f"202405{k + 1:02}_10{i:02}00_{n}.wav" for i, n in enumerate(EIGHT) for k in range(4)],
        {"subject": "field2", "recorded_at": "field1"},
    ),
    "nothing between": (
        listed("{n}{k:03}.wav", n=EIGHT, k=range(4)), {"subject": "field1", "order": "field2"},
    ),
    "ids that say so": (listed("spk{s:02}u{k}.wav", s=range(9), k=range(4)), {"subject": "field1"}),
    "rooms are no subjects": (
        listed("room{r}/{n}_{k}.wav", r=(1, 2), n=EIGHT, k=range(3)),
        {"subject": "field1", "domain": "folder1"},
    ),
    "digit, speaker, take": (
        listed("{d}_{n}_{k}.wav", d=range(10), n=EIGHT[:6], k=range(5)), {"subject": "field2"},
    ),
    "a word and its number": (
        [f"sub-{s:02}_ses-{d}_run-{k}.wav" for s in range(1, 9) for d in (1, 2) for k in (1, 2)],
        {"subject": "field1", "session": "field2"},
    ),
    "cries that are counted": (
        [f"baby{s}_day{d}_cry{k}.wav" for s in range(1, 9) for d in (1, 2) for k in (1, 2)],
        {"subject": "field1", "session": "field2"},
    ),
    "classes": (
        listed("{c}/{k:04}.wav", c=("cry", "scream", "other"), k=range(9)), {"label": "folder1"},
    ),
    "classes and sources": (
        [f"{c}/{1 + k % 5}-{1000 * (j + 3) + k // 2}-A.ogg"
         for j, c in enumerate(("rain", "dog_bark", "baby_cry")) for k in range(12)],
        {"label": "folder1", "group": "field2"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_are_guessed(name: str) -> None:
    paths, roles = LAYOUTS[name]
    files = [PurePosixPath(path) for path in paths]
    guesses = guess_layout(files)
    best = dict(guesses[0].roles)
    assert best | roles == best, guesses[0]
    assert ("subject" in best) == ("subject" in roles)
    assert len(near(guesses, path_columns(files))) == 1
    assert 0.4 <= guesses[0].confidence < 1
    assert all(len(reason) > 10 for reason in guesses[0].reasons)
    if "subject" in roles and name != "rooms are no subjects":
        assert "label" not in best
    again = guess_layout(files[::-1])
    assert again[0].roles == guesses[0].roles


@pytest.mark.parametrize(
    "paths",
    [
        listed("{a}_{b}_{k}.wav", a=("mila", "noah", "omar", "pia"), b=EIGHT[:5], k=range(3)),
        listed("{a:02}_{b:02}_{k}.wav", a=range(1, 9), b=range(1, 6), k=(1, 2)),
        [
            f"{c}/{c}x{s}/{k}.wav"
            for c in ("fsdd", "libri", "vctk")
            for s in range(30)
            for k in (1, 2)
        ],
    ],
)
def test_what_may_be_either_is_asked(
    paths: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in paths:
        touch(tmp_path / "here" / path)
    conf = made_conf(tmp_path)
    before = everything(tmp_path)
    assert run([str(tmp_path / "here"), "--conf", str(conf)]) == 2
    said = capsys.readouterr()
    assert "nothing was written" in said.err
    assert said.out.count("--subject ") >= 2 or "confidence" in said.out
    assert run([str(tmp_path / "here"), "--conf", str(conf), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["guesses"][0]["options"].startswith("--subject ")
    assert everything(tmp_path) == before


def test_dates_are_one_field_of_a_name() -> None:
    names = ["anna_2024-05-01_003", "anna 20240501_101500 3", "anna-1436857154-x"]
    expected = [
        ["anna", "2024-05-01", "003"],
        ["anna", "20240501_101500", "3"],
        ["anna", "1436857154", "x"],
    ]
    assert name_fields(names) == expected
    assert name_fields(["baby_1_left", "baby_12_left"]) == [["baby-1", "left"], ["baby-12", "left"]]
    assert name_fields(["S01E02_left", "S02E11_right"])[1] == ["S02", "E11", "right"]
    hashes = ["a01f2_x", "b03f2_x"]  # other letters: it is one id
    assert name_fields(hashes) == [["a01f2", "x"], ["b03f2", "x"]]


@pytest.mark.parametrize(
    ("paths", "name"),
    [
        (listed("a/{n}_1b1_Al_sc_Meditron.wav", n=range(101, 109)), "ICBHI 2017"),
        (listed("wav/id1{n:04}/5r0dWxy17C8/{k:05}.wav", n=range(4), k=range(3)), "VoxCeleb"),
        (listed("dataset/{n}-M-28/{k}.wav", n=range(4), k=range(3)), "Zalo 2020"),
        (listed("{n:06}-{c:02}-{k}.mp3", n=range(4), c=(2, 30), k=(1, 2)), "EmoGator"),
        (
            listed("hungry/0D1AD73E-4C5E-45F3-85C4-9A3CB71E8856-143074{n:04}-1.0-m-04-hu.caf",
                   n=range(4)),
            "donateacry-corpus",
        ),
        (listed("{c}/{k}.wav", c=("crying", "screaming", "normal"), k=(1, 2)), "cries and screams"),
        (listed("{n}/{k}.wav", n=EIGHT, k=(1, 2)), None),
    ],
)  # fmt: skip
def test_published_layouts_are_recognised(paths: list[str], name: str | None) -> None:
    files = [PurePosixPath(path) for path in paths]
    found = published_layout(Path("nowhere"), files, files)
    assert (found and found.name) == name
    if found:
        assert (PROJECT / "conf" / found.environment).is_dir()
