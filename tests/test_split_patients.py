"""A split by patient: the corpus's halves, an inner dev, five folds, and what leaks by cycle."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bodysounds import checks
from bodysounds.params import SplitPatientsParams
from bodysounds.splitting.patient_folds import check_apart, of_fold
from bodysounds.splitting.patients import (
    EXAMPLE_COLUMNS,
    PatientSplit,
    split_patients,
    subsets_heard,
)

CLASSES = ("normal", "crackle", "wheeze", "both")
BOTH_HALVES = ("p03", "p11")


def made(n: int = 30, cycles: int = 5, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Patients of two recordings each; two of them lie in both halves of the corpus's split."""
    rng = np.random.default_rng(seed)
    rows, cut = [], []
    for number in range(n):
        patient = f"p{number:02d}"
        half = "test" if number % 5 < 2 else "train"
        for take in range(2):
            name = f"{patient}_{take}b1_Al_sc_Dev{number % 3}"
            hint = ("train", "test")[take] if patient in BOTH_HALVES else half
            rows.append((name, patient, hint, f"Dev{number % 3}", "FM"[number % 2]))
            classes = rng.choice(CLASSES, cycles, p=[0.5, 0.25, 0.15, 0.1])
            cut += [(f"{name}#{k:03d}", name, 2.0 * k, 2.0 * k + 1.5 + 0.1 * k, one)
                    for k, one in enumerate(classes)]  # fmt: skip
    names = ["recording_id", "group_id", "subset_hint", "domain", "sex"]
    manifest = pd.DataFrame(rows, columns=names).assign(label="COPD", sample_rate=4000)
    manifest["path"] = manifest["recording_id"] + ".wav"
    manifest["sha256"] = [hashlib.sha256(name.encode()).hexdigest() for name in manifest["path"]]
    segments = pd.DataFrame(
        cut, columns=["segment_id", "recording_id", "start_s", "end_s", "label"]
    )
    return manifest, segments


def split(manifest: pd.DataFrame, segments: pd.DataFrame, **given: Any) -> PatientSplit:
    found = split_patients(manifest, segments, SplitPatientsParams(**given))
    checks.examples(found.examples)
    checks.subsets(found.subsets)
    return found


def patients(examples: pd.DataFrame, subset: str) -> set[str]:
    return set(examples.loc[examples["subset"] == subset, "session_id"])


def test_official_tests_the_corpus_s_half_and_chooses_by_patients_of_train_alone() -> None:
    manifest, segments = made()
    examples = split(manifest, segments).examples
    assert tuple(examples) == EXAMPLE_COLUMNS
    hint = manifest.set_index("recording_id")["subset_hint"]
    own = examples["recording_id"].map(hint)
    assert ((own == "test") == (examples["subset"] == "test")).all()
    train, dev, test = (patients(examples, name) for name in ("train", "dev", "test"))
    assert not dev & (train | test)
    assert train & test == set(BOTH_HALVES)
    # a fifth of the 16 patients that are in train alone
    assert len(dev) in (3, 4)
    assert set(examples.loc[examples["subset"] == "dev", "label"]) == set(CLASSES)
    assert (examples["chooses"] == (examples["subset"] == "dev")).all()
    np.testing.assert_allclose(examples["duration_s"], examples["end_s"] - examples["start_s"])


def test_a_patient_on_both_sides_is_named_and_rated_apart(
    caplog: pytest.LogCaptureFixture,
) -> None:
    manifest, segments = made()
    with caplog.at_level(logging.WARNING):
        found = split(manifest, segments)
    assert found.facts["heard_patients"] == list(BOTH_HALVES)
    assert "2 patients are in train and in test (p03, p11; 10 test cycles" in caplog.text
    heard = found.examples[found.examples["condition"] == "heard_patient"]
    assert set(heard["session_id"]) == set(BOTH_HALVES)
    assert set(heard["subset"]) == {"test"}
    unseen = found.examples[found.examples["condition"] == "unseen_patient"]
    assert not set(unseen["session_id"]) & patients(found.examples, "train")


def test_strict_leaves_them_out_altogether() -> None:
    found = split(*made(), strict=True)
    assert not set(found.examples["session_id"]) & set(BOTH_HALVES)
    (reason,) = found.facts["left_out"]
    assert "strict" in reason
    assert len(found.facts["left_out"][reason]) == 4
    assert (found.facts["heard_patients"], found.facts["warning"]) == ([], None)


