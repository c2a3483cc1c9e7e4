"""Kedro's settings of this project."""

from bodysounds.hooks import Beforehand, Headline, RunRecord

HOOKS = (Beforehand(), RunRecord(), Headline())

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # a corpus or --params changes single parameters and keeps the others
    "merge_strategy": {"parameters": "soft"},
}
