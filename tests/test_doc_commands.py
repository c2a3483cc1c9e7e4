"""Every command of README and docs is run here as it is written, or it is said why not.

How to deal with a new command:

- What it begins with stands in PROGRAMS of documented.py; what is printed stands in a block of the
  language text: a block without a language holds commands and nothing else.
- A path or name that the reader fills in (`/my/folder`, `FOLDER`, `<version>`) stands in CORPORA of
  doc_places.py, with a function that makes it, or in `places` below, where it is a run's result.
- A command that cannot be run here (network, GPU, a service, hours) stands in ELSEWHERE, with the
  reason and the test that covers it; a run that another test does has its fixture in BY_FIXTURE.
- What a small corpus needs besides stands in MORE; exit codes other than 0 in CODES.

A command without `--env` runs in the environment `test`; the environments of corpora are given the
small networks of that one. Commands run in the order of the pages, in one copy of the project that
holds a finished run of each task: what one leaves, a later one may read, so one
that is chosen by -k may miss what it reads.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import PROJECT, FinishedRun
from doc_places import CORPORA
from documented import (
    BLOCKS,
    PROGRAMS,
    Places,
    Runner,
    commands_of,
    documented,
    is_command,
    python_blocks,
    started_runner,
    without_variables,
)
from test_docs import blocks_of, every_page, prose_of

PYTHON = python_blocks()

BY_FIXTURE = {
    "kedro run --pipeline=cry_verification": "finished_run",
    "kedro run --pipeline=speaker_verification": "finished_speakers",
    "kedro run --pipeline=speaker_identification": "finished_identification",
    "kedro run --pipeline=cry_scream_ensemble": "finished_screams",
    "kedro run --pipeline=respiratory_scl": "finished_respiratory",
    "kedro run --pipelines=respiratory_scl_seeds": "finished_seeds",
}
"""Runs that the whole suite shares: the same command with --env=test."""

ELSEWHERE = (
    (r"pip install ", "asks an index", "test_the_tests_have_the_line_that_ci_runs"),
    (r"pytest( |$)", "is a test", None),
    (r"kedro viz run", "ends when stopped", "test_viz_run_serves_the_pipelines_and_ends"),
    (r"kedro ipython", "waits for input", "test_ipython_has_catalog_context_and_pipelines"),
    (r"kedro package", "takes long", "test_the_wheel_holds_every_module_template_and_mark"),
    (r"bodysounds fetch ", "downloads", "test_fetch_takes_what_is_named"),
    (r"bodysounds-(client|worker) ", "needs Temporal", "test_serving_commands_are_understood"),
    (r"docker |mkdir -p data/serving|cp night.wav data/serving", "needs Docker", None),
    (r"dask ", "does not end", "test_dask_commands_are_understood"),
    (r"kedro run .*=tcp:", "needs a cluster", "test_runners_and_options_of_benchmarks_exist"),
    (r"kedro run .*=s3:", "needs a bucket", "test_params_of_the_command_line_are_read"),
    (r"kedro run .*facebook/", "asks the hub", "test_the_hub_is_asked_for_a_name_alone"),
    (
        r"kedro run .*DaskRunner",
        "takes minutes",
        "test_seeds_in_two_processes_give_the_same_bytes_as_one_after_the_other",
    ),
    (r"python benchmarks/intervals.py", "takes minutes", "test_metrics_coverage.py"),
    (r"python benchmarks/definitions.py", "takes minutes", "test_metrics_benchmark.py"),
    (r"python benchmarks/embedding.py", "takes minutes", "test_embedding_benchmark.py"),
    (r"python benchmarks/growth.py", "takes an hour", "test_growth_benchmark.py"),
    (r"python benchmarks/ingest.py", "takes minutes", "test_ingest_benchmark.py"),
    (r"python benchmarks/metrics.py", "takes minutes", "test_metrics_benchmark.py"),
    (r"python benchmarks/processes.py", "takes minutes", "test_processes_benchmark.py"),
    (r"python benchmarks/respiratory.py", "takes minutes", "test_respiratory_benchmark.py"),
    (r"python benchmarks/scoring.py", "takes minutes", "test_scoring_cosine.py"),
    (r"python benchmarks/serving.py", "needs Temporal", None),
    (r"python benchmarks/shards.py", "takes minutes", "test_shards_dask.py"),
    (r"python benchmarks/training.py", "takes minutes", "test_training_benchmark.py"),
    (r"bodysounds .*\|$", "goes on in jq", "test_json_is_a_line_a_recording"),
    (r"jq ", "is another's", "test_json_is_a_line_a_recording"),
    (
        r"if bodysounds verify ",
        "is for a shell",
        "test_the_same_is_0_another_is_1_and_no_answer_is_3",
    ),
    (
        r"python -m bodysounds .*--conf-source",
        "needs the wheel",
        "test_the_pipeline_runs_elsewhere",
    ),
    (
        r"(bodysounds (verify|enrol|identify|classify|embed|export onnx|verify --pairs|"
        r"init-corpus)|kedro run)$",
        "is a name, not a call",
        None,
    ),
)
"""What is not run here, why, and the test or file of tests that covers it."""

MORE = (
    # the corpus is counted against the publication
    (r"kedro run --env=cryceleb", "complete=false"),
    # the published widths, which the given weights have
    (r"init_published=.*resnet18", "speaker_identification.train_classifier.width=64"),
    (r"panns=", "respiratory_scl.train_respiratory.width=1.0"),
    # there are not 200 speakers
    (r"n_speakers=200", "n_speakers=10"),
    # a corpus that was made by then
    (
        r"kedro run --env=my_cries (?!.*--params)",
        "--params channels=16,dim=16,cry_verification.train_embedding.epochs=1",
    ),
    (
        r"kedro run --env=my_cries .*threshold",
        "channels=16,dim=16,cry_verification.train_embedding.epochs=1",
    ),
    # other corpora have runs of the task here, too
    (r"bodysounds compare (?!.*--corpus)", "--corpus test"),
)
"""What a command is given besides, because what stands in is small: an option, or for --params."""

ALONE = r"catalog describe-datasets|cry_verification_evaluate|^(mkdir|find|cp|python -c) "
"""Commands that are processes of their own, as in a shell."""

CODES = ((r"bodysounds (verify|identify|classify) ", {0, 1, 3}),)
"""Exit codes of answers: yes, no and none."""

COMMANDS = [
    command
    for command in documented()
    if not any(re.match(rf"(?:[A-Z_]+=\S* )*{pattern}", command) for pattern, *_ in ELSEWHERE)
]
# two runs must have been made; those of a corpus are, right before it
COMMANDS.sort(key=lambda c: c.startswith("bodysounds compare") and "--corpus" not in c)


def merge(into: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return both, the second above the first, as Kedro's soft merging has it."""
    merged = dict(into)
    for key, value in other.items():
        below = merged.get(key)
        merged[key] = (
            merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
        )
    return merged


