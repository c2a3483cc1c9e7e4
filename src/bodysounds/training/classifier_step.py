"""One step of a classifier's training, and what dev says of it."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from bodysounds.audio.augment import Augment
from bodysounds.audio.clips import clips
from bodysounds.models.classifier import BATCH, first_clips
from bodysounds.training.classifier_setup import ClassifierTraining
from bodysounds.training.schedule import learning_rate
from bodysounds.training.state import State
from bodysounds.types import Ints


def train_mode(run: ClassifierTraining) -> None:
    """Let the network learn, but for the frozen stages, whose batch norm stays as it is too."""
    run.module.train()
    run.head.train()
    for part in run.frozen():
        part.eval()


def augment_images(augment: Augment, images: Tensor, generator: Generator) -> Tensor:
    """Return images (batch, 3, rows, columns) changed as features (batch, frames, bands) are.

    What is masked becomes the mean of the image, however it is normalised.
    """
    if not augment.feature_steps:
        return images
    own = images[:, 0].transpose(1, 2)
    mean = own.mean(dim=(1, 2), keepdim=True)
    changed = (augment.features(own - mean, generator) + mean).transpose(1, 2)
    return changed[:, None].expand(-1, images.shape[1], -1, -1)


def embed(run: ClassifierTraining, images: Tensor) -> Tensor:
    """Return embeddings (batch, dim) float32."""
    with torch.autocast(run.device.type, dtype=torch.bfloat16, enabled=run.bf16):
        embeddings = run.module.embed(images)
    return embeddings.float()


def train_step(run: ClassifierTraining, batch: Ints, state: State) -> dict[str, float]:
    """Take one step and return its losses and accuracy; ValueError where they are not finite."""
    params = run.params
    rng = np.random.default_rng([params.seed, state.epoch, state.batch])
    image = run.image
    spans = run.train.spans[batch]
    waveforms = clips(run.packed.samples, spans, image.n_samples, image.fill, rng).to(run.device)
    labels = torch.from_numpy(run.train.labels[batch]).to(run.device)
    seed = np.random.SeedSequence([params.seed, state.step]).generate_state(1, np.uint32)[0]
    generator = torch.Generator(run.device).manual_seed(int(seed))
    with torch.no_grad():
        waveforms = run.augment.waveforms(waveforms, generator)
        images = augment_images(run.augment, run.module.features(waveforms), generator)

    embeddings = embed(run, images)
    logits = run.head(embeddings)
    parts = {
        "loss_cross_entropy": functional.cross_entropy(
            logits, labels, label_smoothing=params.label_smoothing
        )
    }
    loss = parts["loss_cross_entropy"]
    if run.centers is not None:
        parts["loss_contrastive_center"] = run.centers(embeddings, labels)
        loss = loss + params.ccl_reg * parts["loss_contrastive_center"]
    check_finite(run, loss.item(), state)
    move(run, loss, state)
    hits = (logits.detach().argmax(dim=1) == labels).float().mean()
    figures = {"loss": loss.detach()} | parts | {"train_accuracy": hits}
    return {name: float(value.detach()) for name, value in figures.items()}


def move(run: ClassifierTraining, loss: Tensor, state: State) -> None:
    """Move the weights, and the centres by their own optimiser."""
    optimisers = [run.optimiser, run.center_optimiser]
    used = [optimiser for optimiser in optimisers if optimiser is not None]
    for group in run.optimiser.param_groups:
        group["lr"] = learning_rate(
            run.params.schedule[0], state.step, run.n_steps, run.params.learning_rate,
            [row["dev_loss"] for row in state.history],
        )  # fmt: skip
    for optimiser in used:
        optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    if run.params.clip_norm is not None:
        weights = [weight for group in run.optimiser.param_groups for weight in group["params"]]
        nn.utils.clip_grad_norm_(weights, run.params.clip_norm)
    for optimiser in used:
        optimiser.step()


def check_finite(run: ClassifierTraining, loss: float, state: State) -> None:
    """Raise ValueError where a loss is not finite."""
    if not math.isfinite(loss):
        raise ValueError(
            f"the loss is {loss} at epoch {state.epoch + 1}, step {state.step + 1}: "
            f"lower train_classifier.learning_rate ({run.params.learning_rate:g})"
        )


def dev_figures(run: ClassifierTraining) -> dict[str, float]:
    """Return dev_accuracy and dev_loss (cross-entropy) over the start of each recording."""
    run.module.eval()
    run.head.eval()
    hits, total, dev = 0, 0.0, run.dev
    with torch.inference_mode():
        for start in range(0, len(dev.labels), BATCH):
            own = slice(start, start + BATCH)
            waveforms = first_clips(run.module, run.packed, dev.spans[own]).to(run.device)
            logits = run.head(run.module(waveforms).float())
            labels = torch.from_numpy(dev.labels[own]).to(run.device)
            hits += int((logits.argmax(dim=1) == labels).sum())
            total += float(functional.cross_entropy(logits, labels, reduction="sum"))
    return {"dev_accuracy": hits / len(dev.labels), "dev_loss": total / len(dev.labels)}
