"""What pages share: links to their sections, names that stay text, and sound."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from reporting_tables import made_tables
from test_reporting import Page, metrics_of, page_of, point_of

from bodysounds.audio.packed import write_packed
from bodysounds.corpora.base import Corpus
from bodysounds.params import ReportClassesParams, ReportParams
from bodysounds.reporting.audio import (
    LONGEST_S,
    audio_told,
    clip_sounds,
    may_be_copied,
    pair_sounds,
    surest_errors,
)
from bodysounds.reporting.contents import with_contents
from bodysounds.reporting.failures import worst_errors

RATE = 16_000
HOSTILE = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def tables() -> Any:
    return made_tables()


@pytest.fixture(scope="module")
def metrics(tables: Any) -> Any:
    return metrics_of(tables)


@pytest.fixture(scope="module")
def point(tables: Any) -> Any:
    return point_of(tables)


# --- the sections of a page ---------------------------------------------------------------------


def test_every_section_is_linked_and_has_an_anchor_of_its_own() -> None:
    page = with_contents("<nav></nav><h2>A &amp; B</h2><p>x</p><h2>a b</h2><h2>&#963;</h2>")
    links = re.findall(r'<li><a href="#([^"]+)">(.*?)</a></li>', page)
    anchors = re.findall(r'<h2 id="([^"]+)">(.*?)</h2>', page)
    assert links == anchors
    assert [title for _, title in links] == ["A &amp; B", "a b", "&#963;"]
    assert len({name for name, _ in links}) == 3
    assert with_contents("<p>no section</p><nav></nav>") == "<p>no section</p>"


def test_names_from_outside_stay_text(tables: Any, metrics: Any, point: Any) -> None:
    corpus = Corpus(Path("/nowhere"), "table", HOSTILE, licence=HOSTILE, citation=HOSTILE)
    page = Page(page_of(tables, metrics, operating_point=point, corpus=corpus))
    assert page.open == []
    assert "script" not in {tag for tag, _ in page.tags}
    # title, heading, methods, references and data card
    assert page.text.count(HOSTILE) >= 6


# --- sound --------------------------------------------------------------------------------------


def decoded(uri: str) -> tuple[np.ndarray, int]:
    head, data = uri.split(",")
    assert head == "data:audio/flac;base64"
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(data)), dtype="int16")
    return samples, rate


@pytest.fixture(scope="module")
def packed(tables: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    rng = np.random.default_rng(0)
    names = tables["segments"]["segment_id"].tolist()
    # the first segment of a side alone is longer than an excerpt for one of the subjects
    lengths = [5 * RATE if name.startswith("0021_B") else 800 + k for k, name in enumerate(names)]
    pieces = [
        (name, rng.integers(-3000, 3000, n).astype(np.int16))
        for name, n in zip(names, lengths, strict=True)
    ]
    return write_packed(tmp_path_factory.mktemp("packed") / "waveforms", pieces, RATE)


def errors_of(tables: Any, metrics: Any, point: Any) -> pd.DataFrame:
    names = ("scores", "trials", "sides", "manifest", "segments")
    return worst_errors(*(tables[name] for name in names), metrics, point, 20)


def test_the_sound_of_an_error_is_that_of_its_sides(
    tables: Any, metrics: Any, point: Any, packed: Any
) -> None:
    failures = errors_of(tables, metrics, point)
    mixed = tables["sides"].sample(frac=1, random_state=1)
    corpus = Corpus(Path("."), "cryceleb", "C", licence="CC-BY-4.0")
    given = (failures, tables["trials"], mixed, tables["segments"], packed, corpus)
    sounds = pair_sounds(*given, 3)
    first = failures.groupby("kind").head(3)
    assert set(sounds) == set(first["trial_id"])
    for trial, own in sounds.items():
        for side, subject, period in zip(("enrol", "test"), trial.split("~"), "BD", strict=True):
            both = [packed.samples_of(f"{subject[:4]}_{period}_{take}") for take in range(2)]
            samples, rate = decoded(own[side])
            assert rate == RATE
            np.testing.assert_array_equal(samples, np.concatenate(both)[: 4 * RATE])
    assert LONGEST_S == 4
    html = page_of(
        tables,
        metrics,
        operating_point=point,
        failures=failures,
        audio=3,
        sounds=sounds,
        corpus=corpus,
    )
    page = Page(html)
    inside = [attrs["src"] for tag, attrs in page.tags if tag == "audio"]
    assert sorted(inside) == sorted(uri for own in sounds.values() for uri in own.values())
    assert f"{len(inside)} excerpts of up to 4 s" in page.text
    assert "may be recognised" in page.text
    assert "No audio is inside" not in page.text


def test_there_is_no_sound_unless_asked_for_and_allowed(
    tables: Any, metrics: Any, point: Any, packed: Any
) -> None:
    failures = errors_of(tables, metrics, point)
    free, bound = (
        Corpus(Path("."), "cryceleb", "C", licence=licence)
        for licence in ("CC-BY-NC-4.0", "CC-BY-NC-ND-4.0")
    )
    rows = (failures, tables["trials"], tables["sides"], tables["segments"], packed)
    assert pair_sounds(*rows, free, 0) == {}
    assert pair_sounds(*rows, bound, 3) == {}
    for audio, corpus in ((0, free), (3, bound)):
        page = Page(
            page_of(
                tables,
                metrics,
                operating_point=point,
                failures=failures,
                corpus=corpus,
                audio=audio,
            )
        )
        assert "audio" not in {tag for tag, _ in page.tags}
        assert "No audio is inside this page." in page.text
        assert ("CC-BY-NC-ND-4.0, allows no excerpts" in page.text) == bool(audio)
    assert audio_told({}, 2, free, "report").endswith("There is no error to listen to.")
    for licence, may in (
        ("", True), ("for research, as its owners grant it", True), ("ODbL 1.0", True),
        ("CC BY-ND 4.0", False), ("Attribution-NoDerivatives", False), ("no derivatives", False),
    ):  # fmt: skip
        assert may_be_copied(licence) == may, licence


def test_the_surest_errors_are_heard(packed: Any) -> None:
    names = list(packed.index["segment_id"])[:6]
    rows = pd.DataFrame({
        "system": "ours", "subset": "test", "condition": "unseen", "segment_id": names,
        "label": list("aabbab"), "predicted": list("babbba"),
        "probability": [0.6, 0.99, 0.9, 0.9, 0.8, 0.8],
    })  # fmt: skip
    others = rows.assign(system="mfcc", predicted="z", probability=1.0)
    heard = rows.assign(condition="heard", predicted="z", probability=1.0)
    head = {"headline": {"subset": "test", "condition": "unseen"}}
    found = surest_errors(pd.concat([others, heard, rows[::-1]]), head, 2)
    assert [(row["segment_id"], row["predicted"]) for row in found] == [
        (names[4], "b"), (names[5], "a")
    ]  # fmt: skip
    corpus = Corpus(Path("."), "table", "C")
    sounds = clip_sounds(found, packed, corpus)
    assert list(sounds) == names[4:6]
    samples, _ = decoded(sounds[names[4]]["clip"])
    np.testing.assert_array_equal(samples, packed.samples_of(names[4])[: 4 * RATE])
    assert surest_errors(rows, head, 0) == []


def test_the_number_of_sounds_is_checked() -> None:
    assert (ReportParams().audio, ReportClassesParams().audio) == (0, 0)
    for value in (-1, 11):
        with pytest.raises(ValueError, match=r"report\.audio"):
            ReportParams(audio=value)
    for value in (-1, 21):
        with pytest.raises(ValueError, match=r"report_classes\.audio"):
            ReportClassesParams(audio=value)
