"""Which class is taken for which."""

from __future__ import annotations

import numpy as np

from bodysounds.figures import style
from bodysounds.figures.class_rates import about
from bodysounds.metrics.classification import confusion_matrix
from bodysounds.types import Figure, Floats, Metrics, Table

MOST_NUMBERED = 12
MOST_NAMED = 60


def confusion_figure(predictions: Table, metrics: Metrics, most: int = 60) -> Figure:
    """Return the confusion matrix of ours on the test clips of the headline, by share of a row.

    Classes that are taken for each other stand together. Of more than `most` classes, those with
    the most wrong clips are drawn; a share stays that of all clips of the class.
    """
    head = metrics["headline"]
    rows = predictions[(predictions["system"] == "ours") & (predictions["subset"] == "test")]
    if head["condition"] != "all":
        rows = rows[rows["condition"] == head["condition"]]
    classes = list(metrics["classes"])
    matrix = confusion_matrix(rows["label"], rows["predicted"], classes)
    total = matrix.sum(axis=1, keepdims=True)
    share = np.divide(100 * matrix, total, out=np.zeros_like(matrix), where=total > 0)
    told = about(metrics)
    if len(classes) > most:
        chosen = most_confused(matrix, most)
        square = np.ix_(chosen, chosen)
        classes, matrix, share = [classes[k] for k in chosen], matrix[square], share[square]
        told += f"\nthe {most} with the most wrong clips"
    order = similar_order(matrix)
    square = np.ix_(order, order)
    matrix, share, classes = matrix[square], share[square], [classes[k] for k in order]
    size = min(9.0, 3.4 + 0.13 * len(classes))
    figure, axes = style.new_figure(size + 1.2, size + 0.6)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=100, interpolation="nearest")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=8 if len(classes) <= 25 else 5.5)
    named = classes if len(classes) <= MOST_NAMED else []
    axes.set_xticks(range(len(named)), named, rotation=90)
    axes.set_yticks(range(len(named)), named)
    axes.set_xlabel("taken for")
    axes.set_ylabel("true")
    if len(classes) <= MOST_NUMBERED:
        for row, column in np.argwhere(matrix > 0):
            axes.text(
                column, row, f"{share[row, column]:.0f}", ha="center", va="center", fontsize=8,
                color=style.ink_on(share[row, column] / 100),
            )  # fmt: skip
    bar = figure.colorbar(image, ax=axes, shrink=0.6, pad=0.02)
    bar.set_label("% of the class's clips", fontsize=9)
    bar.outline.set_visible(False)
    style.title(figure, "Who is taken for whom", told)
    return figure


def most_confused(matrix: Floats, n: int) -> list[int]:
    """Return the `n` classes with the most wrong clips, by place; ties by place."""
    wrong = matrix.sum(axis=1) + matrix.sum(axis=0) - 2 * np.diag(matrix)
    return sorted(np.argsort(-wrong, kind="stable")[:n].tolist())


def similar_order(matrix: Floats) -> list[int]:
    """Return the classes in an order that puts those taken for each other side by side."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(matrix) < 3:
        return list(range(len(matrix)))
    total = np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    near = matrix / total
    near = (near + near.T) / 2
    distance = 1 - near
    np.fill_diagonal(distance, 0)
    return [int(k) for k in leaves_list(linkage(squareform(distance), "average"))]
