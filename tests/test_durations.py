"""Error rates of sides cut to their first seconds."""

from __future__ import annotations

import made
import numpy as np
import pandas as pd
import pytest

from bodysounds.audio.packed import Packed
from bodysounds.metrics.bootstrap import bootstrap_interval
from bodysounds.metrics.verification import equal_error_rate
from bodysounds.models.encoder import Encoder, untrained
from bodysounds.params import ReportParams, ScorePairsParams
from bodysounds.pipelines.score_pairs.nodes import score_durations
from bodysounds.scoring import durations
from bodysounds.scoring.durations import duration_grid, rated_subset
from bodysounds.scoring.embed import embed_waveforms
from bodysounds.sides import SideTable, side_waveform

ARCHITECTURE = {"name": "ecapa", "n_mels": 24, "channels": 16, "depth": 1, "dim": 8}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Packed, SideTable, pd.DataFrame]:
    """Sides of about 0.96 to 1.44 s, so that 1.2 s leaves some out."""
    return made.corpus(tmp_path_factory.mktemp("corpus"), {"train": 2, "dev": 11, "test": 14})


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    front_end = {"name": "speechbrain", "sample_rate": 16_000, "n_mels": 24, "mean_over": "band"}
    return untrained(Encoder({}, ARCHITECTURE, front_end), seed=0)


def grid(encoder, corpus, seconds, **options):
    packed, sides, trials = corpus
    trials = options.pop("trials", trials)
    return duration_grid(
        encoder, packed, sides, trials, seconds, device="cpu", n_bootstrap=30, **options
    )


def slow_scores(encoder, corpus, enrol_s, test_s, subset="test"):
    """Target, score and subjects of each pair whose sides are long enough, one by one."""
    packed, sides, trials = corpus
    table = sides.table.set_index("side_id")

    def embedded(side, seconds):
        wave = side_waveform(packed, sides.spans[table.index.get_loc(side)])
        wanted = round(seconds * 16_000)
        return None if len(wave) < wanted else embed_waveforms(encoder, [wave[:wanted]], "cpu")[0]

    cut = {
        (side, seconds): embedded(side, seconds)
        for side in table.index[table["subset"] == subset]
        for seconds in {enrol_s, test_s}
    }
    found = []
    for row in trials[trials["subset"] == subset].itertuples():
        first, second = cut[row.enrol_id, enrol_s], cut[row.test_id, test_s]
        if first is not None and second is not None:
            subjects = table.loc[[row.enrol_id, row.test_id], "subject_id"]
            found.append((row.target, float(first @ second), *subjects))
    return tuple(map(list, zip(*found, strict=True)))


def test_each_cell_is_the_eer_of_sides_cut_one_by_one(encoder, corpus):
    table = grid(encoder, corpus, [1.2, 0.5])
    cells = list(zip(table["enrol_s"], table["test_s"], strict=True))
    assert cells == [(0.5, 0.5), (0.5, 1.2), (1.2, 0.5), (1.2, 1.2)]
    for row in table.itertuples():
        labels, scores, *subjects = slow_scores(encoder, corpus, row.enrol_s, row.test_s)
        assert (row.n_target, row.n_nontarget) == (sum(labels), len(labels) - sum(labels))
        if row.n_target >= 10:
            assert row.eer == pytest.approx(equal_error_rate(labels, scores)[0], abs=1e-9)
            assert (row.eer_low, row.eer_high) == pytest.approx(
                bootstrap_interval(labels, scores, *subjects, "eer", n=30, method="beta"), abs=1e-9
            )
    assert table["n_target"].iloc[0] == 14
    assert table["n_target"].iloc[-1] < 14  # some sides are shorter than 1.2 s