def test_published_chooses_on_test_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = split(*made(), protocol="published")
    assert set(found.examples["subset"]) == {"train", "test"}
    assert (found.examples["chooses"] == (found.examples["subset"] == "test")).all()
    assert found.facts["chosen_on"] == "test"
    assert "every rate of test flatters" in found.facts["warning"]
    assert "every rate of test flatters" in caplog.text
    # who chose is remembered as heard, as dev is
    heard = subsets_heard(found.subsets, found.examples)
    assert set(heard.loc[found.subsets["subset"] == "test", "subset"]) == {"dev"}
    assert (heard["subset"] == "train").sum() == (found.subsets["subset"] == "train").sum()
    official = split(*made())
    assert subsets_heard(official.subsets, official.examples).equals(official.subsets)
    tested = [one.examples["subset"] == "test" for one in (official, found)]
    pd.testing.assert_series_equal(*tested)


def test_patients_are_dealt_where_the_corpus_has_no_halves() -> None:
    manifest, segments = made(50)
    bare = manifest.assign(subset_hint=pd.Series(np.nan, manifest.index, "str"))
    for protocol in ("official", "published"):
        with pytest.raises(ValueError, match=r"names no split .* take protocol: patients"):
            split(bare, segments, protocol=protocol)
    examples = split(bare, segments, protocol="patients", test_share=0.3).examples
    train, dev, test = (patients(examples, name) for name in ("train", "dev", "test"))
    assert len(train | dev | test) == len(train) + len(dev) + len(test)
    assert len(test) == pytest.approx(15, abs=2)
    assert len(dev) == pytest.approx(7, abs=2)
    for subset in ("train", "dev", "test"):
        assert set(examples.loc[examples["subset"] == subset, "label"]) == set(CLASSES)
    # hints change nothing here
    pd.testing.assert_frame_equal(
        examples, split(manifest, segments, protocol="patients", test_share=0.3).examples
    )


@pytest.mark.parametrize("protocol", ["official", "published", "patients"])
def test_the_order_of_the_rows_changes_nothing(protocol: str) -> None:
    manifest, segments = made()
    one = split(manifest, segments, protocol=protocol)
    other = split(
        manifest.sample(frac=1, random_state=1), segments.sample(frac=1, random_state=2),
        protocol=protocol,
    )  # fmt: skip
    pd.testing.assert_frame_equal(one.examples, other.examples)
    pd.testing.assert_frame_equal(one.subsets, other.subsets)
    assert one.facts == other.facts
    for by_cycle in (False, True):
        pd.testing.assert_frame_equal(
            of_fold(one.examples, 1, SplitPatientsParams(), by_cycle),
            of_fold(one.examples.sample(frac=1, random_state=3), 1, SplitPatientsParams(),
                    by_cycle).sort_values("segment_id", ignore_index=True),
        )  # fmt: skip
    assert not one.examples.equals(split(manifest, segments, protocol="patients", seed=1).examples)


def test_equal_files_are_never_on_two_sides() -> None:
    manifest, segments = made()
    train = manifest.index[manifest["subset_hint"] == "train"][0]
    test = manifest.index[manifest["subset_hint"] == "test"][0]
    manifest.loc[train, "sha256"] = manifest.loc[test, "sha256"]
    for given in ({}, {"protocol": "published"}, {"protocol": "patients"}):
        found = split(manifest, segments, **given)
        joined = found.subsets.merge(manifest, on="recording_id")
        assert joined.groupby("sha256")["subset"].nunique().max() == 1
        tied = joined.set_index("recording_id").reindex(manifest.loc[[train, test], "recording_id"])
        own = found.examples.groupby("recording_id")["session_id"].first()
        assert own.nunique() == own.reindex(manifest["recording_id"]).nunique()
        if given.get("protocol") != "patients":
            assert found.facts["left_out"]["a copy of it (equal sha256) is in the test half"] == [
                manifest.loc[train, "recording_id"]
            ]
            # the other recording of who lent the copy still trains: that patient is heard
            assert tied["condition"].iloc[1] == "heard_patient"
        else:
            assert tied["subset"].nunique() == 1


def test_every_patient_is_in_one_fold_and_every_class_in_each() -> None:
    found = split(*made(60))
    folds = found.examples.groupby("session_id")["fold"]
    assert folds.nunique().max() == 1
    assert set(found.examples["fold"]) == set(range(5))
    for counts in found.facts["folds_patients"].values():
        assert max(counts) - min(counts) <= 3, counts
        assert min(counts) > 0
    # the folds are those of the patients, whatever the protocol
    other = split(*made(60), protocol="patients").examples
    pd.testing.assert_series_equal(found.examples["fold"], other["fold"])


