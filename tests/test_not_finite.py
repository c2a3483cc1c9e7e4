"""What is no number is refused, though oneDNN's fused ReLU makes numbers of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import made
import numpy as np
import pytest
import torch

from bodysounds.models.encoder import Encoder, network, untrained
from bodysounds.scoring.embed import embed_waveforms
from bodysounds.training.loop import fit
from bodysounds.training.setup import Given, set_up
from bodysounds.training.state import State

pytestmark = pytest.mark.usefixtures("one_thread")
ECAPA = {"name": "ecapa", "n_mels": 24, "channels": 16, "depth": 2, "dim": 8}
BACKEND = {"name": "backend", "network": ECAPA, "over": "band", "dims": {"network": 4}, "dim": 4}
MIDDLE = "blocks.1.tdnn2"


def encoder_of(architecture: dict[str, object]) -> Encoder:
    over = "none" if architecture is BACKEND else "band"
    front_end = {"name": "speechbrain", "sample_rate": 16_000, "n_mels": 24, "mean_over": over}
    return untrained(Encoder({}, architecture, front_end), seed=0)


def noise() -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.1, 0.1, 8_000).astype(np.float32)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
@pytest.mark.parametrize("architecture", [ECAPA, BACKEND])
def test_waveforms(architecture: dict[str, object], bad: float, precision: str) -> None:
    module = network(encoder_of(architecture))
    broken = noise()
    broken[4_000] = bad
    with pytest.raises(ValueError, match="embeddings that are not finite"):
        embed_waveforms(module, [noise(), broken], precision=precision)
    assert np.isfinite(embed_waveforms(module, [noise()], precision=precision)).all()


@pytest.mark.parametrize("name", ["conv.conv.weight", "norm.norm.bias", "norm.norm.running_var"])
def test_weights_and_statistics_of_an_encoder(name: str) -> None:
    encoder = encoder_of(ECAPA)
    encoder.state[f"{MIDDLE}.{name}"].view(-1)[0] = torch.nan
    with pytest.raises(ValueError, match="embeddings that are not finite"):
        embed_waveforms(encoder, [noise()], "cpu")


def test_those_of_a_training_that_no_dev_judges(tmp_path: Path) -> None:
    corpus = made.corpus(tmp_path / "corpus", {"train": 8, "dev": 4})
    options = {"channels": 16, "depth": 1, "precision": "float32", "epochs": 1}
    run, _ = set_up(Given(*corpus, made.small_training(tmp_path, **options), None))
    run = replace(run, dev=None, course=replace(run.course, keep=(1,)))
    # no loss in training depends on it
    run.module.body.get_buffer(f"{MIDDLE}.norm.norm.running_mean")[0] = torch.nan
    with pytest.raises(ValueError, match=r"diverged, lower train_embedding\.learning_rate"):
        fit(run, State())