def test_cells_of_few_pairs_are_counted_and_not_embedded(encoder, corpus, monkeypatch):
    embedded = []
    whole = durations.embed_sides

    def watched(encoder, packed, sides, rows, seconds, device, precision):
        embedded.append((seconds, len(rows)))
        return whole(encoder, packed, sides, rows, seconds, device, precision=precision)

    monkeypatch.setattr(durations, "embed_sides", watched)
    table = grid(encoder, corpus, [0.5, 30.0]).set_index(["enrol_s", "test_s"])
    assert embedded == [(0.5, 28)]
    assert table.loc[(0.5, 30.0), ["n_target", "n_nontarget"]].tolist() == [0, 0]
    assert table.loc[[(0.5, 30.0), (30.0, 0.5), (30.0, 30.0)], "eer"].isna().all()
    assert table.loc[(0.5, 0.5)].notna().all()


def test_an_empty_list_of_seconds_is_an_empty_table(encoder, corpus):
    table = grid(encoder, corpus, [])
    assert table.empty
    assert list(table.columns[:3]) == ["enrol_s", "test_s", "eer"]


def test_dev_where_test_has_no_labels(encoder, corpus):
    trials = corpus[2].copy()
    trials.loc[trials["subset"] == "test", "target"] = pd.NA
    assert rated_subset(corpus[2]) == "test"
    assert rated_subset(trials) == "dev"
    assert rated_subset(trials[trials["subset"] == "dev"]) == "dev"
    table = grid(encoder, corpus, [0.5], trials=trials)
    assert table["n_target"].tolist() == [11]
    pd.testing.assert_frame_equal(table, grid(encoder, corpus, [0.5], subset="dev"))


def test_targets_across_sessions_only_where_there_are(encoder, corpus):
    trials = corpus[2].assign(condition="across_sessions")
    targets = trials.index[(trials["target"] == 1) & (trials["subset"] == "test")]
    trials.loc[targets[:3], "condition"] = "same_session"
    assert grid(encoder, corpus, [0.5], trials=trials)["n_target"].tolist() == [11]
    trials["condition"] = "same_session"
    assert grid(encoder, corpus, [0.5], trials=trials)["n_target"].tolist() == [14]


def test_row_order_changes_nothing(encoder, corpus):
    mixed = corpus[2].sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(
        grid(encoder, corpus, [0.5, 0.75], trials=mixed), grid(encoder, corpus, [0.5, 0.75])
    )


def test_unknown_subjects_are_subjects_of_their_own(encoder, corpus):
    packed, sides, trials = corpus
    table = sides.table.copy()
    table.loc[table["subject_id"] == "test00", "subject_id"] = np.nan
    found = grid(encoder, (packed, SideTable(table, sides.spans), trials), [0.5])
    # the list of trials says that the two are one
    assert found["eer"].tolist() == grid(encoder, corpus, [0.5])["eer"].tolist()


def test_a_side_without_audio_is_named(encoder, corpus):
    trials = corpus[2].replace({"enrol_id": {"test00_B": "nobody"}})
    with pytest.raises(ValueError, match="no audio, such as 'nobody'"):
        grid(encoder, corpus, [0.5], trials=trials)


def test_the_encoder_that_dev_chose_scores_dev(corpus, monkeypatch):
    heard = []

    def grid(encoder, packed, sides, trials, seconds, subset, condition, **options):
        heard.append((encoder, subset, seconds, {"condition": condition, **options}))

    monkeypatch.setattr("bodysounds.scoring.durations.duration_grid", grid)
    monkeypatch.setattr("bodysounds.sides.build_sides", lambda *tables: corpus[1])
    unlabelled = corpus[2].copy()
    unlabelled.loc[unlabelled["subset"] == "test", "target"] = pd.NA
    params = ScorePairsParams(seed=3, device="cpu", seconds=[2.0])
    report = ReportParams(level=0.8, condition="all")
    for trials in (corpus[2], unlabelled):
        score_durations("refitted", "of dev", corpus[0], *[None] * 4, trials, params, report)
    options = {"condition": "all", "level": 0.8, "seed": 3, "device": "cpu", "precision": "auto"}
    assert heard == [("refitted", "test", [2.0], options), ("of dev", "dev", [2.0], options)]


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan"), 1e9])
def test_lengths_must_be_seconds(wrong):
    with pytest.raises(ValueError, match=r"score_pairs.seconds\[\] must lie in \[0.1, 3600\]"):
        ScorePairsParams(seconds=[1.0, wrong])