def test_published_folds_are_taken_as_they_are() -> None:
    manifest, segments = made()
    own = manifest["group_id"].str[1:].astype(int) % 5
    examples = split(
        manifest.assign(published_fold=own.astype(str)), segments, folds_from="published"
    ).examples
    assert (examples["session_id"].str[1:].astype(int) % 5 == examples["fold"]).all()
    with pytest.raises(ValueError, match="has no folds: take dealt"):
        split(manifest, segments, folds_from="published")
    lacking = manifest.assign(published_fold=own.where(manifest["group_id"] != "p07"))
    with pytest.raises(ValueError, match="1 patients have no published fold, or two: p07"):
        split(lacking, segments, folds_from="published")
    with pytest.raises(ValueError, match="counted from 0"):
        split(manifest.assign(published_fold=own + 1), segments, folds_from="published")


def test_over_the_folds_every_patient_is_tested_once_by_whom_never_heard_it() -> None:
    examples = split(*made(40)).examples
    params = SplitPatientsParams()
    tested = []
    for fold in range(5):
        table = of_fold(examples, fold, params)
        checks.examples(table)
        train, dev, test = (patients(table, name) for name in ("train", "dev", "test"))
        assert min(map(len, (train, dev, test))) > 0
        assert len(train | dev | test) == len(train) + len(dev) + len(test)
        assert (table["chooses"] == (table["subset"] == "dev")).all()
        assert set(table["condition"]) == {"train", "unseen_patient"}
        tested += table.loc[table["subset"] == "test", "segment_id"].tolist()
    assert sorted(tested) == examples["segment_id"].tolist()


def test_by_cycle_a_patient_is_on_every_side() -> None:
    examples = split(*made(40)).examples
    tested = []
    for fold in range(5):
        table = of_fold(examples, fold, SplitPatientsParams(), by_cycle=True)
        assert set(table["condition"]) == {"train", "random_cycle"}
        test = table[table["subset"] == "test"]
        heard = test["session_id"].isin(patients(table, "train"))
        assert heard.mean() > 0.95
        shares = test["label"].value_counts(normalize=True)
        whole = examples["label"].value_counts(normalize=True)
        np.testing.assert_allclose(shares[list(CLASSES)], whole[list(CLASSES)], atol=0.02)
        tested += test["segment_id"].tolist()
    assert sorted(tested) == examples["segment_id"].tolist()


def test_a_class_of_one_fold_is_refused() -> None:
    manifest, segments = made()
    one = segments["recording_id"].str.startswith("p00_")
    segments["label"] = segments["label"].where(segments["label"] != "both", "normal")
    segments.loc[segments.index[one][0], "label"] = "both"
    examples = split(manifest, segments, protocol="patients").examples
    alone = examples.loc[examples["label"] == "both", "fold"].iloc[0]
    with pytest.raises(ValueError, match=rf"'both' has patients in fold {alone} alone"):
        of_fold(examples, int(alone), SplitPatientsParams())
    # any fold says so: the others would train for hours first
    with pytest.raises(ValueError, match=rf"'both' has patients in fold {alone} alone"):
        of_fold(examples, (int(alone) + 1) % 5, SplitPatientsParams())
    with pytest.raises(ValueError, match="fold 7 has no patient"):
        of_fold(examples, 7, SplitPatientsParams())


def test_facts_count_what_stands_in_the_examples() -> None:
    found = split(*made())
    for label, parts in found.facts["counts"].items():
        own = found.examples[found.examples["label"] == label]
        assert sum(part["cycles"] for part in parts.values()) == len(own)
        dev = own[own["subset"] == "dev"]
        assert parts["dev"]["patients"] == dev["session_id"].nunique()
    total = sum(sum(parts.values()) for parts in found.facts["domains"].values())
    assert total == len(found.examples)


