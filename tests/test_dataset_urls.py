"""Catalog entries that lie at URLs, and those that a URL is refused for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import made_ensemble
import numpy as np
import pytest
from conftest import PROJECT, FinishedRun, kedro
from kedro.io import DatasetError, Version
from matplotlib.figure import Figure

from bodysounds.datasets.arrays import ArraysDataset
from bodysounds.datasets.classifier import ClassifierDataset
from bodysounds.datasets.corpora import DemoCorpus, FolderCorpus
from bodysounds.datasets.encoder import EncoderDataset
from bodysounds.datasets.ensemble import EnsembleDataset
from bodysounds.datasets.figure import FigureDataset
from bodysounds.datasets.files import StoredFiles
from bodysounds.datasets.wav2vec2 import Wav2Vec2Dataset
from bodysounds.datasets.waveforms import PackedWaveforms
from bodysounds.models.ecapa import build_ecapa
from bodysounds.models.encoder import Encoder, state_sha256
from bodysounds.models.ensemble import Ensemble

OLD, NEW = "2026-01-01T00.00.00.000Z", "2026-02-01T00.00.00.000Z"
VERSION = re.compile(r"\d{4}-\d\d-\d\dT[\d.]+Z/")


@pytest.fixture(autouse=True)
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()
    files.pseudo_dirs[:] = [""]


@pytest.fixture(params=["memory:///bucket", "file://{folder}", "local://{folder}", "{folder}"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.param).format(folder=tmp_path)


def encoder(seed: int = 0, best: tuple[Encoder, ...] = ()) -> Encoder:
    architecture = {"n_mels": 80, "channels": 16, "depth": 1, "dim": 8}
    state = build_ecapa(**architecture, seed=seed).state_dict()
    front_end = {"name": "speechbrain", "sample_rate": 16_000, "n_mels": 80, "mean_over": "band"}
    return Encoder(state, {"name": "ecapa", **architecture}, front_end, {"seed": seed}, best)


def figure() -> Figure:
    made = Figure()
    made.subplots().plot([0, 1])
    return made


def ensemble() -> Ensemble:
    members = {"yamnet": made_ensemble.yamnet(), "wav2vec2": made_ensemble.wav2vec2()}
    return Ensemble(members, made_ensemble.rule(), "cpu")


def weights(classifier: Any) -> str:
    told = classifier.encoder.state | {f"head.{name}": w for name, w in classifier.head.items()}
    return f"{classifier.labels} {state_sha256(told)}"


KINDS: dict[str, tuple[type[StoredFiles], str, Callable[[], Any], Callable[[Any], Any]]] = {
    "encoder": (EncoderDataset, "e.safetensors", encoder, lambda one: state_sha256(one.state)),
    "classifier": (ClassifierDataset, "c.safetensors", made_ensemble.yamnet, weights),
    "wav2vec2": (Wav2Vec2Dataset, "classifier", made_ensemble.wav2vec2, weights),
    "ensemble": (
        EnsembleDataset,
        "bundle",
        ensemble,
        lambda one: [weights(member) for member in one.members.values()],
    ),
    "arrays": (
        ArraysDataset,
        "a.safetensors",
        lambda: {"rows": np.arange(6.0).reshape(2, 3)},
        lambda one: one["rows"].tolist(),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_saved_at_a_url_is_loaded_from_it(kind: str, root: str) -> None:
    make, name, example, told = KINDS[kind]
    path = f"{root}/results/{name}"
    data = example()
    assert not make(filepath=path, version=Version(None, None)).exists()
    for version in (OLD, NEW):
        make(filepath=path, version=Version(None, version)).save(data)
    dataset = make(filepath=path, version=Version(None, None))
    assert dataset.exists()
    assert dataset.resolve_load_version() == NEW
    assert dataset.list_versions(full_path=False) == [NEW, OLD]
    assert told(dataset.load()) == told(data)
    with pytest.raises(DatasetError, match="must not exist"):
        make(filepath=path, version=Version(None, NEW)).save(data)
    if kind == "arrays":
        return
    # one version by its own path, as --params encoder=... names it
    single = make(filepath=f"{path}/{OLD}/{name}", version=Version(None, "v"))
    assert single.exists()
    assert told(single.load()) == told(data)
    with pytest.raises(DatasetError, match="is a single"):
        single.save(data)


def test_a_figure_at_a_url_is_png_and_pdf(
    root: str, memory: fsspec.AbstractFileSystem, tmp_path: Path
) -> None:
    FigureDataset(filepath=f"{root}/det.png", version=Version(None, NEW)).save(figure())
    picture = FigureDataset(filepath=f"{root}/det.png", version=Version(None, None)).load()
    assert picture.name == "det"
    assert picture._repr_png_().startswith(b"\x89PNG")
    pdf = f"det.png/{NEW}/det.pdf"
    at_url = root.startswith("memory")
    content = memory.cat_file(f"/bucket/{pdf}") if at_url else (tmp_path / pdf).read_bytes()
    assert content.startswith(b"%PDF")


def test_the_best_epochs_lie_beside_the_encoder(memory: fsspec.AbstractFileSystem) -> None:
    path = "memory:///bucket/e.safetensors"
    EncoderDataset(filepath=path, version=Version(None, NEW)).save(encoder(best=(encoder(1),)))
    folder = f"/bucket/e.safetensors/{NEW}"
    assert memory.find(folder) == [f"{folder}/best_1.safetensors", f"{folder}/e.safetensors"]
    best = EncoderDataset(filepath=f"memory://{folder}/best_1.safetensors").load()
    assert state_sha256(best.state) == state_sha256(encoder(1).state)


def test_what_is_half_uploaded_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = EnsembleDataset(filepath="memory:///bucket/bundle", version=Version(None, NEW))
    put = dataset._fs.put_file
    done: list[str] = []

    def put_two(source: str, target: str) -> None:
        if len(done) == 2:
            raise OSError("the network is gone")
        done.append(target)
        put(source, target)

    monkeypatch.setattr(dataset._fs, "put_file", put_two)
    with pytest.raises(DatasetError, match="the network is gone"):
        dataset.save(ensemble())
    assert done
    assert not EnsembleDataset(
        filepath="memory:///bucket/bundle", version=Version(None, None)
    ).exists()


def test_errors_name_the_url(memory: fsspec.AbstractFileSystem) -> None:
    memory.pipe_file("/bucket/e.safetensors", b"no weights")
    with pytest.raises(DatasetError, match=re.escape("memory:///bucket/e.safetensors is no")):
        EncoderDataset(filepath="memory:///bucket/e.safetensors").load()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (
            lambda url: PackedWaveforms(filepath=url),
            "packed waveforms are read from a disk: name a folder that every worker sees with "
            "--params work=/path/to/it",
        ),
        (
            lambda url: DemoCorpus(filepath=url, task="cry_verification", demo={}),
            "recordings are read from a disk: name a folder that every worker sees with "
            "--params work=",
        ),
        (
            lambda url: FolderCorpus(filepath=url, reader="table", name="mine"),
            "recordings are read from a disk: name a folder that every worker sees with "
            "--params raw=",
        ),
    ],
)
def test_sound_at_a_url_is_refused(make: Callable[[str], Any], told: str, tmp_path: Path) -> None:
    for url in ("s3://bucket/sound", "memory:///sound"):
        with pytest.raises(DatasetError, match=f"{url} is a URL, and {told}"):
            make(url)
    assert make(f"file://{tmp_path}")._filepath == tmp_path


def test_a_url_of_an_encoder_is_asked_before_the_run(project_copy: Path, tmp_path: Path) -> None:
    done = kedro(
        project_copy, "run", "--env=test", "--pipelines=cry_verification_evaluate",
        f"--params=encoder=file://{tmp_path}/gone.safetensors,data={tmp_path}", check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "Did not find any versions" in re.sub(r"\s+", " ", done.stdout)
    assert "Completed node" not in done.stdout


def test_a_run_at_a_url_has_the_results_of_a_run_on_a_disk(
    finished_run: FinishedRun, tmp_path: Path
) -> None:
    work, copy = tmp_path / "work", tmp_path / "copy"
    environment = {**os.environ, "KEDRO_DISABLE_TELEMETRY": "1"}
    environment["PYTHONPATH"] = str(finished_run.project / "src")
    script = PROJECT / "tests" / "run_at_url.py"
    done = subprocess.run(
        [sys.executable, script, finished_run.project, work, copy],
        cwd=finished_run.project, env=environment, check=False, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "the report is memory:///data/08_reporting" in done.stdout
    assert {path.name for path in work.iterdir()} == {"01_raw", "04_feature", ".work"}

    def results(data: Path) -> dict[str, bytes]:
        return {
            VERSION.sub("", str(path.relative_to(data))): path.read_bytes()
            for path in data.glob("0*/test/cry_verification/**/*")
            if path.is_file() and path.name != "record.json"
        }

    disk = results(finished_run.project / "data")
    expected = {
        name for name in disk if not name.startswith("01_raw") and "/waveforms/" not in name
    }
    url = results(copy / "data")
    assert set(url) == expected
    # its seconds differ, and with them the report's; the card names the command, and a comparison
    # is with whatever ran before in that place
    own = ("history.csv", "report.html", "model_card.md", "bundle/README.md", "comparison.json")
    timed = {name for name in expected if name.endswith(own)}
    assert len(expected) > 40
    assert [name for name in expected - timed if url[name] != disk[name]] == []
