"""From a layout to what is written: the survey, the task, metadata.csv and the environment."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bodysounds.corpora import cry_scream
from bodysounds.corpora.base import some
from bodysounds.corpora.survey.dealt import split_params
from bodysounds.corpora.survey.environment import (
    MANY_PAIRS,
    catalog_text,
    classes_text,
    globals_text,
    subjects_text,
)
from bodysounds.corpora.survey.facts import doubts, recoded, survey
from bodysounds.corpora.survey.fit import (
    TASKS,
    Fit,
    check_task,
    choose_task,
    fits,
    kind_of_task,
    window_s,
)
from bodysounds.corpora.survey.layout import Layout
from bodysounds.corpora.survey.shortcuts import label_shortcuts, sentences, subject_shortcuts
from bodysounds.corpora.survey.write import (
    check_folder,
    check_place,
    check_table,
    environment_name,
    table_text,
    write,
)
from bodysounds.corpora.table import TABLE
from bodysounds.params import IngestParams, SplitParams
from bodysounds.types import Metrics, Table


@dataclass(frozen=True)
class Plan:
    """What was found and what was done."""

    folder: Path
    layout: Layout
    facts: Metrics
    of_subjects: Metrics
    of_labels: Metrics
    fits: Mapping[str, Fit]
    task: str
    written: list[str]
    """Files, whether written or, in a dry run, to be written."""
    command: str | None
    """None where no task can run."""
    done: list[str]
    """The last lines, in words."""
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON takes it."""
        layout = self.layout
        return {
            "folder": str(self.folder),
            "layout": {
                "said": layout.said,
                "confidence": layout.confidence,
                "published": layout.published.name if layout.published else None,
                "columns": dict(layout.options),
            },
            "notes": [*layout.notes, *self.notes],
            "facts": self.facts,
            "shortcuts": {
                "subjects": self.of_subjects,
                "labels": self.of_labels,
                "said": sentences(self.of_subjects, self.of_labels),
            },
            "serves": {name: dataclasses.asdict(fit) for name, fit in self.fits.items()},
            "task": self.task,
            "written": self.written,
            "command": self.command,
        }


def plan(
    folder: Path, layout: Layout, *, conf: Path, name: str | None, task: str | None, force: bool,
    seed: int, dry_run: bool,
) -> Plan:  # fmt: skip
    """Survey the recordings of a layout, and write what a run needs unless `dry_run`.

    A published layout has its environment, and nothing is written. Raises ValueError where files
    are in the way, before any recording is read, and OSError where they cannot be written.
    """
    assert layout.recordings is not None
    check_task(task, layout.published.tasks if layout.published else TASKS)
    called = environment_name(name, folder)
    if layout.published is None:
        check_folder(folder)
        if layout.table is not None and "label" not in layout.table:
            check_table(folder / TABLE, force or dry_run, layout.notes)
        place = conf / called if dry_run else check_place(conf, called, force)
    limits = IngestParams()
    facts, manifest, descriptors = survey(folder, layout.recordings, limits, seed)
    if manifest.empty:
        raise ValueError(
            f"none of the {facts['recordings']} recordings in {folder} can be used; the first "
            f"reason: {_first_reason(facts)}"
        )
    found = fits(manifest, layout.published.tasks if layout.published else TASKS)
    notes = doubts(layout.recordings)
    of_subjects = subject_shortcuts(manifest, descriptors, seed)
    of_labels = label_shortcuts(manifest, descriptors, seed)
    base: dict[str, Any] = {"folder": folder, "layout": layout, "facts": facts, "fits": found,
            "of_subjects": of_subjects, "of_labels": of_labels, "notes": notes}  # fmt: skip
    if layout.published is not None:
        return _published(base, folder, layout, task)
    labels = " ".join(facts["labels"])
    chosen = choose_task(found, f"{layout.words} {labels}", task)
    files, kept = _files(folder, place, layout, manifest, facts, found, chosen, called)
    for path in kept:
        check_table(path, force or dry_run, layout.notes)
    if not dry_run:
        write(files, kept)
    fit = found[kind_of_task(chosen)]
    command = f"kedro run --env={called} --pipelines={chosen}" if fit.works else None
    verb = "would write" if dry_run else "written"
    done = [f"{verb}: {path}" for path in files]
    again = _own_again(manifest) if folder / TABLE in files else []
    if again:
        done.append(
            f"  without {len(again):,} copies in other formats, equal to 16 bits: {some(again)}"
        )
    if layout.kept:
        done.insert(0, f"kept as it is: {folder / layout.kept}")
    done += ["", "next:", f"  {command}"] if command else ["", f"{chosen} cannot run: {fit.why}"]
    other = {"cry_verification": "speaker_verification", "speaker_verification": "cry_verification"}
    if command and chosen in other:
        who = "people" if chosen == "cry_verification" else "crying infants"
        done.append(f"  (of {who}: --pipelines={other[chosen]})")
    return Plan(
        **base, task=chosen, written=[str(path) for path in files], command=command, done=done
    )  # fmt: skip


