"""Fit the linear backend of an encoder on train; dev chooses its shrinkage and its shares."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bodysounds.audio.packed import Packed
from bodysounds.devices import choose_device
from bodysounds.metrics.verification import auc, equal_error_rate
from bodysounds.models.backend import PARTS, Backend
from bodysounds.models.encoder import Encoder
from bodysounds.models.network import EmbeddingNetwork, detached
from bodysounds.params import TrainEmbeddingParams
from bodysounds.progress import track
from bodysounds.scoring.cosine import cosine_scores
from bodysounds.scoring.embed_batches import Float32s, equal_lengths, stacked
from bodysounds.sides import SideTable, side_waveform
from bodysounds.training.dev import MAX_SIDE_S, DevTrials
from bodysounds.training.lda import directions, scatter
from bodysounds.training.speeds import at_speed, class_numbers
from bodysounds.training.subjects import Sources
from bodysounds.types import Floats, Ints

log = logging.getLogger(__name__)

DIM = 100
"""Directions of a part, at most."""
SHRINKAGES = (0.003, 0.01, 0.03, 0.1, 0.3)
SHARES = tuple(k / 10 for k in range(11))
"""Shares of the network's cosine that dev may choose, where there are two parts."""
MAX_SIDES = 50
"""Sides of a subject that teach, spread evenly over its sessions."""
SIDES_AT_A_TIME = 256

Heard = dict[str, Float32s]


@dataclass(frozen=True)
class BackendChoice:
    """What dev chose."""

    shrinkages: dict[str, float]
    shares: dict[str, float]
    dev_eer: float
    dev_auc: float


def with_backend(
    encoder: Encoder,
    packed: Packed,
    sources: Sources,
    params: TrainEmbeddingParams,
    dev: tuple[DevTrials, SideTable] | BackendChoice,
) -> Encoder:
    """Return the encoder with a backend behind its network.

    Parameters
    ----------
    sources : Sources
        Its train teaches, each subject at each of `params.speeds` as a class of its own.
    dev : (DevTrials, SideTable), or BackendChoice
        The trials that choose, or what was chosen before.

    Raises ValueError where no class has two recordings.
    """
    silent = _module(encoder, params.backend, dict.fromkeys(params.backend, 1))
    silent.to(choose_device(params.device))
    heard, labels = hear_train(silent, packed, sources, params.speeds)
    scatters = {part: scatter(vectors, labels) for part, vectors in heard.items()}
    if isinstance(dev, BackendChoice):
        choice = dev
    else:
        trials, side_table = dev
        spans = [side_table.spans[row] for row in trials.rows]
        choice = choose(scatters, hear(silent, packed, spans, 1.0), trials)
    matrices = {
        part: directions(found, choice.shrinkages[part], DIM) for part, found in scatters.items()
    }
    dims = {part: matrix.shape[1] for part, matrix in matrices.items()}
    module = _module(encoder, params.backend, dims)
    body = module.body
    assert isinstance(body, Backend)
    body.network.load_state_dict(encoder.state)
    for part, matrix in matrices.items():
        body.set_projection(part, scatters[part].mean, matrix, choice.shares[part])
    about = {"shrinkages": choice.shrinkages, "shares": choice.shares, "dev_eer": choice.dev_eer}
    log.info(
        "backend: %s; dev EER %.1f%%%s",
        ", ".join(
            f"{part} share {choice.shares[part]:g}, shrinkage {choice.shrinkages[part]:g}"
            for part in matrices
        ),
        100 * choice.dev_eer,
        " of the encoder that dev chose" if isinstance(dev, BackendChoice) else "",
    )
    rated = {"dev_eer": choice.dev_eer, "dev_auc": choice.dev_auc}
    training = encoder.training | {"backend": about}
    return replace(
        encoder,
        state=detached(body),
        architecture=_architecture(encoder, params.backend, dims),
        front_end=encoder.front_end | {"mean_over": "none"},
        # an encoder that heard dev has no rates there
        training=training if training.get("dev_eer") is None else training | rated,
    )


def choice_of(encoder: Encoder) -> BackendChoice:
    """Return what dev chose for the backend of an encoder."""
    about = encoder.training["backend"]
    return BackendChoice(
        about["shrinkages"], about["shares"], about["dev_eer"], encoder.training["dev_auc"]
    )


