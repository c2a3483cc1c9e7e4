"""What verifier.json says: how sides are heard, what a score means, whose recordings taught."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from bodysounds.models.bundle_rule import USABLE
from bodysounds.params.bundle import BundleParams
from bodysounds.params.score_pairs import ScorePairsParams
from bodysounds.scoring.calibration import Calibration
from bodysounds.types import Corpus, Metrics

SYSTEM = "ours"
HEARD = ("embed", "max_side_s", "window_s", "hop_s", "loud_share", "first_s", "precision")
"""The parameters of score_pairs that decide a side's embedding."""
FEATURES = (["score"], ["score", "log_shorter_s", "abs_log_ratio"])
WANTED = {
    "task": str, "corpus": dict, "score": str, "heard": dict, "centred": bool, "cohort_top_k": int,
    "threshold": dict, "calibration": dict, "usable": dict, "limits": list, "sha256": dict,
}  # fmt: skip


def about_verifier(
    task: str,
    corpus: Corpus,
    operating_point: Metrics,
    calibration: Metrics,
    metrics: Metrics,
    scoring: ScorePairsParams,
    params: BundleParams,
    record: Metrics,
    centred: bool,
    training: Metrics | None = None,
    sample_rates: Mapping[str, float] | None = None,
) -> Metrics:
    """Return what a run knows of its verifier, as plain JSON values.

    task; corpus (name, licence, citation, synthetic); score (`cosine` or `normalised`); heard (the
    parameters that decide a side's embedding); centred, whether the cohort's mean is taken off;
    cohort_top_k; threshold (the operating point: threshold, policy, options, chosen_on, its rates
    on dev and test with intervals, drift, and the same for every policy); calibration of ours, or
    `why_not`; usable (min_s, silence_dbfs, clipped_share); sample_rates, the share of train's
    recordings by their rate in Hz; limits, in sentences; headline; record.
    """
    return {
        "task": task,
        "corpus": {
            "name": corpus.name,
            "licence": corpus.licence,
            "citation": corpus.citation,
            "synthetic": corpus.synthetic,
        },
        "score": operating_point["score"],
        "heard": {name: getattr(scoring, name) for name in HEARD},
        "centred": centred,
        "cohort_top_k": scoring.cohort_top_k,
        "threshold": {k: v for k, v in operating_point.items() if k != "calibration"},
        "calibration": calibration[SYSTEM],
        "usable": params.usable,
        "sample_rates": dict(sample_rates or {}),
        "limits": _limits(scoring, calibration[SYSTEM], training or {}),
        "headline": metrics["headline"],
        "record": record,
    }


def _limits(scoring: ScorePairsParams, calibration: Metrics, training: Metrics) -> list[str]:
    found = ["A similarity is not an identity: who was never enrolled may sound alike."]
    if scoring.sex_filter:
        found.append(
            f"The run gave pairs of two sexes the lowest score (score_pairs.sex_filter: "
            f"{scoring.sex_filter}). Of a recording given here the sex is not known, and no pair "
            "is set lowest: between sexes more strangers are accepted than the rates say."
        )
    if "dev" in ((training.get("refit") or {}).get("subsets") or ()):
        found.append(
            "The network has learnt from dev too, on which the threshold and the calibration were "
            "chosen: on other recordings they may belong elsewhere, as the rates on test show."
        )
    if "why_not" in calibration:
        found.append(f"Scores are not calibrated: {calibration['why_not']}")
    return found


def needs_cohort(about: Metrics) -> bool:
    """Return whether scores take a cohort."""
    return bool(about["centred"]) or about["score"] == "normalised"


def heard_params(about: Metrics, device: str = "auto") -> ScorePairsParams:
    """Return the parameters that embed sides as the run did; ValueError for values out of range."""
    return ScorePairsParams(**about["heard"], device=device)


def calibration_of(about: Metrics) -> Calibration | None:
    """Return the calibration of the scores, None where the run could not calibrate."""
    own = about["calibration"]
    return None if "why_not" in own else Calibration.from_dict(own)


