"""Figures hold the numbers that they should show."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from reporting_tables import made_history, made_tables
from scipy.special import ndtri

from bodysounds.figures.det import det_figure, draw_det
from bodysounds.figures.eer import eer_figure
from bodysounds.figures.histogram import draw_histogram, histogram_figure
from bodysounds.figures.shortcuts import shortcuts_figure
from bodysounds.figures.training import training_figure
from bodysounds.metrics.verification import det_curve, equal_error_rate
from bodysounds.params import ReportParams, ThresholdParams
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
    drawn(training_figure(made_history(1, 1)), tmp_path)
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
