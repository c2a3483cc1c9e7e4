"""Train anew on train and dev, for as long as dev chose."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from bodysounds.models.encoder import Encoder
from bodysounds.training.best import Choice, average, kept_weights
from bodysounds.training.checkpoints import Store
from bodysounds.training.loop import restore
from bodysounds.training.run import Course, Training
from bodysounds.training.setup import Given, build
from bodysounds.training.state import State
from bodysounds.training.step import followed
from bodysounds.training.subjects import Sources, choose_sources
from bodysounds.training.together import teach

log = logging.getLogger(__name__)

SUBSETS = ("train", "dev")


def refit(
    given: Given, run: Training, state: State, choice: Choice, dev_encoder: Encoder
) -> Encoder:
    """Return the encoder of a training on train and dev that ends where dev chose.

    Parameters
    ----------
    run, state, choice, dev_encoder
        The finished training on train, what dev chose of it, and the encoder of that choice.

    From that training come over: the number of epochs; the epochs whose weights are averaged,
    where dev chose a mean; the learning rate at each share of an epoch; and nothing else, weights
    included. What validated by `validation_share` teaches too. Nothing is chosen, and dev's trials
    say nothing about this encoder. It resumes as the other does.
    """
    params = given.params
    # those who validated teach as well; what chose by them has chosen
    plain = replace(
        params,
        validation_share=0.0,
        defects=[name for name in params.defects if name != "choose_by_loss"],
    )
    sources = refit_sources(replace(given, params=plain))
    module, parts, _ = build(replace(given, params=plain), sources)
    store = Store(run.store.folder / "refit")
    anew = replace(
        run, sources=sources, dev=None, params=plain, module=module, store=store, **parts
    )
    anew = replace(anew, course=course(run, anew, state, choice))
    log.info(
        "refit on train and dev: %d subjects, %d epochs as dev chose, EER %.4f there before",
        len(sources.train.ids), max(choice.epochs), choice.dev_eer,
    )  # fmt: skip
    after = teach(anew, restore(anew))
    weights = average([kept_weights(anew, epoch) for epoch in choice.epochs])
    return replace(
        dev_encoder,
        state=weights,
        training=record(dev_encoder.training, anew, after, choice),
        best=(),
    )


def refit_sources(given: Given) -> Sources:
    """Return train and dev as teachers; nobody validates."""
    plain = replace(given.params, validation_share=0.0)
    sources = choose_sources(given.side_table, plain, given.packed.sample_rate, SUBSETS)
    return replace(sources, validation=None)


def course(run: Training, anew: Training, state: State, choice: Choice) -> Course:
    """Return the course of the refit: that of the first training, in steps of longer epochs."""
    stretch = len(anew.plan(0)) / len(run.plan(0))
    last = max(choice.epochs)
    n_steps = max(1, round(run.course.n_steps * stretch))
    end_step = min(n_steps, max(1, round(state.history[last - 1]["step"] * stretch)))
    figures = tuple(map(followed, state.history))
    return Course(n_steps, end_step, stretch, figures, choice.epochs)


def record(before: dict[str, Any], anew: Training, after: State, choice: Choice) -> dict[str, Any]:
    """Return the training record of the refit: of the choice before, and of what came after."""
    row = after.history[-1]
    about = {
        "subsets": list(SUBSETS),
        "epochs": max(choice.epochs),
        "dev_eer_before": choice.dev_eer,
    }
    return before | {
        "steps": after.step,
        "audio_s": row["audio_s"],
        "losses": {name: value for name, value in row.items() if name.startswith("loss")},
        "n_subjects": len(anew.sources.train.ids),
        "n_validation": 0,
        # dev taught this encoder, so its trials say nothing about it
        "dev_eer": None,
        "dev_auc": None,
        "refit": about,
    }
