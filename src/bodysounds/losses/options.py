"""The options of each loss, checked when they are built; no torch, so that parameters may ask."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

MININGS = ("hard", "semi_hard", "all")
DISTANCES = ("cosine", "euclidean", "squared_euclidean")
DEFAULT_TRIPLET_MARGIN = 0.3


@dataclass(frozen=True)
class AamOptions:
    """Of the additive angular margin softmax."""

    margin: float = 0.2
    """Added to the angle to the own class, in [0, pi/2) radians."""
    scale: float = 30.0
    """Of the cosines before the softmax, above 0."""
    subcenters: int = 1
    """Centres of each class; the nearest one counts."""
    margin_schedule: Sequence[float] | None = None
    """[start, end], shares of the training between which it rises from 0. None: constant."""
    label_smoothing: float = 0.0
    """Share of the target spread evenly over the own class and its rivals, in [0, 1)."""

    def __post_init__(self) -> None:
        number("aam", "margin", self.margin)
        if not 0 <= self.margin < math.pi / 2:
            refuse("aam", "margin must lie in [0, pi/2) radians", self.margin, "0.2 is usual")
        number("aam", "scale", self.scale)
        if not self.scale > 0:
            refuse("aam", "scale must be above 0", self.scale, "30 is usual")
        whole("aam", "subcenters", self.subcenters)
        if self.subcenters < 1:
            refuse("aam", "subcenters must be at least 1", self.subcenters, "1 is plain AAM")
        if self.margin_schedule is not None:
            shares("aam", "margin_schedule", self.margin_schedule)
        number("aam", "label_smoothing", self.label_smoothing)
        if not 0 <= self.label_smoothing < 1:
            refuse("aam", "label_smoothing must lie in [0, 1)", self.label_smoothing, "0 is none")


@dataclass(frozen=True)
class TripletOptions:
    """Of the triplet loss."""

    mining: str = "hard"
    """`hard`, `semi_hard` or `all`."""
    margin: float | None = None
    """In the distance's unit: (0, 2] for cosine, above 0 otherwise. None: 0.3, or soft."""
    soft: bool = False
    """The soft margin, log(1 + exp(d_ap - d_an)), instead of a number."""
    distance: str = "cosine"
    """`cosine` (1 - cosine), `euclidean` or `squared_euclidean` of embeddings as they are."""

    def __post_init__(self) -> None:
        one_of("triplet", "mining", self.mining, MININGS)
        one_of("triplet", "distance", self.distance, DISTANCES)
        if not isinstance(self.soft, bool):
            refuse("triplet", "soft must be true or false", self.soft, "write it without quotes")
        if self.margin is None:
            return
        if self.soft:
            refuse("triplet", "soft: true takes no margin", self.margin, "give one of the two")
        number("triplet", "margin", self.margin)
        if self.distance == "cosine" and not 0 < self.margin <= 2:
            way_out = "soft: true is the loss without one"
            refuse("triplet", "margin must lie in (0, 2] cosine distance", self.margin, way_out)
        if not self.margin > 0:
            way_out = "soft: true is the loss without one"
            refuse("triplet", f"margin must be above 0 {self.distance}", self.margin, way_out)

    @property
    def hinge(self) -> float | None:
        """The margin of the hinge; None where it is soft."""
        if self.soft:
            return None
        return DEFAULT_TRIPLET_MARGIN if self.margin is None else self.margin


@dataclass(frozen=True)
class SupconOptions:
    """Of the supervised contrastive loss."""

    temperature: float = 0.07
    """Divides the cosines, above 0; 0.07 as published."""

    def __post_init__(self) -> None:
        number("supcon", "temperature", self.temperature)
        if not self.temperature > 0:
            refuse("supcon", "temperature must be above 0", self.temperature, "0.07 is usual")


Options: TypeAlias = AamOptions | TripletOptions | SupconOptions
KINDS: dict[str, type[AamOptions] | type[TripletOptions] | type[SupconOptions]] = {
    "aam": AamOptions,
    "triplet": TripletOptions,
    "supcon": SupconOptions,
}


def check_losses(specs: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, Options]]:
    """Return the weight and the options of each loss that a recipe names, in its order.

    Parameters
    ----------
    specs : list of {name, weight, option: value}
        `aam`, `triplet` or `supcon` with the options above; weight is 1 where it is not given.

    Raises ValueError for an empty list, an unknown name or option, a loss named twice, a weight
    of 0 or less, and an option's wrong type or value.
    """
    names = ", ".join(KINDS)
    if isinstance(specs, str | Mapping) or not isinstance(specs, Sequence):
        raise ValueError(f"losses must be a list of {{name, weight, options}}, got {specs!r}")
    if not specs:
        raise ValueError(f"losses is empty: name at least one of {names}")
    checked: dict[str, tuple[float, Options]] = {}
    for spec in specs:
        if not isinstance(spec, Mapping):
            raise ValueError(f"losses[] must each be {{name: ..., weight: ...}}, got {spec!r}")
        given = {str(key): value for key, value in spec.items()}
        name, weight = given.pop("name", None), given.pop("weight", 1.0)
        if not isinstance(name, str) or name not in KINDS:
            raise ValueError(f"losses[].name must be one of {names}, got {name!r}")
        if name in checked:
            raise ValueError(f"loss {name} is named twice: give it once, with its weight")
        number(name, "weight", weight)
        if not weight > 0:
            refuse(name, "weight must be above 0", weight, "leave out a loss that is not wanted")
        known = [field.name for field in fields(KINDS[name])]
        unknown = [key for key in given if key not in known]
        if unknown:
            raise ValueError(
                f"loss {name} has no option {unknown[0]!r}: it has weight, {', '.join(known)}"
            )
        checked[name] = (float(weight), KINDS[name](**given))
    return checked


def refuse(loss: str, rule: str, value: object, way_out: str) -> None:
    """Raise ValueError: the loss, its rule, the value and the way out."""
    raise ValueError(f"loss {loss}: {rule}, got {value!r}: {way_out}")


def number(loss: str, key: str, value: object) -> None:
    """Raise ValueError unless the value is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        refuse(loss, f"{key} must be a number", value, "write it without quotes, as 0.5")


def whole(loss: str, key: str, value: object) -> None:
    """Raise ValueError unless the value is a whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        refuse(loss, f"{key} must be a whole number", value, "write it as 1")


def one_of(loss: str, key: str, value: object, allowed: tuple[str, ...]) -> None:
    """Raise ValueError unless the value is allowed."""
    if value not in allowed:
        raise ValueError(f"loss {loss}: {key} must be one of {', '.join(allowed)}, got {value!r}")


def shares(loss: str, key: str, value: object) -> None:
    """Raise ValueError unless the value is [start, end] with 0 <= start < end <= 1."""
    rule = f"{key} must be [start, end], shares of the training with 0 <= start < end <= 1"
    if not isinstance(value, list | tuple) or len(value) != 2:
        refuse(loss, rule, value, "leave it out for a constant margin")
    else:
        for share in value:
            number(loss, key, share)
        if not 0 <= value[0] < value[1] <= 1:
            refuse(loss, rule, value, "leave it out for a constant margin")
