"""Figures read in grey, and by readers who see two of three colours."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_rgb

from bodysounds.figures import embedding_map, gallery, inspection, style, training

VERIFICATION = (
    "ours", "averaged", "unfiltered", "whole", "windows", "loud", "first", "plain", "network",
    "statistics", "pretrained", "untrained", "mfcc", "random",
)  # fmt: skip
SCREAMS = (
    "ours", "yamnet", "wav2vec2", "average", "weighted", "vote", "meta", "mfcc", "recording",
)  # fmt: skip
BREATH = ("ours", "sl", "scl", "hybrid", "mscl", "log_mel", "mfcc", "recording")
FAMILIES = {"verification": VERIFICATION, "screams": SCREAMS, "breath": BREATH}
# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB
SEEN = {
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "grey": [[0.2126, 0.7152, 0.0722]] * 3,
}  # fmt: skip
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.95047, 1, 1.08883])


def lab(colour: str, seen: str) -> np.ndarray:
    """A colour in CIELAB as it is seen."""
    given = np.array(to_rgb(colour))
    linear = np.where(given <= 0.04045, given / 12.92, ((given + 0.055) / 1.055) ** 2.4)
    found = XYZ @ np.clip(np.array(SEEN[seen]) @ linear, 0, 1) / WHITE
    x, y, z = np.where(found > 216 / 24389, np.cbrt(found), (24389 / 27 * found + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("family", FAMILIES)
def test_no_two_curves_of_a_figure_have_one_line_style(family: str) -> None:
    looks = style.look(FAMILIES[family])
    lines = [str(look.line) for look in looks.values()]
    assert len(set(lines)) == len(lines)
    for look in looks.values():
        # 1 is white on white; these are thick lines, and text is never drawn so
        assert 1.05 / (style.luminance(to_rgb(look.colour)) + 0.05) > 2.2


@pytest.mark.parametrize("seen", ["deuteranopia", "protanopia"])
@pytest.mark.parametrize("family", FAMILIES)
def test_equal_marks_have_colours_that_every_eye_tells_apart(family: str, seen: str) -> None:
    looks = style.look(FAMILIES[family])
    for first, second in itertools.combinations(looks.values(), 2):
        if first.marker == second.marker:
            apart = np.linalg.norm(lab(first.colour, seen) - lab(second.colour, seen))
            assert apart > 20, (first, second)


def test_marks_and_lines_of_other_figures_differ() -> None:
    for pairs in (inspection.MARKS, embedding_map.MARKS):
        assert len({mark for _, mark in pairs}) == len(pairs)
    assert len({look.line for look in inspection.LOOKS.values()}) == 3
    assert len({look.marker for look in inspection.LOOKS.values()}) == 3
    drawn = [*training.LOSS_LINES, "-", training.VALIDATION]
    assert len({str(line) for line in drawn}) == len(drawn)
    assert gallery is not None


def test_curves_of_many_points_carry_their_marks() -> None:
    looks = style.look(SCREAMS)
    told = [style.marks(look, place) for place, look in enumerate(looks.values())]
    assert [one["marker"] for one in told] == [look.marker for look in looks.values()]
    starts = [one["markevery"][0] for one in told[:8]]
    assert len(set(starts)) == 8  # curves that run together are not marked at one place


def test_a_matrix_grows_darker_and_its_numbers_are_read() -> None:
    shares = np.linspace(0, 1, 101)
    blues = colormaps["Blues"]
    under = np.array([style.luminance(blues(share)[:3]) for share in shares])
    assert (np.diff(under) < 0).all()  # in grey too, more is darker
    for share, behind in zip(shares, under, strict=True):
        ink = style.luminance(to_rgb(style.ink_on(float(share))))
        light, dark = max(ink, behind), min(ink, behind)
        assert (light + 0.05) / (dark + 0.05) > 3.9
