"""The configuration of a task as kedro reads it, for the tests of the house."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader

CONF = Path(__file__).resolve().parents[1] / "conf"
ENVIRONMENTS = sorted(path.name for path in CONF.iterdir() if (path / "globals.yml").is_file())


@functools.cache
def parameters_of(task: str, env: str, **runtime: Any) -> dict[str, Any]:
    """Return the parameters of a task by stage, with those of --params."""
    return OmegaConfigLoader(
        str(CONF),
        env=env,
        base_env="base",
        default_run_env="local",
        runtime_params=runtime,
        merge_strategy={"parameters": "soft"},
    )["parameters"][task]
