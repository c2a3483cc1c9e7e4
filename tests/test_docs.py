"""What README and docs name is there: commands, parameters, entries, files, headings."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml
from conftest import PROJECT

from bodysounds import params
from bodysounds.beforehand import RECIPES, SHORTCUTS
from bodysounds.commands.fetch import _parser
from bodysounds.pipeline_registry import register_pipelines as register
from bodysounds.runners import DaskRunner
from bodysounds.serving import client, meters, tables, worker

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
README = PAGES[0].read_text(encoding="utf-8")
FOLDERS = ("tests", "benchmarks", "conf", "notebooks", "docs")
STAGES = {
    "ingest": params.IngestParams,
    "split": params.SplitParams,
    "split_closed": params.SplitClosedParams,
    "split_sources": params.SplitSourcesParams,
    "split_patients": params.SplitPatientsParams,
    "featurize": params.FeaturizeParams,
    "train_embedding": params.TrainEmbeddingParams,
    "train_classifier": params.TrainClassifierParams,
    "train_yamnet": params.TrainYamnetParams,
    "train_wav2vec2": params.TrainWav2vec2Params,
    "train_respiratory": params.TrainRespiratoryParams,
    "runs": params.RunsParams,
    "score_pairs": params.ScorePairsParams,
    "predict": params.PredictParams,
    "tasks": params.TasksParams,
    "ensemble": params.EnsembleParams,
    "threshold": params.ThresholdParams,
    "report": params.ReportParams,
    "report_classes": params.ReportClassesParams,
    "bundle": params.BundleParams,
}
FIELDS = {
    stage: {field.name for field in dataclasses.fields(kind)} for stage, kind in STAGES.items()
}
# a name that begins or ends elsewhere, such as 08_reporting or ingest.py, is another thing
OF_STAGE = re.compile(rf"(?<![\w.])(?:(\w+)\.)?({'|'.join(STAGES)})\.(?!json\b|html\b|py\b)(\w+)")
SERVING = PROJECT / "docs/serving.md"
BREATH = PROJECT / "docs/respiratory.md"

register_pipelines = cache(register)
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks_of(page: Path) -> list[tuple[str, str]]:
    """Return the language and the text of each fenced block of a page."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^```(.*?)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def prose_of(page: Path) -> str:
    """Return a page without its fenced blocks."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def lines_of(page: Path, language: str | None = None) -> list[str]:
    """Return the fenced lines of a page, of one language or of all, and its indented ones.

    Continued lines are joined.
    """
    fenced = [text for own, text in blocks_of(page) if language in (None, own)]
    indented = re.findall(r"^    (?=\S).*(?:\n      +\S.*)*", prose_of(page), re.MULTILINE)
    return re.sub(r"\\\n\s*", "", "\n".join([*fenced, *indented])).splitlines()


def spans_of(page: Path) -> list[str]:
    """Return what stands between backticks among the words of a page."""
    return re.findall(r"`([^`\n]+)`", prose_of(page))


def code_of(page: Path) -> list[str]:
    """Return the code of a page: fenced and indented lines, and spans."""
    return [*lines_of(page), *spans_of(page)]


def values_of(code: list[str], option: str) -> Iterator[str]:
    """Yield what the code gives an option of the command line, in either spelling."""
    for line in code:
        yield from (found.strip("\"'") for found in re.findall(rf"{option}[ =](\S+)", line))


@every_page
def test_pipelines_and_environments_exist(page: Path) -> None:
    code, pipelines = code_of(page), register_pipelines()
    for option in ("--pipeline", "--pipelines"):
        assert set(values_of(code, option)) <= set(pipelines)
    made = {name for line in code for name in re.findall(r"bodysounds init-corpus .*?(\w+) ", line)}
    for env in values_of(code, "--env"):
        assert env in made or (PROJECT / "conf" / env).is_dir(), env


@every_page
def test_params_of_the_command_line_are_read(page: Path) -> None:
    given = [item for value in values_of(code_of(page), "--params") for item in value.split(",")]
    for name in (item.partition("=")[0] for item in given if "=" in item):
        task, _, rest = name.partition(".")
        stage, _, field = rest.partition(".")
        known = task in register_pipelines() and field in FIELDS.get(stage, ())
        assert name in SHORTCUTS or known, f"{page.name}: --params {name}"


@every_page
def test_parameters_of_a_stage_are_its_fields(page: Path) -> None:
    for span in code_of(page):
        for task, stage, field in OF_STAGE.findall(span):
            if task in ("", *register_pipelines()):
                assert field in FIELDS[stage], f"{page.name}: {stage}.{field}"


@every_page
def test_recipes_exist(page: Path) -> None:
    for chosen_by, (file, key) in RECIPES.items():
        known = set(yaml.safe_load((PROJECT / "conf/base" / file).read_text())[key])
        pattern = rf"(?<!\w){chosen_by}=(\w+)"
        named = {name for span in code_of(page) for name in re.findall(pattern, span)}
        assert named <= known, page.name


@every_page
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in headings(there), f"{page.name}: {target}"
    for span in code_of(page):
        for path in re.findall(rf"(?<![\w/.-])(?:{'|'.join(FOLDERS)})/[\w./-]+(?![\w<*])", span):
            assert (PROJECT / path).exists() or "<" in span, f"{page.name}: {path}"


def headings(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize(
    ("page", "task"),
    [
        ("README.md", "cry_verification"),
        ("docs/identification.md", "speaker_identification"),
        ("docs/cry_scream.md", "cry_scream_ensemble"),
        ("docs/respiratory.md", "respiratory_scl"),
    ],
)
def test_what_a_run_leaves_is_what_it_saves(page: str, task: str) -> None:
    text = (PROJECT / page).read_text(encoding="utf-8")
    table = text.split("| entry | what it holds |\n|---|---|\n")[1].split("\n\n")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines()]
    told = {name for entries, _ in rows for name in re.findall(r"`([^`]+)`", entries)}
    saved = {name.removeprefix(f"{task}.") for name in register_pipelines()[task].datasets()}
    figures = {name.removeprefix("figure.") for name in saved if name.startswith("figure.")}
    assert told - {"figure.*", "record"} <= saved
    (row,) = [about for entries, about in rows if "figure.*" in entries]
    assert set(re.findall(r"`(\w+)`", row)) - {"inspection"} == {
        name for name in figures if not name.startswith("inspection_")
    }


def test_what_folds_and_seeds_of_breath_leave_besides() -> None:
    told: dict[str, set[str]] = {"folds": set(), "seeds": set()}
    for entry, kinds, _ in rows_of(BREATH, "| entry | of | what it holds |"):
        for kind in kinds.split(", "):
            told[kind].add(entry.strip("`"))
    alone = register_pipelines()["respiratory_scl"].datasets()
    for kind, entries in told.items():
        datasets = register_pipelines()[f"respiratory_scl_{kind}"].datasets() - alone
        own = {name.removeprefix("respiratory_scl.") for name in datasets}
        own = {name for name in own if not name.startswith("params:")}
        assert entries <= own
        assert {name for name in own if not re.match(r"(fold|seed)_\d\.run\.", name)} <= entries


def test_values_of_breath_are_those_of_the_configuration() -> None:
    conf = PROJECT / "conf/base"
    recipes = yaml.safe_load((conf / "parameters_respiratory_recipes.yml").read_text())
    published = recipes["_respiratory"]["published"]
    told = rows_of(BREATH, "| parameter of `train_respiratory` | `published` | |")
    for name, value, _ in told:
        assert yaml.safe_load(value) == published[name.strip("`")], name
    stages = yaml.safe_load((conf / "parameters_respiratory_scl.yml").read_text())
    for name, value, _ in rows_of(BREATH, "| parameter | default | |"):
        stage, field = name.strip("`").split(".")
        written = stages["respiratory_scl"][stage][field]
        if isinstance(written, str):  # what --params may fill in stands with its default
            written = re.sub(r"\$\{runtime_params:\w+, (.+)\}", r"\1", written)
        assert yaml.safe_load(value) == written, name


def test_the_example_of_breath_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np
    import soundfile
    import torch

    from bodysounds.models.classifier import Classifier, save_classifier
    from bodysounds.models.encoder import Encoder
    from bodysounds.models.network import build_body, detached

    (block,) = re.findall(r"^```python\n(.*?)^```", BREATH.read_text(), re.DOTALL | re.MULTILINE)
    (path,) = re.findall(r"\"(data/\S+safetensors)\"", block)
    built = {"name": "cnn6", "width": 0.1}
    hears = {"name": "log_mel", "sample_rate": 4000, "n_fft": 256, "hop": 64, "n_mels": 64,
             "f_min": 50.0, "f_max": 1800.0, "clip_s": 2.0, "fill": "circular"}  # fmt: skip
    encoder = Encoder(detached(build_body(built, seed=0)), built, hears, {})
    head = {"weight": torch.zeros(4, 48), "bias": torch.zeros(4)}
    made = Classifier(encoder, head, ["both", "crackle", "normal", "wheeze"])
    save_classifier(tmp_path / path / "v1" / "classifier.safetensors", made)
    samples = np.random.default_rng(0).normal(0, 0.1, 20_000).astype(np.float32)
    soundfile.write(tmp_path / "101_1b1_Al_sc_Meditron.wav", samples, 4000)
    (tmp_path / "101_1b1_Al_sc_Meditron.txt").write_text("0\t2\t0\t0\n2\t4\t1\t0\n")
    monkeypatch.chdir(tmp_path)
    names = {"samples": samples}
    exec(block, names)
    assert {"classifier", "cycles", "exact", "either"} <= set(names)


def test_the_readme_names_every_task_corpus_and_recipe() -> None:
    tasks = [
        name for name, own in register_pipelines().items() if f"{name}.metrics" in own.all_outputs()
    ]
    assert [task for task in tasks if f"--pipeline={task}`" not in README] == []
    environments = {path.name for path in (PROJECT / "conf").iterdir() if path.is_dir()}
    for env in environments - {"base", "local", "test"}:
        assert f"--env={env} " in README, env
    for file, key in RECIPES.values():
        for name in yaml.safe_load((PROJECT / "conf/base" / file).read_text())[key]:
            assert f"`{name}`" in README, name


@every_page
def test_runners_and_options_of_benchmarks_exist(page: Path) -> None:
    code = code_of(page)
    for name in values_of(code, "--runner"):
        module, _, kind = name.rpartition(".")
        assert hasattr(importlib.import_module(module or "kedro.runner"), kind), name
    taken = inspect.signature(DaskRunner).parameters
    for given in values_of(code, "--runner-params"):
        assert {item.partition("=")[0] for item in given.split(",")} <= set(taken), given
    for line in code:
        for script, options in re.findall(r"python (benchmarks/\w+\.py)((?: [^|;&]*)?)", line):
            known = set(re.findall(r'"(--[\w-]+)"', (PROJECT / script).read_text()))
            assert set(re.findall(r"(?<=\s)--[\w-]+", options)) <= known, line


@every_page
def test_fetch_takes_what_is_named(page: Path) -> None:
    for span in code_of(page):
        for corpus in re.findall(r"bodysounds fetch (\w+)", span):
            assert _parser().parse_args([corpus, "FOLDER"]).corpus == corpus


def test_the_tests_have_the_line_that_ci_runs() -> None:
    line = r'^pip install -e "\.\[test\]" && pytest'
    assert len(re.findall(line, README, re.MULTILINE)) == 1
    assert line.removeprefix("^") in (PROJECT / ".ci/run").read_text()


@every_page
def test_serving_commands_are_understood(page: Path) -> None:
    parsers = {"bodysounds-worker": worker._parser(), "bodysounds-client": client._parser()}
    for line in code_of(page):
        command, _, arguments = line.partition(" ")
        if command in parsers and arguments:
            parsers[command].parse_args(shlex.split(arguments))


def test_dask_commands_are_understood() -> None:
    pytest.importorskip("distributed")
    seen = set()
    for line in (line.strip() for page in PAGES for line in code_of(page)):
        if found := re.fullmatch(r"(?:[A-Z_]+=\S* )*dask (scheduler|worker) (.+)", line):
            program = importlib.import_module(f"distributed.cli.dask_{found[1]}").main
            program.make_context(f"dask {found[1]}", shlex.split(found[2]))
            seen.add(found[1])
    assert seen == {"scheduler", "worker"}


def test_the_tables_are_those_of_the_database() -> None:
    told = {}
    for name, _, columns in rows_of(SERVING, "| table | one row | columns |"):
        told[name.strip("`")] = re.findall(r"`(\w+)`", columns)
    assert told == {
        name: [column.name for column in table.columns]
        for name, table in tables.metadata.tables.items()
    }


def test_the_metrics_and_options_of_a_worker() -> None:
    told = {name.strip("`") for name, _ in rows_of(SERVING, "| metric | what it counts |")}
    source = Path(meters.__file__).read_text(encoding="utf-8")
    assert told == set(re.findall(r"\(\s*\"(bodysounds_\w+)\"", source))
    default = vars(worker._parser().parse_args([]))
    for option, value, _ in rows_of(SERVING, "| option of `bodysounds-worker` | default | |"):
        assert str(default[option.strip("`-").replace("-", "_")]) == value, option


def test_tests_that_are_named_are_there() -> None:
    written = "".join(path.read_text() for path in PROJECT.glob("tests/test_*.py"))
    for page in PAGES:
        for name in re.findall(r"`(test_\w+)`", page.read_text(encoding="utf-8")):
            assert f"def {name}(" in written, f"{page.name}: {name}"


def rows_of(page: Path, head: str) -> list[list[str]]:
    """Return the cells of the table that begins with this line."""
    table = page.read_text(encoding="utf-8").split(head + "\n")[1].split("\n\n")[0]
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[1:]]
