"""Nodes of `bundle`."""

from __future__ import annotations

from bodysounds.params import BundleParams, ScorePairsParams
from bodysounds.types import Corpus, Encoder, Metrics, Packed, Table, VerifierBundle


def bundle_up(
    encoder: Encoder,
    operating_point: Metrics,
    calibration: Metrics,
    metrics: Metrics,
    model_card: str,
    waveforms: Packed,
    segments: Table,
    sides: Table,
    manifest: Table,
    subsets: Table,
    raw: Corpus,
    scoring: ScorePairsParams,
    params: BundleParams,
    *,
    task: str,
) -> VerifierBundle:
    """Return the encoder with all that a verification takes, as one thing that can be saved."""
    from bodysounds.models.verifier import VerifierBundle
    from bodysounds.models.verifier_about import about_verifier
    from bodysounds.reporting.record import data_hashes, run_record
    from bodysounds.scoring.verifying import cohort_of
    from bodysounds.sides import build_sides

    centred, cohort = "ours" in scoring.centre, None
    if centred or operating_point["score"] == "normalised":
        table = build_sides(waveforms, segments, sides, manifest, subsets)
        cohort = cohort_of(encoder, waveforms, table, scoring)
    # neither command nor machine: they may name folders, and change no score
    made = run_record()
    record = {name: made[name] for name in ("bodysounds", "python", "packages", "git")}
    about = about_verifier(
        task, raw, operating_point, calibration, metrics, scoring, params,
        record | {"data": data_hashes(manifest)},
        centred=centred and cohort is not None,
        training=encoder.training,
        sample_rates=sample_rates(encoder, manifest, subsets),
    )  # fmt: skip
    return VerifierBundle(encoder, about, cohort, model_card)


def sample_rates(encoder: Encoder, manifest: Table, subsets: Table) -> dict[str, float]:
    """Return the share of the recordings of train by their rate in Hz.

    Of those that the encoder has heard: one that exists may have been taught by other recordings.
    """
    from bodysounds.models.heard import DIGITS

    train = subsets.loc[subsets["subset"] == "train", "recording_id"]
    heard = manifest["sha256"].str[:DIGITS].isin(encoder.training.get("heard", ()))
    own = manifest.loc[heard & manifest["recording_id"].isin(train), "sample_rate"]
    shares = own.value_counts(normalize=True).sort_index()
    return {str(rate): float(share) for rate, share in shares.items()}
