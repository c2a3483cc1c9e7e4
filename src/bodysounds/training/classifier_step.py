"""One step of a classifier's training, and what dev says of it."""

from __future__ import annotations

import logging
import math
from dataclasses import replace

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from bodysounds.audio.augment import Augment
from bodysounds.audio.clips import as_float, cut
from bodysounds.audio.log_mel import LogMel
from bodysounds.audio.mixing import lay_under
from bodysounds.audio.yamnet_log_mel import YamnetLogMel
from bodysounds.models.classifier import batch_size, first_clips
from bodysounds.params.train_member import TrainMemberParams
from bodysounds.params.train_respiratory import TrainRespiratoryParams
from bodysounds.training.classifier_classes import score
from bodysounds.training.classifier_losses import contrastive, sum_losses
from bodysounds.training.classifier_networks import frozen_stages
from bodysounds.training.classifier_setup import ClassifierTraining
from bodysounds.training.fine_tuning import freeze, keep_statistics
from bodysounds.training.schedule import learning_rate
from bodysounds.training.state import State
from bodysounds.types import Ints

log = logging.getLogger(__name__)


def train_mode(run: ClassifierTraining, epoch: int = 0) -> None:
    """Let the network learn, but for the stages frozen in this epoch, and their batch norms."""
    run.module.train()
    run.head.train()
    if run.projections is not None:
        run.projections.train()
    frozen = frozen_stages(run.params, epoch)
    for weight in run.learning:
        weight.requires_grad_(True)
    freeze(run.module, run.architecture, frozen)
    keep_statistics(run.module, run.architecture, frozen)
    if not any(weight.requires_grad for weight in run.module.body.parameters()):
        # what leaves whole layers out at random belongs to no stage
        run.module.body.eval()


def augment_inputs(run: ClassifierTraining, inputs: Tensor, generator: Generator) -> Tensor:
    """Return what the front end gave, changed as features (batch, frames, bands) are."""
    if not run.augment.feature_steps:
        return inputs
    if isinstance(run.module.front_end, YamnetLogMel):
        return augment_patches(run.augment, inputs, generator)
    if isinstance(run.module.front_end, LogMel):
        return augment_features(run.augment, inputs, generator)
    return augment_images(run.augment, inputs, generator)


def augment_patches(augment: Augment, patches: Tensor, generator: Generator) -> Tensor:
    """Return patches (batch, patches, frames, bands), each changed by itself.

    What is masked becomes the mean of the patch.
    """
    return augment_features(augment, patches.flatten(0, 1), generator).view_as(patches)


def augment_images(augment: Augment, images: Tensor, generator: Generator) -> Tensor:
    """Return images (batch, 3, rows, columns) changed as features (batch, frames, bands) are.

    What is masked becomes the mean of the image, however it is normalised.
    """
    if not augment.feature_steps:
        return images
    changed = augment_features(augment, images[:, 0].transpose(1, 2), generator).transpose(1, 2)
    return changed[:, None].expand(-1, images.shape[1], -1, -1)


def augment_features(augment: Augment, features: Tensor, generator: Generator) -> Tensor:
    """Return features (batch, frames, bands) changed; what is masked becomes the item's mean."""
    mean = features.mean(dim=(1, 2), keepdim=True)
    return augment.features(features - mean, generator) + mean


def embed(run: ClassifierTraining, inputs: Tensor) -> Tensor:
    """Return embeddings (batch, dim) float32."""
    with torch.autocast(run.device.type, dtype=torch.bfloat16, enabled=run.bf16):
        embeddings = run.module.embed(inputs)
    return embeddings.float()


