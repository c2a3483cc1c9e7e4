"""The benchmark of ingest runs, and its rivals read what ours reads."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from test_metrics_benchmark import rows

from bodysounds.audio.packed import to_int16
from bodysounds.corpora.base import Corpus

WHAT = [
    "ingest", "featurize: waveforms", "featurize: waveforms", "featurize: descriptors",
    "waveforms, a second time",
]  # fmt: skip
linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="memory is read from /proc, which only Linux has"
)


@pytest.fixture
def benchmark(project_dir: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(project_dir / "benchmarks")
    import ingest

    yield ingest
    sys.modules.pop("ingest")


@linux
def test_a_row_for_each_stage_and_rival(project_dir: Path) -> None:
    table = rows(project_dir, "ingest.py", "--quick", "--format", "flac", "--rate", "8000")[2:]
    assert [row[0] for row in table] == WHAT
    for row in table:
        ours, rival, ratio, _, per_second = (float(cell.replace(",", "")) for cell in row[2:7])
        assert min(ours, rival, ratio) > 0
        assert ratio == pytest.approx(rival / ours, rel=0.15, abs=0.1)
        assert per_second == pytest.approx(150 / ours, rel=0.3, abs=1)
        assert row[8].endswith("%")


@linux
def test_memory_is_told(project_dir: Path) -> None:
    ((files, hours, waveforms, _, start, peak),) = rows(
        project_dir, "ingest.py", "--quick", "--memory", "--seconds", "0.5"
    )[2:]
    assert (files, hours, waveforms) == ("150", "0.0", "2")
    assert 10 < float(start) < float(peak) < 1000


def test_both_loops_and_ours_pack_the_same_samples(benchmark: ModuleType, tmp_path: Path) -> None:
    files = benchmark.make_folder(tmp_path / "raw", 9, 0.5, "wav", 16_000)
    assert len({path.read_bytes() for path in files}) == 9
    ours = benchmark.Ours(Corpus(tmp_path / "raw", "manifest", "made"), tmp_path / "packed", 2)
    manifest = ours.ingest().manifest
    assert manifest["sha256"].tolist() == [row[2] for row in benchmark.plain_ingest(files)]
    packed = ours.pack()
    loop = benchmark.plain_pack(files)
    assert np.array_equal(packed.samples, to_int16(loop))
    assert len(ours.describe()) == 9
    assert benchmark.rss_anon_mb() > 0 or not sys.platform.startswith("linux")
