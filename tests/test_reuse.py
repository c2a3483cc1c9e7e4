"""Waveforms are reused by the content of recordings, cuts, parameters and code, and only then."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import kedro

from bodysounds.audio import keys, pack
from bodysounds.audio.packed import INDEX, KEYS, META, SAMPLES, Packed, open_packed
from bodysounds.corpora.base import Corpus
from bodysounds.corpora.ingest import ingest
from bodysounds.datasets.waveforms import PackedWaveforms
from bodysounds.params import FeaturizeParams, IngestParams

RATE = 8_000
REUSED = "waveforms are reused: 6 segments, by equal recordings, cuts and parameters"


def write(path: Path, seed: int) -> None:
    soundfile.write(path, np.random.default_rng(seed).normal(0, 0.1, RATE), RATE)


class Featurize:
    """Ingest and featurize of six recordings, as two nodes do it, and what was decoded."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.raw, self.packed = folder / "raw", folder / "packed"
        self.raw.mkdir()
        for i in range(6):
            write(self.raw / f"{i}.wav", i)
        self.list(range(6))
        self.decoded: list[str] = []
        original = pack.read_int16

        def counting(source: bytes, rate: int, name: str) -> np.ndarray:
            self.decoded.append(name)
            return original(source, rate, name)

        monkeypatch.setattr(pack, "read_int16", counting)

    def list(self, names: object) -> None:
        rows = [f"{i}.wav,s{i}" for i in names]
        (self.raw / "metadata.csv").write_text("\n".join(["file_name,who", *rows]))

    def run(self, rate: int = RATE, cut: float | None = None, fill: str | None = None) -> Packed:
        self.decoded.clear()
        corpus = Corpus(self.raw, "table", "made", {"subject": "who"})
        tables = ingest(corpus, IngestParams())
        segments = tables.segments if fill is None else tables.segments.assign(fill=fill)
        if cut is not None:
            segments = segments.assign(end_s=segments["end_s"].where(segments.index > 0, cut))
        params = FeaturizeParams(sample_rate=rate, workers=2)
        pieces = pack.decode_segments(corpus, tables.manifest, segments, params)
        dataset = PackedWaveforms(filepath=str(self.packed))
        dataset.save(pieces)
        packed = dataset.load()
        # what is reused is what would be decoded
        for (name, piece), expected in zip(pieces, packed.index["segment_id"], strict=True):
            assert name == expected
            assert np.array_equal(packed.waveform(name) * 32768, piece)
        del self.decoded[-len(set(segments["recording_id"])) :]
        return packed


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Featurize:
    return Featurize(tmp_path, monkeypatch)


def test_a_second_run_decodes_nothing(stage: Featurize, caplog: pytest.LogCaptureFixture) -> None:
    stage.run()
    assert len(stage.decoded) == 6
    before = {path.name: path.stat().st_mtime_ns for path in stage.packed.iterdir()}
    with caplog.at_level(logging.INFO):
        stage.run()
    assert stage.decoded == []
    assert REUSED in caplog.text
    assert before == {path.name: path.stat().st_mtime_ns for path in stage.packed.iterdir()}


def test_another_content_is_decoded_though_size_and_time_are_the_same(stage: Featurize) -> None:
    before = stage.run().samples.copy()
    path = stage.raw / "3.wav"
    there = path.stat()
    write(path, 99)
    os.utime(path, ns=(there.st_atime_ns, there.st_mtime_ns))
    assert path.stat().st_size == there.st_size
    after = stage.run()
    assert stage.decoded == ["3.wav"]
    assert (after.samples.reshape(6, RATE) == before.reshape(6, RATE)).all(axis=1).tolist() == [
        True, True, True, False, True, True,
    ]  # fmt: skip


def test_another_name_of_equal_content_is_reused(stage: Featurize) -> None:
    stage.run()
    shutil.copy(stage.raw / "1.wav", stage.raw / "8.wav")
    stage.list([0, 8, 2])
    packed = stage.run()
    assert stage.decoded == []
    assert packed.index["segment_id"].tolist() == ["0.wav", "8.wav", "2.wav"]
    (stage.raw / "8.wav").rename(stage.raw / "9.wav")
    stage.list([0, 9, 2])
    packed = stage.run()
    assert stage.decoded == []
    assert packed.index["segment_id"].tolist() == ["0.wav", "9.wav", "2.wav"]


