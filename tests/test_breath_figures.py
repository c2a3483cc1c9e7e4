"""Figures of breath cycles: what is drawn is what the tables say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import pairwise_distances

from bodysounds.audio.packed import Packed, to_int16, write_packed
from bodysounds.datasets.figure import FigureDataset
from bodysounds.figures.breath_gallery import breath_gallery_figure, surest
from bodysounds.figures.breath_groups import breath_groups_figure
from bodysounds.figures.embedding_map import embedding_map_figure, flat
from bodysounds.figures.runs import runs_figure
from bodysounds.metrics.neighbours import shared_among_nearest
from bodysounds.params import ReportClassesParams
from bodysounds.reporting.respiratory_groups import group_scores
from bodysounds.reporting.respiratory_runs import runs_of
from bodysounds.scoring.classes import prediction_table
from bodysounds.scoring.log_mel_baseline import log_mel_frames

CLASSES = ["both", "crackle", "normal", "wheeze"]
DEVICES = ["AKGC417L", "Litt3200", "LittC2SE", "Meditron"]
HEAD = {
    "n": 160, "n_classes_tested": 4, "classes_are": "kinds of breath", "synthetic": True,
    "condition": "unseen_patient", "resampled": "patients", "chance": 0.5, "rate": "score",
}  # fmt: skip


def told(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.texts)


def cycles(n: int = 160) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"segment_id": [f"{k // 8:03d}#{k:03d}" for k in range(n)]})
    table["recording_id"] = table["session_id"] = table["segment_id"].str[:3]
    table["label"] = rng.choice(CLASSES, n, p=[0.1, 0.2, 0.5, 0.2])
    patient = table["session_id"].astype(int)
    table["domain"] = np.array(DEVICES)[patient % 4]
    table["sex"] = (patient % 3).map({1: "F", 2: "M"})
    table["age_group"] = np.where(patient == 0, "child", "adult")
    table.loc[patient == 0, "label"] = "normal"
    table["subset"], table["condition"] = "test", "unseen_patient"
    return table


@pytest.fixture(scope="module")
def predictions() -> pd.DataFrame:
    table = cycles()
    rng = np.random.default_rng(1)
    own = pd.Index(CLASSES).get_indexer(pd.Index(table["label"]))
    tables = []
    for system, gain in (("ours", 1.5), ("most_frequent", 0.0)):
        logits = rng.gumbel(size=(len(table), 4))
        logits[np.arange(len(table)), own] += gain
        # no wheeze is missed
        logits[own == 3, 3] += 20
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        tables.append(prediction_table(system, table, logs, CLASSES, 50))
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    rng = np.random.default_rng(0)
    pieces = [(name, to_int16(0.1 * rng.standard_normal(2000 + 30 * k)))
              for k, name in enumerate(cycles()["segment_id"])]  # fmt: skip
    return write_packed(tmp_path_factory.mktemp("breath") / "packed", pieces, 4000)


def test_the_surest_right_and_wrong_of_each_class(predictions: pd.DataFrame) -> None:
    ours = predictions[predictions["system"] == "ours"]
    found = surest(ours.sample(frac=1, random_state=2), CLASSES)
    assert found["wheeze", False] is None
    for label in CLASSES:
        for right in (True, False):
            own = ours[(ours["label"] == label) & ((ours["predicted"] == label) == right)]
            if own.empty:
                continue
            segment, said, share = found[label, right]  # type: ignore[misc]
            assert share == own["probability"].max()
            assert own.set_index("segment_id").loc[segment, "predicted"] == said
    equal = ours.assign(probability=0.5)
    first = ours.loc[(ours["label"] == "normal") & (ours["predicted"] == "normal"), "segment_id"]
    assert surest(equal, CLASSES)["normal", True][0] == first.min()  # type: ignore[index]


def test_a_gallery_draws_whole_cycles(
    predictions: pd.DataFrame, packed: Packed, tmp_path: Path
) -> None:
    figure = breath_gallery_figure(predictions, packed, cycles(), synthetic=True)
    assert "SYNTHETIC" in told(figure)
    ours = predictions[predictions["system"] == "ours"]
    chosen = surest(ours, CLASSES)
    panels = figure.axes[:8]
    for number, panel in enumerate(panels):
        label, right = CLASSES[number % 4], number < 4
        found = chosen[label, right]
        if found is None:
            assert "no wheeze cycle\nwas named wrong" in panel.texts[0].get_text()
            continue
        segment, said, share = found
        assert panel.get_title(loc="left") == f"{label} {'=' if right else '→'} {said}"
        row = cycles().set_index("segment_id").loc[segment]
        expected = f"{100 * share:.0f}% sure · patient {row['session_id']} · {row['domain']}"
        assert panel.texts[0].get_text() == expected
        drawn = np.asarray(panel.images[0].get_array())
        frames = log_mel_frames(packed.waveform(segment), 4000)
        assert drawn == pytest.approx(10 * (frames - frames.max()).T / np.log(10))
        assert panel.images[0].get_extent()[1] == len(packed.waveform(segment)) / 4000
    FigureDataset(filepath=str(tmp_path / "gallery.png")).save(figure)
    real = breath_gallery_figure(predictions, packed, cycles(), synthetic=False)
    assert "SYNTHETIC" not in told(real)
    nothing = predictions[predictions["system"] == "nobody"]
    empty = breath_gallery_figure(nothing, packed, cycles(), synthetic=False)
    assert "no cycle was classified" in empty.axes[0].texts[0].get_text()


def blobs(table: pd.DataFrame, by: str, apart: float = 6.0) -> np.ndarray:
    rng = np.random.default_rng(3)
    values = rng.standard_normal((len(table), 16))
    values[np.arange(len(table)), pd.factorize(table[by], sort=True)[0]] += apart
    return values.astype(np.float32)


def test_a_map_keeps_what_lies_together() -> None:
    table = cycles()
    values = blobs(table, "label")
    figure = embedding_map_figure(values, table, synthetic=True)
    by_class, by_device = figure.axes[:2]
    drawn = {line.get_gid(): line.get_xydata() for line in by_class.lines}
    assert {name: len(points) for name, points in drawn.items()} == (
        table["label"].value_counts().to_dict()
    )
    assert {line.get_gid(): len(line.get_xydata()) for line in by_device.lines} == (
        table["domain"].value_counts().to_dict()
    )
    names = np.repeat(list(drawn), [len(points) for points in drawn.values()])
    apart = pairwise_distances(np.vstack(list(drawn.values())))
    np.fill_diagonal(apart, np.inf)
    assert (names[apart.argmin(axis=1)] == names).mean() > 0.97
    near = shared_among_nearest(values, table["label"], table["session_id"])
    assert near is not None
    assert near[0] > 0.95
    assert f"{100 * near[0]:.0f}% share the class, of any" in by_class.texts[0].get_text()
    assert "SYNTHETIC" in told(figure)
    assert "t-SNE" in told(figure)
    order = np.random.default_rng(0).permutation(len(table))
    again = embedding_map_figure(values[order], table.iloc[order], synthetic=True)
    for line, other in zip(by_class.lines, again.axes[0].lines, strict=True):
        assert (line.get_xydata() == other.get_xydata()).all()


def test_a_map_of_few_or_many_cycles() -> None:
    table = cycles(20)
    figure = embedding_map_figure(blobs(table, "label"), table, synthetic=False)
    assert "first two principal components" in told(figure)
    part = embedding_map_figure(blobs(cycles(), "label"), cycles(), synthetic=False, most=40)
    assert "40 of 160 test cycles" in told(part)
    assert sum(len(line.get_xydata()) for line in part.axes[0].lines) == 40
    few = embedding_map_figure(np.zeros((2, 4)), cycles(2), synthetic=False)
    assert "three cycles at least" in few.axes[0].texts[0].get_text()
    alike = embedding_map_figure(np.ones((60, 4)), cycles(60), synthetic=False)
    assert np.isfinite(alike.axes[0].lines[0].get_xydata()).all()
    unknown = cycles(60).assign(domain=np.nan)
    (line,) = (
        embedding_map_figure(blobs(cycles(60), "label"), unknown, synthetic=False).axes[1].lines
    )
    assert line.get_gid() == "unknown"
    with pytest.raises(ValueError, match="there are 2 for 160"):
        embedding_map_figure(np.zeros((2, 4)), cycles(), synthetic=False)


def test_flat_points_are_of_a_seed() -> None:
    values = blobs(cycles(), "label").astype(np.float64)
    first, how = flat(values, 0)
    assert first.shape == (160, 2)
    assert (flat(values, 0)[0] == first).all()
    assert how == "16 principal components, then t-SNE"
    assert flat(values[:10, :1])[0].shape == (10, 2)


def test_the_nearest_are_of_other_patients() -> None:
    rng = np.random.default_rng(0)
    values, names = rng.standard_normal((40, 3)), rng.choice(list("ab"), 40)
    groups = rng.choice(list("pqr"), 40)
    near, of_any = shared_among_nearest(values, names, groups, k=4)  # type: ignore[misc]
    away = pairwise_distances(values - values.mean(axis=0), metric="cosine")
    slow, base = [], []
    for row in range(40):
        others = [k for k in range(40) if groups[k] != groups[row]]
        nearest = sorted(others, key=lambda k: away[row, k])[:4]
        slow.append(np.mean([names[k] == names[row] for k in nearest]))
        base.append(np.mean([names[k] == names[row] for k in others]))
    assert near == pytest.approx(np.mean(slow))
    assert of_any == pytest.approx(np.mean(base))
    assert shared_among_nearest(values, names, ["p"] * 40) is None


def metrics(predictions: pd.DataFrame) -> dict[str, Any]:
    params = ReportClassesParams(
        n_bootstrap=50, headline="score", negative="normal", condition="unseen_patient"
    )
    groups = group_scores(predictions, cycles(), CLASSES, params)
    return {"headline": HEAD, "groups": groups, "test": {"ours": {"score": 0.61}}}


def test_groups_stand_at_their_score(predictions: pd.DataFrame) -> None:
    given = metrics(predictions)
    figure = breath_groups_figure(given)
    left, right = figure.axes[:2]
    rows = [entry for values in given["groups"].values() for entry in values.values()]
    assert len(rows) == 4 + 2 + 3
    scores = [line.get_xdata()[0] for line in left.lines if line.get_label() == "_score"]
    expected = [100 * entry["ours"]["score"] for entry in rows
                if entry["ours"]["score"] is not None]  # fmt: skip
    assert scores == pytest.approx(expected)
    for rate in ("se", "sp"):
        marks = [line.get_xdata()[0] for line in right.lines if line.get_label() == f"_{rate}"]
        known = [100 * entry["ours"][rate] for entry in rows if entry["ours"][rate] is not None]
        assert marks == pytest.approx(known)
    names = [text.get_text() for text in left.get_yticklabels()]
    assert names[0].startswith("device: AKGC417L\n40 cycles, 5 patients")
    # the one child has normal cycles only: its Score is not made up
    (child,) = [k for k, name in enumerate(names) if name.startswith("age: child")]
    assert rows[child]["ours"]["score"] is None
    assert [text.get_text() for text in left.texts if text.get_position()[1] == child] == [
        "no Score: all cycles normal"
    ]
    assert "SYNTHETIC" in told(figure)
    empty = breath_groups_figure({**given, "groups": {}})
    assert "nothing is known" in empty.axes[0].texts[0].get_text()


def test_runs_are_dots_and_their_mean(predictions: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        [{"method": method, "seed": seed, "dev_score": 0.5, "score_any": 0.5, "se_any": 0.5,
          "score": rng.uniform(0.5, 0.6), "se": rng.uniform(), "sp": rng.uniform()}
         for method, n in (("sl", 1), ("mscl", 5)) for seed in range(n)]
    )  # fmt: skip
    given = {**metrics(predictions), "runs": runs_of(table)}
    figure = runs_figure(given)
    left, right = figure.axes[:2]
    for axes, rates in ((left, ["score"]), (right, ["se", "sp"])):
        for rate in rates:
            dots = [line.get_xdata() for line in axes.lines if line.get_label() == f"_{rate}"]
            for drawn, method in zip(dots, ("sl", "mscl"), strict=True):
                own = 100 * table.loc[table["method"] == method, rate]
                assert sorted(drawn) == pytest.approx(sorted(own))
    own = 100 * table.loc[table["method"] == "mscl", "score"]
    means = [line.get_xdata()[0] for line in left.lines if line.get_label() == "_mean"]
    assert means[1] == pytest.approx(own.mean())
    (ends,) = [line.get_xdata() for line in left.lines if line.get_label() == "_std"]
    assert list(ends) == pytest.approx([own.mean() - own.std(), own.mean() + own.std()])
    names = [text.get_text() for text in left.get_yticklabels()]
    assert names[1].endswith(f"{own.mean():.2f} ({own.std():.2f}), 5 runs")
    assert names[0].endswith(", 1 run")
    assert "SYNTHETIC" in told(figure)
    empty = runs_figure({**given, "runs": {}})
    assert "no method was trained more than once" in empty.axes[0].texts[0].get_text()