def _published(base: Mapping[str, Any], folder: Path, layout: Layout, task: str | None) -> Plan:
    published = layout.published
    assert published is not None
    chosen = task or published.tasks[0]
    kind = kind_of_task(chosen)
    params: dict[str, Any] = dict(published.params)
    assert layout.recordings is not None
    if published.unsplit and layout.recordings["subset_hint"].isna().all():
        params |= published.unsplit
        base["notes"].append(
            f"no file here has the split of {published.name}: the run deals train and test itself, "
            "so its results are not comparable with published ones"
        )
    if published.lists and kind != "verification":
        params.pop("trials", None)
    elif published.without_list:
        fit = base["fits"][kind]
        file = next(iter(published.lists.values()))
        base["notes"].append(
            f"no published list of trials lies here: put {file} into the folder to be compared "
            "with others, or give any list with --params trials=/path/to/list; without one, "
            "subjects are dealt into train, dev and test, and pairs are made of them"
        )
        if not fit.works:
            done = [f"{chosen} cannot run without a list of trials: {fit.why}"]
            return Plan(**base, task=chosen, written=[], command=None, done=done)
        params |= split_params(chosen, fit.facts["split"])
    values = {"raw": str(folder), **params}
    given = ",".join(f"{name}={value}" for name, value in values.items())
    command = f"kedro run --env={published.environment} --pipelines={chosen}"
    command += f" --params {shlex.quote(given)}"
    if "," in str(folder):
        base["notes"].append("--params takes no path with a comma: link the folder elsewhere")
    done = [f"nothing is written: the environment {published.environment} reads it", "next:"]
    return Plan(**base, task=chosen, written=[], command=command, done=[*done, f"  {command}"])


def _files(
    folder: Path, place: Path, layout: Layout, manifest: Table, facts: Metrics,
    found: Mapping[str, Fit], task: str, name: str,
) -> tuple[dict[Path, str], list[Path]]:  # fmt: skip
    """Return the texts of all files that are written, and which of them must not be lost."""
    ingest: dict[str, Any] = {}
    if facts["copies"]["groups"]:
        ingest["duplicates"] = "drop"
    bad = 1 - facts["usable"] / facts["recordings"]
    if bad > 0.5 * IngestParams().max_rejected_share:
        ingest["max_rejected_share"] = min(1.0, round(1.5 * bad + 0.05, 2))
    files: dict[Path, str] = {}
    kept: list[Path] = []
    if kind_of_task(task) == "classification":
        classes = sorted(facts["labels"])
        parameters = classes_text(classes, window_s(manifest), ingest)
        catalog = catalog_text(name, folder, {}, classes)
        if layout.kept != cry_scream.MANIFEST:
            kept.append(folder / cry_scream.MANIFEST)
            files[kept[0]] = table_text(_classes_table(layout))
    else:
        if layout.table is not None:
            kept.append(folder / TABLE)
            again = set(_own_again(manifest))
            files[kept[0]] = table_text(layout.table[~layout.table["file_name"].isin(again)])
        defaults = dataclasses.asdict(SplitParams())
        split = found["verification"].facts.get("split") or defaults
        tested = int(0.35 * facts["usable"])
        many = tested * tested / 2 > MANY_PAIRS
        parameters = subjects_text(split, defaults, ingest, many)
        catalog = catalog_text(name, folder, layout.options)
    files[place / "globals.yml"] = globals_text(name, folder)
    files[place / "catalog.yml"] = catalog
    files[place / "parameters.yml"] = parameters
    return files, kept


def _own_again(manifest: Table) -> list[str]:
    """Return paths of the same samples of the same subject in another format: a row serves."""
    one = manifest.groupby("sound")["subject_id"].transform("nunique") == 1
    return recoded(manifest[one & manifest["subject_id"].notna()])


def _classes_table(layout: Layout) -> Table:
    assert layout.recordings is not None
    rows = layout.recordings[layout.recordings["label"].notna()]
    table = rows[["path", "label", "subject_id", "domain", "subset_hint"]].rename(
        columns={"path": "file_path", "subject_id": "source_id", "domain": "corpus",
                 "subset_hint": "split"}
    )  # fmt: skip
    empty = [name for name in ("source_id", "corpus", "split") if table[name].isna().all()]
    return table.drop(columns=empty)


def _first_reason(facts: Metrics) -> str:
    named = [one for fault in facts["faults"].values() for one in fault["named"]]
    return str(named[0]["reason"]) if named else "unknown"
