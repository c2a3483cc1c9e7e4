"""What the catalog's own dataset types load, save and refuse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError, Version
from matplotlib.figure import Figure

from bodysounds import checks
from bodysounds.datasets.corpora import DemoCorpus, FolderCorpus
from bodysounds.datasets.encoder import EncoderDataset
from bodysounds.datasets.figure import FigureDataset
from bodysounds.datasets.waveforms import PackedWaveforms
from bodysounds.models.ecapa import build_ecapa
from bodysounds.models.encoder import Encoder


@pytest.fixture
def encoder() -> Encoder:
    architecture = {"n_mels": 80, "channels": 16, "depth": 1, "dim": 8}
    state = build_ecapa(**architecture, seed=0).state_dict()
    front_end = {"name": "speechbrain", "sample_rate": 16_000, "n_mels": 80, "mean_over": "band"}
    return Encoder(state, {"name": "ecapa", **architecture}, front_end, {"seed": 0})


def test_an_encoder_is_kept_by_version(encoder: Encoder, tmp_path: Path) -> None:
    path = str(tmp_path / "encoder.safetensors")
    for version in ("2026-01-01T00.00.00.000Z", "2026-02-01T00.00.00.000Z"):
        EncoderDataset(filepath=path, version=Version(None, version)).save(encoder)
    latest = EncoderDataset(filepath=path, version=Version(None, None))
    assert latest.resolve_load_version() == "2026-02-01T00.00.00.000Z"
    loaded = latest.load()
    assert loaded.architecture == encoder.architecture
    for name, tensor in encoder.state.items():
        assert (loaded.state[name] == tensor).all()


def test_an_encoder_that_several_nodes_load_is_named_once(
    encoder: Encoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stored = EncoderDataset(
        filepath=str(tmp_path / "encoder.safetensors"),
        version=Version(None, "2026-01-01T00.00.00.000Z"),
    )
    stored.save(encoder)
    with caplog.at_level("INFO", "bodysounds.datasets"):
        for _ in range(3):
            stored.load()
    assert caplog.text.count("the encoder is ") == 1


def test_a_single_encoder_file_is_read_and_never_overwritten(
    encoder: Encoder, tmp_path: Path
) -> None:
    path = str(tmp_path / "encoder.safetensors")
    EncoderDataset(filepath=path, version=Version(None, "v")).save(encoder)
    single = str(tmp_path / "encoder.safetensors" / "v" / "encoder.safetensors")
    dataset = EncoderDataset(filepath=single, version=Version(None, "w"))
    assert dataset.exists()
    assert dataset.resolve_load_version() is None
    assert dataset.load().training == {"seed": 0}
    with pytest.raises(DatasetError, match="leave out --params encoder"):
        dataset.save(encoder)


def test_a_missing_encoder_does_not_exist(tmp_path: Path) -> None:
    dataset = EncoderDataset(filepath=str(tmp_path / "no.safetensors"), version=Version(None, None))
    assert not dataset.exists()


def test_a_figure_is_png_and_pdf_and_loads_again(tmp_path: Path) -> None:
    dataset = FigureDataset(filepath=str(tmp_path / "det.png"), version=Version(None, "v"))
    figure = Figure()
    figure.subplots().plot([0, 1])
    dataset.save(figure)
    assert (tmp_path / "det.png" / "v" / "det.pdf").read_bytes().startswith(b"%PDF")
    picture = FigureDataset(filepath=str(tmp_path / "det.png"), version=Version(None, None)).load()
    assert picture.name == "det"
    assert picture._repr_png_().startswith(b"\x89PNG")
    assert dataset.preview() == picture.base64


class Made(dict[str, np.ndarray]):
    sample_rate = 8_000

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        return iter(self.items())


def test_waveforms_come_from_any_iterable_that_knows_its_rate(tmp_path: Path) -> None:
    pieces = Made({"a": np.arange(5, dtype=np.int16), "b": np.full(3, -7, dtype=np.int16)})
    dataset = PackedWaveforms(filepath=str(tmp_path / "waveforms"))
    assert not dataset.exists()
    dataset.save(pieces)
    assert dataset.exists()
    packed = dataset.load()
    assert packed.index["segment_id"].tolist() == ["a", "b"]
    assert packed.samples.tolist() == [0, 1, 2, 3, 4, -7, -7, -7]
    assert packed.sample_rate == 8_000


def test_raw_data_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="never writes"):
        DemoCorpus(filepath=str(tmp_path), task="cry_verification", demo={}).save("anything")


def test_the_demo_is_synthesised_on_the_first_load(tmp_path: Path) -> None:
    demo = {"n_train": 2, "n_train_one_period": 0, "n_dev": 2, "n_test": 2, "segments": [1, 1]}
    task = "cry_verification"
    dataset = DemoCorpus(filepath=str(tmp_path / "demo"), task=task, demo={task: demo})
    assert not dataset.exists()
    corpus = dataset.load()
    assert corpus.synthetic
    assert corpus.reader == "cryceleb"
    made = (tmp_path / "demo" / "metadata.csv").stat().st_mtime_ns
    assert dataset.load() == corpus
    assert (tmp_path / "demo" / "metadata.csv").stat().st_mtime_ns == made


def test_a_task_without_a_demo_is_named(tmp_path: Path) -> None:
    demo = {"cry_verification": {"n_train": 2}}
    for task in ("respiratory_scl", "speaker_verification"):
        dataset = DemoCorpus(filepath=str(tmp_path / "demo"), task=task, demo=demo)
        with pytest.raises(DatasetError, match=f"'{task}' has no demo corpus.*cry_verification: "):
            dataset.load()
    dataset = DemoCorpus(
        filepath=str(tmp_path / "demo"),
        task="cry_verification",
        demo={"cry_verification": {"n": 2}},
    )
    with pytest.raises(DatasetError, match="the demo of cry_verification has no such parameter"):
        dataset.load()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    dataset = FolderCorpus(filepath=str(tmp_path / "gone"), reader="table", name="mine")
    with pytest.raises(DatasetError, match=r"gone is no folder.*corpus 'mine' with --params raw="):
        dataset.load()


GOOD = {
    "manifest": {
        "recording_id": ["a"],
        "subject_id": ["s"],
        "group_id": ["s"],
        "path": ["a.wav"],
        "duration_s": [1.0],
        "sample_rate": [16_000],
        "sha256": ["0"],
    },
    "segments": {"segment_id": ["a"], "recording_id": ["a"], "start_s": [0.0], "end_s": [1.0]},
    "sides": {"side_id": ["a"], "recording_id": ["a"], "order": [0]},
    "subsets": {"recording_id": ["a"], "subset": ["dev"], "fold": [0]},
    "trials": {
        "trial_id": ["t"],
        "enrol_id": ["a"],
        "test_id": ["b"],
        "target": pd.array([None], dtype="Int64"),
        "subset": ["dev"],
    },
    "scores": {"system": ["ours"], "trial_id": ["t"], "cosine": [0.5]},
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_table_passes(name: str) -> None:
    getattr(checks, name)(pd.DataFrame(GOOD[name]))


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_column_is_named(name: str) -> None:
    column = list(GOOD[name])[-1]
    with pytest.raises(ValueError, match=f"{name} lacks the column.*{column}"):
        getattr(checks, name)(pd.DataFrame(GOOD[name]).drop(columns=column))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("manifest", {"duration_s": [0.0]}, "a.wav has no positive duration"),
        ("segments", {"end_s": [0.0]}, "a ends before it starts"),
        ("subsets", {"subset": ["eval"]}, "got eval"),
        ("trials", {"target": pd.array([2], dtype="Int64")}, "got 2"),
        ("scores", {"cosine": [float("nan")]}, "ours scores trial t nan"),
    ],
)
def test_a_wrong_value_is_named(name: str, change: dict[str, list[object]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(checks, name)(pd.DataFrame(GOOD[name] | change))


@pytest.mark.parametrize("name", [name for name in GOOD if name != "scores"])
def test_a_repeated_row_is_named(name: str) -> None:
    table = pd.DataFrame(GOOD[name])
    with pytest.raises(ValueError, match="repeated row"):
        getattr(checks, name)(pd.concat([table, table]))
