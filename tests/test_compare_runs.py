"""`bodysounds compare`, and the section of the report, on runs that lie on a disk."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pytest
from conftest import FinishedRun, kedro
from kedro.io import DatasetError, Version
from sklearn.metrics import roc_curve

from bodysounds.__main__ import main
from bodysounds.commands import run_command
from bodysounds.datasets.previous import PreviousRun
from bodysounds.reporting.find_runs import find_runs
from bodysounds.reporting.runs_on_disk import list_runs, place_of, read_run

FIRST = "2026-01-01T00.00.00.000Z"
LATER = "2027-01-01T00.00.00.000Z"


def copied(run: FinishedRun, folder: Path) -> Path:
    """A data folder with the first run of a task alone, so that the session's stays as it is."""
    data = folder / "data"
    source = run.project / run.data
    record = min(source.glob(f"08_reporting/test/{run.task}/record.json/*"))
    for layer in sorted(path for path in source.iterdir() if path.is_dir()):
        kept = layer / "test" / run.task
        if kept.exists():
            shutil.copytree(kept, data / layer.name / "test" / run.task)
    for path in sorted(data.glob("0*/**/*T*Z")):
        if path.name != record.name:
            shutil.rmtree(path)
    return data


@pytest.fixture(scope="module")
def verified(
    finished_run: FinishedRun, tmp_path_factory: pytest.TempPathFactory
) -> tuple[FinishedRun, str]:
    """Two runs of cry_verification in a data folder of their own; what the second one logged."""
    data = copied(finished_run, tmp_path_factory.mktemp("compared"))
    done = kedro(
        finished_run.project, "run", "--env=test", "--pipelines=cry_verification",
        f"--params=data={data},cry_verification.train_embedding.seed=5",
    )  # fmt: skip
    return replace(finished_run, data=str(data)), done.stdout


@pytest.fixture
def runs(verified: tuple[FinishedRun, str]) -> FinishedRun:
    return verified[0]


@pytest.fixture
def spoilt(runs: FinishedRun, tmp_path: Path) -> Path:
    """A copy of the two runs' reports, to be broken."""
    data = tmp_path / "data"
    shutil.copytree(Path(runs.data) / "08_reporting", data / "08_reporting")
    return data


def versions(data: Path, task: str = "cry_verification") -> list[str]:
    return sorted(path.name for path in data.glob(f"08_reporting/test/{task}/metrics.json/*"))


def results(runs: FinishedRun) -> Path:
    return Path(runs.data) / "08_reporting" / "test" / runs.task