def hear(run: ClassifierTraining, batch: Ints, labels: Tensor, state: State, seed: int) -> Tensor:
    """Return embeddings (batch, dim) float32 of crops of these rows of train, changed at random."""
    if run.known is not None:
        return run.known["train"][torch.from_numpy(batch)].to(run.device)
    params = run.params
    rng = np.random.default_rng([params.seed, state.epoch, state.batch]) if moves(run) else None
    # where only features are changed, the views of a cycle are heard once
    views = 1 if moves(run) or run.augment.waveform_steps else params.views
    spans = run.train.spans[batch[: len(batch) // views]]
    found = cut(run.packed.samples, spans, run.n_samples, run.module.fill, rng)
    waveforms = as_float(found.to(run.device))
    generator = torch.Generator(run.device).manual_seed(seed)
    with torch.no_grad():
        for under in params.background if isinstance(params, TrainMemberParams) else ():
            quiet = labels == run.labels.index(under["label"])
            waveforms = lay_under(waveforms, quiet, generator, under["p"], under["snr_db"])
        waveforms = run.augment.waveforms(waveforms, generator)
        inputs = torch.cat([run.module.features(waveforms)] * views)
        inputs = augment_inputs(run, inputs, generator)
    return embed(run, inputs)


def moves(run: ClassifierTraining) -> bool:
    """Return whether what is heard of a recording in training is drawn."""
    return not isinstance(run.params, TrainRespiratoryParams) or run.params.random_crop


def train_step(run: ClassifierTraining, batch: Ints, state: State) -> dict[str, float]:
    """Take one step and return its losses and accuracy; ValueError where they are not finite.

    Each row of the batch is heard `views` times, each time changed by itself.
    """
    rows = np.tile(batch, run.params.views)
    labels = torch.from_numpy(run.train.labels[rows]).to(run.device)
    groups = torch.from_numpy(run.train.groups[rows]).to(run.device)
    drawn = np.random.SeedSequence([run.params.seed, state.step]).generate_state(2, np.uint32)
    with torch.random.fork_rng(devices=[run.device] if run.device.type == "cuda" else []):
        # what a network draws itself, dropout and masks, follows the global generator
        torch.manual_seed(int(drawn[1]))
        embeddings = hear(run, rows, labels, state, int(drawn[0]))
        loss, parts = sum_losses(run, embeddings, labels, groups)
    check_finite(run, loss.item(), state)
    move(run, loss, state)
    figures = {"loss": loss, **parts}
    return {name: float(value.detach()) for name, value in figures.items()}


def move(run: ClassifierTraining, loss: Tensor, state: State) -> None:
    """Move the weights, and the centres by their own optimiser."""
    optimisers = [run.optimiser, run.center_optimiser]
    used = [optimiser for optimiser in optimisers if optimiser is not None]
    rate = learning_rate(
        run.params.schedule[0], state.step, run.n_steps, run.params.learning_rate,
        [row["dev_loss"] for row in state.history],
    )  # fmt: skip
    for group in run.optimiser.param_groups:
        group["lr"] = group["share"] * rate
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
            f"lower {run.params.stage}.learning_rate ({run.params.learning_rate:g})"
        )


def dev_figures(run: ClassifierTraining) -> dict[str, float]:
    """Return what dev says, of the start of each recording.

    dev_accuracy; dev_balanced_accuracy, the mean recall of its classes; dev_loss (cross-entropy);
    of a respiratory classifier dev_score. Where contrastive losses alone teach, dev_loss is their
    weighted sum over dev as one batch, and nothing else is known.
    """
    run.module.eval()
    run.head.eval()
    dev = run.dev
    with torch.inference_mode():
        heard = [start_embeddings(run, "dev", own) for own in batches(run, len(dev.labels))]
        embeddings, labels = torch.cat(heard), torch.from_numpy(dev.labels).to(run.device)
        if run.alone:
            groups = torch.from_numpy(dev.groups).to(run.device)
            return {"dev_loss": float(contrastive(run, embeddings, labels, groups)[0])}
        found = run.head(embeddings)
        hits = (found.argmax(dim=1) == labels).cpu().numpy()
        loss = float(functional.cross_entropy(found, labels, reduction="sum"))
    recalls = [hits[dev.labels == label].mean() for label in np.unique(dev.labels)]
    figures = {
        "dev_accuracy": int(hits.sum()) / len(hits),
        "dev_balanced_accuracy": float(np.mean(recalls)),
        "dev_loss": loss / len(hits),
    }
    if isinstance(run.params, TrainRespiratoryParams) and run.params.negative in run.labels:
        figures["dev_score"] = score(hits, dev.labels, run.labels.index(run.params.negative))
    return figures


def batches(run: ClassifierTraining, n: int) -> list[slice]:
    """Return the rows of each batch where nothing is learnt."""
    size = batch_size(run.architecture)
    return [slice(start, start + size) for start in range(0, n, size)]


def start_embeddings(run: ClassifierTraining, subset: str, own: slice) -> Tensor:
    """Return embeddings (batch, dim) float32 of the start of these rows of `train` or `dev`."""
    if run.known is not None:
        return run.known[subset][own].to(run.device)
    spans = (run.train if subset == "train" else run.dev).spans[own]
    embeddings: Tensor = run.module(first_clips(run.module, run.packed, spans).to(run.device))
    return embeddings.float()


def hear_once(run: ClassifierTraining) -> ClassifierTraining:
    """Return the training with the embeddings of train and dev, where nothing can change them.

    That is where all of the network is frozen for good, nothing is augmented, and either each
    recording is as long as the clips or its start is heard, so that nothing is drawn.
    """
    params = run.params
    spans = np.concatenate([run.train.spans, run.dev.spans])
    learns = any(weight.requires_grad for weight in run.module.body.parameters())
    drawn = params.augment or (isinstance(params, TrainMemberParams) and params.background)
    alike = run.n_samples == run.module.clip_samples and (spans[:, 1] == run.n_samples).all()
    if learns or drawn or (moves(run) and not alike) or params.unfreeze_after is not None:
        return run
    run.module.eval()
    known = {}
    with torch.inference_mode():
        for subset, examples in (("train", run.train), ("dev", run.dev)):
            heard = [
                start_embeddings(run, subset, own) for own in batches(run, len(examples.labels))
            ]
            known[subset] = torch.cat(heard).cpu()
    log.info("all of the network is frozen: each clip is heard once")
    return replace(run, known={name: found.clone() for name, found in known.items()})
