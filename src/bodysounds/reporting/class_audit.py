"""What may flatter a classifier: groups that training heard, and how a recording was made."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from bodysounds.metrics.intervals import normal_interval
from bodysounds.params.report_classes import HEARD, ReportClassesParams
from bodysounds.reporting.class_rating import ClassRating
from bodysounds.reporting.class_words import TOGETHER, property_label, rate_label
from bodysounds.reporting.plain import plain
from bodysounds.scoring.classify import ALONE
from bodysounds.types import Metrics

RANDOM_CYCLE = "random_cycle"
"""The condition of cycles that were dealt at random, as a split that leaks does."""


def known_pair(condition: str, there: Collection[str]) -> tuple[str, str] | None:
    """Return the conditions of unheard and of heard groups that have test clips, or None.

    `condition` is that of the parameters; of `all`, the first pair that is there. Where the same
    cycles were also dealt at random, that is what unheard patients stand beside.
    """
    for unheard, heard in (("unseen_patient", RANDOM_CYCLE), *HEARD.items()):
        if condition in (unheard, "all") and unheard in there and heard in there:
            return unheard, heard
    return None


def leak_of(groups: Mapping[str, ClassRating], params: ReportClassesParams) -> dict[str, Metrics]:
    """Return, for each system, its rate on heard groups minus unheard, with its interval."""
    pair = known_pair(params.condition, groups)
    if pair is None:
        return {}
    unheard, heard = (groups[name] for name in pair)
    rate, found = params.headline, {}
    alike = pair[1] == RANDOM_CYCLE  # the same patients, dealt otherwise
    for system in [name for name in unheard.systems if name in heard.systems]:
        difference = heard.rate(system, rate) - unheard.rate(system, rate)
        between = None
        first, second = heard.drawn(system, rate), unheard.drawn(system, rate)
        # where one side cannot vary, its difference would look surer than it is
        rated = all(part.interval(system, rate) for part in (heard, unheard))
        if rated and first is not None and second is not None:
            # groups of the two are different ones, so their draws must not move together
            drawn = first - (second if alike else second[::-1])
            ends = normal_interval(difference, drawn, params.level)
            between = [plain(end) for end in np.clip(ends, -1.0, 1.0)]
        found[system] = {"difference": plain(difference), "ci95": between}
    # a few heard groups may have no normal cycle, or no other: there is no Score then
    return {} if found["ours"]["difference"] is None else found


def audited(
    alone: ClassRating, systems: Mapping[str, Metrics], chance: float, who: bool = True
) -> Metrics:
    """Return the rate of each property alone and of all together, flags, and the verdict.

    `who` says whether classes are people, not kinds of sound.
    """
    rate = alone.params.headline
    ours = systems["ours"][rate]
    found: Metrics = {
        name.removeprefix(ALONE): alone.alone(name, chance, ours, max(1, len(alone.systems)), rate)
        for name in alone.systems
    }
    together = systems.get("recording")
    if together:
        between = together[f"{rate}_ci95"]
        floor = chance if rate == "score" else 0.0
        flagged = between is not None and between[0] > chance
        flagged = flagged and together[rate] - floor >= (ours - floor) / 2
        rates = {key: together[key] for key in (rate, f"{rate}_ci95")}
        found[TOGETHER] = {**rates, "flagged": bool(flagged)}
    return {**found, "verdict": verdict(found, chance, ours, rate, who)}


def verdict(
    audit: Mapping[str, Any], chance: float, ours: float, rate: str = "accuracy", who: bool = True
) -> str:
    """Return a sentence that names the flagged properties, or says that none is."""
    if not audit:
        return "No property of the recordings was audited."
    if rate == "score":
        return _score_verdict(audit, chance, ours)
    voice, heard = ("voice", "who") if who else ("sound", "what")
    flagged = {name: entry[rate] for name, entry in audit.items() if entry["flagged"]}
    if not flagged:
        best = max(audit, key=lambda name: audit[name][rate])
        return (
            f"None of the {len(audit)} audited is both above guessing ({chance:.1%}) and at half "
            f"of ours ({ours:.1%}) or more without listening to the {voice}; "
            f"{property_label(best)} gets furthest, to {audit[best][rate]:.1%}."
        )
    ranked = sorted(flagged.items(), key=lambda item: -item[1])
    told = " and ".join(f"{property_label(name)} ({share:.1%})" for name, share in ranked)
    return (
        f"Warning: {told} alone reach at least half of ours ({ours:.1%}), so part of the result "
        f"may rest on how a recording was made rather than on {heard} is heard."
        if ranked[0][1] < ours
        else f"Warning: {told} alone reach as much as ours or more ({ours:.1%}): how a recording "
        f"was made tells {heard} is heard as well as the network does."
    )


def _score_verdict(audit: Mapping[str, Any], chance: float, ours: float) -> str:
    """Return the verdict on ICBHI Scores, of which naming every cycle normal has half."""
    ranked = sorted(audit.items(), key=lambda item: -item[1]["score"])
    flagged = [(name, entry["score"]) for name, entry in ranked if entry["flagged"]]
    if not flagged:
        best, entry = ranked[0]
        if ours <= chance:
            return (
                f"Ours ({ours:.1%}) gains nothing over naming every cycle normal ({chance:.1%}), "
                f"and none of the {len(audit)} audited is surely above that; "
                f"{property_label(best)} gets furthest, to {entry['score']:.1%}."
            )
        return (
            f"None of the {len(audit)} audited is both above naming every cycle normal "
            f"({chance:.1%}) and at half of what ours ({ours:.1%}) gains over it without listening "
            f"to the sound; {property_label(best)} gets furthest, to {entry['score']:.1%}."
        )
    told = " and ".join(f"{property_label(name)} ({share:.1%})" for name, share in flagged)
    return (
        f"Warning: {told} alone reach at least half of what ours ({ours:.1%}) gains over naming "
        f"every cycle normal ({chance:.1%}), so part of the {rate_label('score')} may rest on who "
        "was recorded, and how, rather than on what is heard."
        if flagged[0][1] < ours
        else f"Warning: {told} alone reach as much as ours or more ({ours:.1%}): who was recorded, "
        "and how, tells what is heard as well as the network does."
    )
