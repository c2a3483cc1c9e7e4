"""Errors of a search against the number of people searched."""

from __future__ import annotations

from matplotlib.ticker import FuncFormatter

from bodysounds.figures import style
from bodysounds.reporting.gallery import why_no_gallery
from bodysounds.types import Figure, Metrics, Table

CURVES = {
    "fpir": ("a stranger finds someone (false identification)", style.ORANGE, "--", "s"),
    "fnir": ("a known one is missed (not first above the threshold)", style.BLUE, "-", "o"),
    "rank1": ("a known one scores first, threshold aside", style.GREEN, "-.", "^"),
}
TITLE = "Searching a gallery"


def gallery_figure(curve: Table, metrics: Metrics) -> Figure:
    """Return false identifications, misses and rank-1 identification by gallery size.

    `curve` is the entry `gallery_curve`; bands are its intervals. Where it is empty, so is the
    figure, and says why.
    """
    if curve.empty:
        return style.empty_figure(TITLE, why_no_gallery(metrics), style.about(metrics))
    figure, axes = style.new_figure(6.4, 5.0)
    size = curve["gallery_size"].to_numpy()
    for name, (told, colour, line, marker) in CURVES.items():
        if curve[name].isna().all():
            continue
        axes.fill_between(
            size, 100 * curve[f"{name}_low"], 100 * curve[f"{name}_high"], color=colour, alpha=0.16,
            linewidth=0,
        )  # fmt: skip
        axes.plot(
            size, 100 * curve[name], line, marker=marker, color=colour, markersize=6, label=told
        )
    axes.set_xscale("log")
    shown = [n for i, n in enumerate(size) if i == len(size) - 1 or n * 1.6 < size[-1]]
    axes.set_xticks(shown)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.minorticks_off()
    axes.set_ylim(-2, 102)
    axes.set_xlabel("people in the gallery")
    axes.set_ylabel("share of the searches (%)")
    figure.legend(loc="outside lower center", ncols=1, fontsize=9, frameon=False, handlelength=3.4)
    first = curve.iloc[0]
    probes = f"\n{first['n_probes']:,.0f} probes of {first['n_subjects']:,.0f} subjects"
    style.title(figure, TITLE, style.about(metrics).splitlines()[0] + probes)
    return figure