def make_small(conf: Path) -> None:
    """Give the environments of corpora the small networks of the environment test."""
    small = yaml.safe_load((conf / "test/parameters.yml").read_text())
    # how sound is cut is the corpus's own
    del small["cry_scream_ensemble"]["split_sources"]
    del small["cry_scream_ensemble"]["train_wav2vec2"]["config"]["conv_dim"]
    # the made YAMNet's
    small["cry_scream_ensemble"]["train_yamnet"]["width"] = 0.25
    for recipe in small["_respiratory"].values():
        recipe |= {"n_epochs": 1, "head_epochs": 1}
    for recipes in ("_recipes", "_speaker_recipes"):
        for recipe in small[recipes].values():
            recipe["passes_per_epoch"] = 1
    for environment in conf.iterdir():
        if environment.is_dir() and environment.name not in ("base", "local", "test"):
            path = environment / "parameters.yml"
            own = yaml.safe_load(path.read_text()) if path.exists() else {}
            path.write_text(yaml.safe_dump(merge(own, small), sort_keys=False))


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest) -> dict[str, FinishedRun]:
    """The finished run of each task."""
    names = ("run", "speakers", "identification", "screams", "respiratory")
    found = [request.getfixturevalue(f"finished_{name}") for name in names]
    return {run.task: run for run in found}


