"""What the rule of a bundle must be, wherever its file comes from."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from bodysounds.scoring.ensemble import all_systems
from bodysounds.scoring.events import EventRules
from bodysounds.scoring.frames import FILLS
from bodysounds.types import Metrics

WANTED = (
    "labels", "members", "clip_s", "hop_s", "short", "sample_rate", "temperatures", "weights",
    "meta", "chosen", "abstain", "usable", "events",
)  # fmt: skip
USABLE = ("min_s", "silence_dbfs", "clipped_share")


def check_rule(rule: Metrics, file: Path, remedy: str) -> None:
    """Raise ValueError that names the file where the rule lacks something or cannot be followed.

    It is followed once, for members that know nothing, so that no later answer fails by it.
    """
    missing = [name for name in WANTED if name not in rule]
    if missing:
        raise ValueError(f"{file}: the rule lacks {missing[0]!r}: {remedy}")
    flaw = _flaw(rule)
    if flaw is None:
        try:
            if not isinstance(EventRules(**rule["events"]).quiet, str):
                raise ValueError(f"events.quiet is a label, got {rule['events']['quiet']!r}")
            _follow(rule)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            told = " ".join(str(error).split())
            flaw = f"it cannot be followed ({type(error).__name__}: {told})"
    if flaw is not None:
        raise ValueError(f"{file}: of the rule, {flaw}: {remedy}")


def _flaw(rule: Metrics) -> str | None:
    for name in ("labels", "members"):
        if not _names(rule[name]):
            return f"{name} must be texts, each once, got {rule[name]!r}"
    rate, clip_s = rule["sample_rate"], rule["clip_s"]
    seconds = 3600.0
    sample = 1 / rate if _number(rate, 1, 1e6) else 0.0
    for name, low, high in (
        ("sample_rate", 1, 1e6),
        ("clip_s", sample, seconds),
        ("hop_s", sample, clip_s if _number(clip_s, 0, seconds) else seconds),
    ):
        if not _number(rule[name], low, high):
            return f"{name} must be a number from {low:g} to {high:g}, got {rule[name]!r}"
    for part, wanted in (("abstain", ("threshold",)), ("usable", USABLE)):
        own = rule[part] if isinstance(rule[part], Mapping) else {}
        for name in wanted:
            if not _number(own.get(name), -1e6, 1e6):
                return f"{part}.{name} must be a number, got {rule[part]!r}"
    if rule["short"] not in FILLS:
        return f"short must be {' or '.join(FILLS)}, got {rule['short']!r}"
    return None


def _follow(rule: Metrics) -> None:
    n = len(rule["labels"])
    nothing = np.full((1, n), -np.log(n))
    with np.errstate(all="ignore"):
        told = all_systems(rule, dict.fromkeys(rule["members"], nothing))
    for system, table in told.items():
        if not np.isfinite(table).all():
            raise ValueError(f"{system} is not finite")
    if rule["chosen"] not in list(told):
        raise ValueError(f"chosen must be one of {', '.join(told)}, got {rule['chosen']!r}")


def _names(value: Any) -> bool:
    fine = isinstance(value, list) and value and all(isinstance(one, str) for one in value)
    return bool(fine and len(set(value)) == len(value))


def _number(value: Any, low: float, high: float) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return bool(number and isfinite(value) and low <= value <= high)
