"""An ensemble that can be asked: its members, the rule that combines them, and their folder."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from bodysounds.audio.clips import clips, places
from bodysounds.audio.packed import Packed
from bodysounds.audio.stft_image import fit_length
from bodysounds.devices import choose_device
from bodysounds.models.bundle import AGAIN, load_bundle, save_bundle
from bodysounds.models.classifier import Classifier, batch_size
from bodysounds.models.encoder import network
from bodysounds.scoring.ensemble import abstained, check_members, combine
from bodysounds.scoring.events import EventRules
from bodysounds.types import Metrics

BATCH = 64

Float32s = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Said:
    """What an ensemble says of n clips."""

    log_probabilities: Float32s
    """(n, C), columns by the ensemble's labels."""
    abstained: Bools
    """(n,): no class is probable enough to be named."""
    members: dict[str, Float32s]
    """{name: (n, C)}: what each member says by itself, uncalibrated."""


class Ensemble:
    """Members and their rule, ready to be asked, from any thread.

    Parameters
    ----------
    members : {name: Classifier}
        Those of the rule; each may name its classes in another order.
    rule : dict
        Plain JSON, as `bodysounds.scoring.rule.make_rule` returns it.
    device : str
        `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises ValueError for a member that is missing or too many, that knows other classes or hears
    another sample rate.
    """

    def __init__(self, members: Mapping[str, Classifier], rule: Metrics, device: str = "auto"):
        check_members(rule, members)
        self.members = {name: members[name] for name in rule["members"]}
        self.rule = rule
        self.labels: list[str] = list(rule["labels"])
        self.sample_rate = int(rule["sample_rate"])
        self.clip_s = float(rule["clip_s"])
        self.hop_s = float(rule["hop_s"])
        self.short: str = rule["short"]
        self.n_samples = round(self.clip_s * self.sample_rate)
        self._place = choose_device(device)
        self._columns = {n: _columns(n, m, self.labels) for n, m in self.members.items()}
        self._networks = {}
        for name, member in self.members.items():
            module = network(member.encoder).to(self._place)
            if module.sample_rate != self.sample_rate:
                raise ValueError(
                    f"member {name!r} hears {module.sample_rate} Hz and the ensemble "
                    f"{self.sample_rate} Hz: all members hear one sample rate"
                )
            head = {part: weight.to(self._place) for part, weight in member.head.items()}
            self._networks[name] = (module, head)
        self._lock = threading.Lock()

    @property
    def event_rules(self) -> EventRules:
        """What makes an event, as the rule has it."""
        return EventRules(**self.rule["events"])

    def predict(self, waveforms: Float32s) -> Said:
        """Return what the ensemble says of clips, float32 (n, clip_samples), full scale 1.

        Samples beyond full scale are cut to it, as those were that the members learnt from. What a
        clip is taken for does not depend on the others but for rounding. Raises ValueError for
        another shape, no clips, NaN or infinity, and probabilities that are not finite.
        """
        heard = np.asarray(waveforms, dtype=np.float32)
        if heard.ndim != 2 or heard.shape[1] != self.n_samples or not len(heard):
            raise ValueError(
                f"clips have the shape (n, {self.n_samples}) with n > 0, {self.clip_s:g} s at "
                f"{self.sample_rate} Hz, got {heard.shape}"
            )
        finite = np.isfinite(heard).all(axis=1)
        if not finite.all():
            at = int(np.argmin(finite))
            raise ValueError(f"clip {at} holds samples that are NaN or infinite")
        heard = np.clip(heard, -1.0, 1.0)
        members = {name: self._said(name, heard) for name in self.members}
        found = combine(self.rule, members)
        return Said(found.astype(np.float32), abstained(self.rule, found), members)

    def _said(self, name: str, heard: Float32s) -> Float32s:
        module, head = self._networks[name]
        size = batch_size(self.members[name].encoder.architecture)
        found = np.zeros((len(heard), len(self.labels)), dtype=np.float32)
        # one at a time: a network's own layers use the cores, and may keep state while they run
        with self._lock, torch.inference_mode():
            for start in range(0, len(heard), size):
                own = slice(start, start + size)
                batch = torch.from_numpy(heard[own].copy()).to(self._place)
                if module.clip_samples is not None:
                    batch = fit_length(batch, module.clip_samples, module.fill)
                logits = functional.linear(module(batch), head["weight"], head["bias"])
                found[own] = logits.float().log_softmax(dim=1).cpu().numpy()
        if not np.isfinite(found).all():
            raise ValueError(f"member {name!r} gives probabilities that are not finite")
        return found[:, self._columns[name]]


def load_ensemble(path: str | Path, device: str = "auto") -> Ensemble:
    """Return the ensemble of a bundle's folder, or of the latest version below a folder.

    Raises ValueError that names the path and what is wrong there: see `models.bundle`.
    """
    members, rule = load_bundle(path)
    try:
        return Ensemble(members, rule, device)
    except (AttributeError, KeyError, OverflowError, TypeError) as error:
        raise ValueError(
            f"{path} holds members that cannot be built ({type(error).__name__}: {error}): {AGAIN}"
        ) from error


def save_ensemble(path: str | Path, ensemble: Ensemble) -> None:
    """Write an ensemble to a folder that is not there yet, all or nothing."""
    save_bundle(path, ensemble.members, ensemble.rule)


def said_of(ensemble: Ensemble, packed: Packed, segment_ids: Sequence[str]) -> dict[str, Float32s]:
    """Return what each member says of segments of packed waveforms, {name: (n, C)}, uncalibrated.

    The first `clip_s` of a segment are heard; a shorter one is filled as the rule says. Raises
    ValueError for an unknown segment and another sample rate.
    """
    if packed.sample_rate != ensemble.sample_rate:
        raise ValueError(
            f"the ensemble was made for {ensemble.sample_rate} Hz and the waveforms have "
            f"{packed.sample_rate} Hz: set featurize.sample_rate to {ensemble.sample_rate}"
        )
    spans = places(packed, segment_ids)
    parts = []
    for start in range(0, len(spans), BATCH):
        own = spans[start : start + BATCH]
        waveforms = clips(packed.samples, own, ensemble.n_samples, ensemble.short).numpy()
        parts.append(ensemble.predict(waveforms).members)
    return {name: np.concatenate([part[name] for part in parts]) for name in ensemble.members}


def _columns(name: str, member: Classifier, labels: list[str]) -> list[int]:
    if sorted(member.labels) != sorted(labels):
        raise ValueError(
            f"member {name!r} knows the classes {', '.join(member.labels)}, and the ensemble "
            f"{', '.join(labels)}: train the members on one set of labels"
        )
    return [member.labels.index(label) for label in labels]
