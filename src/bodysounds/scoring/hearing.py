"""Sides, heard: the embeddings by which outsiders' recordings are compared."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bodysounds.audio.parallel import batches, ordered_map
from bodysounds.models.verifier import VerifierBundle
from bodysounds.models.verifier_about import HEARD, heard_params
from bodysounds.scoring.embed import network_on
from bodysounds.scoring.given_side import GivenSide, Side, given_side, joined
from bodysounds.scoring.modes import embed_in_mode
from bodysounds.scoring.normalise import centre
from bodysounds.scoring.verdicts import Heard

TOGETHER, TOGETHER_S = 256, 120.0
"""Sides that `hear_each` listens to at a time: at most so many, of so many seconds together."""


class Hearing:
    """A bundle's encoder, that hears sides as the bundle's run heard them."""

    def __init__(self, bundle: VerifierBundle, device: str):
        self._usable = bundle.about["usable"]
        self._learnt_rates = bundle.about.get("sample_rates")
        self._params = heard_params(bundle.about, device)
        self._module = network_on(bundle.encoder, device)
        self._mean_of = bundle.cohort if bundle.about["centred"] else None
        self.made_by = made_by(bundle.about)

    @property
    def dim(self) -> int:
        """Numbers of an embedding."""
        return self._module.dim

    def hear(self, side: Side | Heard, sample_rate: int | None = None) -> Heard:
        """Return a side as `Verifier.hear` does."""
        if isinstance(side, Heard):
            return self._own(side)
        # by itself: in one batch with another its numbers could be rounded otherwise
        return self._listened([self._given(side, sample_rate)])[0]

    def hear_each(self, sides: Iterable[Side]) -> Iterator[Heard]:
        """Return an iterator over many sides as `Verifier.hear_each` does."""
        if isinstance(sides, str | bytes | os.PathLike):
            raise ValueError(
                f"sides are given as a list of them, got one {type(sides).__name__}: put it into a "
                "list, or call hear"
            )
        return self._heard_each(sides)

    def _heard_each(self, sides: Iterable[Side]) -> Iterator[Heard]:
        def given(side: Side) -> GivenSide | Heard:
            try:
                return self._given(side, None)
            except ValueError as error:
                return Heard(None, 0.0, str(error))

        decoded = ordered_map(given, sides)
        for group in batches(decoded, TOGETHER, lambda one: one.seconds, TOGETHER_S):
            heard = iter(self._listened([one for one in group if isinstance(one, GivenSide)]))
            for one in group:
                yield one if isinstance(one, Heard) else next(heard)

    def _given(self, side: Side, sample_rate: int | None) -> GivenSide:
        return given_side(
            side, sample_rate, self._module.sample_rate, self._usable, self._longest_s,
            self._learnt_rates,
        )  # fmt: skip

    @property
    def _longest_s(self) -> float:
        """Seconds of a side that can be heard."""
        own = self._params
        return min(own.max_side_s, own.first_s) if own.embed == "first" else own.max_side_s

    def _listened(self, given: Sequence[GivenSide]) -> list[Heard]:
        """Return sides as they are compared."""
        usable = [side for side in given if not side.flaw]
        embeddings: Iterator[npt.NDArray[np.float32]] = iter(())
        if usable:
            found = embed_in_mode(
                self._params.embed, self._module, *joined(usable), np.arange(len(usable)),
                self._params,
            )  # fmt: skip
            found = found if self._mean_of is None else centre(found, self._mean_of)
            embeddings = iter(found)
        return [
            Heard(None, side.seconds, side.flaw)
            if side.flaw
            else Heard(next(embeddings), side.seconds, None, self.made_by)
            for side in given
        ]

    def _own(self, heard: Heard) -> Heard:
        """Return it; ValueError where another model heard it."""
        other = heard.made_by is not None and heard.made_by != self.made_by
        if other or (heard.embedding is not None and heard.embedding.shape != (self.dim,)):
            raise ValueError(
                "this side was heard by another model, whose embeddings cannot be compared with "
                "this one's: let this verifier hear its recordings"
            )
        return heard


def made_by(about: Mapping[str, Any]) -> dict[str, object]:
    """Return what embeddings that can be compared have in common, of a bundle's `about`."""
    return {
        "encoder": about["sha256"]["encoder"],
        "heard": {name: about["heard"][name] for name in HEARD if name != "precision"},
        "centred_by": about["sha256"].get("cohort") if about["centred"] else None,
    }
