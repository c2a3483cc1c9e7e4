"""What a survey found, as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bodysounds.corpora.survey.dealt import FEWEST, split_params
from bodysounds.corpora.survey.fit import Fit
from bodysounds.corpora.survey.guess import Guess
from bodysounds.corpora.survey.shortcuts import sentences
from bodysounds.types import Metrics

FAULTS = {
    "missing": "not there", "broken": "broken", "short": "too short", "silent": "silent",
}  # fmt: skip
WIDTH = 22
HALF = 0.5
"""What one subject alone has more of is told."""
UNITS = {"sample_rate": " Hz", "codec": " files", "channels": " channels"}


def facts_text(facts: Metrics) -> str:
    """Return a line a fact of `bodysounds.corpora.survey.facts.survey`."""
    rows = [("recordings", _recordings(facts))]
    if facts["subjects"]:
        rows.append(("subjects", _subjects(facts)))
        rows.append(("sessions", _sessions(facts)))
    if facts["recorded"]:
        rows.append(("recorded", f"{facts['recorded'][0]} to {facts['recorded'][1]}"))
    if facts["labels"]:
        rows.append(("classes", _counted(facts["labels"])))
    seconds = facts["seconds"]
    if seconds:
        rows.append(
            (
                "length",
                f"{seconds['least']:.2f} s to {seconds['most']:.2f} s, median "
                f"{seconds['median']:.2f} (80% lie between {seconds['p10']:.2f} and "
                f"{seconds['p90']:.2f}), {_hours(facts['total_s'])} in all",
            )
        )
    rows.append(("sample rates", _counted(facts["sample_rates"], " Hz")))
    rows.append(("formats", _counted(facts["codecs"])))
    mixed = any(int(n) > 1 for n in facts["channels"])
    told = "; they are mixed to one: where each is somebody else's, part them first" * mixed
    rows.append(("channels", _counted(facts["channels"]) + told))
    alone = [f"{one['subject']}: {one['value']}{UNITS[one['what']]}" for one in facts["alone"]]
    if alone:
        rows.append(("nobody else has", ", ".join(alone)))
    rows += _copies(facts["copies"])
    for fault, what in FAULTS.items():
        found = facts["faults"][fault]
        rows.append((what, str(found["count"]) + _named([one["reason"] for one in found["named"]])))
    clipped = facts["clipped"]
    worst = [f"{one['path']} ({one['clipped_share']:.0%})" for one in clipped["named"]]
    rows.append(("clipped (over 1%)", str(clipped["count"]) + _named(worst)))
    return "\n".join(f"{name:<{WIDTH}}{text}" for name, text in rows)


def _recordings(facts: Metrics) -> str:
    told = f"{facts['recordings']:,}"
    if facts["usable"] < facts["recordings"]:
        told += f", of which {facts['usable']:,} can be used"
    if facts["decoded"] < facts["recordings"]:
        told += (
            f"; {facts['decoded']:,}, drawn with seed {facts['seed']}, were decoded in full, of "
            "the others the header was read: silent, clipped and broken ones, and copies in other "
            "formats, are those of the drawn"
        )
    return told


def _subjects(facts: Metrics) -> str:
    each = facts["recordings_a_subject"]
    several = f"{each['least']:g} to {each['most']:g}"
    if each["least"] == each["most"]:
        several = f"{each['most']:g}"
    told = (
        f"{facts['subjects']:,}, with {several} recordings each, "
        f"median {each['median']:g}; {facts['subjects_with_two']:,} have at least two"
    )
    share = each["most"] / (facts["usable"] - facts["of_nobody"])
    if share > HALF and facts["subjects"] > 2:
        told += f"; {next(iter(facts['most_of']))} alone has {share:.0%} of them"
    if facts["of_nobody"]:
        told += f"; {facts['of_nobody']:,} recordings are of nobody known"
    if facts["groups"] < facts["subjects"]:
        told += f"; in {facts['groups']:,} groups that are never told apart"
    return told


def _sessions(facts: Metrics) -> str:
    if not facts["sessions"] and facts["recorded"]:
        return (
            "not named; times are known: to verification, recordings under an hour apart are of "
            "one session"
        )
    if not facts["sessions"]:
        return "not known: nothing in names or table says which recordings were made at once"
    return (
        f"{facts['sessions']:,}; {facts['subjects_with_two_sessions']:,} subjects have two or more"
    )


def _copies(copies: Metrics) -> list[tuple[str, str]]:
    told = f"{copies['recordings']:,} files of equal content in {copies['groups']:,} groups"
    rows = [("copies", told if copies["groups"] else "0")]
    if copies["groups"] and not copies["across"]:
        rows[0] = ("copies", told + _named([" = ".join(group) for group in copies["named"]]))
    if copies["across"]:
        named = [
            f"{' = '.join(one['paths'])} ({', '.join(one['subjects'] or one['labels'])})"
            for one in copies["across_named"]
        ]
        rows.append(("  under two names", f"{copies['across']:,}: one is misfiled{_named(named)}"))
    if copies["recoded"]:
        told = (
            f"{copies['recoded']:,}: a run does not see that they are the same, so leave them out "
            "(compared to 16 bits)"
        )
        rows.append(("  in other formats", told))
    return rows


def _counted(counts: Mapping[str, int], unit: str = "", most: int = 8) -> str:
    shown = [f"{name}{unit}: {count:,}" for name, count in list(counts.items())[:most]]
    rest = len(counts) - most
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "")


def _hours(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _named(names: Sequence[str]) -> str:
    return "".join(f"\n{'':<{WIDTH}}  {name}" for name in names)


def shortcuts_text(of_subjects: Metrics, of_labels: Metrics, facts: Metrics) -> str:
    """Return what the properties of the recordings alone tell."""
    told = sentences(of_subjects, of_labels)
    if not told:
        return "  too few described recordings of subjects or classes to say"
    behind = f"  ({facts['described']:,} recordings, drawn with seed {facts['seed']}"
    if of_subjects:
        behind += f", {of_subjects['n_subjects']:,} subjects, {of_subjects['n_pairs']:,} pairs"
    return "\n".join([*(f"  {sentence}" for sentence in told), behind + ")"])


def fit_text(found: Mapping[str, Fit], task: str = "speaker_verification") -> str:
    """Return which tasks the recordings serve, and what to expect of them; `task` would be run."""
    lines = []
    for name, fit in found.items():
        lines.append(f"  {name:<16}{'yes' if fit.works else 'no'}{': ' * bool(fit.why)}{fit.why}")
    facts = found["verification"].facts if "verification" in found else {}
    if facts:
        dealt = ", ".join(
            f"{name} {one['subjects']} subjects ({one['with_two']} with two recordings)"
            for name, one in facts["subsets"].items()
        )
        lines.append(f"  the split would be: {dealt}")
        lines += interval_lines(facts["interval"], facts["across_sessions"])
        lines += _few(facts, task)
    return "\n".join(lines)


def _few(facts: Mapping[str, Any], task: str) -> list[str]:
    """Return what few subjects with same-subject pairs leave in doubt, and what helps; or none."""
    paired = facts["paired"]
    what = "two sessions" if facts["across_sessions"] else "two recordings"
    few = {name: paired[name] for name in ("dev", "test") if paired[name] < FEWEST}
    if not few:
        return []
    doubt = {"dev": "the threshold", "test": "the error rates and their interval"}
    told = " and ".join(f"{n} in {name} ({doubt[name]})" for name, n in few.items())
    task = task if task.endswith("_verification") else "speaker_verification"
    ways, shares = [], facts["enough_with"]
    if shares:
        params = ",".join(f"{name}={value}" for name, value in split_params(task, shares).items())
        ways.append(f"--params {params}, which has {FEWEST} or more in each")
    if paired["all"] >= FEWEST:
        ways.append(f"--pipelines={task}_folds, which tests every subject once")
    ways.append(f"more subjects with {what}: {paired['all']} have them")
    return [
        f"  do not rely on fewer than {FEWEST} subjects with same-subject pairs: {told}",
        f"  what helps: {'; or '.join(ways)}",
    ]


def interval_lines(interval: Metrics, across: bool = False) -> list[str]:
    """Return what the interval of the error rate would be; `across` sessions, if so."""
    what = "sessions" if across else "recordings"
    if not interval:
        return [f"  fewer than 5 test subjects have two {what}: expect no interval to speak of"]
    lines = []
    for one in interval["expected"]:
        low, high = one["ci95"]
        lines.append(
            f"  an EER of {one['eer']:.0%} would have a 95% interval of about {low:.1%} to "
            f"{high:.1%}; to halve it you need about {one['halved_by_subjects']:,} subjects"
        )
    lines.append(
        f"  (simulated for {interval['test_subjects']} test subjects, "
        f"{interval['with_two']} of them with two {what}, assuming that "
        f"{interval['assumed']:.0%} of a score's variance is the subject's own;\n"
        "  measured intervals were 0.6 to 1.3 times as wide, and 2.5 times where a folder joined "
        "several corpora; five folds test everybody once)"
    )
    return lines


def guesses_text(guesses: Sequence[Guess]) -> str:
    """Return guesses that a person must choose from, each with the options that choose it."""
    lines = []
    for number, guess in enumerate(guesses, 1):
        lines.append(f"  {number}. ({guess.confidence:.0%}) {'; '.join(guess.reasons)}")
        lines.append(f"     {guess.options()}")
    return "\n".join(lines)
