"""The worker's own command with an ensemble's bundle, as a user starts it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_ensemble import RATE, noise, rule, small_ensemble
from temporal import Live, ended, spec, write
from temporal import address_fixture as address_fixture
from temporalio.client import Client

from bodysounds.audio.read import read_audio
from bodysounds.models.ensemble import load_ensemble, save_ensemble
from bodysounds.scoring.events import Frame, events_of
from bodysounds.scoring.frames import frames
from bodysounds.serving import tables
from bodysounds.serving.audio import probe
from bodysounds.serving.client import send, start

pytestmark = pytest.mark.temporal

COMMAND = "from bodysounds.serving.worker import main; main()"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "ensemble"
    events = {**rule()["events"], "onset": 0.335, "offset": 0.33}  # random weights are never sure
    save_ensemble(path, small_ensemble(events=events))
    return path


@pytest.fixture(scope="module")
def served(
    temporal_address: str, bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    live = Live(temporal_address, tmp_path_factory.mktemp("live"))
    options = ["--model", str(bundle), "--database", live.url, "--address", live.server]
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *options, "--queue", live.queue],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert any("worker ready" in line for line in iter(process.stderr.readline, ""))
        yield live
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


def check(live: Live, bundle: Path, paths: Sequence[Path]) -> None:
    """Stream files as chunks; windows, frames and events are those of the joined recording."""
    asked = spec(window_s=5.0, frame_hop_s=None)

    async def each() -> AsyncIterator[str]:
        for path in paths:
            yield str(path)

    async def main() -> None:
        client = await Client.connect(live.server)
        handle = await start(client, asked, live.queue)
        await send(handle, each())
        totals = await ended(handle)
        assert (totals.chunks, totals.rejected) == (len(paths), 0)

    asyncio.run(main())
    ensemble = load_ensemble(bundle)
    # the timeline has whole samples: up to one less a chunk than the resampler returns
    sound = np.concatenate([read_audio(path)[: probe(str(path), RATE)] for path in paths])
    rows = live.rows(tables.windows, asked.stream_id)
    assert abs(rows[-1]["end_s"] - len(sound) / RATE) < 0.01
    heard: list[Frame] = []
    for row in rows:
        wave = sound[round(row["start_s"] * RATE) : round(row["end_s"] * RATE)]
        starts, clips = frames(wave, RATE, ensemble.clip_s, ensemble.hop_s, ensemble.short)
        loud = np.abs(clips).max(axis=1) >= 1e-4  # -80 dBFS; others are not asked about
        wanted = np.exp(ensemble.predict(clips).log_probabilities) * loud[:, None]
        got = np.array(row["frames"])
        mean = got[loud, 3:].mean(axis=0)
        assert np.abs(got[:, 0] - row["start_s"] - starts).max() < 1e-3
        assert np.abs(got[:, 3:] - wanted).max() < 5e-3
        assert list(row["probabilities"].values()) == pytest.approx(mean, abs=1e-4)
        assert row["label"] == ensemble.labels[int(mean.argmax())]
        assert row["model"] == str(bundle)
        heard += [
            Frame(a, b, dict(zip(ensemble.labels, p, strict=True)), bool(unsure))
            for a, b, unsure, *p in row["frames"]
        ]
    stored = live.rows(tables.events, asked.stream_id)
    wanted_events = events_of(heard, ensemble.event_rules)
    assert len(wanted_events) > 0
    assert sorted((e["onset_s"], e["offset_s"], e["label"]) for e in stored) == sorted(
        (e.onset_s, e.offset_s, e.label) for e in wanted_events
    )


def test_a_bundle_served_says_what_the_bundle_says(
    served: Live, bundle: Path, tmp_path: Path
) -> None:
    parts = noise(4, seconds=3.3)
    check(served, bundle, [write(tmp_path / f"{k}.wav", part) for k, part in enumerate(parts)])


@pytest.mark.data
def test_real_clips_end_to_end(served: Live, bundle: Path, data_dir: Path) -> None:
    """Cries, screams and other sound, of flac, mp3 and ogg, at 8 to 48 kHz."""
    folder = data_dir / "cry_scream"
    table = pd.read_csv(folder / "data_manifest.csv")
    chosen = table.groupby("label").head(3)
    assert set(chosen["label"]) == {"crying", "normal", "screaming"}
    check(served, bundle, [(folder / path).resolve() for path in chosen["file_path"]])
