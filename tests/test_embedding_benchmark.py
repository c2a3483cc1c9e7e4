"""The benchmark of embedding runs, and its rival hears what ours does."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from test_metrics_benchmark import rows

from bodysounds.models.network import EmbeddingNetwork
from bodysounds.scoring.embed import embed_waveforms

ARCHITECTURE = {"name": "ecapa", "n_mels": 80, "channels": 16, "depth": 3, "dim": 192}
FEATURES = {"name": "speechbrain", "sample_rate": 16_000, "n_mels": 80, "mean_over": "band"}


@pytest.fixture
def rival(project_dir: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(project_dir / "benchmarks")
    import embedding_rival

    yield embedding_rival
    sys.modules.pop("embedding_rival")


def number(cell: str) -> float:
    return float(cell.rstrip("%").replace(",", ""))


def test_a_row_for_each_precision(project_dir: Path) -> None:
    head, _, *found = rows(project_dir, "embedding.py", "--quick", "--threads", "1")
    assert [row[:2] for row in found][-1] == ["ECAPA-16", "float32"]
    for row in found:
        values = dict(zip(head[2:], map(number, row[2:]), strict=True))
        assert values["rival / ours"] == pytest.approx(
            values["rival s"] / values["ours s"], rel=0.1, abs=0.1
        )
        assert values["share"] == pytest.approx(
            100 * values["ours GF/s"] / values["bare products GF/s"], rel=0.3, abs=0.3
        )
        assert values["least cosine"] > 0.999
        assert min(values[name] for name in ("in products", "decoding alone", "of CPU time")) > 0


def test_the_rival_hears_what_ours_does(rival, tmp_path: Path) -> None:
    module = EmbeddingNetwork(ARCHITECTURE, FEATURES, seed=0).eval()
    theirs = rival.build_rival(module, 16)
    waves = [
        np.random.default_rng(k).integers(-9_000, 9_000, 16_000 + 777 * k).astype(np.int16)
        for k in range(3)
    ]
    paths = [tmp_path / f"{k}.wav" for k in range(3)]
    for path, wave in zip(paths, waves, strict=True):
        soundfile.write(path, wave, 16_000)
    ours = embed_waveforms(module, [w.astype(np.float32) / 32768 for w in waves])
    np.testing.assert_allclose(rival.encode_files(theirs, paths), ours, atol=1e-5)


def test_operations_are_counted(rival) -> None:
    module = EmbeddingNetwork(ARCHITECTURE, FEATURES, seed=0).eval()
    theirs = rival.build_rival(module, 16)
    flops, frames = rival.flops_of(theirs), 77
    shapes = rival.shapes_of(theirs, frames)
    products = sum(2 * n * a * b * c for (a, b, c), n in shapes.items())
    # whatever is a product in this network is one of its convolutions
    assert flops(frames) == products
    convolutions = {
        name: layer.weight.numel()
        for name, layer in theirs.mods.embedding_model.named_modules()
        if isinstance(layer, torch.nn.Conv1d)
    }
    # the squeezes and the last layer hear one frame, the mean over all
    once = sum(n for name, n in convolutions.items() if "se_block" in name or name == "fc.conv")
    assert 0 < once < sum(convolutions.values())
    assert products == 2 * (frames * (sum(convolutions.values()) - once) + once)
