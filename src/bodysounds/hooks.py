"""What surrounds a run: refusals, whole lines, its record, and the headline at its end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import AbstractVersionedDataset, CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.validation.exceptions import ParameterValidationError
from rich.logging import RichHandler

logger = logging.getLogger(__name__)


class RefusalError(click.ClickException, ValueError):
    """Why a run does not start: Click, which runs the commands, shows it without a traceback."""


@contextmanager
def _refusing(*kinds: type[Exception]) -> Iterator[None]:
    try:
        yield
    except kinds as error:
        raise RefusalError(str(error)) from error


class Context(KedroContext):
    """Kedro's, of which parameters that cannot be are a refusal as any other."""

    @property
    def params(self) -> dict[str, Any]:
        """Return the parameters, checked; RefusalError for those that cannot be."""
        with _refusing(ParameterValidationError):
            return super().params


class PlainHandler(logging.Handler):
    """One whole line a record, where Rich's handler would have written it."""

    def __init__(self, replaced: RichHandler) -> None:
        super().__init__(replaced.level)
        self.filters = list(replaced.filters)
        self._console = replaced.console
        told = "[%(asctime)s] %(levelname)-8s %(message)s"  # as Rich does
        self.setFormatter(logging.Formatter(told, "%m/%d/%y %H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            file = self._console.file
            line = self.format(record) + "\n"
            encoding = getattr(file, "encoding", None) or "utf-8"
            # a log file of another alphabet loses letters, not lines
            file.write(line.encode(encoding, "backslashreplace").decode(encoding))
            file.flush()
        except Exception:
            self.handleError(record)


class WholeLines:
    """Where the log goes to no terminal, Rich breaks its lines, and paths, at 80 letters."""

    @hook_impl
    def after_context_created(self) -> None:
        root = logging.getLogger()
        for handler in list(root.handlers):
            if not isinstance(handler, RichHandler):
                continue
            if not (handler.console.is_terminal or handler.console.is_jupyter):
                root.removeHandler(handler)
                root.addHandler(PlainHandler(handler))


def _tasks(pipeline: Pipeline) -> list[str]:
    return sorted({node.namespace.split(".")[0] for node in pipeline.nodes if node.namespace})


def _versions(pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> dict[str, str]:
    """Return the version of each versioned dataset that the run read or wrote."""
    found = {}
    for name in sorted(pipeline.datasets()):
        dataset = catalog.get(name)
        if isinstance(dataset, AbstractVersionedDataset) and dataset.exists():
            version = dataset.resolve_load_version()
            if version is not None:
                found[name] = version
    return found


def _place(dataset: AbstractVersionedDataset[Any, Any]) -> str:
    """Return the path, or the URL, that a dataset loads."""
    path = str(dataset._get_load_path())
    files = getattr(dataset, "_fs", None)
    return path if files is None or "file" in files.protocol else files.unstrip_protocol(path)


class Beforehand:
    """Refuses a run that would fail, or mislead, only at its end."""

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        from bodysounds.beforehand import RECIPES, check_recipe

        loader = context.config_loader
        # a folder, or what is within the archive that `kedro package` writes
        base = Path(loader._get_conf_env_path(loader.base_env))
        if not loader._fs.isdir(base.as_posix()):
            return  # Kedro says so
        for chosen_by in RECIPES:
            recipe = (loader.runtime_params or {}).get(chosen_by)
            if recipe is not None:
                with _refusing(ValueError):
                    check_recipe(str(recipe), base.parent, chosen_by, loader._fs.cat_file)

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        from kedro.framework.project import pipelines

        from bodysounds.beforehand import (
            check_bundle,
            check_classifier,
            check_encoder,
            check_names,
            check_task,
        )
        from bodysounds.params import plain

        given = run_params.get("runtime_params") or {}
        with _refusing(ValueError):
            check_names(given, list(pipelines))
        parameters = plain(catalog.load("parameters"))
        checks: dict[str, Callable[[str], Any]] = {
            "encoder": partial(check_encoder, "encoder"),
            "classifier": check_classifier,
            "bundle": check_bundle,
        }
        for task in _tasks(pipeline):
            if task in parameters:
                with _refusing(ValueError):
                    check_task(parameters[task], [node.name for node in pipeline.nodes])
            for name, check in checks.items():
                if not given.get(name) or f"{task}.{name}" not in pipeline.inputs():
                    continue
                if "://" in given[name]:
                    catalog.load(f"{task}.{name}")
                else:
                    with _refusing(ValueError):
                        check(given[name])


class RunRecord:
    """Saves `<task>.record`: command, versions of software and data, parameters, data hashes."""

    @hook_impl
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        from bodysounds.params import plain
        from bodysounds.reporting.record import data_hashes, run_of, run_record

        for task in _tasks(pipeline):
            name = f"{task}.record"
            if name not in catalog:
                continue
            mine = {n for n in pipeline.datasets() if n.startswith(f"{task}.")}
            tables = {
                entry: catalog.load(f"{task}.{entry}")
                for entry in ("manifest", "waveforms")
                if f"{task}.{entry}" in mine and catalog.exists(f"{task}.{entry}")
            }
            record = {
                **run_record(),
                "run": run_of(run_params),
                "parameters": plain(catalog.load("parameters").get(task, {})),
                "dataset_versions": _versions(pipeline, catalog),
                "data": data_hashes(**tables),
            }
            catalog.save(name, record)


class Headline:
    """Logs, at the end of a run, the number, what it stands on, and where the report is."""

    @hook_impl(trylast=True)
    def after_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
        from bodysounds.reporting.headline import headline

        for task in _tasks(pipeline):
            if f"{task}.metrics" not in pipeline.datasets():
                continue
            logger.info("%s: %s", task, headline(catalog.load(f"{task}.metrics")))
            for entry, told in (("report", "report"), ("inspection", "data inspection")):
                if f"{task}.{entry}" not in pipeline.datasets():
                    continue
                page = catalog[f"{task}.{entry}"]
                if isinstance(page, AbstractVersionedDataset) and page.exists():
                    # apart from the log, whose lines terminals break: a path is there to be copied
                    click.echo(f"{task}: the {told} is {_place(page)}")