def compared(*arguments: str, capsys: Any) -> dict[str, Any]:
    assert run_command("compare", [*arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def eer(labels: Any, scores: Any) -> float:
    """Where the curve, its points joined by straight lines, has as many of both errors."""
    far, hit, _ = roc_curve(labels, scores, drop_intermediate=False)
    gap = far - (1 - hit)
    k = int(np.argmax(gap >= 0))
    share = -gap[k - 1] / (gap[k] - gap[k - 1])
    return float(far[k - 1] + share * (far[k] - far[k - 1]))


def test_the_paired_interval_is_that_of_a_slow_recomputation(
    runs: FinishedRun, capsys: Any
) -> None:
    """From the scores that the runs saved, each draw of the subjects as a list of its own."""
    found = compared("previous", "latest", "--data", runs.data, capsys=capsys)
    tables = [
        pd.read_parquet(path)
        for path in sorted(runs.project.joinpath(runs.data).glob("07*/test/*/scores.parquet/*/*"))
    ]
    trials = pd.read_parquet(runs.results("03_primary") / "trials.parquet")
    tested = trials[(trials["subset"] == "test") & trials["target"].notna()]
    ours = [
        table[table["system"] == "ours"].set_index("trial_id")["cosine"][tested["trial_id"]]
        for table in tables
    ]
    enrol, test = (
        tested[side].str.split("_").str[0].to_numpy() for side in ("enrol_id", "test_id")
    )
    labels = (tested["target"] == 1).to_numpy()
    names = sorted({*enrol, *test})
    rng = np.random.default_rng(0)
    differences: list[float] = []
    while len(differences) < 50:
        drawn = [names[k] for k in rng.integers(len(names), size=len(names))]
        times = [
            drawn.count(a) * (1 if same else drawn.count(b))
            for a, b, same in zip(enrol, test, labels, strict=True)
        ]
        rows = np.repeat(np.arange(len(tested)), times)
        if len(set(labels[rows])) == 2:
            first, second = (eer(labels[rows], one.to_numpy()[rows]) for one in ours)
            differences.append(second - first)
    rate = found["rates"][0]
    first, second = (eer(labels, one.to_numpy()) for one in ours)
    assert (rate["name"], rate["first"]) == ("eer", pytest.approx(first))
    assert rate["difference"] == pytest.approx(second - first)
    reach = 1.959964 * np.std(differences)
    assert np.std(differences) > 0.01
    assert rate["ci95"] == pytest.approx([second - first - reach, second - first + reach], abs=1e-6)
    # and each run's own rate is the one of its own report
    assert [found[which]["value"] for which in ("first", "second")] == [rate["first"], second]


def test_the_page_and_the_entry_say_what_the_command_says(runs: FinishedRun, capsys: Any) -> None:
    found = compared("previous", "latest", "--data", runs.data, capsys=capsys)
    entry = json.loads(runs.latest("08_reporting", "comparison.json").read_text())
    assert entry["rates"] == found["rates"]
    assert entry["common"] == found["common"]
    assert entry["first"]["version"] == found["first"]["version"]
    assert entry["times"] == found["times"] == 2
    assert entry["changed"]["parameters"] == {"train_embedding.seed": [0, 5]}
    page = runs.latest("08_reporting", "report.html").read_text()
    for said in ("Since the previous run", "train_embedding.seed", "scored 2 times"):
        assert said in page
    first = next(results(runs).glob("report.html/*/report.html"))
    assert versions(Path(runs.data))[0] in str(min(results(runs).glob("report.html/*")))
    assert "Since the previous run" not in min(results(runs).glob("report.html/*/*")).read_text()
    assert first.exists()


def test_the_record_names_command_versions_parameters_and_data(runs: FinishedRun) -> None:
    record = json.loads(runs.latest("08_reporting", "record.json").read_text())
    assert record["command"].startswith("python -m kedro run --env=test --pipelines=cry_ver")
    assert record["run"]["runner"] == "SequentialRunner"
    assert record["parameters"]["train_embedding"]["seed"] == 5
    assert record["dataset_versions"]["cry_verification.previous"] == versions(Path(runs.data))[0]
    assert {"recordings_sha256", "samples_sha256"} <= set(record["data"])


def test_a_classifier_that_is_evaluated_again_differs_by_nothing(
    finished_identification: FinishedRun, tmp_path: Path, capsys: Any
) -> None:
    run = finished_identification
    data = copied(run, tmp_path)
    kedro(
        run.project, "run", "--env=test", f"--pipelines={run.task}_evaluate",
        f"--params=data={data}",
    )  # fmt: skip
    found = compared("previous", "latest", "--data", str(data), capsys=capsys)
    assert found["rates"][0]["name"] == "accuracy"
    assert {rate["difference"] for rate in found["rates"]} == {0}
    assert set(found["changed"]) == {"command"}
    page = max((data / "08_reporting").glob("test/*/report.html/*/report.html")).read_text()
    assert "Since the previous run" in page


def test_a_terminal_reads_a_table_and_what_was_changed(
    runs: FinishedRun, tmp_path: Path, capsys: Any
) -> None:
    page = tmp_path / "compare.html"
    main(["compare", "previous", "latest", "--data", runs.data, "--out", str(page)])
    printed = capsys.readouterr().out
    for said in ("B minus A", "EER", "minDCF", "On the same 64 pairs", "train_embedding.seed"):
        assert said in printed
    assert "http" not in page.read_text().replace("http-equiv", "")
    assert "train_embedding.seed" in page.read_text()


def test_without_runs_they_are_listed(runs: FinishedRun, capsys: Any) -> None:
    assert run_command("compare", ["--data", runs.data]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["version", "corpus", "task", "headline", "command"]
    assert [line.split()[0] for line in lines[1:]] == versions(Path(runs.data))
    assert "seed=5" in lines[-1]
    listed = compared("--data", runs.data, capsys=capsys)["runs"]
    assert {row["task"] for row in listed} == {"cry_verification"}


def test_a_run_has_many_names(runs: FinishedRun) -> None:
    first, second = versions(Path(runs.data))
    folder = results(runs)
    model = runs.latest("06_models", "encoder.safetensors")
    names = {
        "latest": second,
        "previous": first,
        first: first,
        str(folder / "record.json" / first / "record.json"): first,
        str(folder / "report.html" / second): second,
        str(folder / "figure" / "det.png" / first / "det.png"): first,
        str(model): second,
    }
    for name, version in names.items():
        (place,) = find_runs([name], runs.data)
        assert (place.version, place.task, place.corpus) == (version, runs.task, "test")
    # a keyword goes by the run beside it
    places = find_runs([str(folder / "metrics.json" / first), "latest"], runs.data)
    assert [place.version for place in places] == [first, second]


def test_what_fits_several_tasks_is_asked_back(spoilt: Path) -> None:
    reports = spoilt / "08_reporting" / "test"
    shutil.copytree(reports / "cry_verification", reports / "speaker_verification")
    with pytest.raises(ValueError, match=r"cry_verification on test, speaker_verification on test"):
        find_runs(["latest"], str(spoilt))
    with pytest.raises(ValueError, match="say which with --task or --corpus"):
        find_runs([versions(spoilt)[0]], str(spoilt))
    (place,) = find_runs(["latest"], str(spoilt), "speaker_verification")
    assert place.task == "speaker_verification"
    with pytest.raises(ValueError, match=r"no run of nonsense; there are runs of cry_ver"):
        find_runs(["latest"], str(spoilt), "nonsense")
    with pytest.raises(ValueError, match=r"no run 2020-\S+ of cry_verification; the latest are"):
        find_runs(["2020-01-01T00.00.00.000Z"], str(spoilt), "cry_verification")
    with pytest.raises(FileNotFoundError, match="nowhere is no file and no version"):
        find_runs(["nowhere"], str(spoilt))
    with pytest.raises(ValueError, match="is of no single run"):
        find_runs([str(reports)], str(spoilt))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["latest"], "name two runs, got 1"),
        (["latest", "previous", "latest"], "name two runs, got 3"),
        (["--out", "x.html"], "--out takes the comparison of two runs"),
    ],
)
def test_wrong_calls_end_with_two(arguments: list[str], message: str, capsys: Any) -> None:
    assert run_command("compare", arguments) == 2
    assert message in capsys.readouterr().err


