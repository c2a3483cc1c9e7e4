"""Kedro's settings of this project."""

import warnings

from bodysounds.hooks import Beforehand, Headline, RunRecord

# on their way to ParallelRunner's processes they lose the name that they have
warnings.filterwarnings("ignore", "The node producing outputs .* is made from a 'partial'")

HOOKS = (Beforehand(), RunRecord(), Headline())

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # a corpus or --params changes single parameters and keeps the others
    "merge_strategy": {"parameters": "soft"},
}
