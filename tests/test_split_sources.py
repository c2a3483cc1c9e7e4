"""Windows of one length, and a split by source, stratified by class."""

from __future__ import annotations

import hashlib
import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from bodysounds import checks
from bodysounds.audio.descriptors import describe
from bodysounds.audio.pack import decode_segments
from bodysounds.audio.packed import write_packed
from bodysounds.corpora.base import Corpus
from bodysounds.corpora.ingest import ingest
from bodysounds.params import FeaturizeParams, IngestParams, SplitSourcesParams
from bodysounds.splitting.deal import deal
from bodysounds.splitting.sources import SourceSplit, split_sources
from bodysounds.splitting.windows import cut_windows, frame_energies, window_starts

RATE = 8_000
NOWHERE = Corpus(Path("/nowhere"), "manifest", "made")


def made(
    sources: dict[str, int], recordings: int = 3, seconds: float = 12.0, **columns: Any
) -> pd.DataFrame:
    """A manifest of so many sources a class, and recordings a source; no file is there."""
    rows = [
        (f"{label}{source:02d}-{take}.wav", f"{label}{source:02d}", label)
        for label, count in sources.items()
        for source in range(count)
        for take in range(recordings)
    ]
    table = pd.DataFrame(rows, columns=["recording_id", "group_id", "label"])
    table = table.assign(path=table["recording_id"], subject_id=table["group_id"])
    table["sha256"] = [hashlib.sha256(name.encode()).hexdigest() for name in table["path"]]
    table["duration_s"] = seconds
    table["subset_hint"] = pd.Series(np.nan, table.index, "str")
    table["domain"] = pd.Series(np.nan, table.index, "str")
    table["session_id"] = pd.Series(np.nan, table.index, "str")
    return table.assign(**columns)


def options(**given: Any) -> SplitSourcesParams:
    return SplitSourcesParams(**{"choose": "first", "window_s": 5.0, "hop_s": 2.5, **given})


def split(manifest: pd.DataFrame, **given: Any) -> SourceSplit:
    params = options(**given)
    return split_sources(manifest, cut_windows(NOWHERE, manifest, params), params)


PLENTY = {"crying": 20, "screaming": 20, "normal": 40}


# --- the deal ------------------------------------------------------------------------------------


def test_each_class_is_dealt_70_15_15_by_source() -> None:
    found = split(made(PLENTY))
    examples = found.examples
    checks.examples(examples)
    checks.subsets(found.subsets)
    whole = examples[examples["condition"] != "heard_source"]
    counts = whole.groupby(["label", "subset"])["session_id"].nunique().unstack()
    assert counts.loc["normal"].tolist() == [6, 6, 28]
    assert counts.loc["crying"].tolist() == counts.loc["screaming"].tolist() == [3, 3, 14]
    assert whole.groupby("session_id")["subset"].nunique().eq(1).all()
    assert found.facts["counts"]["normal"]["unseen_source"]["sources"] == 6
    assert not {*whole.loc[whole["subset"] == "test", "session_id"]} & {
        *whole.loc[whole["subset"] == "train", "session_id"]
    }


def test_folds_are_of_train_sources_and_hold_every_class() -> None:
    examples = split(made(PLENTY)).examples
    train = examples[examples["subset"] == "train"]
    assert (examples.loc[examples["subset"] != "train", "fold"] == -1).all()
    assert train.groupby("session_id")["fold"].nunique().eq(1).all()
    sources = train.groupby(["label", "fold"])["session_id"].nunique().unstack()
    assert sources.shape == (3, 3)
    assert (sources.max(axis=1) - sources.min(axis=1)).max() <= 1


