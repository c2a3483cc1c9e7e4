"""Non-target pairs chosen with care: balanced over subjects, or alike in what is known."""

from __future__ import annotations

import logging

import numpy as np
import numpy.typing as npt

from bodysounds.params import SplitParams
from bodysounds.splitting.pairs import Pairs, both_sides
from bodysounds.splitting.partners import Cell, draw_pairs
from bodysounds.splitting.side_keys import SideKeys

logger = logging.getLogger(__name__)


def draw_negatives(keys: SideKeys, subset: str, params: SplitParams, n_targets: int) -> Pairs:
    """Return negatives_per_target non-target pairs for each of n_targets, in no order.

    `balanced` draws them so that subjects appear in them equally often, as far as the pairs allow.
    `hard` does the same among pairs that sex, age and domain don't tell apart, as VoxCeleb1-H does
    by sex and nationality (arXiv:1806.05622). Where there are fewer, all are taken and it is
    logged. Raises ValueError for `hard` where the corpus knows none of the three.
    """
    wanted = params.negatives_per_target * n_targets
    pairs = draw_pairs(_cells(keys, subset, params), wanted, params.seed)
    if len(pairs) < wanted:
        logger.warning(
            "%s has %d %s non-target pairs where split.negatives_per_target = %d asks for %d: "
            "all are taken",
            subset,
            len(pairs),
            params.negatives,
            params.negatives_per_target,
            wanted,
        )
    enrol, test = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return Pairs(enrol, test)


def _cells(keys: SideKeys, subset: str, params: SplitParams) -> list[list[Cell]]:
    """Return, for each subject, its sides by all that decides which others they meet."""
    left, right = both_sides(keys, subset, params)
    roles = [(0, left)] if params.enrol_session is None else [(1, left), (-1, right)]
    domain = keys.domain if params.within_domain else np.zeros_like(keys.domain)
    about = _about(keys) if params.negatives == "hard" else np.empty((len(domain), 0), np.int64)
    found: dict[int, dict[tuple[int, int, int, tuple[int, ...]], list[int]]] = {}
    for role, sides in roles:
        columns = (keys.subject, keys.group, domain, about)
        rows = zip(*(codes[sides].tolist() for codes in columns), sides.tolist(), strict=True)
        for subject, group, where, what, side in rows:
            own = found.setdefault(subject, {})
            own.setdefault((role, group, where, tuple(what)), []).append(side)
    return [[Cell(*key, sides) for key, sides in own.items()] for own in found.values()]


def _about(keys: SideKeys) -> npt.NDArray[np.int64]:
    """Return sex, age and domain of each side, shape (n_sides, 3)."""
    about = np.stack([keys.sex, keys.age, keys.domain], axis=1)
    if (about < 0).all():
        raise ValueError(
            "split.negatives = hard takes pairs of equal sex, age and domain, and the corpus knows "
            "none of the three: take balanced, or add the columns to its table"
        )
    return about
