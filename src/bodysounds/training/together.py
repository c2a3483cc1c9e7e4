"""A training on one process or on several; those begin and end with a checkpoint."""

from __future__ import annotations

import logging
import mmap
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bodysounds.audio.packed import Packed
from bodysounds.devices import choose_device
from bodysounds.params import TrainEmbeddingParams
from bodysounds.sides import SideTable
from bodysounds.training.checkpoints import Store
from bodysounds.training.dev import DevTrials
from bodysounds.training.launch import run_together
from bodysounds.training.loop import fit, restore, save
from bodysounds.training.ranks import Ranks
from bodysounds.training.resident import resident_samples
from bodysounds.training.run import Course, Training, n_epochs
from bodysounds.training.setup import assemble, begin, n_processes
from bodysounds.training.state import State
from bodysounds.training.subjects import Sources
from bodysounds.training.synced_norm import sync_norms

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mapped:
    """Where samples lie in a file."""

    path: Path
    offset: int
    n_samples: int


@dataclass(frozen=True)
class Shared:
    """What a process needs to take part; what learns comes from the last checkpoint."""

    packed: Packed
    """Without its samples where they are mapped from a file."""
    mapped: Mapped | None
    side_table: SideTable
    sources: Sources
    dev: DevTrials | None
    params: TrainEmbeddingParams
    store: Store
    course: Course


def teach(run: Training, state: State) -> State:
    """Train to the last step, on as many processes as `run.params` asks for, and return the state.

    Raises what `fit` and `run_together` raise.
    """
    n = n_processes(run.params)
    if n == 1:
        fit(run, state)
        return state
    if state.epoch < n_epochs(run):
        save(run, state)
        log.info("%d processes share each batch", n)
        run_together(take_part, n, shared(run))
    return restore(run, aloud=False)


def shared(run: Training) -> Shared:
    """Return what the processes of a training need, without what they can open themselves."""
    samples = run.packed.samples
    packed, mapped = run.packed, None
    # a slice of a map knows its file and not its place there
    if isinstance(samples, np.memmap) and isinstance(samples.base, mmap.mmap):
        mapped = Mapped(Path(str(samples.filename)), samples.offset, len(samples))
        packed = replace(packed, samples=np.empty(0, np.int16))
    return Shared(
        packed, mapped, run.side_table, run.sources, run.dev, run.params, run.store, run.course
    )


def take_part(ranks: Ranks, given: Shared) -> None:
    """Train as one of the processes, from the last checkpoint on."""
    packed, params = given.packed, given.params
    if given.mapped is not None:
        place = given.mapped
        samples = np.memmap(
            place.path, dtype="<i2", mode="r", offset=place.offset, shape=(place.n_samples,)
        )
        packed = replace(packed, samples=samples)
    if choose_device(params.device).type == "cuda":
        params = replace(params, device=f"cuda:{ranks.rank}", processes=1)
    module, losses = begin(params, given.sources, packed.sample_rate)
    device = choose_device(params.device)
    module.to(device)
    losses.to(device)
    run = Training(
        packed=packed,
        side_table=given.side_table,
        sources=given.sources,
        dev=given.dev,
        params=params,
        module=module,
        store=given.store,
        course=given.course,
        resident=resident_samples(packed, device),
        ranks=ranks,
        **assemble(module, losses, params),
    )
    sync_norms(module, ranks)
    fit(run, restore(run, aloud=False))
