"""The data inspection: what it counts, against plain loops, and its page and figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from reporting_tables import made_tables
from test_reporting import Page, hide_test_labels, metrics_of, point_of

from bodysounds.corpora.base import Corpus
from bodysounds.figures import inspection as drawn
from bodysounds.figures.breakdown import breakdown_figure
from bodysounds.reporting import inspection
from bodysounds.reporting.failures import worst_errors
from bodysounds.reporting.inspection_page import inspection_page

TABLES = ("manifest", "subsets", "sides", "trials", "segments", "descriptors")
NONE = pd.DataFrame({"path": pd.Series([], dtype="str"), "reason": pd.Series([], dtype="str")})


def recordings_of(tables):
    return inspection.recording_table(*(tables[name] for name in TABLES))


def sexed(tables):
    sex = tables["manifest"]["subject_id"].astype(int).map(lambda k: "fm"[k % 2])
    return tables | {"manifest": tables["manifest"].assign(sex=sex)}


def page_of(tables, rejected=NONE, synthetic=True, figures=None, policy="eer"):
    metrics, point = metrics_of(tables), point_of(tables, policy=policy)
    metrics["headline"]["synthetic"] = synthetic
    names = ("scores", "trials", "sides", "manifest", "segments")
    html = inspection_page(
        **{name: tables[name] for name in TABLES},
        rejected=rejected,
        metrics=metrics,
        operating_point=point,
        failures=worst_errors(*(tables[name] for name in names), metrics, point, 5),
        figures=figures or {},
        corpus=Corpus(Path("/nowhere"), "zalo", "A & B <corpus>", synthetic=synthetic),
        version="1.2.3",
        task="speaker_verification",
    )
    return html, metrics


@pytest.fixture(scope="module")
def tables():
    return sexed(made_tables(60))


def test_a_recording_has_its_segments_and_its_pairs(tables):
    segments, descriptors = tables["segments"], tables["descriptors"]
    halves = [
        (t.assign(segment_id=t["segment_id"] + end), d.assign(segment_id=d["segment_id"] + end))
        for end in ("/a", "/b")
        for t, d in [(segments, descriptors)]
    ]
    cut = pd.concat([t for t, _ in halves])
    measured = pd.concat([d for _, d in halves]).reset_index(drop=True)
    late = measured["segment_id"].str.endswith("/b")
    measured.loc[late, ["level_dbfs", "duration_s", "peak_dbfs"]] = [-60.0, 3.0, -1.0]
    found = recordings_of(tables | {"segments": cut, "descriptors": measured})
    found = found.set_index("recording_id")
    first = descriptors.set_index("segment_id").loc["0041_B_1"]
    row = found.loc["0041_B_1"]
    whole = first["duration_s"] + 3.0
    level = (first["level_dbfs"] * first["duration_s"] - 60.0 * 3.0) / whole
    assert row["duration_s"] == pytest.approx(whole)
    assert row["level_dbfs"] == pytest.approx(level)
    assert row["peak_dbfs"] == max(-1.0, first["peak_dbfs"])
    trials = tables["trials"]
    assert row["n_trials"] == (trials["enrol_id"] == "0041_B").sum() == 20
    assert found.loc["0001_D_0", "n_trials"] == 0  # train is in no pair


def test_nothing_depends_on_the_order_of_rows(tables):
    mixed = {n: t.sample(frac=1, random_state=3) for n, t in tables.items()}
    pd.testing.assert_frame_equal(recordings_of(mixed), recordings_of(tables))


def test_pairs_a_recording_and_the_most_used(tables):
    trials = tables["trials"]
    kept = trials[(trials["subset"] == "dev") | (trials["enrol_id"] == "0045_B")]
    found = recordings_of(tables | {"trials": kept})
    assert inspection.uses(found) == [
        {"subset": "dev", "recordings": 80, "unused": 0, "least": 20, "median": 20, "most": 20},
        {"subset": "test", "recordings": 80, "unused": 38, "least": 0, "median": 1, "most": 20},
    ]
    most = inspection.most_used(found)
    assert [row["n_trials"] for row in most] == [20, 20] + [1] * 8
    assert most[0] == {"path": "audio/0045_B_0.wav", "subject_id": "0045", "subset": "test",
                       "n_trials": 20}  # fmt: skip
    assert inspection.most_used(recordings_of(tables)) == []


def test_subjects_by_plain_loops(tables):
    manifest = tables["manifest"].copy()
    manifest.loc[manifest["subject_id"].isin(["0040", "0041"]), "subject_id"] = np.nan
    found = recordings_of(tables | {"manifest": manifest})
    row = inspection.subject_rows(found)[2]
    seconds = {}
    for subject, length in zip(manifest["subject_id"], manifest["duration_s"], strict=True):
        if isinstance(subject, str) and int(subject) >= 40:
            seconds.setdefault(subject, []).append(length)
    sums = sorted(sum(lengths) for lengths in seconds.values())
    assert (row["subset"], row["subjects"], row["single"]) == ("test", 18, 0)
    assert row["recordings"] == {"least": 4, "median": 4, "most": 4}
    assert row["seconds"]["least"] == pytest.approx(sums[0])
    assert row["seconds"]["most"] == pytest.approx(sums[-1])
    assert (row["under_1"], row["under_10"]) == (0, 18)
    nobody = recordings_of(tables | {"manifest": manifest.assign(subject_id=None)})
    assert inspection.subject_rows(nobody) == []


def test_quiet_and_clipped_recordings_are_counted(tables):
    descriptors = tables["descriptors"].assign(clipped_share=0.0)
    descriptors.loc[descriptors["segment_id"] == "0041_B_1", "level_dbfs"] = -55.0
    descriptors.loc[descriptors["segment_id"].isin(["0041_B_1", "0042_D_0"]), "clipped_share"] = 0.2
    train, dev, test = inspection.sound_rows(recordings_of(tables | {"descriptors": descriptors}))
    assert (test["quiet"], test["clipped"], dev["quiet"], dev["clipped"]) == (1, 2, 0, 0)
    assert test["level"]["least"] == -55
    assert test["voiced"] is None  # not measured in these tables
    assert train["recordings"] == 80


def test_copies_within_a_subject_and_across(tables):
    manifest = tables["manifest"].set_index("recording_id")
    manifest.loc[["0003_B_0", "0003_B_1", "0003_D_0"], "sha256"] = "same"
    manifest.loc[["0004_B_0", "0005_D_0"], "sha256"] = "wrong"
    found = recordings_of(tables | {"manifest": manifest.reset_index()})
    rejected = pd.DataFrame({
        "path": ["x.wav", "y.wav"],
        "reason": ["x.wav is a copy of z.wav (equal sha256), which is kept", "too short"],
    })  # fmt: skip
    copies = inspection.duplicates(found, rejected)
    assert {n: copies[n] for n in ("groups", "recordings", "across", "dropped")} == {
        "groups": 2, "recordings": 5, "across": 1, "dropped": 1,
    }  # fmt: skip
    first, second = copies["shown"]
    assert first == {"paths": ["audio/0004_B_0.wav", "audio/0005_D_0.wav"],
                     "subjects": ["0004", "0005"]}  # fmt: skip
    assert second["subjects"] == ["0003"]
    assert inspection.duplicates(recordings_of(tables), NONE)["groups"] == 0


def test_what_pairs_are_by_plain_loops(tables):
    seconds = tables["manifest"].groupby(tables["sides"]["side_id"])["duration_s"].sum()
    dev, test = inspection.trial_rows(
        *(tables[n] for n in ("trials", "sides", "manifest", "segments"))
    )
    assert (dev["pairs"], dev["sides"], dev["unlabelled"]) == (400, 40, 0)
    assert test["targets"] == pytest.approx(20 / 400)
    assert test["same_sex"] == pytest.approx(0.5)
    assert test["same_sex_nontarget"] == pytest.approx(180 / 380)
    apart = {True: [], False: []}
    for row in tables["trials"].itertuples():
        if row.subset == "test":
            apart[row.target == 1].append(abs(seconds[row.enrol_id] - seconds[row.test_id]))
    assert test["apart_target"] == pytest.approx(np.median(apart[True]))
    assert test["apart_nontarget"] == pytest.approx(np.median(apart[False]))
    assert test["apart"] == pytest.approx(np.median(apart[True] + apart[False]))


def test_page_shows_what_was_found(tables):
    metrics = metrics_of(tables)
    table = recordings_of(tables)
    figures = {"inspection_channel": b"png one", "breakdown": b"png two"}
    rejected = pd.DataFrame({"path": ["<i>.wav"], "reason": ["is <b>broken</b>"]})
    html, _ = page_of(tables, rejected, figures=figures)
    page = Page(html)
    text = " ".join(page.text.split())
    assert page.open == []
    assert "A & B <corpus>: speaker verification, data inspection" in text
    assert "is <b>broken</b>" in text
    assert "240recordings of 60 known subjects" in text
    hours = table["duration_s"].sum() / 3600
    assert f"{hours:.2f} hours" in text
    for heading in ("Subjects", "Durations and levels", "Copies", "Pairs", "Where it fails"):
        assert heading in text
    for name in ("noise_floor", "bandwidth", "channel"):
        assert f"{metrics['shortcuts'][name]['eer']:.1%}" in text
    for dimension in ("duration", "level", "duration_difference", "sex", "nontarget_sex"):
        for name, entry in metrics["breakdown"][dimension].items():
            assert name in text
            assert f"{entry['n_false_rejects']:,} rejected" in text
            if entry["eer"] is not None:
                assert f"{entry['far']:.1%}" in text
    assert text.count("Synthetic sound") >= 2
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "b", "i", "corpus", "iframe"}
    assert [a["src"][:22] for tag, a in page.tags if tag == "img"] == ["data:image/png;base64,"] * 2


def test_unlabelled_test_of_unknown_subjects_is_inspected_with_dev(tables):
    hidden = hide_test_labels(tables)
    manifest = hidden["manifest"].copy()
    tested = tables["subsets"]["subset"] == "test"
    manifest.loc[tested.to_numpy(), ["subject_id", "sex", "session_id"]] = np.nan
    hidden |= {"manifest": manifest}
    html, metrics = page_of(hidden, synthetic=False)
    text = " ".join(Page(html).text.split())
    assert metrics["headline"]["subset"] == "dev"
    assert "so this is dev, which also chose the epoch and the threshold." in text
    assert "ynthetic" not in text
    by_prior = " ".join(Page(page_of(hidden, policy="prior")[0]).text.split())
    assert "so this is dev, which also chose the epoch. " in by_prior
    shown = inspection.trial_rows(*(hidden[n] for n in ("trials", "sides", "manifest", "segments")))
    assert shown[1]["unlabelled"] == shown[1]["pairs"] == 400
    for name in ("targets", "same_sex", "same_sex_nontarget", "apart_target", "apart_nontarget"):
        assert shown[1][name] is None
    assert f"{shown[1]['apart']:.2f}" in text
    assert "240recordings of 40 known subjects" in text


# --- figures


def test_steps_are_shares_of_each_subset(tables):
    table = recordings_of(tables)
    for figure, column in (
        (drawn.uses_figure(table, "about"), "n_trials"),
        (drawn.seconds_figure(table, "about"), "duration_s"),
        (drawn.levels_figure(table, "about"), "level_dbfs"),
    ):
        axes = figure.axes[0]
        stairs = {p.get_gid(): p.get_data() for p in axes.patches if p.get_gid()}
        subsets = {"dev", "test"} if column == "n_trials" else {"train", "dev", "test"}
        assert set(stairs) == subsets
        for name, data in stairs.items():
            values = table.loc[table["subset"] == name, column].to_numpy(float)
            assert data.values.sum() == pytest.approx(100)
            inside = (values >= data.edges[0]) & (values <= data.edges[-1])
            assert inside.all()
        assert len({p.get_linestyle() for p in axes.patches if p.get_gid()}) == len(stairs)


def test_fingerprint_marks_the_domains_or_else_the_subjects_heard_most(tables):
    table = recordings_of(tables)
    extra = table[table["subject_id"] == "0007"].assign(recording_id="again")
    figure = drawn.channel_figure(pd.concat([table, extra]), "about")
    lines = {line.get_gid(): line for line in figure.axes[0].lines}
    assert list(lines) == ["others", "0007", "0000", "0001", "0002", "0003", "0004"]
    assert len(lines["0007"].get_xdata()) == 8
    assert sum(len(line.get_xdata()) for line in lines.values()) == len(table) + 4
    own = table[table["subject_id"] == "0000"]
    np.testing.assert_allclose(lines["0000"].get_ydata(), own["bandwidth_hz"] / 1000)
    assert len({line.get_marker() for line in lines.values()}) == 7
    domains = table.assign(domain=np.where(table["subject_id"] < "0010", "phone", "studio"))
    lines = {line.get_gid() for line in drawn.channel_figure(domains, "about").axes[0].lines}
    assert lines == {"others", "studio", "phone"}


def test_figures_without_values_say_why(tables, tmp_path):
    table = recordings_of(tables)
    unknown = table.assign(subject_id=np.nan, n_trials=0, noise_floor_dbfs=np.nan)
    for figure, why in (
        (drawn.subjects_figure(unknown, ""), "no subject is known"),
        (drawn.uses_figure(unknown, ""), "no recording is in any pair"),
        (drawn.channel_figure(unknown, ""), "no noise floor is known"),
    ):
        assert why in [text.get_text() for text in figure.axes[0].texts]
    one = table.head(1)
    figures = [drawn.subjects_figure, drawn.seconds_figure, drawn.levels_figure,
               drawn.channel_figure]  # fmt: skip
    for number, draw in enumerate(figures):
        draw(one, "about").savefig(tmp_path / f"{number}.png")


def test_the_groups_of_the_report_are_all_drawn(tables):
    metrics = metrics_of(tables)
    names = [t.get_text() for t in breakdown_figure(metrics).axes[0].get_yticklabels()]
    for told in ("different subjects of: same sex", "quieter side: ", "durations differ by: "):
        assert any(name.startswith(told) for name in names)
