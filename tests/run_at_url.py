"""Run cry_verification with its results in fsspec's memory, and copy them to a folder.

python run_at_url.py PROJECT WORK COPY
"""

from __future__ import annotations

import sys
from pathlib import Path

import fsspec
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project


def main(project: str, work: str, copy: str) -> None:
    bootstrap_project(Path(project))
    given = {"data": "memory:///data", "work": work}
    with KedroSession.create(project, env="test", runtime_params=given) as session:
        session.run(pipeline_names=["cry_verification"])
    files = fsspec.filesystem("memory")
    for found in files.find("/"):
        goal = Path(copy + found)
        goal.parent.mkdir(parents=True, exist_ok=True)
        goal.write_bytes(files.cat_file(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