def test_domains_are_dealt_alike_too() -> None:
    manifest = made({"crying": 40, "screaming": 20, "normal": 40})
    number = manifest["group_id"].str[-2:].astype(int)
    manifest["domain"] = np.where(number % 2, "phone", np.where(number % 4, "tv:new", "tv:old"))
    whole = split(manifest, heard_share=0.0).examples
    assert set(whole["domain"]) == {"phone", "tv:new", "tv:old"}
    family = whole["domain"].str.partition(":")[0]
    counts = whole.groupby(["label", family, "subset"])["session_id"].nunique().unstack()
    sources = counts.sum(axis=1)
    for subset, share in {"train": 0.7, "dev": 0.15, "test": 0.15}.items():
        assert (counts[subset] - share * sources).abs().max() <= 1.5


def test_the_order_of_the_rows_changes_nothing_and_the_seed_does() -> None:
    manifest = made(PLENTY)
    first = split(manifest)
    again = split(manifest.sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(first.examples, again.examples)
    pd.testing.assert_frame_equal(first.subsets, again.subsets)
    assert first.facts == again.facts
    other = split(manifest, seed=1)
    assert not first.examples["subset"].equals(other.examples["subset"])


def test_sources_that_share_a_file_are_one() -> None:
    manifest = made(PLENTY)
    # a chain: 0 = 1, 1 = 2, ... of the first ten normal sources
    for k in range(9):
        one = f"normal{k:02d}-0.wav", f"normal{k + 1:02d}-1.wav"
        manifest.loc[manifest["recording_id"].isin(one), "sha256"] = f"chain{k}"
    examples = split(manifest, heard_share=0.0).examples
    chained = examples[examples["recording_id"].str.fullmatch(r"normal0\d-\d\.wav")]
    assert chained["subset"].nunique() == chained["session_id"].nunique() == 1


@pytest.mark.parametrize("why", ["short", "two classes"])
def test_sources_that_share_a_file_that_is_left_out_are_one_too(why: str) -> None:
    manifest = made(PLENTY)
    other = "normal" if why == "short" else "crying"
    for k in range(0, 20, 2):
        one = manifest["recording_id"].isin([f"normal{k:02d}-0.wav", f"{other}{k + 1:02d}-1.wav"])
        manifest.loc[one, "sha256"] = f"x{k}"
        if why == "short":
            manifest.loc[one, "duration_s"] = 1.0
    found = split(manifest, short="drop", heard_share=0.0)
    assert len(next(iter(found.facts["left_out"].values()))) == 20
    groups = manifest.set_index("recording_id")["group_id"]
    own = found.examples.assign(group=found.examples["recording_id"].map(groups))
    side = own.groupby("group")["subset"].unique()
    for k in range(0, 20, 2):
        assert list(side[f"normal{k:02d}"]) == list(side[f"{other}{k + 1:02d}"])
    assert own["subset"].nunique() == 3
    hints = np.where(manifest["group_id"].isin(["normal00", "normal02"]), "test", "train")
    with pytest.raises(ValueError, match="into more than one subset"):
        split(manifest.assign(subset_hint=pd.Series(hints, dtype="str")), short="drop")


def test_a_given_split_that_leaves_a_class_out_of_a_subset_is_named() -> None:
    manifest = made(PLENTY)
    number = manifest["group_id"].str[-2:].astype(int)
    hints = np.where(number < 12, "train", np.where(number < 16, "dev", "test"))
    hints[(manifest["label"] == "screaming") & (hints == "test")] = "train"
    said = "'screaming' has 20 sources, .* 0 to test, .*: change the corpus's own split"
    with pytest.raises(ValueError, match=said):
        split(manifest.assign(subset_hint=pd.Series(hints, dtype="str")))


def test_a_source_of_two_classes_counts_for_both() -> None:
    table = pd.DataFrame(
        [(f"u{k:02d}", label, "") for k in range(10) for label in ("a", "b")]
        + [(f"v{k:02d}", "b", "") for k in range(10)],
        columns=["unit", "label", "family"],
    )
    part = deal(table, {"train": 0.7, "dev": 0.15, "test": 0.15}, 0)
    dealt = table.assign(part=table["unit"].map(part)).groupby(["label", "part"]).size().unstack()
    assert dealt.loc["a", "train"] == 7
    # 10 and 10 dealt apart would give 4 and 2
    assert dealt.loc["b"].to_dict() == {"dev": 3, "test": 3, "train": 14}


def test_given_subsets_are_honoured_and_dev_is_made_where_none_is_given() -> None:
    manifest = made(PLENTY)
    number = manifest["group_id"].str[-2:].astype(int)
    manifest["subset_hint"] = pd.Series(np.where(number < 15, "train", "test"), dtype="str")
    examples = split(manifest, heard_share=0.0).examples
    hinted = examples.merge(manifest[["recording_id", "subset_hint"]], on="recording_id")
    test = hinted["subset_hint"] == "test"
    assert (hinted.loc[test, "subset"] == "test").all()
    assert set(hinted.loc[~test, "subset"]) == {"train", "dev"}
    manifest["subset_hint"] = "test"
    assert set(split(manifest).examples["subset"]) == {"test"}


def test_a_group_on_two_sides_of_the_given_split_is_refused() -> None:
    manifest = made(PLENTY)
    manifest.loc[[0, 1], "subset_hint"] = ["train", "test"]
    with pytest.raises(ValueError, match="puts 1 groups into more than one subset"):
        split(manifest)


# --- heard sources -------------------------------------------------------------------------------


@pytest.mark.parametrize("recordings", [1, 4])
def test_heard_windows_are_of_train_sources_and_share_no_time_with_training(
    recordings: int,
) -> None:
    manifest = made(PLENTY, recordings, seconds=30.0)
    copies = manifest["group_id"].isin(["normal03"])
    manifest.loc[copies, "sha256"] = "one content"
    found = split(manifest, heard_share=0.2)
    examples = found.examples.merge(manifest[["recording_id", "sha256"]], on="recording_id")
    heard = examples[examples["condition"] == "heard_source"]
    train = examples[examples["subset"] == "train"]
    assert set(heard["subset"]) == {"test"}
    assert (heard["fold"] == -1).all()
    for row in heard.itertuples():
        own = train[train["session_id"] == row.session_id]
        assert (own["label"] == row.label).any()
        same = own[own["sha256"] == row.sha256]
        assert not ((same["start_s"] < row.end_s) & (same["end_s"] > row.start_s)).any()
    left = found.facts["left_out"]["shares time with a held-out window of a heard source"]
    share = heard["label"].value_counts() / (
        heard["label"].value_counts() + train["label"].value_counts()
    )
    assert left
    assert share.between(0.1, 0.35).all()
    # what the table of recordings calls train is still trained on
    subset = found.subsets.set_index("recording_id")["subset"]
    assert (subset[train["recording_id"].unique()] == "train").all()
    assert not (subset[heard["recording_id"].unique()] == "dev").any()


def test_single_windows_leave_no_heard_source() -> None:
    found = split(made(PLENTY, recordings=1, seconds=5.0))
    assert set(found.examples["condition"]) == {"train", "unseen_source"}
    assert found.facts["counts"]["crying"]["heard_source"]["windows"] == 0


# --- what is wrong -------------------------------------------------------------------------------


def test_fewer_sources_than_folds_are_told() -> None:
    said = (
        "the class 'screaming' has 4 sources, dealt 3 to train, 1 to dev and 0 to test, and "
        "split_sources.folds = 3 takes 3 to train and one each for dev and test"
    )
    with pytest.raises(ValueError, match=re.escape(said)):
        split(made({**PLENTY, "screaming": 4}))
    examples = split(made({**PLENTY, "screaming": 5})).examples
    assert examples.loc[examples["label"] == "screaming", "session_id"].nunique() == 5


def test_a_class_without_recordings_is_told() -> None:
    with pytest.raises(ValueError, match="the class 'screaming' has no recording left to split"):
        split(made({"crying": 20, "normal": 20}))


@pytest.mark.parametrize("label", ["laughing", None])
def test_an_unknown_or_missing_label_is_told(label: str | None) -> None:
    manifest = made(PLENTY)
    manifest.loc[3, "label"] = label
    with pytest.raises(ValueError, match=r"1 recordings have a label that is no class, such as"):
        split(manifest)


def test_a_file_under_two_classes_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    manifest = made(PLENTY)
    manifest.loc[manifest["recording_id"].isin(["crying00-0.wav", "normal00-0.wav"]), "sha256"] = (
        "x"
    )
    found = split(manifest)
    gone = found.facts["left_out"]["the same file stands under several classes"]
    assert gone == ["crying00-0.wav", "normal00-0.wav"]
    assert not found.examples["recording_id"].isin(gone).any()
    assert "2 left out, the same file stands under several classes" in caplog.text


def test_recordings_without_a_window_are_in_no_subset() -> None:
    manifest = made(PLENTY)
    manifest.loc[manifest["recording_id"].str.endswith("-1.wav"), "duration_s"] = 1.0
    found = split(manifest, short="drop")
    assert len(found.facts["left_out"]["shorter than a window"]) == 80
    assert not found.subsets["recording_id"].str.endswith("-1.wav").any()
    assert set(found.subsets["recording_id"]) == set(found.examples["recording_id"])


def test_a_leak_does_not_pass_the_catalog() -> None:
    examples = split(made(PLENTY)).examples
    row = examples.index[(examples["condition"] == "unseen_source")][0]
    train = examples.loc[examples["subset"] == "train", "session_id"].iloc[0]
    examples.loc[row, "session_id"] = train
    with pytest.raises(ValueError, match="1 sources lie on two sides, such as " + train):
        checks.examples(examples)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"train_size": 0.9, "val_size": 0.1}, "must stay below 1"),
        ({"folds": 1}, "split_sources.folds must lie in"),
        ({"choose": "best"}, "split_sources.choose must be one of loudest, spread, first"),
        ({"short": "pad"}, "split_sources.short must be one of drop, zeros, repeat"),
        ({"classes": ["crying"]}, "split_sources.classes must be a list of two classes or more"),
        ({"classes": ["crying", False]}, "split_sources.classes must be texts"),
        ({"window_s": 0.05}, "split_sources.window_s must lie in"),
        ({"at_most": 0}, "split_sources.at_most must lie in"),
    ],
)
def test_wrong_parameters_are_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        SplitSourcesParams(**given)


