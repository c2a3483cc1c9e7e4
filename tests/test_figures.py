"""Figures hold the numbers that they should show."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from reporting_tables import made_history, made_tables
from scipy.special import ndtri

from bodysounds.figures import style
from bodysounds.figures.breakdown import breakdown_figure
from bodysounds.figures.det import det_figure, draw_det
from bodysounds.figures.durations import durations_figure
from bodysounds.figures.eer import eer_figure
from bodysounds.figures.gallery import gallery_figure
from bodysounds.figures.histogram import draw_histogram, histogram_figure
from bodysounds.figures.shortcuts import shortcuts_figure
from bodysounds.figures.training import training_figure
from bodysounds.metrics.verification import det_curve, equal_error_rate
from bodysounds.params import ReportParams, ThresholdParams
from bodysounds.reporting.gallery import gallery_curve
from bodysounds.reporting.metrics import verification_metrics
from bodysounds.reporting.operating_point import operating_point
from bodysounds.reporting.trial_table import headline_trials

mpl.use("Agg")


@pytest.fixture(scope="module")
def run():
    tables = made_tables(level_is_identity=True)
    joined = [tables[n] for n in ("scores", "trials", "sides", "manifest")]
    point = operating_point(*joined, ThresholdParams(n_bootstrap=20))
    measured = [tables[n] for n in ("descriptors", "segments")]
    metrics = verification_metrics(*joined, *measured, point, ReportParams(n_bootstrap=20), True)
    return tables["scores"], tables["trials"], metrics, point


def said(figure):
    return " ".join(text.get_text() for text in figure.texts)


def drawn(figure, tmp_path):
    """Render, so that a layout that cannot be made is found."""
    figure.savefig(tmp_path / "figure.png")
    figure.savefig(tmp_path / "figure.pdf", metadata={"CreationDate": None})
    assert (tmp_path / "figure.png").stat().st_size > 5000


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_det_shows_every_curve_and_eer(run, tmp_path):
    scores, trials, metrics, _ = run
    figure = det_figure(scores, trials, metrics)
    (axes,) = figure.axes
    labels, by_system = headline_trials(scores, trials, metrics)
    assert labels.sum() == 10
    curves = [line for line in axes.lines if line.get_label() == "_curve"]
    marks = [line for line in axes.lines if ": EER" in line.get_label()]
    assert len(curves) == len(marks) == 4
    for (system, values), curve, mark in zip(by_system.items(), curves, marks, strict=True):
        far, frr, _ = det_curve(labels, values)
        np.testing.assert_allclose(curve.get_xdata(), ndtri(np.clip(far, 0.001, 0.95)))
        np.testing.assert_allclose(curve.get_ydata(), ndtri(np.clip(frr, 0.001, 0.95)))
        eer = equal_error_rate(labels, values)[0]
        assert mark.get_xdata() == mark.get_ydata() == pytest.approx(ndtri(eer))
        assert f"EER {eer:.1%}" in mark.get_label()
        assert metrics["test"][system]["eer"] == pytest.approx(eer)
    assert legend_of(figure)[0].startswith("ours: EER")
    assert len({line.get_linestyle() for line in curves}) == 4  # readable without colour
    assert len({line.get_marker() for line in marks}) == 4
    assert "SYNTHETIC" in said(figure)
    drawn(figure, tmp_path)


def test_det_of_perfect_and_useless_systems(tmp_path):
    labels = [0, 0, 0, 1, 1]
    figure = draw_det(labels, {"ours": [0, 0, 0, 1, 1], "random": [1, 1, 1, 1, 1]})
    marks = [line for line in figure.axes[0].lines if ": EER" in line.get_label()]
    assert [line.get_label() for line in marks] == ["ours: EER 0.0%", "random: EER 50.0%"]
    assert marks[0].get_xdata()[0] == pytest.approx(ndtri(0.001))  # at the edge
    drawn(figure, tmp_path)


MANY = ("ours", "averaged", "pretrained", "untrained", "mfcc", "random", "aam_baseline",
        "triplet_2023")  # fmt: skip
VARIED = ("ours", "unfiltered", "averaged", "whole", "windows", "loud", "first", "pretrained",
          "untrained", "mfcc", "random", "aam_baseline", "triplet_2023")  # fmt: skip


def test_det_of_many_systems_is_told_apart_in_colour_and_in_grey(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 4 == 0
    figure = draw_det(labels, {name: rng.normal(size=200) + labels for name in MANY})
    curves = [line for line in figure.axes[0].lines if line.get_label() == "_curve"]
    marks = [line for line in figure.axes[0].lines if ": EER" in line.get_label()]
    assert [line.get_color() for line in curves] == [line.get_color() for line in marks]
    assert len({line.get_color() for line in marks}) == len(MANY)
    assert len({line.get_marker() for line in marks}) == len(MANY)
    assert len({repr(look.line) for look in style.look(MANY).values()}) == len(MANY)
    drawn(figure, tmp_path)
    four = ("ours", "untrained", "mfcc", "random")
    for names in (MANY, four, (*four[1:], "w" * 12), ("mfcc", "n" * 20)):  # no legend is cut
        figure = draw_det(labels, {name: rng.normal(size=200) + labels for name in names})
        figure.draw_without_rendering()
        legend, edge = figure.legends[0].get_window_extent(), figure.bbox
        assert edge.x0 <= legend.x0
        assert legend.x1 <= edge.x1
        assert legend.y1 <= figure.axes[0].xaxis.label.get_window_extent().y0 + 1


def test_rows_of_ours_in_other_modes_are_told_apart() -> None:
    looks = style.look(VARIED).values()
    assert len({look.colour for look in looks}) == len(VARIED)
    assert len({repr(look.line) for look in looks}) == len(VARIED)
    assert len({look.marker for look in looks}) >= len(VARIED) - 1
    assert len({style.label(system) for system in VARIED}) == len(VARIED)


def test_a_system_looks_the_same_in_every_figure(run):
    metrics = run[2]
    entry = metrics["test"]["mfcc"]
    systems = {"ours": entry | {"eer": None}} | dict.fromkeys(("one", "two", "averaged"), entry)
    axes = eer_figure(metrics | {"test": systems | {"ours": entry}}).axes[0]
    looks = style.look(systems)
    marks = [line for line in axes.lines if "pairs weigh equally" in line.get_label()]
    assert [line.get_color() for line in marks] == [look.colour for look in looks.values()]
    assert [line.get_marker() for line in marks] == [look.marker for look in looks.values()]
    assert style.look(["averaged"])["averaged"] == looks["averaged"]
    assert len(set(style.look(map(str, range(20))).values())) == 20


def test_histogram_bars_are_shares_of_each_class(run, tmp_path):
    scores, trials, metrics, point = run
    figure = histogram_figure(scores, trials, metrics, point)
    (axes,) = figure.axes
    labels, by_system = headline_trials(scores, trials, metrics)
    bars = [[p.get_height() for p in container.patches] for container in axes.containers]
    shown = [heights for heights in bars if len(heights) > 1]
    edges = [p.get_x() for p in axes.containers[0].patches]
    edges.append(edges[-1] + axes.containers[0].patches[-1].get_width())
    for heights, mask in zip(shown, (~labels, labels), strict=True):
        counts = np.histogram(by_system["ours"][mask], edges)[0]
        np.testing.assert_allclose(heights, 100 * counts / mask.sum())
    assert axes.lines[0].get_xdata() == [point["threshold"]] * 2
    assert legend_of(figure) == [
        "different subjects (90 pairs)", "same subject (10 pairs)",
        f"threshold {point['threshold']:.3f}",
    ]  # fmt: skip
    assert "SYNTHETIC" in said(figure)
    drawn(figure, tmp_path)


def test_histogram_of_constant_scores(tmp_path):
    drawn(draw_histogram([0, 1], [0.5, 0.5], 0.5), tmp_path)


def test_training_curves_and_the_chosen_epoch(tmp_path):
    history = made_history()
    figure = training_figure(history, synthetic=True)
    left, right = figure.axes
    by_label = {line.get_label(): line for axes in (left, right) for line in axes.lines}
    np.testing.assert_array_equal(by_label["loss"].get_ydata(), history["loss"])
    np.testing.assert_array_equal(by_label["loss: aam"].get_ydata(), history["loss_aam"])
    np.testing.assert_allclose(by_label["dev EER"].get_ydata(), 100 * history["dev_eer"])
    star = by_label["chosen: epoch 4, 10.0%"]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (4, pytest.approx(10.0))
    assert "SYNTHETIC" in said(figure)
    assert "SYNTHETIC" not in said(training_figure(history))
    drawn(figure, tmp_path)
    one = training_figure(made_history(1, 1))
    drawn(one, tmp_path)
    assert one.axes[0].get_xlim() == (0.5, 1.5)
    low, high = one.axes[0].get_xlim()
    assert [tick for tick in one.axes[0].get_xticks() if low <= tick <= high] == [1]
    with pytest.raises(ValueError, match="no epoch"):
        training_figure(history.iloc[:0])


def test_eer_rows_with_intervals_by_trial_and_by_subject(run, tmp_path):
    _, _, metrics, _ = run
    figure = eer_figure(metrics)
    (axes,) = figure.axes
    assert [t.get_text() for t in axes.get_yticklabels()] == [
        "ours", "untrained network", "MFCC mean and deviation", "random",
    ]  # fmt: skip
    dots = [line.get_xdata()[0] for line in axes.lines if "weigh equally" in line.get_label()]
    spans = [line.get_xdata() for line in axes.lines if line.get_label() == "_ci"]
    expected = [
        part
        for entry in metrics["test"].values()
        for part in (entry, entry["by_subject"])
    ]  # fmt: skip
    assert dots == pytest.approx([100 * part["eer"] for part in expected])
    for span, part in zip(spans, expected, strict=True):
        assert list(span) == pytest.approx([100 * edge for edge in part["eer_ci95"]])
    assert [line.get_xdata()[0] for line in axes.lines if line.get_label() == "_chance"] == [50]
    drawn(figure, tmp_path)


def test_shortcut_bars_beside_ours(run, tmp_path):
    _, _, metrics, _ = run
    figure = shortcuts_figure(metrics)
    (axes,) = figure.axes
    audited = {n: e for n, e in metrics["shortcuts"].items() if n != "verdict"}
    rated = {n: e for n, e in audited.items() if e["eer"] is not None}
    widths = {c.get_label()[1:]: c.patches[0].get_width() for c in axes.containers}
    expected = {n: 100 * e["eer"] for n, e in rated.items()}
    assert widths == pytest.approx(expected | {"ours": 100 * metrics["test"]["ours"]["eer"]})
    hatched = {c.get_label()[1:] for c in axes.containers if c.patches[0].get_hatch()}
    assert hatched == {n for n, e in audited.items() if e["flagged"]}
    assert "level" in hatched
    assert [t.get_text() for t in axes.texts].count("skipped: constant") == 3
    drawn(figure, tmp_path)


def grouped(metrics):
    """The metrics with groups made up: two that are rated, one with no error, one too small."""

    def entry(eer, far, frr, why=None):
        return {"n_target": 12, "why": why} | {
            key: value for name, rate in (("eer", eer), ("far", far), ("frr", frr))
            for key, value in ((name, rate), (f"{name}_ci95", rate and [rate / 2, rate * 2]))
        }  # fmt: skip

    return metrics | {
        "breakdown": {
            "sex": {"f": entry(0.1, 0.05, 0.2), "m": entry(0.2, 0.15, 0.3)},
            "duration": {"0 to 1 s": entry(0.3, 0.1, 0.0), "1 to 2 s": entry(*[None] * 3, "few")},
            "skipped": {"age": "unknown"},
        }
    }


def test_breakdown_rows_hold_each_rate_and_its_interval(run, tmp_path):
    metrics = grouped(run[2])
    figure = breakdown_figure(metrics)
    left, right = figure.axes
    names = [text.get_text() for text in left.get_yticklabels()]
    assert [name.split("\n")[0] for name in names] == [
        "sex: f", "sex: m", "shorter side: 0 to 1 s", "shorter side: 1 to 2 s",
    ]  # fmt: skip
    for axes, rate in ((left, "eer"), (right, "far"), (right, "frr")):
        dots = [line.get_xdata()[0] for line in axes.lines if line.get_label() == f"_{rate}"]
        groups = [e for d in ("sex", "duration") for e in metrics["breakdown"][d].values()]
        assert dots == pytest.approx([100 * e[rate] for e in groups if e[rate] is not None])
    spans = [line.get_xdata() for line in left.lines if line.get_label() == "_ci"]
    np.testing.assert_allclose(spans, [[5, 20], [10, 40], [15, 60]])
    assert [text.get_text() for text in left.texts] == ["few"]
    assert left.get_xlim()[0] < 0  # a mark at 0 is whole
    assert "SYNTHETIC" in said(figure)
    drawn(figure, tmp_path)


def test_durations_line_and_grid(run, tmp_path):
    cells = [
        (0.5, 0.5, 0.4, 0.3, 0.5, 30), (0.5, 2.0, 0.3, 0.2, 0.4, 20),
        (2.0, 0.5, 0.25, 0.2, 0.3, 20), (2.0, 2.0, 0.1, 0.05, 0.2, 12),
        (30.0, 30.0, np.nan, np.nan, np.nan, 0),
    ]  # fmt: skip
    columns = ["enrol_s", "test_s", "eer", "eer_low", "eer_high", "n_target"]
    figure = durations_figure(pd.DataFrame(cells, columns=columns), run[2])
    line, grid = figure.axes
    (bars,) = line.containers
    np.testing.assert_allclose(bars[0].get_xydata(), [[0.5, 40], [2.0, 10]])
    ends = [segment[:, 1] for segment in bars[2][0].get_segments()]
    np.testing.assert_allclose(ends, [[30, 50], [5, 20]])
    assert line.get_xscale() == "log"
    np.testing.assert_allclose(grid.images[0].get_array(), [[40, 30], [25, 10]])
    assert [text.get_text() for text in grid.texts] == ["40.0", "30.0", "25.0", "10.0"]
    assert grid.get_xlabel() == "seconds of test"
    assert [text.get_text() for text in grid.get_yticklabels()] == ["0.5", "2"]  # 30 s: no cell
    assert all(text.get_path_effects() for text in line.texts)  # read over the dashed line
    whole = 100 * run[2]["test"]["ours"]["eer"]
    assert f"whole sides: {whole:.1f}%" in [t.get_text() for t in line.get_legend().get_texts()]
    assert "SYNTHETIC" in said(figure)
    drawn(figure, tmp_path)


def test_gallery_curves_and_bands(run, tmp_path):
    tables = made_tables(level_is_identity=True)
    joined = [tables[n] for n in ("scores", "trials", "sides", "manifest")]
    table = gallery_curve(*joined, run[2], run[3])
    figure = gallery_figure(table, run[2])
    (axes,) = figure.axes
    lines = [line for line in axes.lines if len(line.get_xdata()) == len(table)]
    for name, line in zip(("fpir", "fnir", "rank1"), lines, strict=True):
        assert list(line.get_xdata()) == table["gallery_size"].tolist()
        np.testing.assert_allclose(line.get_ydata(), 100 * table[name])
    bands = [band.get_paths()[0].vertices[:, 1] for band in axes.collections]
    for name, band in zip(("fpir", "fnir", "rank1"), bands, strict=True):
        assert (band.min(), band.max()) == pytest.approx(
            (100 * table[f"{name}_low"].min(), 100 * table[f"{name}_high"].max())
        )
    assert len({line.get_linestyle() for line in lines}) == 3  # readable without colour
    assert len({line.get_marker() for line in lines}) == 3
    assert axes.get_xscale() == "log"
    assert "SYNTHETIC" in said(figure)
    drawn(figure, tmp_path)


def test_a_figure_without_numbers_says_why(run, tmp_path):
    _, _, metrics, _ = run
    empty = {"sex": {}, "skipped": {}}
    few = {"sex": {"f": {"eer": None, "why": "too few", "n_target": 1}}, "skipped": {}}
    table = pd.DataFrame(columns=["enrol_s", "test_s", "eer"], dtype=float)
    two = metrics | {"test": {"ours": metrics["test"]["ours"] | {"n_subjects": 2}}}
    for figure, why in (
        (breakdown_figure(metrics | {"breakdown": empty}), "no group of pairs is known"),
        (breakdown_figure(metrics | {"breakdown": few}), "no group has enough pairs"),
        (durations_figure(table, metrics), "ten target and ten non-target pairs"),
        (gallery_figure(table, metrics), "not nearly all pairs"),
        (gallery_figure(table, two), "at least 3 people, and the pairs are of 2"),
    ):
        (text,) = figure.axes[0].texts
        assert why in text.get_text()
        assert "SYNTHETIC" in said(figure)
        drawn(figure, tmp_path)
