"""Deals sources into parts by share, each class apart, and each domain of a class as well."""

from __future__ import annotations

from collections.abc import Mapping

from bodysounds.splitting.hashed import hashed_order
from bodysounds.types import Table


def deal(table: Table, shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Return the part of each unit.

    Parameters
    ----------
    table : Table
        A row a recording: unit, label, family (of domains, text). A unit may have several labels.
    shares : mapping of part to share; the shares sum to 1.
    seed : int

    A unit belongs to the rarest of its labels (by units). The units of a label stand in one row,
    domain by domain, otherwise in a random order by a hash of seed and name, and each goes to the
    part that lacks most of its share so far: so every stretch of the row, and with it every domain,
    has about its shares, and of n units a part has share * n, but for one. Units of several labels
    count for each, rare labels first: iterative stratification, in the spirit of Sechidis,
    Tsoumakas and Vlahavas (2011).
    """
    labels_of: dict[str, list[str]] = {}
    for unit, label in sorted(set(zip(table["unit"], table["label"], strict=True))):
        labels_of.setdefault(str(unit), []).append(label)
    family_of = table.sort_values("family").groupby("unit")["family"].first().to_dict()
    n_units = table.groupby("label")["unit"].nunique()
    rare_first = sorted(n_units.index, key=lambda label: (n_units[label], label))
    rank = {label: k for k, label in enumerate(rare_first)}
    belongs = {unit: min(own, key=rank.__getitem__) for unit, own in labels_of.items()}
    place = {name: k for k, name in enumerate(hashed_order(labels_of, seed))}
    domain = {name: k for k, name in enumerate(hashed_order(set(table["family"]), seed))}
    have = {label: dict.fromkeys(shares, 0) for label in rare_first}
    part: dict[str, str] = {}
    for label in rare_first:
        own = [unit for unit in labels_of if belongs[unit] == label]
        for unit in sorted(own, key=lambda unit: (domain[family_of[unit]], place[unit])):
            after = sum(have[label].values()) + 1
            lacking = {name: share * after - have[label][name] for name, share in shares.items()}
            part[unit] = max(shares, key=lambda name: round(lacking[name], 9))
            for each in labels_of[unit]:
                have[each][part[unit]] += 1
    return part