def check_about(about: Metrics, file: Path, remedy: str) -> None:
    """Raise ValueError that names the file where it lacks something or cannot be followed."""
    for name, kind in WANTED.items():
        own = about.get(name)
        if not isinstance(own, kind) or (kind is int and isinstance(own, bool)):
            raise ValueError(f"{file}: {name} must be a {kind.__name__}, got {own!r}: {remedy}")
    try:
        flaw = next(_flaws(about), None)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        told = " ".join(str(error).split())
        flaw = f"it cannot be followed ({type(error).__name__}: {told})"
    if flaw is not None:
        raise ValueError(f"{file}: {flaw}: {remedy}")


def _flaws(about: Metrics) -> Iterator[str]:
    if about["score"] not in ("cosine", "normalised"):
        yield f"score must be cosine or normalised, got {about['score']!r}"
    if set(about["heard"]) != set(HEARD):
        yield f"heard must say {', '.join(HEARD)}, got {', '.join(map(str, about['heard']))}"
    heard_params(about)
    if about["cohort_top_k"] < 2:
        yield f"cohort_top_k must be at least 2, got {about['cohort_top_k']!r}"
    if not _number(about["threshold"].get("threshold")):
        yield f"threshold must be a number, got {about['threshold'].get('threshold')!r}"
    yield from _flaws_of_rates(about["threshold"].get("test") or {})
    for name in USABLE:
        if not _number(about["usable"].get(name)):
            yield f"usable.{name} must be a number, got {about['usable'].get(name)!r}"
    BundleParams(**{name: about["usable"][name] for name in USABLE})
    for rate, share in about.get("sample_rates", {}).items():  # unknown of older bundles
        if not (rate.isdecimal() and _number(share)):
            yield f"sample_rates must be a share a rate in Hz, got {rate!r}: {share!r}"
    if not all(isinstance(one, str) for one in about["limits"]):
        yield f"limits must be sentences, got {about['limits']!r}"
    for name in ("encoder", *(["cohort"] if needs_cohort(about) else [])):
        if not re.fullmatch("[0-9a-f]{64}", str(about["sha256"].get(name))):
            yield f"sha256.{name} must be 64 hex digits, got {about['sha256'].get(name)!r}"
    yield from _flaws_of_calibration(about["calibration"])


def _flaws_of_rates(test: Mapping[str, Any]) -> Iterator[str]:
    for name in ("far", "frr"):
        if not _number_or_none(test.get(name)):
            yield f"threshold.test.{name} must be a number, got {test[name]!r}"
    for name, ends in test.items():
        told = name.startswith(("far_ci", "frr_ci")) and ends is not None
        if told and not (
            isinstance(ends, list) and len(ends) == 2 and all(map(_number_or_none, ends))
        ):
            yield f"threshold.test.{name} must be two numbers, got {ends!r}"
    n_subjects = test.get("n_target_subjects", 0)  # older bundles do not say
    if not isinstance(n_subjects, int) or isinstance(n_subjects, bool) or n_subjects < 0:
        yield f"threshold.test.n_target_subjects must be a whole number, got {n_subjects!r}"


def _flaws_of_calibration(own: Mapping[str, Any]) -> Iterator[str]:
    if "why_not" in own:
        if not isinstance(own["why_not"], str):
            yield f"calibration.why_not must be a sentence, got {own['why_not']!r}"
        return
    names, coefficients = own.get("names"), own.get("coefficients")
    if names not in FEATURES or not isinstance(coefficients, list):
        yield f"calibration.names must be {' or '.join(map(str, FEATURES))}, got {names!r}"
    elif len(coefficients) != len(names) or not all(map(_number, coefficients)):
        yield f"calibration.coefficients must be a number a name, got {coefficients!r}"
    elif coefficients[0] < 0:
        yield f"calibration.coefficients must not fall as scores rise, got {coefficients!r}"
    if not _number(own.get("intercept")):
        yield f"calibration.intercept must be a number, got {own.get('intercept')!r}"
    Calibration.from_dict(dict(own))


def _number_or_none(value: Any) -> bool:
    return value is None or _number(value)


def _number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return bool(number and isfinite(value) and abs(value) < 1e9)
