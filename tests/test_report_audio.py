"""Runs whose page may hold sound, and a folder of recordings that nobody made."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import FinishedRun, kedro
from kedro.io import DatasetError
from test_compare_runs import copied

from bodysounds import Verifier
from bodysounds.commands import run_command
from bodysounds.datasets.corpora import FolderCorpus

EACH = 2
LONGEST_S = 4
CATALOG = """
"{{task}}.raw":
  type: bodysounds.datasets.corpora.FolderCorpus
  filepath: ${{runtime_params:raw}}
  reader: cryceleb
  name: my cries
  licence: {licence}
  synthetic: ${{runtime_params:synthetic, false}}
"""


def sounds_of(page: str) -> list[tuple[np.ndarray, int]]:
    """What the players of a page would play, in its order."""
    uris = re.findall(r'<audio[^>]* src="data:audio/flac;base64,([^"]+)"', page)
    return [soundfile.read(io.BytesIO(base64.b64decode(uri)), dtype="int16") for uri in uris]


def again(
    run: FinishedRun, data: Path, licence: str, part: str, folder: Path, *params: str
) -> FinishedRun:
    """Run a part of a verification once more, its demo's folder taken for somebody's own."""
    conf = folder / "conf"
    shutil.copytree(run.project / "conf", conf, dirs_exist_ok=True)
    shutil.copytree(conf / "test", conf / "mine", dirs_exist_ok=True)
    (conf / "mine" / "catalog.yml").write_text(CATALOG.format(licence=licence))
    raw = data / "01_raw" / "test" / run.task
    given = [f"data={data}", f"raw={raw}", f"{run.task}.report.audio={EACH}", *params]
    done = kedro(
        run.project, "run", f"--conf-source={conf}", "--env=mine", f"--pipelines={run.task}", part,
        f"--params={','.join(given)}",
    )  # fmt: skip
    return replace(run, data=str(data), output=done.stdout)


@pytest.fixture(scope="module")
def synthetic(finished_run: FinishedRun, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """All that is told of the first run, told again of a folder that is said to be synthetic."""
    folder = tmp_path_factory.mktemp("synthetic")
    part = f"--from-nodes={finished_run.task}.report.measure"
    data = copied(finished_run, folder)
    return again(finished_run, data, "CC-BY-4.0", part, folder, "synthetic=true")


def page_of(run: FinishedRun) -> str:
    return run.latest("08_reporting", "report.html").read_text()


def test_a_page_plays_the_recordings_of_the_worst_errors(synthetic: FinishedRun) -> None:
    failures = pd.read_csv(synthetic.latest("08_reporting", "failures.csv"))
    trials = pd.read_parquet(synthetic.results("03_primary") / "trials.parquet")
    tables = synthetic.results("02_intermediate")
    sides = pd.read_parquet(tables / "sides.parquet").sort_values(["side_id", "order"])
    paths = pd.read_parquet(tables / "manifest.parquet").set_index("recording_id")["path"]
    pairs = trials.set_index("trial_id")
    raw = synthetic.results("01_raw")
    expected = []
    for kind in ("false_accept", "false_reject"):
        for trial in failures[failures["kind"] == kind]["trial_id"].head(EACH):
            for side in pairs.loc[trial, ["enrol_id", "test_id"]]:
                own = sides[sides["side_id"] == side]["recording_id"].map(paths)
                read = [soundfile.read(raw / path, dtype="int16") for path in own]
                expected.append(np.concatenate([samples for samples, _ in read]))
    found = sounds_of(page_of(synthetic))
    assert len(found) == len(expected) >= 2 * EACH
    for (samples, rate), whole in zip(found, expected, strict=True):
        assert rate == 16_000
        np.testing.assert_array_equal(samples, whole[: LONGEST_S * rate])
    assert f"Audio is inside this page: {len(found)} excerpts" in page_of(synthetic)
    assert "It is synthetic." in page_of(synthetic)


def test_without_the_parameter_no_page_holds_sound(
    finished_run: FinishedRun, finished_identification: FinishedRun
) -> None:
    for run in (finished_run, finished_identification):
        assert "<audio" not in page_of(run)
        assert "data:audio" not in page_of(run)
        assert "No audio is inside this page." in page_of(run)


def test_a_licence_without_derivatives_forbids_sound(
    synthetic: FinishedRun, tmp_path: Path
) -> None:
    part = f"--nodes={synthetic.task}.report.write_page"
    data = tmp_path / "data"
    shutil.copytree(synthetic.data, data)
    bound = again(synthetic, data, "CC BY-NC-ND 4.0", part, tmp_path)
    assert bound.latest("08_reporting", "report.html").parent.name not in synthetic.output
    assert "<audio" not in page_of(bound)
    assert "CC BY-NC-ND 4.0, allows no excerpts" in page_of(bound)


def test_a_classifier_s_page_plays_the_surest_wrong_clips(
    finished_identification: FinishedRun, tmp_path: Path
) -> None:
    task = finished_identification.task
    data = copied(finished_identification, tmp_path)
    kedro(
        finished_identification.project, "run", "--env=test", f"--pipelines={task}",
        f"--nodes={task}.report_classes.write_page",
        f"--params=data={data},{task}.report_classes.audio={EACH}",
    )  # fmt: skip
    run = replace(finished_identification, data=str(data))
    head = json.loads(run.latest("08_reporting", "metrics.json").read_text())["headline"]
    said = pd.read_parquet(run.latest("07_model_output", "predictions.parquet"))
    said = said[(said["system"] == "ours") & (said["subset"] == head["subset"])]
    said = said[said["condition"] == head["condition"]]
    wrong = said[said["label"] != said["predicted"]]
    order = wrong.sort_values(["probability", "segment_id"], ascending=[False, True])
    examples = pd.read_parquet(run.results("03_primary") / "examples.parquet")
    manifest = pd.read_parquet(run.results("02_intermediate") / "manifest.parquet")
    places = examples.merge(manifest[["recording_id", "path"]]).set_index("segment_id")
    found = sounds_of(page_of(run))
    assert len(found) == min(EACH, len(order)) > 0
    for (samples, rate), name in zip(found, order["segment_id"], strict=False):
        place = places.loc[name]
        whole, _ = soundfile.read(run.results("01_raw") / place["path"], dtype="int16")
        clip = whole[round(place["start_s"] * rate) : round(place["end_s"] * rate)]
        np.testing.assert_array_equal(samples, clip[: LONGEST_S * rate])


# --- a folder of one's own that is synthetic ----------------------------------------------------


def test_a_synthetic_folder_is_called_so_wherever_its_results_go(
    synthetic: FinishedRun, capsys: Any
) -> None:
    metrics = json.loads(synthetic.latest("08_reporting", "metrics.json").read_text())
    assert metrics["headline"]["synthetic"] is True
    assert "SYNTHETIC sound" in synthetic.output
    assert "real recordings" not in synthetic.output
    assert "<dd>my cries, synthetic</dd>" in page_of(synthetic)
    assert '<p class="synthetic">' in page_of(synthetic)
    card = synthetic.latest("08_reporting", "model_card.md").read_text()
    assert "> **Synthetic sound.**" in card
    # nobody but the demo's was made by the package
    assert "synthesised by bodysounds itself" not in card
    bundle = max(synthetic.results("06_models").glob("bundle/*/*"))
    assert Verifier.load(bundle).about["corpus"]["synthetic"] is True
    cries = sorted(map(str, synthetic.results("01_raw").rglob("*.wav")))[:2]
    assert run_command("verify", [*cries, "--model", str(bundle)]) in (0, 1)
    assert "learnt from synthetic sounds" in capsys.readouterr().out


@pytest.mark.parametrize("value", ["yes", "true", 1, None])
def test_synthetic_is_true_or_false(value: Any, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="give true where nobody made these sounds"):
        FolderCorpus(filepath=str(tmp_path), reader="table", name="mine", synthetic=value)
    for kept in (True, False):
        corpus = FolderCorpus(filepath=str(tmp_path), reader="table", name="m", synthetic=kept)
        assert corpus.load().synthetic is kept
    assert not FolderCorpus(filepath=str(tmp_path), reader="table", name="m").load().synthetic