@pytest.fixture(scope="module")
def project(
    runs: dict[str, FinishedRun], project_copy: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A copy of the project with the finished runs in it."""
    copy = tmp_path_factory.mktemp("documented") / "project"
    shutil.copytree(project_copy, copy, ignore=shutil.ignore_patterns("build", ".viz", "sessions"))
    make_small(copy / "conf")
    shutil.copytree(PROJECT / "benchmarks", copy / "benchmarks")
    return copy


@pytest.fixture(scope="module")
def places(runs: dict[str, FinishedRun], tmp_path_factory: pytest.TempPathFactory) -> Places:
    def result(task: str, name: str) -> Callable[[Path], Path]:
        return lambda _: runs[task].latest("06_models", name)

    def version(entry: str, result: str) -> Callable[[Path], str]:
        layer, name = result.split("/")
        found = runs["cry_verification"].latest
        return lambda _: f"cry_verification.{entry}:{found(layer, name).parent.name}"

    results: dict[str, Callable[[Path], object]] = {
        "encoder.safetensors": result("cry_verification", "encoder.safetensors"),
        "/path/to/encoder.safetensors": result("cry_verification", "encoder.safetensors"),
        "/path/to/speaker_identification/encoder.safetensors": result(
            "speaker_identification", "encoder.safetensors"
        ),
        "/path/to/classifier.safetensors": result(
            "speaker_identification", "classifier.safetensors"
        ),
        "--params raw=/path/to/ICBHI,classifier=/path/to/classifier.safetensors": lambda _: (
            f"--params raw={places.place('/path/to/ICBHI')},classifier="
            f"{result('respiratory_scl', 'classifier.safetensors')(_)}"
        ),
        "/path/to/bundle": lambda _: runs["cry_scream_ensemble"].results("06_models") / "bundle",
        "BUNDLE": lambda _: runs["cry_verification"].results("06_models") / "bundle",
        "data/06_models/demo/": lambda _: "data/06_models/test/",
        "data/08_reporting/demo/": lambda _: "data/08_reporting/test/",
        "<seed>": lambda _: "1",
        "cry_verification.encoder:<version>": version("encoder", "06_models/encoder.safetensors"),
        "cry_verification.previous:<version>": version("previous", "08_reporting/metrics.json"),
    }
    places = Places({**CORPORA, **results}, tmp_path_factory.mktemp("places"))
    return places


@pytest.fixture(scope="module")
def runner(project: Path) -> Iterator[Runner]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "KEDRO_DISABLE_TELEMETRY": "1",
            "COLUMNS": "200",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(project / "src"),
        }.items():
            patch.setenv(name, value)
        with started_runner(project) as runner:
            yield runner


def short_names(commands: list[str]) -> list[str]:
    return [f"{number}: {command[:80]}" for number, command in enumerate(commands)]


def with_more(filled: str, command: str) -> str:
    """Return the command with what it needs besides."""
    for pattern, more in MORE:
        if re.search(pattern, command):
            filled = (
                f"{filled} {more}"
                if more.startswith("--")
                else re.sub(r"(--params[ =]\S+)", rf"\1,{more}", filled)
            )
    return filled


@every_page
def test_every_command_begins_with_a_known_program(page: Path) -> None:
    """Nothing that looks like a command is left out."""
    found = {command: without_variables(command).split()[0] for command in commands_of(page)}
    unknown = [command for command, program in found.items() if program not in PROGRAMS]
    assert unknown == [], "See the top of this file"


@every_page
def test_every_block_says_what_stands_in_it(page: Path) -> None:
    assert {language for language, _ in blocks_of(page)} <= set(BLOCKS)
    # a fence that is indented, or of other marks, is none here
    assert not re.search(r"^\s*(```|~~~)", prose_of(page), re.MULTILINE)


@pytest.mark.parametrize(
    ("span", "one"),
    [
        ("kedro viz run", True),
        ("OMP_NUM_THREADS=1 python x.py", True),
        ("unheardof --out b.wav", True),
        ("./unheard.sh data/01_raw", True),
        ("mv a.wav b.wav", True),
        ("kedro", False),
        ("enrol --folder PEOPLE", False),
        ("--params recipe=ours", False),
        ("fill: zeros", False),
        ("reading ... 5096/5096", False),
        ("one of the two is misfiled; listen to them", False),
    ],
)
def test_a_command_among_words_is_told_from_a_name(span: str, one: bool) -> None:
    assert is_command(span) == one


@pytest.mark.parametrize("command", COMMANDS, ids=short_names(COMMANDS))
def test_the_command_runs(
    command: str, runner: Runner, places: Places, request: pytest.FixtureRequest
) -> None:
    if command in BY_FIXTURE:
        assert "Pipeline execution completed" in request.getfixturevalue(BY_FIXTURE[command]).output
        return
    filled = with_more(places.fill(command), command)
    left = re.findall(r"(?<!\w)/(?:path/to|my|other|runs)/\S*|<\w+>|\.\.\.", filled)
    assert left == [], f"what does {left} stand for? See the top of this file"
    code, output = runner.run(filled, alone=bool(re.search(ALONE, command)))
    allowed = next((codes for pattern, codes in CODES if re.match(pattern, command)), {0})
    assert code in allowed, output
    assert "Traceback" not in output
    if command.startswith("kedro run "):
        assert "Pipeline execution completed successfully" in output


def test_what_is_not_run_is_covered_elsewhere() -> None:
    tests = {path.name: path.read_text() for path in PROJECT.glob("tests/test_*.py")}
    del tests[Path(__file__).name]
    for pattern, _, test in ELSEWHERE:
        if test in tests:
            script = re.search(r"benchmarks/(\w+)", pattern)
            assert script
            assert script[1] in tests[test]
        elif test is not None:
            assert any(f"def {test}(" in text for text in tests.values()), test


def numbers(rng: np.random.Generator) -> dict[str, Any]:
    """The arrays that code of the docs takes as given: 40 embeddings of ten people, and pairs."""
    people = np.repeat(np.arange(10), 4)
    vectors = rng.normal(size=(10, 8))[people] + 0.5 * rng.normal(size=(40, 8))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    pairs = np.argwhere(np.ones((40, 40), bool))
    labels = (people[pairs[:, 0]] == people[pairs[:, 1]]).astype(int)
    scores = (vectors[pairs[:, 0]] * vectors[pairs[:, 1]]).sum(1)
    cohort = rng.normal(size=(300, 8)).astype(np.float32)
    cohort /= np.linalg.norm(cohort, axis=1, keepdims=True)
    return {
        "enrol": vectors, "test": vectors, "cohort": cohort, "pairs": pairs, "labels": labels,
        "scores": scores, "samples": rng.normal(0, 0.1, 20_000).astype(np.float32),
    }  # fmt: skip


@pytest.mark.parametrize(("name", "code"), PYTHON, ids=[name for name, _ in PYTHON])
def test_python_of_the_docs_runs(
    name: str, code: str, project: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    given = numbers(np.random.default_rng(0))
    exec(compile(places.fill(code), name, "exec"), given)