# --- windows -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choose", "at_most", "expected"),
    [
        ("first", None, [0.0, 2.5, 5.0]),
        ("first", 2, [0.0, 2.5]),
        ("spread", None, [0.0, 3.0, 6.0]),
        ("spread", 1, [3.0]),
        ("spread", 2, [0.0, 6.0]),
    ],
)
def test_windows_of_eleven_seconds(choose: str, at_most: int | None, expected: list[float]) -> None:
    params = options(choose=choose, at_most=at_most)
    assert window_starts(11.0, params) == pytest.approx(expected)
    assert window_starts(4.0, params) == window_starts(5.0, params) == [0.0]


def test_the_loudest_windows_are_those_of_most_energy() -> None:
    rng = np.random.default_rng(0)
    envelope = np.repeat(rng.uniform(0.01, 1.0, 30), RATE // 2)
    wave = envelope * rng.standard_normal(len(envelope)) + 5.0  # an offset is no energy
    params = options(choose="loudest", window_s=2.0, hop_s=3.0, at_most=2)
    starts = window_starts(15.0, params, frame_energies(wave, RATE))
    bare = (wave - wave.mean()) ** 2
    every = [bare[k : k + 2 * RATE].sum() for k in range(0, 13 * RATE + 1, RATE // 50)]
    best = int(np.argmax(every))
    far = [e if abs(k - best) >= 150 else -1.0 for k, e in enumerate(every)]
    assert starts == pytest.approx(sorted([best / 50, int(np.argmax(far)) / 50]))


def test_frame_energies_sum_to_the_whole() -> None:
    rng = np.random.default_rng(0)
    for n in (1, 159, 160, 161, 1234, 44_100):
        wave = rng.standard_normal(n)
        energies = frame_energies(wave, 11_025 if n > 2000 else 8_000)
        assert energies.sum() == pytest.approx(((wave - wave.mean()) ** 2).sum())


def written(root: Path, lengths: dict[str, float]) -> Corpus:
    """One recording a class and length, loud in its last second."""
    rows = ["file_path,label,source_id"]
    rng = np.random.default_rng(0)
    for name, seconds in lengths.items():
        wave = 0.01 * rng.standard_normal(round(seconds * RATE))
        wave[-RATE:] *= 20
        soundfile.write(root / f"{name}.wav", wave, RATE)
        rows.append(f"{name}.wav,{name.rstrip('0123456789')},{name}")
    (root / "data_manifest.csv").write_text("\n".join(rows) + "\n")
    return Corpus(root, "manifest", "made")


LENGTHS = {"crying": 7.0, "screaming": 1.2, "normal": 3.337, "normal1": 1.9999}


@pytest.mark.parametrize("short", ["repeat", "zeros", "drop"])
def test_no_length_is_left_to_tell(
    tmp_path: Path, short: str, caplog: pytest.LogCaptureFixture
) -> None:
    corpus = written(tmp_path, LENGTHS)
    manifest = ingest(corpus, IngestParams(min_duration_s=0.1)).manifest
    params = SplitSourcesParams(window_s=2.0, hop_s=0.333, at_most=2, short=short, workers=1)
    with caplog.at_level(logging.WARNING):
        windows = cut_windows(corpus, manifest, params)
    checks.segments(windows)
    about = FeaturizeParams(sample_rate=16_000, workers=1)
    packed = write_packed(
        tmp_path / "packed", decode_segments(corpus, manifest, windows, about), 16_000
    )
    assert set(packed.index["n_samples"]) == {32_000}
    assert describe(packed, about)["duration_s"].nunique() == 1
    assert ("screaming.wav#0" in set(windows["segment_id"])) == (short != "drop")
    assert "1 of 4 recordings are shorter than a window of 2 s" in caplog.text
    assert "1 screaming" in caplog.text
    assert windows["recording_id"].value_counts()["crying.wav"] == 2
    loud = windows.loc[windows["recording_id"] == "crying.wav", "start_s"].max()
    assert loud == pytest.approx(5.0)  # the last second is heard
    if short == "repeat":
        wave = packed.waveform("screaming.wav#0")
        assert np.array_equal(wave[19_200:], wave[:12_800])
    if short == "zeros":
        assert not packed.waveform("screaming.wav#0")[19_200:].any()


def test_nothing_as_long_as_a_window_is_told(tmp_path: Path) -> None:
    manifest = made(PLENTY, seconds=3.0)
    with pytest.raises(
        ValueError, match=r"240 of 240 recordings are shorter than split_sources\.w"
    ):
        cut_windows(NOWHERE, manifest, options(short="drop"))


# --- the real corpus -----------------------------------------------------------------------------


@pytest.mark.data
def test_the_real_corpus(data_dir: Path) -> None:
    corpus = Corpus(data_dir / "cry_scream", "manifest", "real")
    manifest = ingest(corpus, IngestParams(min_duration_s=0.1)).manifest
    params = SplitSourcesParams(window_s=1.9, hop_s=1.9, at_most=1, choose="spread")
    windows = cut_windows(corpus, manifest, params)
    assert len(windows) == len(manifest) == 1377
    found = split_sources(manifest, windows, params)
    examples = found.examples
    checks.examples(examples)
    whole = examples[examples["condition"] != "heard_source"]
    assert whole.groupby("session_id")["subset"].nunique().eq(1).all()
    sources = whole.groupby(["label", "subset"])["session_id"].nunique().unstack()
    share = sources.div(sources.sum(axis=1), axis=0)
    assert share["train"].to_numpy() == pytest.approx(0.7, abs=0.02)
    assert share["test"].to_numpy() == pytest.approx(0.15, abs=0.02)
    assert (examples["condition"] == "heard_source").sum() == pytest.approx(97, abs=10)
