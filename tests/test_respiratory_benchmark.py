"""The benchmark of breath training runs, and its rival does what ours does."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from made_cycles import breath_params, breaths
from test_metrics_benchmark import rows

from bodysounds.audio.clips import as_float, clips, cut
from bodysounds.audio.log_mel import PUBLISHED_MEAN, PUBLISHED_STD, LogMel

TINY = ("respiratory.py", "--device", "cpu", "--batch", "4", "--cycles", "8", "--clip-s", "1")


@pytest.fixture
def rival(project_dir: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(project_dir / "benchmarks")
    import respiratory_rival

    yield respiratory_rival
    sys.modules.pop("respiratory_rival")


def test_a_row_for_each_method_and_rival(project_dir: Path) -> None:
    table = rows(project_dir, *TINY, "--rounds", "1", "--methods", "sl", "hybrid")
    found = [row for row in table[2:] if row[2] == "float32"]
    assert [row[:2] + row[3:4] for row in found] == [
        [what, method, other]
        for method in ("sl", "hybrid")
        for what, other in (
            ("a step of 4", "tensor"), ("an epoch of 8", "tensor"), ("an epoch of 8", "files"),
        )
    ]  # fmt: skip
    for row in table[2:]:
        ours_ms, rival_ms, ratio, cpu, ours, others = (
            float(cell.replace(",", "")) for cell in row[4:]
        )
        assert min(ours_ms, rival_ms, cpu) > 0
        assert ratio == pytest.approx(rival_ms / ours_ms, abs=0.02)
        n = int(row[0].split()[-1])
        assert ours == pytest.approx(1e3 * n / ours_ms, rel=0.02, abs=0.1)
        assert others == pytest.approx(1e3 * n / rival_ms, rel=0.02, abs=0.1)


def test_the_estimate_adds_up(project_dir: Path) -> None:
    asked = ("--rounds", "1", "--estimate", "--networks", "cnn6")
    (row,) = rows(project_dir, *TINY, *asked)[2:]
    sl_ms, two_ms, choose_ms, *hours = (float(cell.replace(",", "")) for cell in row[1:])
    # 10 seeds, 400 epochs, 4,142 cycles in batches of 4, 2,756 that choose
    for told, step_ms in zip(hours, (sl_ms, two_ms, two_ms, two_ms), strict=False):
        wanted = 4000 * (1036 * step_ms + 2756 * choose_ms) / 3.6e6
        assert told == pytest.approx(wanted, rel=0.01)
    assert hours[4] == pytest.approx(sum(hours[:4]), rel=0.001)


def test_the_rival_hears_files_as_they_are_cut(rival, tmp_path: Path) -> None:
    import soundfile

    wave = np.random.default_rng(0).uniform(-0.5, 0.5, (16_000, 2)).astype(np.float32)
    path = str(tmp_path / "two.wav")
    soundfile.write(path, wave, 16_000, subtype="FLOAT")
    files = rival.Files([rival.Cycle(path, 0.25, 0.5, 3), rival.Cycle(path, 0, 1, 1)], 16_000, 8000)
    kept = rival.Kept(files, torch.device("cpu"))
    once = wave.mean(axis=1)[4000:8000]
    np.testing.assert_allclose(files[0][0][0], np.concatenate([once, once]), atol=1e-7)
    assert [label for _, label in (files[0], files[1])] == kept.labels.tolist() == [3, 1]
    assert torch.equal(kept[1][0], files[1][0])
    slow = rival.Files([rival.Cycle(path, 0.25, 0.5, 3)], 4000, 1000)
    assert slow[0][0].shape == (1, 1000)


def test_the_rival_hears_what_the_published_front_end_does(rival) -> None:
    """But for the masks, which are left out here, it is ours with `normalise: batch`."""
    recipe = breath_params(
        Path(), n_fft=1024, hop=512, n_mels=64, f_max=2000.0,
        augment=[
            {"name": "spec_augment", "freq_width": 0, "time_width": 0, "n_freq_masks": 1,
             "n_time_masks": 1}
        ],
    )  # fmt: skip
    made = rival.build_rival(recipe, 16_000, 4, None, torch.device("cpu"))
    waveforms = 0.1 * torch.randn(3, 1, 16_000, generator=torch.Generator().manual_seed(0))
    ours = LogMel(normalise="batch", mean=PUBLISHED_MEAN, std=PUBLISHED_STD)(waveforms[:, 0])
    torch.testing.assert_close(
        made.transform(waveforms)[:, 0].transpose(1, 2), ours, rtol=1e-3, atol=1e-3
    )
    before = [weight.clone() for weight in made.network.parameters()]
    loss = made.step(waveforms, torch.tensor([0, 1, 2]))
    assert np.isfinite(loss)
    assert all(
        not torch.equal(*both) for both in zip(before, made.network.parameters(), strict=True)
    )


def test_clips_are_cut_in_whole_numbers(tmp_path: Path) -> None:
    packed, _ = breaths(tmp_path)
    spans = packed.index[["first_sample", "n_samples"]].to_numpy(np.int64)
    for fill in ("circular", "zeros", "reflect"):
        found = cut(packed.samples, spans, 2000, fill)
        assert found.dtype == torch.int16
        assert torch.equal(as_float(found), clips(packed.samples, spans, 2000, fill))
        first, count = spans[0]
        own = packed.samples[first : first + min(count, 2000)] / 32768
        np.testing.assert_array_equal(as_float(found)[0, : len(own)], own.astype(np.float32))