def choose(scatters: dict[str, Any], heard: Heard, dev: DevTrials) -> BackendChoice:
    """Return the shrinkage of each part, and then the shares, with the lowest dev EER.

    The higher AUC decides between equals, then the first.
    """

    def rate(cosines: Floats) -> tuple[float, float]:
        return equal_error_rate(dev.targets, cosines)[0], -auc(dev.targets, cosines)

    shrinkages, cosines = {}, {}
    for part, found in scatters.items():
        tried = []
        for shrinkage in SHRINKAGES:
            projected = (heard[part] - found.mean) @ directions(found, shrinkage, DIM)
            scores = cosine_scores(projected, projected, dev.pairs)
            tried.append((rate(scores), shrinkage, scores))
        _, shrinkages[part], cosines[part] = min(tried, key=lambda one: one[0])
    parts = list(scatters)
    mixtures = [(1.0,)] if len(parts) == 1 else [(share, 1 - share) for share in SHARES]
    rated = [
        (rate(sum(share * cosines[part] for share, part in zip(mix, parts, strict=True))), mix)  # type: ignore[arg-type]
        for mix in mixtures
    ]
    (eer, negative_auc), shares = min(rated, key=lambda one: one[0])
    return BackendChoice(shrinkages, dict(zip(parts, shares, strict=True)), eer, -negative_auc)


def hear_train(
    module: EmbeddingNetwork, packed: Packed, sources: Sources, speeds: list[float]
) -> tuple[Heard, Ints]:
    """Return the parts of train's sides at each speed, float32 (n, size), and their classes."""
    from bodysounds.training.head import spread

    rows = [spread(np.concatenate(own), MAX_SIDES) for own in sources.train.sessions]
    subjects = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
    spans = [sources.sides.spans[row] for row in np.concatenate(rows)]
    each = [hear(module, packed, spans, speed) for speed in speeds]
    labels = [class_numbers(subjects, place, len(speeds)) for place in range(len(speeds))]
    return {
        part: np.concatenate([heard[part] for heard in each]) for part in each[0]
    }, np.concatenate(labels)


def hear(module: EmbeddingNetwork, packed: Packed, spans: list[Ints], speed: float) -> Heard:
    """Return the parts of sides at a speed, float32 (n_sides, size) each."""
    body, place = module.body, next(module.parameters()).device
    assert isinstance(body, Backend)
    longest = round(MAX_SIDE_S * packed.sample_rate)
    found: dict[str, list[Float32s]] = {}
    starts = range(0, len(spans), SIDES_AT_A_TIME)
    with torch.inference_mode():
        for start in track(starts, f"backend, speed {speed:g}"):
            waves = [
                at_speed(torch.from_numpy(side_waveform(packed, own, longest)).float()[None], speed)
                for own in spans[start : start + SIDES_AT_A_TIME]
            ]
            for part, vectors in _parts(module, body, [wave[0] for wave in waves], place).items():
                found.setdefault(part, []).append(vectors)
    return {part: np.concatenate(vectors) for part, vectors in found.items()}


def _parts(
    module: EmbeddingNetwork, body: Backend, waves: list[Tensor], place: torch.device
) -> Heard:
    heard: Heard = {}
    for items in equal_lengths(np.array([len(wave) for wave in waves]), module):
        features = module.features(stacked([waves[i].numpy() for i in items], module).to(place))
        for part, vectors in body.parts(features).items():
            own = vectors.cpu().numpy()
            heard.setdefault(part, np.zeros((len(waves), own.shape[1]), np.float32))[items] = own
    return heard


def _architecture(encoder: Encoder, parts: list[str], dims: dict[str, int]) -> dict[str, Any]:
    return {
        "name": "backend",
        "network": encoder.architecture,
        "over": encoder.front_end["mean_over"],
        "dims": {part: dims[part] for part in PARTS if part in parts},
        "dim": sum(dims.values()),
    }


def _module(encoder: Encoder, parts: list[str], dims: dict[str, int]) -> EmbeddingNetwork:
    """Return the network with an empty backend, its weights loaded."""
    module = EmbeddingNetwork(
        _architecture(encoder, parts, dims), encoder.front_end | {"mean_over": "none"}, seed=0
    )
    assert isinstance(module.body, Backend)
    module.body.network.load_state_dict(encoder.state)
    return module.eval()
