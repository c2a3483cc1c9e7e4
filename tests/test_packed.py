"""Packed waveforms: what goes in comes out, whatever breaks on disk is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from bodysounds.audio.pack import decode_segments
from bodysounds.audio.packed import INDEX, META, SAMPLES, open_packed, to_int16, write_packed
from bodysounds.corpora.base import Corpus
from bodysounds.params import FeaturizeParams

RATE = 16_000


def pieces() -> list[tuple[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    sizes = (5, 1, 4000)
    return [(f"s{i}", rng.integers(-32768, 32768, n, dtype=np.int16)) for i, n in enumerate(sizes)]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    packed = write_packed(tmp_path / "p", iter(pieces()), RATE)
    assert packed.sample_rate == RATE
    assert len(packed) == 3
    assert packed.samples.dtype == np.int16
    assert isinstance(packed.samples, np.memmap)
    assert packed.index["first_sample"].tolist() == [0, 5, 6]
    assert packed.index["n_samples"].tolist() == [5, 1, 4000]
    assert dict(packed.index.dtypes.iloc[1:].astype(str)) == {
        "first_sample": "int64",
        "n_samples": "int64",
    }
    for name, piece in pieces():
        wave = packed.waveform(name)
        assert wave.dtype == np.float32
        assert np.array_equal(wave * 32768, piece)
    with pytest.raises(KeyError, match="segment 'x' is not among the 3 packed ones"):
        packed.waveform("x")
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_same_pieces_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_packed(tmp_path / name, pieces(), RATE)
    for file in (SAMPLES, META):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_failure_halfway_leaves_the_older_folder_whole(tmp_path: Path) -> None:
    def broken() -> Iterator[tuple[str, np.ndarray]]:
        yield pieces()[0]
        raise RuntimeError("decoder died")

    write_packed(tmp_path / "p", pieces(), RATE)
    with pytest.raises(RuntimeError, match="decoder died"):
        write_packed(tmp_path / "p", broken(), RATE)
    assert len(open_packed(tmp_path / "p", verify=True)) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["p"]
    write_packed(tmp_path / "p", pieces()[:1], 8000)
    assert open_packed(tmp_path / "p").sample_rate == 8000


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ([], "there is no segment to pack"),
        ([("a", np.zeros(0, np.int16))], "segment 'a' must be int16 of shape .* n > 0"),
        ([("a", np.zeros(3, np.float32))], "segment 'a' must be int16.*got float32"),
        ([("a", np.zeros(3, np.int16))] * 2, "segment 'a' comes twice"),
    ],
)
def test_bad_pieces_are_named(tmp_path: Path, bad: list[tuple[str, np.ndarray]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        write_packed(tmp_path / "p", bad, RATE)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_folder_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    with pytest.raises(ValueError, match=r"holds no packed waveforms, packed.json is missing"):
        open_packed(folder)
    write_packed(folder, pieces(), RATE)
    whole = (folder / SAMPLES).read_bytes()
    (folder / SAMPLES).write_bytes(whole[:-2])
    with pytest.raises(ValueError, match=r"has 8010 bytes where packed.json says 8012.*run feat"):
        open_packed(folder)
    (folder / SAMPLES).write_bytes(whole[:-2] + bytes([whole[-2] ^ 1, whole[-1]]))
    open_packed(folder)
    with pytest.raises(ValueError, match="was changed after it was written"):
        open_packed(folder, verify=True)
    (folder / SAMPLES).write_bytes(whole)
    index = pd.read_parquet(folder / INDEX)
    index.iloc[:-1].to_parquet(folder / INDEX)
    with pytest.raises(ValueError, match="does not fit samples"):
        open_packed(folder)
    (folder / META).write_text("{}")
    with pytest.raises(ValueError, match=r"packed.json cannot be read"):
        open_packed(folder)
    (folder / INDEX).unlink()
    with pytest.raises(ValueError, match=r"index.parquet is missing"):
        open_packed(folder)
    assert json.loads((folder / META).read_text()) == {}


def test_rounding_clips_and_never_wraps() -> None:
    wave = np.array([-2.0, -1.0, -0.5, 0.0, 0.4 / 32768, 0.6 / 32768, 1.0, 3.0], np.float32)
    assert to_int16(wave).tolist() == [-32768, -32768, -16384, 0, 0, 1, 32767, 32767]


def corpus_of(tmp_path: Path, lengths: dict[str, float]) -> tuple[Corpus, pd.DataFrame]:
    rng = np.random.default_rng(1)
    for name, seconds in lengths.items():
        noise = rng.normal(0, 0.1, round(seconds * RATE))
        soundfile.write(tmp_path / f"{name}.wav", noise, RATE)
    manifest = pd.DataFrame(
        {"recording_id": list(lengths), "path": [f"{name}.wav" for name in lengths]}
    )
    return Corpus(tmp_path, "table", "made"), manifest


def table_of(rows: list[tuple[str, str, float, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["segment_id", "recording_id", "start_s", "end_s"])


def test_segments_come_in_their_order_cut_to_the_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bodysounds.audio import pack

    corpus, manifest = corpus_of(tmp_path, {f"r{i}": 0.5 + i / 10 for i in range(12)})
    rows = [(f"r{i}-{k}", f"r{i}", k / 10, (k + 1) / 10) for i in range(11, 0, -1) for k in (2, 0)]
    rows.append(("whole", "r0", 0.0, float("nan")))
    read: list[str] = []
    original = pack.read_int16

    def counting(source: Path, rate: int, name: str) -> np.ndarray:
        read.append(name)
        return original(source, rate, name)

    monkeypatch.setattr(pack, "read_int16", counting)
    decoded = decode_segments(corpus, manifest, table_of(rows), FeaturizeParams(workers=3))
    assert len(decoded) == len(rows)
    got = list(decoded)
    assert [name for name, _ in got] == [row[0] for row in rows]
    assert sorted(read) == sorted(manifest["path"])  # each recording once
    for (_, piece), (_, recording, start, end) in zip(got, rows, strict=True):
        truth, _ = soundfile.read(tmp_path / f"{recording}.wav", dtype="int16")
        stop = len(truth) if np.isnan(end) else round(end * RATE)
        assert np.array_equal(piece, truth[round(start * RATE) : stop])
        assert piece.base is None  # a view would keep its recording alive
    assert [name for name, _ in decoded] == [row[0] for row in rows]  # iterable again


@pytest.mark.parametrize(("start", "end"), [(0.2, 0.9), (0.3, 0.3), (0.4, 0.2), (0.6, 0.7)])
def test_a_segment_outside_its_recording_is_named(tmp_path: Path, start: float, end: float) -> None:
    corpus, manifest = corpus_of(tmp_path, {"r": 0.5})
    decoded = decode_segments(
        corpus, manifest, table_of([("s", "r", start, end)]), FeaturizeParams()
    )
    with pytest.raises(ValueError, match=r"segment s runs from .* and r lasts 0.500 s"):
        list(decoded)


def test_a_segment_of_an_unknown_recording_is_named(tmp_path: Path) -> None:
    corpus, manifest = corpus_of(tmp_path, {"r": 0.5})
    with pytest.raises(ValueError, match=r"not in the manifest: gone; run ingest again"):
        decode_segments(corpus, manifest, table_of([("s", "gone", 0, 1)]), FeaturizeParams())


def test_a_converted_rate_keeps_the_whole_recording(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "r.wav", np.full(11_025 + 7, 0.25), 11_025)
    manifest = pd.DataFrame({"recording_id": ["r"], "path": ["r.wav"]})
    segments = table_of([("r", "r", 0.0, (11_025 + 7) / 11_025)])
    corpus = Corpus(tmp_path, "table", "made")
    ((_, piece),) = decode_segments(corpus, manifest, segments, FeaturizeParams())
    assert len(piece) == pytest.approx((11_025 + 7) / 11_025 * RATE, abs=1)
