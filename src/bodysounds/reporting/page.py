"""The report: one HTML page that needs nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from bodysounds.corpora.base import Corpus
from bodysounds.figures.style import label
from bodysounds.models.heard import warning_of
from bodysounds.params.score_pairs import VARIANTS
from bodysounds.reporting.audio import Sounds, audio_told
from bodysounds.reporting.captions import alt_texts, equal_lengths, rows
from bodysounds.reporting.cards import data_facts, model_facts, rejected_reasons, subset_rows
from bodysounds.reporting.compare_words import shown as comparison_shown
from bodysounds.reporting.gallery import why_no_gallery
from bodysounds.reporting.headline import FEWEST, eer_name, threshold_told
from bodysounds.reporting.html import any_rated, failures_of, groups_of, images, render
from bodysounds.reporting.methods_verification import verification_methods
from bodysounds.types import Encoder, Metrics, Table


def _heard_before(
    encoder: Encoder | None, manifest: Table, subsets: Table, point: Metrics
) -> str | None:
    # the encoder of a fold has other subsets than the table
    return warning_of(encoder, manifest, subsets) if encoder and not _n_folds(point) else None


def _n_folds(point: Metrics) -> int:
    return sum(name.startswith("fold_") for name in point.get("calibration") or {})


def _not_calibrated(point: Metrics) -> list[str]:
    """Return why ours is not calibrated, by fold where there are some; nothing where it is."""
    calibration = point.get("calibration") or {}
    parts = calibration if _n_folds(point) else {"": calibration}
    reasons = {name: part.get("ours", {}).get("why_not") for name, part in parts.items()}
    return [
        f"{name.replace('_', ' ')}: {why}" if name else str(why)
        for name, why in reasons.items()
        if why
    ]


def _averaged_is_ours(metrics: Metrics, weighting: str) -> bool:
    """Return whether the rows `averaged` and `ours` hold the same numbers, calibrated ones too."""
    systems = metrics[metrics["headline"]["subset"]]
    paired = metrics["comparisons"].get("averaged", {}).get(weighting)
    if "averaged" not in systems or not paired or paired["ci95"] is None:
        return False
    # without an error the EER is 0 whatever the scores are; Cllr depends on each of them
    first, second = ({"cllr": None, **systems[name]} for name in ("averaged", "ours"))
    known = first["cllr"] is not None and second["cllr"] is not None
    return (
        all(first[name] == second[name] for name in ("eer", "eer_ci95"))
        and [paired["difference"], *paired["ci95"]] == [0, 0, 0]
        and (
            math.isclose(first["cllr"], second["cllr"], rel_tol=1e-4) if known else first["eer"] > 0
        )
    )


def few_subjects(metrics: Metrics, point: Metrics) -> str:
    """Return what stands on fewer than FEWEST subjects with same-subject pairs; "" if nothing."""
    subset = metrics["headline"]["subset"]
    tested = metrics[subset]["ours"]["n_target_subjects"]
    told = []
    if tested < FEWEST:
        told.append(
            f"Of {tested} with same-subject pairs neither the rate nor its interval can be relied "
            "on." + ("" if _n_folds(point) else " Folds test every subject once.")
        )
    if subset != "dev" and point["chosen_on"] == "dev":
        chose = metrics["dev"]["ours"]["n_target_subjects"]
        if chose < FEWEST:
            told.append(f"The threshold was chosen on dev by the same-subject pairs of {chose}.")
    return " ".join(told)


def beside_baselines(metrics: Metrics) -> str:
    """Return, in one sentence, which baselines ours is shown to be better or worse than.

    By the headline's paired differences; "" where none has an interval.
    """
    weighting = metrics["headline"]["weighting"]
    found: dict[str, list[str]] = {}
    for name, both in metrics["comparisons"].items():
        paired = both[weighting]
        if name in VARIANTS or not paired or paired["ci95"] is None:
            continue
        shown = "better than" if paired["difference"] < 0 else "worse than"
        verdict = shown if paired["excludes_zero"] else "not told apart from"
        found.setdefault(verdict, []).append(label(name))
    told = [
        f"{verdict} {', '.join(found[verdict])}"
        for verdict in ("better than", "worse than", "not told apart from")
        if verdict in found
    ]
    return f"Paired, ours is {'; '.join(told)}." if told else ""


def report_page(
    *,
    metrics: Metrics,
    operating_point: Metrics,
    figures: Mapping[str, bytes],
    manifest: Table,
    rejected: Table,
    subsets: Table,
    sides: Table,
    record: Mapping[str, Any],
    corpus: Corpus,
    encoder: Encoder | None = None,
    failures: Table | None = None,
    gallery_curve: Table | None = None,
    duration_curve: Table | None = None,
    comparison: Metrics | None = None,
    audio: int = 0,
    sounds: Sounds | None = None,
    task: str = "verification",
) -> str:
    """Return the report of a verification task as one self-contained HTML page.

    Parameters
    ----------
    metrics, operating_point
        Those entries of the task.
    figures : mapping of str to bytes
        PNG by name (det, histogram, eer, breakdown, shortcuts, or any other).
    manifest, rejected, subsets, sides
        The tables of the corpus, for the data card.
    record
        `run_record()`, and the run's `parameters` where they are known.
    corpus
        Its name, licence and citation are shown, and whether it is synthetic.
    encoder
        Its network and training record make the model card.
    failures, gallery_curve, duration_curve : Table, optional
        Those entries of the task; each has its own section.
    comparison
        That entry of the task; its section is left out where there is no earlier run.
    """
    head = metrics["headline"]
    systems = metrics[head["subset"]]
    weighting = "by_subject" if head["weighting"] == "subject" else None
    baselines = {
        name: (entry[weighting] if weighting else entry)["eer"]
        for name, entry in systems.items()
        if name not in ("ours", *VARIANTS)
    }
    groups = groups_of(metrics)
    curves = {"durations": duration_curve, "gallery": gallery_curve}
    alts = alt_texts(metrics, operating_point, curves)
    shown = {
        name: png
        for name, png in figures.items()
        if any_rated(groups) or not name.endswith("breakdown")
    }
    parameters = record.get("parameters")
    counted = subset_rows(manifest, subsets, sides)
    return render(
        "page.html.j2",
        task=task.replace("_", " "),
        corpus=corpus,
        metrics=metrics,
        comparison=comparison_shown(comparison),
        head=head,
        systems=systems,
        ours=systems["ours"],
        baselines=baselines,
        beside=beside_baselines(metrics),
        few=few_subjects(metrics, operating_point),
        eer=eer_name(metrics),
        by_cosine=[name for name, entry in systems.items() if not entry.get("normalised")],
        averaged_is_ours=_averaged_is_ours(metrics, head["weighting"]),
        n_folds=_n_folds(operating_point),
        not_calibrated=_not_calibrated(operating_point),
        point=operating_point,
        images=images(shown, alts),
        threshold_told=threshold_told(head) if head.get("accuracy") is not None else "",
        breakdown=groups,
        left_out=metrics.get("breakdown", {}).get("skipped", {}),
        durations=None if duration_curve is None else equal_lengths(duration_curve),
        gallery=None if gallery_curve is None else rows(gallery_curve),
        why_no_gallery=why_no_gallery(metrics),
        failures=None if failures is None else failures_of(failures),
        sounds=sounds or {},
        audio_told=audio_told(sounds or {}, audio, corpus, "report"),
        shortcuts={k: v for k, v in metrics["shortcuts"].items() if k != "verdict"},
        verdict=metrics["shortcuts"]["verdict"],
        flagged=any(v["flagged"] for k, v in metrics["shortcuts"].items() if k != "verdict"),
        subset_rows=counted,
        data_facts=data_facts(manifest),
        n_rejected=len(rejected),
        rejected=rejected_reasons(rejected),
        heard_before=_heard_before(encoder, manifest, subsets, operating_point),
        model_facts=model_facts(encoder),
        record=record,
        parameters=json.dumps(parameters, indent=2, default=str) if parameters else "",
        methods=verification_methods(
            metrics=metrics,
            point=operating_point,
            subset_rows=counted,
            hinted=float(manifest["subset_hint"].notna().mean()),
            encoder=encoder,
            corpus=corpus,
            record=record,
            n_folds=_n_folds(operating_point),
        ),
    )  # fmt: skip
