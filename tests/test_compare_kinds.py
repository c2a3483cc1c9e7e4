"""The run before this one is of the same pipeline: folds do not rate what a plain run rates."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog, Version
from test_compare import pairs, verification
from test_compare_hostile import saved

from bodysounds.commands import run_command
from bodysounds.datasets.previous import PreviousRun
from bodysounds.pipeline_registry import register_pipelines
from bodysounds.reporting.compare import compare_with_earlier
from bodysounds.reporting.compare_words import shown
from bodysounds.reporting.find_runs import find_runs
from bodysounds.reporting.html import render
from bodysounds.reporting.run_kinds import kind_of
from bodysounds.reporting.runs_on_disk import Earlier, Place

TASK = "cry_verification"
NOW = "2026-12-01T00.00.00.000Z"


def version(month: int) -> str:
    return f"2026-{month:02d}-01T00.00.00.000Z"


def made_by(*pipelines: str | None) -> Any:
    run = verification(pairs(0, 1.0))
    names = [name for name in pipelines if name]
    return dataclasses.replace(run, record={**run.record, "run": {"pipeline_names": names or None}})


def history(data: Path, *pipelines: str | None) -> Path:
    """A run a month, each by one pipeline; None is a run of the default one."""
    for month, name in enumerate(pipelines, start=1):
        saved(data, version(month), made_by(name))
    return data / "08_reporting" / "demo" / TASK / "metrics.json"


def previous(path: Path, kind: str = "", chosen: str | None = None) -> PreviousRun:
    return PreviousRun(filepath=str(path), kind=kind, version=Version(chosen, NOW))


@pytest.mark.parametrize(
    ("pipelines", "kind"),
    [
        ([], ""),
        (["cry_verification"], ""),
        (["cry_verification_evaluate"], ""),
        (["cry_verification_folds"], "folds"),
        (["speaker_verification_folds", "cry_verification_recipes"], "recipes"),
        (["speaker_verification_folds"], ""),
        (["__default__"], ""),
    ],
)
def test_a_record_tells_the_kind_of_its_run(pipelines: list[str], kind: str) -> None:
    assert kind_of(TASK, made_by(*pipelines).record) == kind
    assert kind_of(TASK, {}) == kind_of(TASK, {"run": None}) == ""


def test_the_previous_run_is_one_of_the_same_kind(tmp_path: Path) -> None:
    names = (None, f"{TASK}_folds", f"{TASK}_evaluate", f"{TASK}_folds", f"{TASK}_recipes")
    path = history(tmp_path, *names)
    # of the entry's version, which the record keeps, too
    for kind, month in (("", 3), ("folds", 4), ("recipes", 5)):
        entry = previous(path, kind)
        assert entry.load().run.version == entry.resolve_load_version() == version(month)
        assert entry.load().why_none == ""
    # who names a version has it, of whatever kind
    assert previous(path, "", version(4)).load().run.version == version(4)


def test_no_more_records_are_loaded_than_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = history(tmp_path, *[None] * 6, f"{TASK}_folds", None)
    loaded: list[str] = []
    load = Place.json

    def counted(self: Place, name: str) -> Any:
        loaded.extend([self.version] if name == "record.json" else [])
        return load(self, name)

    monkeypatch.setattr(Place, "json", counted)
    for asked, run, seen in (
        (("",), 8, {8}),
        (("folds",), 7, {7, 8}),
        (("", version(3)), 3, {3}),
    ):
        assert previous(path, *asked).load().run.version == version(run)
        assert set(loaded) == {version(month) for month in seen}
        loaded.clear()
    (place,) = find_runs(["previous"], str(tmp_path))
    assert place.version == version(6)
    assert loaded == [version(8), version(7), version(6)]


def test_where_only_other_kinds_lie_the_page_says_so(tmp_path: Path) -> None:
    path = history(tmp_path, f"{TASK}_folds", f"{TASK}_recipes")
    entry = previous(path)
    assert not entry.exists()
    earlier = entry.load()
    assert earlier.run is None
    found = compare_with_earlier(earlier, verification(pairs(1, 2.5)))
    assert found["first"] is None
    assert found["why_none"].startswith(f"No earlier run of {TASK} lies here")
    assert f"come from {TASK}_folds, {TASK}_recipes," in found["why_none"]
    page = render("comparison.html.j2", comparison=shown(found), title="x", version="0")
    assert found["why_none"] in page
    assert "What was changed" not in page
    # how often the test set was scored is told all the same
    again = found | {"times": 3}
    page = render("comparison.html.j2", comparison=shown(again), title="x", version="0")
    assert "has been scored 3 times" in page
    # nothing at all lies there: nothing is said
    alone = previous(tmp_path / "none" / TASK / "metrics.json").load()
    assert alone == Earlier("none", None, {})
    assert shown(compare_with_earlier(alone, verification(pairs(1, 2.5)))) is None


def test_the_command_goes_by_the_kind_of_the_latest_run(tmp_path: Path, capsys: Any) -> None:
    history(tmp_path, None, f"{TASK}_folds", f"{TASK}_evaluate", f"{TASK}_folds", None)
    both = find_runs(["previous", "latest"], str(tmp_path))
    assert [place.version for place in both] == [version(3), version(5)]
    saved(tmp_path, version(6), made_by(f"{TASK}_folds"))
    both = find_runs(["previous", "latest"], str(tmp_path))
    assert [place.version for place in both] == [version(4), version(6)]
    saved(tmp_path, version(7), made_by(f"{TASK}_recipes"))
    assert run_command("compare", ["previous", "latest", "--data", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert f"no run of {TASK}_recipes before the latest" in said
    assert "name one by its version" in said
    # one that did not finish tells no kind
    saved(tmp_path, version(8), made_by(None), finished=False)
    (place,) = find_runs(["previous"], str(tmp_path))
    assert place.version == version(7)


def test_a_record_that_cannot_be_read_stops_nobody(tmp_path: Path) -> None:
    path = history(tmp_path, None, None)
    record = path.parent / "record.json" / version(2) / "record.json"
    for spoilt in ("{", '{"run": 3}', '{"run": {"pipeline_names": 3}}', "[]"):
        record.write_text(spoilt)
        assert previous(path).load().run is not None
        assert previous(path).resolve_load_version() == version(2)
        (place,) = find_runs(["previous"], str(tmp_path))
        assert place.version == version(1)


def test_each_pipeline_reads_the_entry_of_its_kind() -> None:
    loader = OmegaConfigLoader(str(PROJECT / "conf"), base_env="base", default_run_env="test")
    catalog = DataCatalog.from_config(loader["catalog"])
    found = 0
    for name, pipeline in register_pipelines().items():
        for given in pipeline.inputs():
            task, _, entry = given.partition(".")
            if entry.startswith("previous") and name != "__default__":
                dataset = catalog[given]
                assert isinstance(dataset, PreviousRun)
                record = {"run": {"pipeline_names": [name]}}
                assert dataset._kind == kind_of(task, record)
                found += 1
    assert found == len(register_pipelines()) - 1