def test_another_cut_is_decoded(stage: Featurize) -> None:
    stage.run()
    packed = stage.run(cut=0.5)
    assert stage.decoded == ["0.wav"]
    assert packed.index["n_samples"].tolist() == [RATE // 2, *[RATE] * 5]
    stage.run(fill="zeros")
    assert len(stage.decoded) == 6


def test_another_rate_and_other_code_are_decoded(
    stage: Featurize, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.run()
    stage.run(rate=4_000)
    assert len(stage.decoded) == 6
    monkeypatch.setattr(keys, "_decoder", lambda by_ffmpeg: "newer")
    stage.run(rate=4_000)
    assert len(stage.decoded) == 6
    stage.run(rate=4_000)
    assert stage.decoded == []


def test_the_code_of_the_decoder_and_its_libraries_are_in_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[object, tuple[str, ...]]] = []
    monkeypatch.setattr(
        keys, "content_sha256", lambda about, code: asked.append((about, code)) or "x"
    )
    keys._decoder.cache_clear()
    keys.segment_key("0", "a.wav", 8_000, 0.0, 1.0, "")
    keys._decoder.cache_clear()
    ((versions, code),) = asked
    assert soundfile.__libsndfile_version__ in versions
    needed = ("read", "pack", "packed", "ffmpeg", "containers", "wav")
    assert set(code) > {f"audio/{name}.py" for name in needed}


@pytest.mark.parametrize("name", [SAMPLES, INDEX, KEYS])
def test_a_damaged_folder_is_made_anew(
    stage: Featurize, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    stage.run()
    path = stage.packed / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    stage.run()
    assert len(stage.decoded) == 6
    assert re.search(rf"waveforms are decoded again: .*{name}.* was changed after", caplog.text)
    assert "reused" not in caplog.text
    open_packed(stage.packed, verify=True)
    stage.run()
    assert stage.decoded == []


def edit(folder: Path, **changed: object) -> None:
    path = folder / META
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def test_another_rate_in_the_facts_of_a_folder_is_not_believed(stage: Featurize) -> None:
    stage.run()
    edit(stage.packed, sample_rate=2 * RATE)
    assert stage.run().sample_rate == RATE


def test_a_folder_whose_facts_were_edited_is_made_anew(
    stage: Featurize, caplog: pytest.LogCaptureFixture
) -> None:
    stage.run()
    edit(stage.packed, others=None)
    stage.run()
    assert len(stage.decoded) == 6
    assert "packed.json cannot be read" in caplog.text
    edit(stage.packed, others={})
    (stage.packed / KEYS).write_bytes(bytes(64))
    stage.run()
    assert len(stage.decoded) == 6
    assert "has 6 segments and 2 keys" in caplog.text


def test_a_folder_without_keys_is_made_anew(stage: Featurize) -> None:
    packed = stage.run()
    from bodysounds.audio.packed import write_packed

    first = packed.index["first_sample"].tolist()
    pieces = [(name, np.array(packed.samples[at : at + RATE]))
              for name, at in zip(packed.index["segment_id"], first, strict=True)]  # fmt: skip
    write_packed(stage.packed, pieces, RATE)
    stage.run()
    assert len(stage.decoded) == 6


def test_a_corpus_that_grew_decodes_what_is_new(
    stage: Featurize, caplog: pytest.LogCaptureFixture
) -> None:
    stage.list([4, 2, 0])
    stage.run()
    stage.list(range(6))
    with caplog.at_level(logging.INFO):
        packed = stage.run()
    assert stage.decoded == ["1.wav", "3.wav", "5.wav"]
    assert "waveforms of 3 of 6 segments are reused, those of 3 are decoded" in caplog.text
    for i in range(6):
        truth, _ = soundfile.read(stage.raw / f"{i}.wav", dtype="int16")
        assert np.array_equal(packed.waveform(f"{i}.wav") * 32768, truth)


def test_a_file_that_changed_after_ingest_is_named(stage: Featurize) -> None:
    corpus = Corpus(stage.raw, "table", "made", {"subject": "who"})
    tables = ingest(corpus, IngestParams())
    write(stage.raw / "2.wav", 77)
    pieces = pack.decode_segments(corpus, tables.manifest, tables.segments, FeaturizeParams())
    with pytest.raises(ValueError, match=r"2\.wav is not the file that ingest read.*run ingest"):
        list(pieces)


def test_a_second_session_reuses_and_a_changed_recording_is_decoded(
    project_copy: Path, tmp_path: Path
) -> None:
    """As a user runs it: `kedro run` up to featurize, three times."""

    def run() -> str:
        done = kedro(
            project_copy, "run", "--env=test", "--pipelines=cry_verification",
            f"--params=data={tmp_path}", "--to-nodes=cry_verification.featurize.describe_segments",
        )  # fmt: skip
        return re.sub(r"\s+", " ", done.stdout)

    first = run()
    assert "reused" not in first
    assert "decoding" in first
    (folder,) = tmp_path.glob("04_feature/test/*/waveforms")
    n = len(pd.read_parquet(folder / INDEX))
    second = run()
    assert f"waveforms are reused: {n} segments" in second
    assert "decoding" not in second
    (raw,) = tmp_path.glob("01_raw/test/*")
    changed = min(path for path in raw.rglob("*") if path.suffix in (".wav", ".flac"))
    samples, rate = soundfile.read(changed, dtype="int16")
    soundfile.write(changed, samples // 2, rate)
    third = run()
    assert f"waveforms of {n - 1} of {n} segments are reused, those of 1 are decoded" in third
