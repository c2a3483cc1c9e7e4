"""Lists and tables beside recordings, where a wrong reading would be told nowhere."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made_folders import made_conf

from bodysounds.commands.init_corpus import run
from bodysounds.corpora.survey.files import _sound
from bodysounds.corpora.survey.kaldi import read_lists
from bodysounds.corpora.survey.tables import read_any

SCP = "a a.wav\nb b.wav\nc c.wav\n"


def kaldi(folder: Path, **lists: str) -> Path:
    for name, text in ({"wav_scp": SCP} | lists).items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


@pytest.mark.parametrize("segments", ["", "\n\n"])
def test_segments_of_nothing_leave_every_speaker(tmp_path: Path, segments: str) -> None:
    folder = kaldi(tmp_path, utt2spk="a anna\nb ben\nc cleo\n", segments=segments)
    assert read_lists(folder)["speaker"].tolist() == ["anna", "ben", "cleo"]


def test_a_recording_of_nobody_known_has_no_speaker(tmp_path: Path) -> None:
    folder = kaldi(tmp_path, utt2spk="a anna\nc cleo\n", spk2gender="anna f\ncleo m\n")
    table = read_lists(folder)
    assert table["speaker"].isna().tolist() == [False, True, False]
    assert table["gender"].isna().tolist() == [False, True, False]
    folder = kaldi(tmp_path, segments="a1 a 0 1\n", utt2spk="a1 anna\n")
    assert read_lists(folder)["speaker"].isna().tolist() == [False, True, True]


@pytest.mark.parametrize("name", ["utt2spk", "wav_scp", "segments", "spk2gender"])
def test_two_lines_of_one_name_raise(tmp_path: Path, name: str) -> None:
    lists = {"utt2spk": "a anna\nb ben\nc cleo\n", "wav_scp": SCP, "segments": "a a 0 1\n",
             "spk2gender": "anna f\n"}  # fmt: skip
    read_lists(kaldi(tmp_path, **lists))
    again = lists[name].splitlines()[0].split()[0]
    lists[name] += f"{again} other 0 1\n"
    with pytest.raises(ValueError, match=rf"several lines of 1 names, such as {again}, and each"):
        read_lists(kaldi(tmp_path, **lists))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_more_cells_than_names_raise(tmp_path: Path, separator: str, encoding: str) -> None:
    """Pandas takes the first cell for the name of the row, and each other for its neighbour's."""
    path, rows = tmp_path / "list.csv", ["file,who", "a.wav,Zo\xeb", "b.wav,Ben"]
    path.write_text("\n".join(rows).replace(",", separator), encoding=encoding)
    assert read_any(path)[0]["who"].tolist() == ["Zo\xeb", "Ben"]
    rows[1:] = [row + ",x" for row in rows[1:]]
    path.write_text("\n".join(rows).replace(",", separator), encoding=encoding)
    with pytest.raises(ValueError, match="more cells on its lines than names on its first"):
        read_any(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
@pytest.mark.parametrize("separator", [",", ";"])
def test_utf_16_is_not_taken_for_windows_1252(
    tmp_path: Path, encoding: str, separator: str
) -> None:
    path = tmp_path / "list.csv"
    text = "\ufeff" * (encoding == "utf-16-be") + "file,who\na.wav,Zo\xeb\n"
    path.write_bytes(text.replace(",", separator).encode(encoding))
    with pytest.raises(ValueError, match=r"cannot be read .*UTF-8 text"):
        read_any(path)


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_a_sound_is_hashed_without_a_copy_of_it(dtype: type) -> None:
    rng = np.random.default_rng(0)
    whole = rng.integers(-32768, 32768, (4_000_000, 2), dtype=np.int16)
    samples = whole if dtype == np.int16 else whole.astype(np.float32) / np.float32(32768)
    tracemalloc.start()
    told = _sound(samples, 8_000)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 0.2 * whole.nbytes
    assert told == _sound(whole.copy(), 8_000)
    changed = whole.copy()
    changed[-1, 1] ^= 1
    others = (changed, whole[:-1], whole.reshape(-1, 1))
    assert len({told, _sound(whole, 16_000), *(_sound(one, 8_000) for one in others)}) == 5


def test_copies_in_other_formats_are_said_to_be_equal_to_16_bits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recording of 24 bits and its 16 bits are counted as one sound: somebody must know."""
    rng, folder = np.random.default_rng(0), tmp_path / "recs"
    folder.mkdir()
    for k in range(12):
        wave = rng.integers(-9_000, 9_000, 8_000) / 32768
        soundfile.write(folder / f"spk{k // 2}_{k % 2}.wav", wave, 16_000)
        if k == 0:
            finer = wave + rng.integers(-100, 100, wave.size) / 2**23
            soundfile.write(folder / "spk0_9.wav", finer, 16_000, subtype="PCM_24")
    asked = [str(folder), "--dry-run", "--conf", str(made_conf(tmp_path))]
    assert run([*asked, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["facts"]["copies"]["recoded"] == 1
    assert run(asked) == 0
    said = capsys.readouterr().out
    assert "leave them out (compared to 16 bits)" in said
    assert "without 1 copies in other formats, equal to 16 bits: spk0_9.wav" in said
