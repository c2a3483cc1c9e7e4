"""Where a classifier puts breath cycles: beside their classes, or beside their devices?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from bodysounds.figures import style
from bodysounds.metrics.neighbours import shared_among_nearest
from bodysounds.scoring.classes import hashed_rows
from bodysounds.types import Array, Floats, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Where ours puts the cycles"
MOST = 2000
FEW = 30
"""Cycles below which t-SNE has no neighbourhoods to keep, and the first two components serve."""
COMPONENTS = 50
NEAREST = 10
PANELS = (("label", "class"), ("domain", "device"))
MARKS = (
    (style.BLUE, "o"), (style.ORANGE, "s"), (style.GREEN, "^"), ("#CC79A7", "D"),
    ("#E69F00", "v"), ("#000000", "X"),
)  # fmt: skip
UNKNOWN, OTHERS = "unknown", "others"


def embedding_map_figure(
    embeddings: Floats, examples: Table, *, synthetic: bool, seed: int = 0, most: int = MOST
) -> Figure:
    """Return a map of cycles coloured by class, and the same map coloured by device.

    Parameters
    ----------
    embeddings : float32 array of shape (n, dim), finite
    examples : Table
        A row an embedding: segment_id, label, session_id (the patient), domain (the device).
    seed : int
        Of t-SNE, and of the draw where there are more than `most` cycles.

    The same rows in another order give the same map. Above each stands how often the nearest cycles
    of other patients share the property, in all dimensions, and how often any would. Raises
    ValueError for another number of embeddings than examples.
    """
    if len(embeddings) != len(examples):
        raise ValueError(
            f"each example has an embedding, but there are {len(embeddings)} for {len(examples)}"
        )
    rows = examples.reset_index(drop=True)
    drawn = rows.loc[hashed_rows(rows["segment_id"], most, seed)].sort_values("segment_id")
    about = f"{len(drawn):,} of {len(rows):,} test cycles" if len(drawn) < len(rows) else (
        f"{len(rows):,} test cycles"
    )  # fmt: skip
    about += " · SYNTHETIC sound" if synthetic else ""
    if len(drawn) < 3:
        return style.empty_figure(TITLE, "a map needs three cycles at least", about)
    values = np.asarray(embeddings, dtype=np.float64)[drawn.index.to_numpy()]
    places, how = flat(values, seed)
    figure = Figure(figsize=(10.2, 5.9), facecolor="white")
    for axes, (column, told) in zip(figure.subplots(1, 2), PANELS, strict=True):
        names = drawn[column].astype(object).fillna(UNKNOWN).map(str).to_numpy(object)
        _draw(axes, places, names)
        shared = shared_among_nearest(values, names, drawn["session_id"].to_numpy(object), NEAREST)
        axes.set_title(f"by {told}", fontsize=10, fontweight="bold", color=style.INK, loc="left",
                       pad=18)  # fmt: skip
        if shared:
            axes.text(0, 1.02, f"of the {NEAREST} nearest of other patients {100 * shared[0]:.0f}% "
                      f"share the {told}, of any {100 * shared[1]:.0f}%", fontsize=8.5,
                      transform=axes.transAxes, color=style.GREY, va="bottom")  # fmt: skip
    style.title(figure, TITLE, f"{about}\n{how}; distances between far groups mean little")
    return figure


def flat(values: Floats, seed: int = 0) -> tuple[Floats, str]:
    """Return points (n, 2) for standardised embeddings (n, dim), and how they were made.

    Up to 50 principal components, then t-SNE (van der Maaten and Hinton, JMLR 2008); of fewer than
    30 rows the first two components.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    spread = values.std(axis=0)
    standard = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    if standard.shape[1] < 2:
        standard = np.hstack([standard, np.zeros_like(standard)])
    n = len(standard)
    with threadpool_limits(1):  # so that threads round alike
        kept = min(COMPONENTS, n, standard.shape[1])
        left, sizes, right = np.linalg.svd(standard, full_matrices=False)
        # a component's sign is free: its heaviest column points up
        signs = np.sign(np.take_along_axis(right, np.abs(right).argmax(axis=1)[:, None], axis=1))
        parts = (left * sizes * np.where(signs == 0, 1, signs)[:, 0])[:, :kept]
        if n < FEW or not spread.any():
            return parts[:, :2], "the first two principal components"
        scale = parts[:, 0].std()
        model = TSNE(
            perplexity=min(30.0, n / 6), init=(parts[:, :2] / scale * 1e-4).astype(np.float32),
            learning_rate="auto", max_iter=750, random_state=seed, n_jobs=1,
        )  # fmt: skip
        return model.fit_transform(parts), f"{kept} principal components, then t-SNE"


def _draw(axes: Axes, places: Floats, names: Array) -> None:
    style.plain_axes(axes)
    counts = {name: int((names == name).sum()) for name in sorted(set(names))}
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    own = ranked if len(ranked) <= len(MARKS) else ranked[: len(MARKS) - 1]
    shown = np.where(np.isin(names, own), names, OTHERS)
    # the many first, so that the few lie above them
    for k, name in enumerate([*own, *([OTHERS] if len(own) < len(ranked) else [])]):
        colour, marker = MARKS[k]
        at = shown == name
        axes.plot(
            places[at, 0], places[at, 1], marker, color=colour, markersize=4.2, alpha=0.65,
            markeredgewidth=0, label=f"{name} ({at.sum():,})", gid=str(name),
        )  # fmt: skip
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color("#BBBBBB")
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=2, fontsize=8.5, frameon=False,
        markerscale=1.6, handletextpad=0.2,
    )  # fmt: skip
