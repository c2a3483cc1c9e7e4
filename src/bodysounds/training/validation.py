"""The losses of subjects or sessions that teach nothing."""

from __future__ import annotations

import numpy as np
import torch

from bodysounds.training.run import Training
from bodysounds.training.sampler import plan_epoch
from bodysounds.training.speeds import as_recorded
from bodysounds.training.step import judge, load, waveforms_of
from bodysounds.types import Metrics

# stands after the seed, where training has the epoch: far beyond any
OF_VALIDATION = 2**31


def validate(run: Training, epoch: int, step: int) -> Metrics:
    """Return validation_loss and validation_<figure>, means over fixed crops, unaugmented.

    The crops are the same at every epoch, the network is in eval mode and no gradient is kept. The
    defect `choose_by_loss` draws other crops at each epoch, `validation_gradients` keeps gradients.
    Empty where nothing validates.
    """
    subjects, p = run.sources.validation, run.params
    if subjects is None:
        return {}
    drawn_anew = [epoch] if "choose_by_loss" in p.defects else []
    rng = np.random.default_rng([p.seed, OF_VALIDATION, *drawn_anew])
    plan = plan_epoch(
        subjects, p.subjects_per_batch, p.crops_per_subject, p.crop_s, run.packed.sample_rate, 1,
        rng, p.defects,
    )  # fmt: skip
    run.module.eval()
    run.losses.eval()
    run.losses.set_progress(step / run.course.n_steps)
    sums: dict[str, float] = {}
    with torch.set_grad_enabled("validation_gradients" in p.defects):
        for batch in (as_recorded(drawn, p.speeds) for drawn in plan):
            features = run.module.features(waveforms_of(run, load(run, batch, rng)))
            loss, parts = judge(run, features, batch, subjects)
            figures = {k: v for k, v in parts.items() if k.startswith("train_")}
            for name, value in ({"train_loss": loss.detach()} | figures).items():
                key = "validation_" + name.removeprefix("train_")
                sums[key] = sums.get(key, 0.0) + float(value) * len(batch.rows)
    n_crops = sum(len(batch.rows) for batch in plan)
    return {name: total / n_crops for name, total in sums.items()}
