"""What a step of a classifier's training minimises."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from bodysounds.params import TrainClassifierParams, TrainRespiratoryParams
from bodysounds.training.classifier_setup import ClassifierTraining
from bodysounds.training.contrastive import contrastive_losses, contrastive_sum


def sum_losses(
    run: ClassifierTraining, embeddings: Tensor, labels: Tensor, groups: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the sum that is minimised, and each loss before its weight, with train_accuracy.

    `embeddings` (batch, dim) float32, `labels` and `groups` (batch,) int64.
    """
    if run.alone:
        return contrastive(run, embeddings, labels, groups)
    params = run.params
    logits = run.head(functional.dropout(embeddings, params.dropout))
    parts = {
        "loss_cross_entropy": functional.cross_entropy(
            logits, labels, run.class_weights, label_smoothing=params.label_smoothing
        )
    }
    loss = parts["loss_cross_entropy"]
    if run.centers is not None:
        assert isinstance(params, TrainClassifierParams)
        parts["loss_contrastive_center"] = run.centers(embeddings, labels)
        loss = loss + params.ccl_reg * parts["loss_contrastive_center"]
    if run.projections is not None:
        assert isinstance(params, TrainRespiratoryParams)
        beside, own = contrastive(run, embeddings, labels, groups)
        loss = params.hybrid_alpha * beside + (1.0 - params.hybrid_alpha) * loss
        parts |= own
    parts["train_accuracy"] = (logits.detach().argmax(dim=1) == labels).float().mean()
    return loss, parts


def contrastive(
    run: ClassifierTraining, embeddings: Tensor, labels: Tensor, groups: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the weighted sum of the contrastive losses, and each of them."""
    assert run.projections is not None
    assert isinstance(run.params, TrainRespiratoryParams)
    parts = contrastive_losses(run.params, run.projections, embeddings, labels, groups)
    return contrastive_sum(run.params, parts), parts