def test_an_empty_folder_and_broken_files_are_one_sentence(
    spoilt: Path, tmp_path: Path, capsys: Any
) -> None:
    assert run_command("compare", ["--data", str(tmp_path / "none")]) == 2
    assert "holds no finished run" in capsys.readouterr().err
    first, second = versions(spoilt)
    folder = spoilt / "08_reporting" / "test" / "cry_verification"
    rated = folder / "rated.parquet" / first / "rated.parquet"
    rated.write_bytes(b"PAR1 torn")
    assert run_command("compare", [first, second, "--data", str(spoilt)]) == 2
    assert "rated.parquet is no Parquet table" in capsys.readouterr().err
    metrics = folder / "metrics.json" / second / "metrics.json"
    metrics.write_text(metrics.read_text()[:99])
    assert run_command("compare", [second, first, "--data", str(spoilt)]) == 2
    assert "metrics.json is no JSON" in capsys.readouterr().err
    # the list still lists the others
    assert run_command("compare", ["--data", str(spoilt)]) == 0
    assert "cannot be read" in capsys.readouterr().out


def test_runs_of_other_recordings_are_not_comparable(spoilt: Path, capsys: Any) -> None:
    first, second = versions(spoilt)
    path = spoilt / "08_reporting/test/cry_verification/rated.parquet" / first / "rated.parquet"
    table = pd.read_parquet(path)
    table.assign(test_sha256="0" * 16).to_parquet(path)
    found = compared(first, second, "--data", str(spoilt), capsys=capsys)
    assert found["rates"] == []
    assert found["warnings"][0].startswith("not comparable")


def entry(data: Path, save: str, load: str | None = None) -> PreviousRun:
    path = data / "08_reporting" / "test" / "cry_verification" / "metrics.json"
    return PreviousRun(filepath=str(path), version=Version(load, save))


def test_the_previous_run_is_the_latest_one_before(spoilt: Path) -> None:
    first, second = versions(spoilt)
    assert entry(spoilt, LATER).load().run.version == second
    assert entry(spoilt, LATER).resolve_load_version() == second
    assert entry(spoilt, second).load().run.version == first
    assert entry(spoilt, LATER, first).load().run.version == first
    nothing = entry(spoilt, FIRST)
    assert not nothing.exists()
    assert nothing.load().run is None
    assert not entry(spoilt / "nowhere", LATER).exists()
    assert entry(spoilt / "nowhere", LATER).load().run is None
    with pytest.raises(DatasetError, match="nothing saves it"):
        nothing.save({})


@pytest.mark.parametrize("broken", ["metrics.json", "rated.parquet", "record.json"])
def test_a_broken_earlier_run_is_passed_over(
    broken: str, spoilt: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = versions(spoilt)
    folder = spoilt / "08_reporting" / "test" / "cry_verification"
    (folder / broken / second / broken).write_bytes(b"{")
    with caplog.at_level(logging.WARNING):
        assert entry(spoilt, LATER).load().run.version == first
    assert f"run {second} is not compared with" in caplog.text
    # one that did not finish has no record
    shutil.rmtree(folder / "record.json" / first)
    assert entry(spoilt, LATER).load().run is None


def test_a_run_is_read_from_a_url(runs: FinishedRun) -> None:
    memory = fsspec.filesystem("memory")
    first, second = versions(Path(runs.data))
    try:
        memory.put(str(Path(runs.data) / "08_reporting"), "/bucket/08_reporting", recursive=True)
        assert [place.version for place in list_runs("memory:///bucket")] == [first, second]
        path = f"memory:///bucket/08_reporting/test/cry_verification/metrics.json/{first}"
        (place,) = find_runs([path], "data")
        assert read_run(place).version == first
        url = "memory:///bucket/08_reporting/test/cry_verification/metrics.json"
        dataset = PreviousRun(filepath=url, version=Version(None, LATER))
        assert dataset.load().run.version == second
    finally:
        memory.store.clear()
        memory.pseudo_dirs[:] = [""]


def test_a_member_belongs_to_its_task(tmp_path: Path) -> None:
    path = f"/x/06_models/demo/cry_scream_ensemble.yamnet/history.csv/{FIRST}/history.csv"
    place = place_of(fsspec.filesystem("file"), path)
    assert place.folder == "/x/08_reporting/demo/cry_scream_ensemble"