def test_what_cannot_be_split_is_refused() -> None:
    manifest, segments = made(6)
    with pytest.raises(ValueError, match=r"p00_.* has no label"):
        split(manifest, segments.assign(label=segments["label"].where(segments.index > 0)))
    hint = manifest["subset_hint"].where(manifest.index > 0, "validation")
    with pytest.raises(ValueError, match=r"'validation' for p00_.*its halves are train and test"):
        split(manifest.assign(subset_hint=hint), segments)
    with pytest.raises(ValueError, match="dev has no patient") as told:
        split(*made(2), protocol="patients", dev_share=0.05)
    assert "take protocol" not in str(told.value)
    for wrong in ({"protocol": "random"}, {"strict": "yes"}, {"folds": 1}, {"dev_share": 0}):
        with pytest.raises(ValueError, match=rf"split_patients\.{next(iter(wrong))} must"):
            SplitPatientsParams(**wrong)
    table = pd.DataFrame(
        {"unit": ["a", "a"], "sha256": ["x", "y"], "subset": ["train", "test"], "fold": [0, 0]}
    )
    with pytest.raises(ValueError, match=r"a \(unit\) lie in more than one subset"):
        check_apart(table, [])
    check_apart(table, ["a"])


def test_examples_hold_an_unseen_patient_as_an_unseen_source() -> None:
    examples = split(*made()).examples
    leaked = examples.copy()
    row = leaked.index[leaked["subset"] == "test"][0]
    leaked.loc[row, ["subset", "condition"]] = ["train", "train"]
    with pytest.raises(ValueError, match="1 patients lie on two sides, such as p00"):
        checks.examples(leaked)


@pytest.mark.data
def test_the_whole_corpus_is_dealt_as_its_tables_say(data_dir: Path) -> None:
    cycles = pd.read_csv(data_dir / "respiratory" / "icbhi_tables" / "cycles.csv", dtype=str)
    kinds = {"00": "normal", "10": "crackle", "01": "wheeze", "11": "both"}
    order = cycles.groupby("recording").cumcount()
    segments = pd.DataFrame(
        {
            "segment_id": cycles["recording"] + "#" + order.astype(str).str.zfill(3),
            "recording_id": cycles["recording"],
            "start_s": cycles["onset_s"].astype(float),
            "end_s": cycles["offset_s"].astype(float),
            "label": (cycles["crackles"] + cycles["wheezes"]).map(kinds),
        }
    )
    own = cycles.drop_duplicates("recording")
    manifest = pd.DataFrame(
        {"recording_id": own["recording"], "group_id": own["patient"], "domain": own["device"],
         "subset_hint": own["official_split"], "path": own["recording"], "sha256": own["recording"],
         "sex": "F", "label": "COPD", "sample_rate": 4000}
    )  # fmt: skip
    for protocol in ("official", "published"):
        found = split(manifest, segments, protocol=protocol)
        assert found.facts["heard_patients"] == ["156", "218"]
        taught = found.examples[found.examples["subset"].isin(["train", "dev"])]
        counts = taught["label"].value_counts()
        expected = {"normal": 2063, "crackle": 1215, "wheeze": 501, "both": 363}
        assert counts.to_dict() == expected
        assert (len(found.examples), found.examples["session_id"].nunique()) == (6898, 126)
        # one stethoscope is in the train half only
        device = found.facts["domains"]["LittC2SE"]
        assert device["unseen_patient"] + device["heard_patient"] == 0
    strict = split(manifest, segments, strict=True)
    assert strict.examples["session_id"].nunique() == 124
    official = split(manifest, segments)
    for label, counts in official.facts["folds_patients"].items():
        assert max(counts) - min(counts) <= 2, (label, counts)
    dev = official.examples[official.examples["subset"] == "dev"]
    assert set(dev["label"]) == set(CLASSES)


def test_recordings_without_a_cycle_or_a_hint_are_left_out() -> None:
    manifest, segments = made()
    segments = segments[segments["recording_id"] != manifest["recording_id"][0]]
    manifest.loc[5, "subset_hint"] = np.nan
    found = split(manifest, segments)
    assert found.facts["left_out"] == {
        "without a cycle": [manifest["recording_id"][0]],
        "the corpus's own split does not list it": [manifest["recording_id"][5]],
    }
    assert not found.examples["recording_id"].isin(manifest["recording_id"][[0, 5]]).any()


def test_what_no_training_could_use_is_said_at_the_split(caplog: pytest.LogCaptureFixture) -> None:
    manifest, segments = made()
    with pytest.raises(ValueError, match=r"all .* cycles of train are normal, and a classifier"):
        split(manifest, segments.assign(label="normal"), protocol="patients")
    tested = manifest.loc[manifest["subset_hint"] == "test", "recording_id"]
    one = segments["recording_id"].isin(tested)
    caplog.clear()
    split(manifest, segments.assign(label=segments["label"].mask(one, "normal")))
    assert f"all {one.sum()} cycles of test are normal, and an ICBHI Score needs" in caplog.text
