"""Calibrated log-likelihood ratios: what dev teaches, what it may not see, and what they cost."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from reporting_tables import made_tables

from bodysounds.metrics.verification import act_dcf, cllr, min_cllr, min_dcf
from bodysounds.params import ReportParams, ThresholdParams
from bodysounds.reporting.llrs import calibrated
from bodysounds.reporting.metrics import verification_metrics
from bodysounds.reporting.operating_point import decisions, operating_point
from bodysounds.reporting.side_facts import side_seconds

NAMES = ("scores", "trials", "sides", "manifest", "segments")


@pytest.fixture(scope="module")
def tables():
    return made_tables(n_subjects=90)


def llrs_of(tables, **params):
    return calibrated(*(tables[name] for name in NAMES), ThresholdParams(**params))


def of(llrs, tables, subset, system="ours"):
    trials = tables["trials"][tables["trials"]["subset"] == subset]
    values = llrs[llrs["system"] == system].set_index("trial_id")["llr"][trials["trial_id"]]
    return trials["target"].to_numpy(int), values.to_numpy()


def test_test_trials_are_calibrated_nearly_as_well_as_can_be(tables):
    llrs, calibration = llrs_of(tables)
    labels, values = of(llrs, tables, "test")
    assert min_cllr(labels, values) <= cllr(labels, values) < min_cllr(labels, values) + 0.1
    assert act_dcf(labels, values, 0.05) < min_dcf(labels, values, 0.05) + 0.15
    json.dumps(calibration, allow_nan=False)
    noise = cllr(*of(llrs, tables, "test", "random"))
    assert noise == pytest.approx(1, abs=0.05)


def test_test_labels_are_never_looked_at(tables):
    turned = tables["trials"].copy()
    test = turned["subset"] == "test"
    turned.loc[test, "target"] = 1 - turned.loc[test, "target"]
    known, unknown = llrs_of(tables), llrs_of(tables | {"trials": turned})
    pd.testing.assert_frame_equal(known[0], unknown[0])
    assert known[1] == unknown[1]


def test_a_dev_trial_is_judged_by_other_subjects_alone(tables):
    spoilt = tables["scores"].copy()
    own = spoilt["trial_id"].str.contains("0030_") & (spoilt["system"] == "ours")
    diagonal = spoilt["trial_id"] == "0030_B~0030_D"
    spoilt.loc[own & ~diagonal, "cosine"] = 0.99
    before, after = llrs_of(tables)[0], llrs_of(tables | {"scores": spoilt})[0]

    def llr(table):
        mine = (table["system"] == "ours") & (table["trial_id"] == "0030_B~0030_D")
        return table.loc[mine, "llr"].item()

    assert llr(before) == llr(after)
    test = before["trial_id"].str.startswith("0060_")
    assert not np.allclose(before.loc[test, "llr"], after.loc[test, "llr"])


def test_durations_enter_where_asked(tables):
    plain, timed = llrs_of(tables), llrs_of(tables, calibrate_durations=True)
    assert not np.allclose(of(plain[0], tables, "test")[1], of(timed[0], tables, "test")[1])
    seconds = side_seconds(tables["sides"], tables["segments"])
    manifest = tables["manifest"].set_index("recording_id")["duration_s"]
    assert seconds["0007_B"] == pytest.approx(manifest["0007_B_0"] + manifest["0007_B_1"])


def test_too_few_subjects_leave_a_reason_and_no_number(tables):
    few = made_tables(n_subjects=6)
    llrs, calibration = llrs_of(few)
    assert "subjects" in calibration["ours"]["why_not"]
    assert llrs["llr"].isna().all()
    point = operating_point(*(few[n] for n in NAMES[:4]), ThresholdParams(n_bootstrap=20))
    metrics = verification_metrics(
        *(few[n] for n in NAMES[:4]), few["descriptors"], few["segments"], point,
        ReportParams(n_bootstrap=20), True, llrs=llrs,
    )  # fmt: skip
    assert metrics["test"]["ours"]["cllr"] is None
    assert metrics["test"]["ours"]["min_cllr"] is not None


def test_metrics_and_decisions_carry_them(tables):
    llrs, calibration = llrs_of(tables)
    params = ThresholdParams(n_bootstrap=20, p_target=0.2, c_fa=3.0)
    point = operating_point(*(tables[n] for n in NAMES[:4]), params, calibration)
    metrics = verification_metrics(
        *(tables[n] for n in NAMES[:4]), tables["descriptors"], tables["segments"], point,
        ReportParams(n_bootstrap=20), True, llrs=llrs,
    )  # fmt: skip
    for subset in ("dev", "test"):
        labels, values = of(llrs, tables, subset)
        entry = metrics[subset]["ours"]
        assert entry["cllr"] == pytest.approx(cllr(labels, values))
        assert entry["act_dcf"] == pytest.approx(act_dcf(labels, values, 0.2, 1.0, 3.0))
        assert entry["min_dcf"] <= entry["act_dcf"] + 1e-12
        assert entry["min_cllr"] <= entry["cllr"]
    table = decisions(tables["scores"], tables["trials"], point, llrs)
    np.testing.assert_array_equal(table["llr"], of(llrs, tables, "test")[1])
