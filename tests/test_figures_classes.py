"""Figures of few classes: what is drawn is what the tables say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kedro.io import Version
from made_sounds import CLASSES, Sounds, history, made_sounds
from matplotlib.figure import Figure
from sklearn.metrics import average_precision_score

from bodysounds.corpora.base import Corpus
from bodysounds.datasets.figure import FigureDataset
from bodysounds.figures import style
from bodysounds.figures.class_curves import precision_recall_figure, roc_figure
from bodysounds.figures.class_dots import class_dots_figure
from bodysounds.figures.class_rates import audit_figure, systems_figure
from bodysounds.figures.class_training import class_training_figure
from bodysounds.figures.confusions import confusions_figure
from bodysounds.figures.panels import framed, panels
from bodysounds.figures.reliability import reliability_figure, risk_coverage_figure
from bodysounds.params import PredictParams, ReportClassesParams
from bodysounds.reporting.class_details import headline_rows, with_details
from bodysounds.reporting.class_metrics import classification_metrics
from bodysounds.reporting.class_words import shown_systems
from bodysounds.scoring.class_baselines import logistic
from bodysounds.scoring.file_properties import file_predictions

PARAMS = ReportClassesParams(
    n_bootstrap=50, headline="balanced_accuracy", condition="unseen_source"
)
RAW = Corpus(Path("."), "manifest", "made sounds", synthetic=True)


@pytest.fixture(scope="module")
def sounds() -> Sounds:
    return made_sounds(0.35)


@pytest.fixture(scope="module")
def metrics(sounds: Sounds) -> dict[str, Any]:
    plain = classification_metrics(
        sounds.predictions, sounds.examples, PARAMS, synthetic=True, classes_are="kinds of sound",
        groups_are="sources", classes=CLASSES,
    )  # fmt: skip
    return with_details(
        plain, sounds.predictions, sounds.examples, sounds.manifest, PARAMS,
        members=list(sounds.rule["members"]), rule=sounds.rule,
    )  # fmt: skip


def lines(figure: Figure, panel: int) -> dict[str, Any]:
    return {line.get_label(): line for line in figure.axes[panel].lines}


def told(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.texts)


def test_each_system_has_its_confusions(metrics: dict[str, Any]) -> None:
    figure = confusions_figure(metrics)
    shown = [name for name in shown_systems(metrics) if name != "most_frequent"]
    drawn = [axes for axes in figure.axes if axes.images]
    assert len(drawn) == len(shown) == 8
    assert "SYNTHETIC" in told(figure)
    for axes, name in zip(drawn, shown, strict=True):
        matrix = np.array(metrics["test"][name]["confusion"])
        share = 100 * matrix / matrix.sum(axis=1, keepdims=True)
        assert np.asarray(axes.images[0].get_array()) == pytest.approx(share)
        counts = [int(text.get_text().split("\n")[1]) for text in axes.texts if "%\n" in
                  text.get_text()]  # fmt: skip
        assert counts == matrix.ravel().tolist()


def test_curves_have_the_areas_of_the_tables(sounds: Sounds, metrics: dict[str, Any]) -> None:
    rows = headline_rows(sounds.predictions, metrics)
    roc, recall = roc_figure(rows, metrics), precision_recall_figure(rows, metrics)
    shown = {k: v for k, v in shown_systems(metrics).items() if k != "most_frequent"}
    for panel, label in enumerate(CLASSES):
        for system, name in shown.items():
            entry = metrics["test"][system]["per_class"][label]
            line = lines(roc, panel)[name]
            area = abs(np.trapezoid(line.get_ydata() / 100, line.get_xdata() / 100))
            assert area == pytest.approx(entry["auc"])
            steps = lines(recall, panel)[name]
            x, y = np.asarray(steps.get_xdata()) / 100, np.asarray(steps.get_ydata()) / 100
            assert np.sum(np.diff(x) * y[1:]) == pytest.approx(entry["average_precision"])
            own = rows[rows["system"] == system]
            slow = average_precision_score(own["label"] == label, own[f"p_{label}"])
            assert entry["average_precision"] == pytest.approx(slow)


def test_the_star_is_where_ours_abstains(sounds: Sounds, metrics: dict[str, Any]) -> None:
    rows = headline_rows(sounds.predictions, metrics)
    figure = risk_coverage_figure(rows, metrics)
    (star,) = [line for line in figure.axes[0].lines if line.get_marker() == "*"]
    point = metrics["abstention"]
    assert star.get_xdata()[0] == pytest.approx(100 * point["coverage"])
    assert star.get_ydata()[0] == pytest.approx(100 * (1 - point["kept"]["accuracy"]))
    ours = lines(figure, 0)[shown_systems(metrics)["ours"]]
    near = np.argmin(np.abs(np.asarray(ours.get_xdata()) - star.get_xdata()[0]))
    assert ours.get_ydata()[near] == pytest.approx(star.get_ydata()[0])
    assert ours.get_ydata()[-1] == pytest.approx(100 * (1 - metrics["test"]["ours"]["accuracy"]))
    nothing = {**metrics, "calibration": {}}
    for draw in (risk_coverage_figure, reliability_figure):
        assert "no probabilities" in draw(rows, nothing).axes[0].texts[0].get_text()


def test_members_are_drawn_before_their_temperature_too(
    sounds: Sounds, metrics: dict[str, Any]
) -> None:
    figure = reliability_figure(headline_rows(sounds.predictions, metrics), metrics)
    names = list(shown_systems(metrics).values())
    for axes in figure.axes[:6]:
        curves = [line for line in axes.lines if line.get_label() == "_line"]
        name = axes.get_title(loc="left")
        assert name in names
        member = name in ("YAMNet", "Wav2Vec2")
        assert (len(curves) == 2) is member
        assert ("→" in " ".join(text.get_text() for text in axes.texts)) is member


def test_dots_stand_at_recall_and_precision(metrics: dict[str, Any]) -> None:
    figure = class_dots_figure(metrics)
    for axes, name in zip(figure.axes, CLASSES, strict=True):
        for marker, rate in (("o", "recall"), ("D", "precision")):
            drawn = [line.get_xdata()[0] for line in axes.lines
                     if line.get_marker() == marker and line.get_label() == "_mark"]  # fmt: skip
            expected = [
                100 * metrics["test"][system]["per_class"][name][rate]
                for system in shown_systems(metrics)
                if system != "most_frequent"
                and metrics["test"][system]["per_class"][name][rate] is not None
            ]
            assert drawn == pytest.approx(expected)


def test_bars_and_marks_are_of_the_headlined_rate(metrics: dict[str, Any]) -> None:
    figure = audit_figure(metrics)
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert widths[0] == pytest.approx(100 * metrics["headline"]["balanced_accuracy"])
    length = widths[names.index("original file: length")]
    assert length == pytest.approx(
        100 * metrics["file_shortcuts"]["duration_s"]["balanced_accuracy"]
    )
    systems = systems_figure(metrics)
    dots = [line.get_xdata()[0] for line in systems.axes[0].lines if line.get_marker() == "o"
            and len(line.get_xdata())]  # fmt: skip
    assert dots[0] == pytest.approx(100 * metrics["headline"]["balanced_accuracy"])
    assert dots[1] == pytest.approx(100 * metrics["headline"]["heard_balanced_accuracy"])
    assert "balanced accuracy" in systems.axes[0].get_xlabel()


def test_systems_are_told_apart_without_colour() -> None:
    systems = ["ours", "yamnet", "wav2vec2", "average", "weighted", "vote", "meta", "mfcc",
               "recording"]  # fmt: skip
    looks = style.look(systems)
    assert len({repr(look.line) for look in looks.values()}) == len(systems)
    assert len({look.marker for look in looks.values()}) == len(systems)
    assert len({look.colour for look in looks.values()}) == len(systems)


def test_a_member_names_its_training_curves(tmp_path: Path) -> None:
    figure = class_training_figure(history(), True, "wav2vec2")
    assert told(figure).startswith("Training of Wav2Vec2")
    entry = FigureDataset(filepath=str(tmp_path / "training.png"), version=Version(None, "v1"))
    entry.save(figure)
    folder = tmp_path / "training.png" / "v1"
    assert (folder / "training.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "training.pdf").read_bytes().startswith(b"%PDF")


def test_panels_are_rows_of_equal_length() -> None:
    figure, axes = panels(5, 2, 2, most=3)
    assert (len(axes), len(figure.axes)) == (5, 6)
    assert not figure.axes[5].axison


def test_files_are_audited_by_their_train_recordings(sounds: Sounds) -> None:
    test = sounds.examples[sounds.examples["condition"] == "unseen_source"]
    found = file_predictions(sounds.examples, test, sounds.manifest, CLASSES)
    for table in found.values():
        assert np.exp(table).sum(axis=1) == pytest.approx(1)
    rate = sounds.manifest.set_index("recording_id")["sample_rate"]
    said = np.array(CLASSES)[found["sample_rate"].argmax(axis=1)]
    assert set(said[(test["recording_id"].map(rate) == 48_000).to_numpy()]) == {"screaming"}
    none = sounds.examples[sounds.examples["subset"] != "train"]
    assert file_predictions(none, test, sounds.manifest, CLASSES) == {}
    # labels of test change nothing
    other = sounds.examples.assign(
        label=sounds.examples["label"].where(sounds.examples["subset"] == "train", "normal")
    )
    again = file_predictions(other, test, sounds.manifest, CLASSES)
    assert all((again[name] == table).all() for name, table in found.items())


def test_balanced_baselines_name_rare_classes_too(sounds: Sounds) -> None:
    examples = sounds.examples.sort_values("segment_id", ignore_index=True)
    rare = examples[(examples["label"] == "normal") | (examples.index % 12 == 0)]
    rare = rare.reset_index(drop=True)
    noise = np.random.default_rng(0).normal(size=(len(rare), 2))
    shares = {}
    for balanced in (False, True):
        params = PredictParams(balanced=balanced)
        said = logistic(noise, rare, rare, CLASSES, params).argmax(axis=1)
        shares[balanced] = np.mean(said != CLASSES.index("normal"))
    assert shares[False] < 0.05
    assert shares[True] > 0.3
    with pytest.raises(ValueError, match=r"predict\.balanced"):
        PredictParams(balanced="yes")  # type: ignore[arg-type]


def test_one_system_without_temperature_fits_its_figure(
    sounds: Sounds, metrics: dict[str, Any]
) -> None:
    rows = headline_rows(sounds.predictions, metrics)
    own = {**metrics["calibration"]["ours"], "before": None}
    one = {**metrics, "calibration": {"ours": own}}
    figure = reliability_figure(rows, one)
    figure.draw_without_rendering()
    box = figure.get_window_extent()
    for text in figure.texts:
        assert text.get_window_extent().x1 <= box.x1
    (legend,) = figure.legends
    assert legend.get_window_extent().x0 >= box.x0
    assert [text.get_text() for text in legend.get_texts()] == ["as it answers", "share of clips"]
    cycles = {**one, "headline": {**metrics["headline"], "unit": "cycle"}}
    labels = [reliability_figure(rows, cycles).axes[0].get_ylabel(),
              risk_coverage_figure(rows, cycles).axes[0].get_xlabel()]  # fmt: skip
    assert all("cycles" in label for label in labels)


def test_a_class_without_clips_has_no_shares(metrics: dict[str, Any]) -> None:
    ours = dict(metrics["test"]["ours"])
    ours["confusion"] = [[0] * len(row) if k == 0 else row
                         for k, row in enumerate(ours["confusion"])]  # fmt: skip
    figure = confusions_figure({**metrics, "test": {**metrics["test"], "ours": ours}})
    n = len(metrics["classes"])
    told = [text.get_text() for text in figure.axes[0].texts[: n * n]]
    assert told.count("-") == n


def test_long_names_of_panels_are_whole() -> None:
    axes = Figure().subplots()
    framed(axes, "contrastive with metadata (mscl)")
    assert axes.get_title(loc="left").split() == ["contrastive", "with", "metadata", "(mscl)"]


def test_methods_look_unlike_each_other() -> None:
    shown = ["ours", "sl", "scl", "hybrid", "mscl", "log_mel", "mfcc", "recording"]
    looks = style.look(shown)
    assert len({one.colour for one in looks.values()}) == len(shown)
