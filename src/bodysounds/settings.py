"""Kedro's settings of this project."""

import warnings
from pathlib import Path

from kedro.utils import find_kedro_project

from bodysounds.hooks import Beforehand, Context, Headline, RunRecord, WholeLines

# on their way to ParallelRunner's processes they lose the name that they have
warnings.filterwarnings("ignore", "The node producing outputs .* is made from a 'partial'")

CONTEXT_CLASS = Context

HOOKS = (WholeLines(), Beforehand(), RunRecord(), Headline())

# outside the project, where the wheel runs, no .telemetry says no, and viz has nowhere to write
DISABLE_HOOKS_FOR_PLUGINS = [
    "kedro-telemetry",
    *([] if find_kedro_project(Path.cwd()) else ["kedro-viz"]),
]

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # a corpus or --params changes single parameters and keeps the others
    "merge_strategy": {"parameters": "soft"},
}
