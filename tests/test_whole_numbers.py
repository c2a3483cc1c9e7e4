"""Whole numbers among the parameters: whatever else is given is refused, by its name."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_type_hints

import pytest

from bodysounds import params

CLASSES = [kind for name, kind in vars(params).items() if name.endswith("Params")]
FIELDS = [
    (kind, field.name)
    for kind in CLASSES
    for field in fields(kind)
    if get_type_hints(kind)[field.name] in (int, int | None)
]


def test_every_stage_is_seen() -> None:
    assert len(CLASSES) == 20
    assert {kind for kind, _ in FIELDS} == {*CLASSES}


@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_what_is_no_whole_number_is_refused(kind: Any, name: str) -> None:
    for value in (1.5, 2.0, True, "3", -1, float("nan")):
        with pytest.raises(ValueError, match=rf"^[a-z_0-9]+\.{name} must .*, got {value!r}"):
            kind(**{name: value})


@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_the_default_is_taken(kind: Any, name: str) -> None:
    default = getattr(kind(), name)
    assert getattr(kind(**{name: default}), name) == default


def test_no_shards_is_refused_with_the_range() -> None:
    with pytest.raises(ValueError, match=r"featurize\.shards must lie in \[1, 100000\], got 0"):
        params.FeaturizeParams(shards=0)
    with pytest.raises(ValueError, match=r"featurize\.shards must be a whole number, got 1\.5"):
        params.FeaturizeParams(shards=1.5)  # type: ignore[arg-type]
