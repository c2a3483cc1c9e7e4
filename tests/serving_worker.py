"""Run in a process of its own by the serving tests: the worker's command, with a stand-in model."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Sequence
from multiprocessing.connection import wait

from temporal import FakeModel

from bodysounds.serving.worker import main


def serve(arguments: Sequence[str], log: str, delay_s: float) -> None:
    """Run bodysounds-worker with a model that takes `delay_s` a clip; stderr goes into a file."""
    threading.Thread(target=_die_with_parent, daemon=True).start()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 2)
    main(arguments, load=lambda path: FakeModel(delay_s=delay_s))


def _die_with_parent() -> None:
    """Outlive no test, however it ends."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
